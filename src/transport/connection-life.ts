/** How long a connection serves before another takes its place, in milliseconds: by then DNS and balancers may lead elsewhere. */
const LIFE_MS = 600_000;

/**
 * A fifth more or less, so that connections that were made together do not end together.
 *
 * @param random from 0 (included) to 1 (excluded); what it throws would end the process: it is called behind a socket's events
 */
export function drawLife(random: () => number, ms = LIFE_MS): number {
  try {
    return ms * (0.8 + 0.4 * random());
  } catch {
    return ms;
  }
}
