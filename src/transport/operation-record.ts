import type { Clock } from "../runtime/clock.js";
import { LastMinute } from "./last-minute.js";

/**
 * What the calls of the last minute say of an upstream: `degraded` where some of them fail, or some look-ups; `down` where no token was
 * answered or refused and several calls in a row have failed, or none has ever been.
 */
export type UpstreamHealth = "ok" | "degraded" | "down";

/** In milliseconds: of what is looked at, and between two lines of one upstream. */
export const MINUTE_MS = 60_000;
/** So many failures within a minute, and such a share of the calls, are no accidents. */
const [OFTEN, OFTEN_SHARE] = [5, 0.1];
/** So many failures in a row, where there were answers before, and none in the last minute. */
const SEVERAL = 3;

/** How the calls of one operation of an upstream end. Times are monotonic, in milliseconds. */
export class OperationRecord {
  readonly #clock: Clock;
  readonly #minute: LastMinute;
  #isKnown = false;
  /** Without an answer or a refusal. */
  #since: number | undefined;
  #inRow = 0;
  #servedAt = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;
  /** Since when there was no minute without a failure. */
  #troubledSince = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#minute = new LastMinute(clock);
  }

  /** Whether it was answered or refused once. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** For how long there was no answer and no refusal, in milliseconds. */
  get failingForMs(): number {
    return this.#since === undefined ? 0 : this.#clock.monotonic() - this.#since;
  }

  /** Whether the last one is the only one that failed since one was served. */
  get isFirstFailure(): boolean {
    return this.#inRow === 1;
  }

  get lastMinute(): { readonly calls: number; readonly failed: number } {
    return this.#minute.counts;
  }

  /** Whether too many have failed, with others served between them, and for a minute or longer. */
  get isTroubled(): boolean {
    return this.#clock.monotonic() - this.#troubledSince >= MINUTE_MS && this.#failsOften;
  }

  /** One that has not failed for a minute, because nothing was asked, may be well again. */
  get health(): UpstreamHealth {
    const now = this.#clock.monotonic();
    if (now - this.#failedAt >= MINUTE_MS) return "ok";
    if (this.#since === undefined) return this.#failsOften ? "degraded" : "ok";
    const isServed = now - this.#servedAt < MINUTE_MS || (this.#isKnown && this.#inRow < SEVERAL);
    return isServed ? "degraded" : "down";
  }

  get #failsOften(): boolean {
    const { calls, failed } = this.#minute.counts;
    return failed >= OFTEN && failed >= calls * OFTEN_SHARE;
  }

  /** An answer or a refusal. */
  served(): void {
    this.#isKnown = true;
    this.#since = undefined;
    this.#inRow = 0;
    this.#servedAt = this.#clock.monotonic();
    this.#minute.add(false);
  }

  failed(): void {
    const now = this.#clock.monotonic();
    if (now - this.#failedAt >= MINUTE_MS) this.#troubledSince = now;
    this.#failedAt = now;
    this.#since ??= now;
    this.#inRow++;
    this.#minute.add(true);
  }
}
