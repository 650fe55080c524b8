import type { Clock } from "../runtime/clock.js";
import { UpstreamError } from "./outcome.js";

/** Out after so many in a row. */
const STRIKES = 3;
/** For so long at first, in milliseconds; it doubles from time to time … */
const FIRST_OUT_MS = 1000;
/** … up to this. One that was back for as long begins anew. */
const LONGEST_OUT_MS = 30_000;

/** How the health of a replica stood when a call to it began. */
export interface Since {
  readonly period: number;
  readonly counted: number;
}

/**
 * How one replica did lately. In a row count its calls that were unreachable though they had their time, and the races that it lost; calls
 * that fall together are one. Calls that began before it went out, or before it came back, say nothing any more.
 */
export class ReplicaHealth {
  readonly #clock: Clock;
  #strikes = 0;
  #counted = 0;
  #period = 0;
  #outMs = 0;
  #until: number | undefined;
  #backAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isOut(): boolean {
    return this.#until !== undefined;
  }

  /** How long it stays out, in milliseconds; 0 where it is in, or where one call may show that it is well again. */
  get outMs(): number {
    return this.#until === undefined ? 0 : Math.max(0, this.#until - this.#clock.monotonic());
  }

  /** Whether it should be out. */
  get isFailing(): boolean {
    return this.#strikes >= STRIKES;
  }

  /** A new one each time that it goes out or comes back. */
  get period(): number {
    return this.#period;
  }

  /** How many strikes there were, whatever became of them. */
  get counted(): number {
    return this.#counted;
  }

  strike(): void {
    this.#counted++;
    this.#strikes++;
    if (this.isOut) this.#stayOut();
  }

  succeeded(): void {
    this.#strikes = 0;
    if (this.isOut) this.#comeBack();
  }

  /** It is alive, and whether it does its work was not seen: where it is out it comes back, and the next strike puts it out again. */
  alive(): void {
    if (!this.isOut) return;
    this.#strikes = STRIKES - 1;
    this.#comeBack();
  }

  /** It was asked, and did not show whether it is well: it stays out as long as before, without a strike. */
  postpone(): void {
    if (this.isOut && this.outMs === 0) this.#until = this.#clock.monotonic() + this.#outMs;
  }

  goOut(): void {
    const now = this.#clock.monotonic();
    if (now - this.#backAt >= LONGEST_OUT_MS) this.#outMs = 0;
    this.#period++;
    this.#stayOut();
  }

  #stayOut(): void {
    this.#outMs = this.#outMs === 0 ? FIRST_OUT_MS : Math.min(LONGEST_OUT_MS, this.#outMs * 2);
    this.#until = this.#clock.monotonic() + this.#outMs;
  }

  #comeBack(): void {
    this.#period++;
    this.#until = undefined;
    this.#backAt = this.#clock.monotonic();
  }
}

/** Of a call that failed. */
export interface Circumstances {
  /** It had its time. Default `true`. */
  readonly fair?: boolean;
  /** It was a known user's. Strangers can choose tokens that hang: their timeouts count once where they fall together. Default `true`. */
  readonly known?: boolean;
}

/**
 * Why it counts that a call to a replica ended with this, if it does: of calls that fall together only one.
 *
 * @param countedSince whether another strike was counted since the call began
 */
export function reasonToStrike(
  error: unknown,
  countedSince: boolean,
  { fair = true, known = true }: Circumstances = {},
): string | undefined {
  if (!(error instanceof UpstreamError) || error.failure !== "unreachable" || error.ours) return undefined;
  if (error.timedOut && !fair) return undefined;
  const together = error.timedOut ? !known : error.network || error.unprocessed;
  return together && countedSince ? undefined : `unreachable (${error.detail})`;
}
