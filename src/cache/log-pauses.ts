import type { Clock } from "../runtime/clock.js";

/** Between attempts, in milliseconds: doubled from one to the next, and half of it by chance. */
export const [FIRST_PAUSE_MS, MAX_PAUSE_MS] = [50, 2000];

/** The waits of a reader between its attempts. */
export class LogPauses {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  /** Ends the wait that is under way. */
  #end: (() => void) | undefined;

  /**
   * @param clock of the sockets
   * @param random from 0 (included) to 1 (excluded)
   */
  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** All was well: the next failure is the first. */
  reset(): void {
    this.#failures = 0;
  }

  /** @param ms default: longer from one failure to the next */
  wait(ms = this.#nextMs()): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        timer.clear();
        this.#end = undefined;
        resolve();
      };
      const timer = this.#clock.setTimeout(end, ms, { background: true });
      this.#end = end;
    });
  }

  /** Nothing is waited for any more. */
  end(): void {
    this.#end?.();
  }

  #nextMs(): number {
    const longest = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++);
    return longest * (0.5 + this.#random() / 2);
  }
}
