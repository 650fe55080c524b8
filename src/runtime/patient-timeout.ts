import type { Clock, Timer } from "./clock.js";

/**
 * Calls `callback` once, after `ms` milliseconds and one more turn of the event loop. A process that was busy for longer than that finds
 * its timers due before it has read its sockets: the answer may be there, and its own stall would pass for a silent peer.
 *
 * @param callback is told the monotonic time, in milliseconds, at which the timer was due: what came in until then has been read
 */
export function setPatientTimeout(
  clock: Clock,
  callback: (dueAt: number) => void,
  ms: number,
  { background = false }: { background?: boolean } = {},
): Timer {
  let inBackground = background;
  let timer = clock.setTimeout(
    () => {
      const dueAt = clock.monotonic();
      timer = clock.setTimeout(() => callback(dueAt), 0, { background: inBackground });
    },
    ms,
    { background },
  );
  return {
    clear: () => timer.clear(),
    keepAlive: (alive) => {
      inBackground = !alive;
      timer.keepAlive?.(alive);
    },
  };
}
