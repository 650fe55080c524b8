import type { Clock } from "./clock.js";
import { errorName } from "./error-name.js";

/** What fails now and then makes no flood of lines, in milliseconds. */
const REPORT_EVERY_MS = 60_000;

/** Reports when something that was well begins to fail, and once a minute at most. */
export class FailureReport {
  readonly #clock: Clock;
  readonly #report: (name: string) => void;
  #failing = false;
  #quietUntil = Number.NEGATIVE_INFINITY;

  /** @param report is told the name of the error, or what is said of it that holds no secret */
  constructor(clock: Clock, report: (name: string) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  succeeded(): void {
    this.#failing = false;
  }

  failed(error: unknown, shown = errorName(error)): void {
    const now = this.#clock.monotonic();
    if (!this.#failing && now >= this.#quietUntil) {
      this.#quietUntil = now + REPORT_EVERY_MS;
      this.#report(shown);
    }
    this.#failing = true;
  }
}
