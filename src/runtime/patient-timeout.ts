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
  return new PatientTimer(clock, callback, ms, background);
}

class PatientTimer implements Timer {
  readonly #clock: Clock;
  readonly #callback: (dueAt: number) => void;
  #background: boolean;
  #timer: Timer;

  constructor(clock: Clock, callback: (dueAt: number) => void, ms: number, background: boolean) {
    this.#clock = clock;
    this.#callback = callback;
    this.#background = background;
    this.#timer = clock.setTimeout(this.#onDue, ms, { background });
  }

  clear(): void {
    this.#timer.clear();
  }

  keepAlive(alive: boolean): void {
    this.#background = !alive;
    this.#timer.keepAlive?.(alive);
  }

  readonly #onDue = (): void => {
    const dueAt = this.#clock.monotonic();
    this.#timer = this.#clock.setTimeout(() => this.#callback(dueAt), 0, { background: this.#background });
  };
}
