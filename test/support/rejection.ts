/** The error that a promise rejects with; `undefined` where it resolves. */
export function rejectionOf(running: Promise<unknown>): Promise<unknown> {
  return running.then(() => undefined).catch((error: unknown) => error);
}
