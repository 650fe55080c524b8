import { setImmediate } from "node:timers"; // in jsdom there is no global one
import type { Flight } from "./flights.js";

/** What the clocks of processes that share a tier may differ by, in milliseconds. */
export const MAX_SKEW_MS = 60_000;

/** An answer, and when it was asked for. All times are wall time in milliseconds. */
export interface Dated<V> {
  readonly value: V;
  /** Of the clock of the process that asked. */
  readonly askedAt: number;
  readonly expiresAt: number;
  /** Whose invalidation makes it void. */
  readonly subject: string | undefined;
}

/** `known`: the shared tier could be asked. */
export interface SharedAnswerLookup<V> {
  readonly known: boolean;
  readonly answer: Dated<V> | undefined;
}

/** One question on its way through the tiers. */
export type Trip<Q, V, T> = Flight<T, TripCargo<Q, V>>;

/** What it carries. */
export class TripCargo<Q, V> {
  readonly question: Q;
  /** Content with what the shared tier holds if that was asked for later, wall time in milliseconds. */
  readonly youngerThan: number;
  /** What the shared tier said on the way. */
  lookup: SharedAnswerLookup<V> | undefined;
  readonly #endOf: ((question: Q) => number | undefined) | undefined;
  #end: number | undefined;

  /** @param endOf wall time in milliseconds after which no answer may be used, by the question's own word */
  constructor(question: Q, endOf: ((question: Q) => number | undefined) | undefined, youngerThan: number) {
    this.question = question;
    this.youngerThan = youngerThan;
    this.#endOf = endOf;
  }

  /**
   * Works {@link end} out while everybody waits: nobody needs it before an answer is there. To be called when the shared tier has been
   * asked: the client of Redis writes in the next phase of the loop, and so comes first.
   */
  prepareEnd(): void {
    if (this.#endOf) setImmediate(() => this.end);
  }

  /** What the shared tier holds, where the question is content with it. */
  usable(now: number): Dated<V> | undefined {
    const answer = this.lookup?.answer;
    return answer && answer.askedAt > this.youngerThan && now < Math.min(answer.expiresAt, this.end)
      ? answer
      : undefined;
  }

  /** What the shared tier said holds no more, and does not come back with a later try. */
  withdraw(): void {
    if (this.lookup) this.lookup = { known: this.lookup.known, answer: undefined };
  }

  /** After which no answer may be used; infinite where the question does not say. */
  get end(): number {
    this.#end ??= this.#endOf?.(this.question) ?? Number.POSITIVE_INFINITY;
    return this.#end;
  }
}
