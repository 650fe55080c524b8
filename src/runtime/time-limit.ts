import type { Clock, Timer } from "./clock.js";
import { setPatientTimeout } from "./patient-timeout.js";
import { type Waiting, WaitList } from "./wait-list.js";

/** A caller that waits for an operation. */
interface Caller extends Waiting<Caller> {
  /** Monotonic time in milliseconds. */
  readonly until: number;
  reject(error: Error): void;
}

/**
 * Bounds operations of one kind, which may all take equally long, with one timer for all of them: one for each would cost as much as a
 * small operation itself.
 */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #late: () => Error;
  /** In the order in which their time is over. */
  readonly #waiting = new WaitList<Caller>();
  #timer: Timer | undefined;

  /** @param ms how long an operation may take, in milliseconds; then its caller gets what `late` makes */
  constructor(clock: Clock, ms: number, late: () => Error) {
    this.#clock = clock;
    this.#ms = ms;
    this.#late = late;
  }

  /** Settles as `promise` does, or rejects when its time is over. The promise itself goes on. */
  race<T>(promise: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const wasIdle = !this.#waiting.first;
      const caller: Caller = { until: this.#clock.monotonic() + this.#ms, reject, before: undefined, after: undefined };
      this.#waiting.add(caller);
      promise.then(
        (value) => {
          this.#leave(caller);
          resolve(value);
        },
        (error) => {
          this.#leave(caller);
          reject(error);
        },
      );
      if (!this.#timer) this.#arm(this.#ms);
      else if (wasIdle) this.#timer.keepAlive?.(true);
    });
  }

  #leave(caller: Caller): void {
    this.#waiting.delete(caller);
    if (!this.#waiting.first) this.#timer?.keepAlive?.(false);
  }

  /** Lets go of the timer, unless a caller waits for it. */
  rest(): void {
    if (this.#waiting.first) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** Stays when no caller waits any more, in the background, and then fires once for nothing. */
  #arm(ms: number): void {
    this.#timer = setPatientTimeout(this.#clock, (dueAt) => this.#onDue(dueAt), ms);
  }

  #onDue(dueAt: number): void {
    this.#timer = undefined;
    for (let caller = this.#waiting.first; caller; caller = this.#waiting.first) {
      if (caller.until > dueAt) return this.#arm(Math.max(0, caller.until - this.#clock.monotonic()));
      this.#waiting.delete(caller);
      caller.reject(this.#late());
    }
  }
}
