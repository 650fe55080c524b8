/** A timer that was started by {@link Clock.setTimeout}. */
export interface Timer {
  /** Stops the timer. Harmless when it has fired already. */
  clear(): void;
  /** Whether it keeps the process alive from now on. Without this method it stays as it was started. */
  keepAlive?(alive: boolean): void;
}

/**
 * Everything that waits or expires asks this clock, so that tests and simulations can hold the time in their hands.
 */
export interface Clock {
  /** Wall time, in milliseconds since the epoch. Compared with a token's `exp` and with what other processes wrote. */
  now(): number;
  /** Time that never jumps, in milliseconds from an arbitrary start. Deadlines and breakers are counted on it. */
  monotonic(): number;
  /**
   * Monotonic time at this moment, whose wall time was just read. For what would otherwise read two clocks on every request. Without this
   * method `monotonic` is asked.
   */
  monotonicAt?(wall: number): number;
  /**
   * Calls `callback` once, after `ms` milliseconds.
   * With `background` the timer does not keep the process alive.
   */
  setTimeout(callback: () => void, ms: number, options?: { background?: boolean }): Timer;
}

/** The two clocks are compared so often, by the wall clock, in milliseconds; that it was set by less is noticed so late. */
const COMPARED_EVERY_MS = 10;

let comparedAt = Number.POSITIVE_INFINITY;
let monotonicAhead = 0;

/** Each call has two of them. */
class SystemTimer implements Timer {
  readonly #timeout: NodeJS.Timeout;

  constructor(timeout: NodeJS.Timeout) {
    this.#timeout = timeout;
  }

  clear(): void {
    clearTimeout(this.#timeout);
  }

  keepAlive(alive: boolean): void {
    if (alive) this.#timeout.ref();
    else this.#timeout.unref();
  }
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  monotonicAt(wall) {
    const sinceMs = wall - comparedAt;
    if (sinceMs < 0 || sinceMs >= COMPARED_EVERY_MS) {
      comparedAt = wall;
      monotonicAhead = performance.now() - wall;
    }
    return wall + monotonicAhead;
  },
  setTimeout(callback, ms, options) {
    const timeout = setTimeout(callback, ms);
    if (options?.background) timeout.unref();
    return new SystemTimer(timeout);
  },
};
