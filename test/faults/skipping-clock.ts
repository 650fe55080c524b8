import { type Clock, systemClock } from "../../src/runtime/clock.js";

/** The clock of this machine, which can be set on: a quiet time fits into a test. Its timers take as long as ever. */
export class SkippingClock implements Clock {
  #skippedMs = 0;

  skip(ms: number): void {
    this.#skippedMs += ms;
  }

  now(): number {
    return systemClock.now() + this.#skippedMs;
  }

  monotonic(): number {
    return systemClock.monotonic() + this.#skippedMs;
  }

  setTimeout: Clock["setTimeout"] = (...timer) => systemClock.setTimeout(...timer);
}
