/** Far more than anything takes here; it only keeps a broken test from waiting for ever. */
const GIVE_UP_MS = 8000;
const EVERY_MS = 20;

/** Tries until it is so. */
export async function eventually(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${GIVE_UP_MS} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
