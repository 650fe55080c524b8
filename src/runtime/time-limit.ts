import type { Clock, Timer } from "./clock.js";

/** Somebody who waits for an operation. */
interface Waiting {
  /** Monotonic time in milliseconds. */
  readonly until: number;
  reject(error: Error): void;
}

/**
 * Bounds operations of one kind, which may all take equally long, with one timer for all of them: one for each would cost as much as a
 * small operation itself.
 *
 * A process that was busy for longer than that finds its timers due before it has read what came in meanwhile: whoever is late gets one
 * more look at the network, or a stall of our own would pass for a dead peer.
 */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #late: () => Error;
  /** In the order in which their time is over. */
  readonly #waiting = new Set<Waiting>();
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
      const waiting = { until: this.#clock.monotonic() + this.#ms, reject };
      this.#waiting.add(waiting);
      promise.then(
        (value) => {
          this.#leave(waiting);
          resolve(value);
        },
        (error) => {
          this.#leave(waiting);
          reject(error);
        },
      );
      if (!this.#timer) this.#arm(this.#ms);
      else if (this.#waiting.size === 1) this.#timer.keepAlive?.(true);
    });
  }

  #leave(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    if (this.#waiting.size === 0) this.#timer?.keepAlive?.(false);
  }

  /** Lets go of a timer that nobody waits for. */
  rest(): void {
    if (this.#waiting.size > 0) return;
    this.#timer?.clear();
    this.#timer = undefined;
  }

  /** Stays when nobody waits any more, in the background, and then fires once for nothing. */
  #arm(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => this.#look(), ms);
  }

  #look(): void {
    const now = this.#clock.monotonic();
    const late: Waiting[] = [];
    for (const waiting of this.#waiting) {
      if (waiting.until > now) break;
      late.push(waiting);
    }
    if (late.length > 0) this.#timer = this.#clock.setTimeout(() => this.#end(late), 0);
    else this.#goOn();
  }

  #end(late: readonly Waiting[]): void {
    for (const waiting of late) {
      if (this.#waiting.delete(waiting)) waiting.reject(this.#late());
    }
    this.#goOn();
  }

  #goOn(): void {
    this.#timer = undefined;
    for (const { until } of this.#waiting) return this.#arm(Math.max(0, until - this.#clock.monotonic()));
  }
}
