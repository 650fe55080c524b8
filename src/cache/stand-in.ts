import type { Clock } from "../runtime/clock.js";
import type { Kind } from "./kind.js";
import type { ProcessAnswers } from "./process-answers.js";
import type { Trip } from "./trip.js";

export interface StandInOptions {
  readonly clock: Clock;
  /** How long past its end an answer may stand in for an unavailable service, in milliseconds. */
  readonly staleIfErrorMs: number;
}

/** Expired answers of one kind, which may stand in while the service is unavailable. */
export class StandIn<Q, V, P> {
  readonly #kind: Pick<Kind<Q, V, P, unknown>, "present">;
  readonly #process: ProcessAnswers<Q, V, P>;
  readonly #options: StandInOptions;

  constructor(
    kind: Pick<Kind<Q, V, P, unknown>, "present">,
    process: ProcessAnswers<Q, V, P>,
    options: StandInOptions,
  ) {
    this.#kind = kind;
    this.#process = process;
    this.#options = options;
  }

  /**
   * For a question that found nobody to answer it. Where the shared tier could be asked, its word counts: what it does not hold any more
   * may have been refused to, or invalidated by, another process.
   */
  find({ id, grounded, cargo: { end, lookup } }: Trip<Q, V, unknown>): P | undefined {
    const { clock, staleIfErrorMs } = this.#options;
    const now = clock.now();
    if (staleIfErrorMs <= 0 || now >= end) return undefined;
    const entry = this.#process.find(id);
    const kept = entry && { ...entry, expiresAt: entry.staleUntil - staleIfErrorMs };
    const dated = lookup?.known ? (grounded ? undefined : lookup.answer) : kept;
    if (!dated || now >= dated.expiresAt + staleIfErrorMs) return undefined;
    if (this.#process.isVoid(dated)) return undefined;
    return this.#kind.present(dated.value, "stale", end);
  }
}
