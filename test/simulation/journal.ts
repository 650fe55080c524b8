import type { UserRef } from "../../src/auth/model.js";
import {
  type Answer,
  type Ask,
  hasMeaningOf,
  type Invalidation,
  isSameUser,
  type Moment,
  type Question,
  type Request,
  type Try,
  triesOf,
} from "./records.js";

/** No look into the shared cache takes longer: two operations one after the other, 50 ms each. */
export const SHARED_LOOKUP_MS = 100;
/** No invalidation takes longer: two operations on the store, 50 ms each. */
export const INVALIDATION_MS = 100;
/** Nor does telling others of it: what spoils the log may have to be deleted, and each of three commands takes 100 ms at most. */
export const TELLING_MS = 300;
/** Deadlines are rounded up to whole milliseconds, wall time down. */
export const ROUNDING_MS = 1.5;

/** All that was seen of one process: what was asked upstream, by whom, and what was invalidated. */
export class Journal {
  readonly asks = new Map<Question, Ask[]>();
  readonly invalidations: Invalidation[] = [];
  readonly freshRequests = new Map<Question, Moment[]>();
  /** When the function that fetches our own credentials was called and did not bring them in time. */
  readonly credentialFaults: { began: number; ended: number }[] = [];
  /** When requests were told that a question is refused. */
  readonly toldRefused = new Map<Question, number[]>();
  /** When an answer, by its mark, last came into the process. */
  readonly arrivals = new Map<string, number>();
  /** When the shared store last brought an answer, by question. */
  readonly brought = new Map<Question, Map<Answer, number>>();
  closed: Moment | undefined;
  /** How far its wall clock is ahead, in milliseconds, and when it was set last. */
  aheadMs = 0;
  clockSetAt = Number.NEGATIVE_INFINITY;
  /** When the log last brought anything, and when something that it had told may have been missed last. */
  newsAt = Number.NEGATIVE_INFINITY;
  doubtedAt = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #begun = { turn: -1, count: 0 };
  /** When those came who may still be looking into the shared cache. */
  readonly #looking: number[] = [];
  /** Most of them at a time. */
  mostLooking = 0;

  asksOf(question: Question): readonly Ask[] {
    return this.asks.get(question) ?? [];
  }

  tellRefused(question: Question, at: number): void {
    push(this.toldRefused, question, at);
  }

  /** Whether the refusal is no evidence about one user: everybody was refused, and nobody waited for this one. */
  isDoubted({ question, verdict, mayBeDoubted }: Ask): boolean {
    if (!mayBeDoubted || !verdict) return false;
    return !this.toldRefused.get(question)?.some((at) => at === verdict.ended.at);
  }

  addAsk(ask: Ask): void {
    push(this.asks, ask.question, ask);
  }

  /**
   * How long a look may take that a caller joined then: where the log may have lost something since it began, it is made once more.
   */
  lookupMs(since: number): number {
    return this.doubtedAt >= since - SHARED_LOOKUP_MS ? 2 * SHARED_LOOKUP_MS : SHARED_LOOKUP_MS;
  }

  /** How many have come. */
  get requests(): number {
    return this.#requests;
  }

  addRequest({ question, fresh, began }: Request): void {
    if (this.#begun.turn !== began.turn) this.#begun = { turn: began.turn, count: 0 };
    this.#begun.count++;
    this.#requests++;
    this.#looking.push(began.at);
    while (this.#looking[0]! < began.at - SHARED_LOOKUP_MS) this.#looking.shift();
    this.mostLooking = Math.max(this.mostLooking, this.#looking.length);
    if (fresh) push(this.freshRequests, question, began);
  }

  /** How many came at once, in this very turn. */
  begunIn(turn: number): number {
    return this.#begun.turn === turn ? this.#begun.count : 0;
  }

  /** How many may be done at once with looking into the shared cache: those who came together wait together when it is silent. */
  lookingAt(time: number): number {
    return this.#looking.filter((at) => at >= time - SHARED_LOOKUP_MS).length;
  }

  /** Whether anything since then allows a second flight beside, or soon after, another: a fresh request, or an invalidation. */
  hasExcuse(question: Question, since: number): boolean {
    if (this.newsAt >= since) return true;
    const fresh = this.freshRequests.get(question);
    if (fresh && fresh[fresh.length - 1]!.at >= since) return true;
    return this.invalidations.some(
      ({ called, question: about }) => called.at >= since && (about === undefined || hasMeaningOf(about, question)),
    );
  }

  /** Whether it ever had an answer to it, in any spelling. */
  knows(question: Question): boolean {
    const isAnswered = (ask: Ask) => triesOf(ask).some(({ result }) => result?.kind === "answer");
    const asked = [...this.asks].filter(([, asks]) => asks.some(isAnswered)).map(([about]) => about);
    return [...this.brought.keys(), ...asked].some((about) => hasMeaningOf(about, question));
  }

  /** What it has asked, or was brought. */
  get questions(): readonly Question[] {
    return [...this.asks.keys(), ...this.brought.keys()];
  }

  /** What was invalidated here, or refused. */
  get contradicted(): readonly Question[] {
    const isRefused = (ask: Ask) => triesOf(ask).some(({ result }) => result?.kind === "refused");
    const refused = [...this.asks].filter(([, asks]) => asks.some(isRefused)).map(([question]) => question);
    const invalidated = this.invalidations.flatMap(({ question }) => question ?? []);
    return [...new Set([...refused, ...invalidated])];
  }

  bring(answer: Answer, at: number): void {
    const brought = this.brought.get(answer.question) ?? new Map<Answer, number>();
    this.brought.set(answer.question, brought.set(answer, at));
  }

  hasInvalidated(user: UserRef): boolean {
    return this.invalidations.some(({ user: about }) => about !== undefined && isSameUser(about, user));
  }
}

export function lastTryOf({ rounds }: Ask): Try | undefined {
  const round = rounds[rounds.length - 1];
  return round?.rest ?? round?.grpc;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
