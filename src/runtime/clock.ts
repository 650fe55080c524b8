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
   * Calls `callback` once, after `ms` milliseconds.
   * With `background` the timer does not keep the process alive.
   */
  setTimeout(callback: () => void, ms: number, options?: { background?: boolean }): Timer;
}

/** The clock of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout(callback, ms, options) {
    const timer = setTimeout(callback, ms);
    if (options?.background) timer.unref();
    return {
      clear: () => clearTimeout(timer),
      keepAlive: (alive) => void (alive ? timer.ref() : timer.unref()),
    };
  },
};
