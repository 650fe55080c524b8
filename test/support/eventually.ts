/** Far more than anything takes here; it only keeps a broken test from waiting for ever. */
const GIVE_UP_MS = 8000;
const EVERY_MS = 20;

/**
 * Tries until it is so.
 *
 * @param giveUpMs for what takes its time, as a failover does
 */
export async function eventually(
  isSo: () => boolean | Promise<boolean>,
  what: string,
  giveUpMs = GIVE_UP_MS,
): Promise<void> {
  const end = performance.now() + giveUpMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`not within ${giveUpMs} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
