/** Far more than anything in the background takes; it only keeps a broken test from waiting for ever. */
const GIVE_UP_MS = 10_000;

/** Waits, turn by turn, for something that happens in the background. */
export async function until(happened: () => boolean): Promise<void> {
  const end = performance.now() + GIVE_UP_MS;
  while (!happened()) {
    if (performance.now() > end) throw new Error(`it never happened: ${happened}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
