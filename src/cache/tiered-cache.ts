import { raceAbort } from "../runtime/abort.js";
import type { Kind, Outcome } from "./kind.js";
import { ProcessAnswers } from "./process-answers.js";
import type { ProcessTier } from "./process-tier.js";
import { Refusals } from "./refusals.js";
import { SharedAnswers } from "./shared-answers.js";
import type { SharedTier } from "./shared-tier.js";
import { StandIn } from "./stand-in.js";
import { type TripCounts, type TripOptions, Trips } from "./trips.js";
import type { UserInvalidations } from "./user-invalidations.js";

export interface CacheTiers {
  readonly process: ProcessTier;
  readonly shared: SharedTier | undefined;
  readonly users: UserInvalidations;
}

export interface CacheOptions extends TripOptions {
  /** How long past its end an answer may stand in for an unavailable service, in milliseconds. */
  readonly staleIfErrorMs: number;
  /** Whether a question failed because the service is unavailable. */
  readonly isOutage: (error: unknown) => boolean;
}

export interface CacheCounts extends TripCounts {
  /** Answered by an expired entry, because the service was unavailable. */
  stale: number;
}

/**
 * One kind of answer, cached in the process, then in the shared tier, then asked of the service: one flight per question, however
 * many ask at once.
 */
export class TieredCache<Q, V, P, R> {
  readonly counts: CacheCounts = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0 };
  readonly #kind: Kind<Q, V, P, R>;
  readonly #options: CacheOptions;
  readonly #process: ProcessAnswers<Q, V, P>;
  readonly #shared: SharedAnswers<Q, V> | undefined;
  readonly #refusals: Refusals<R>;
  readonly #trips: Trips<Q, V, P, R>;
  readonly #standIn: StandIn<Q, V, P>;

  constructor(kind: Kind<Q, V, P, R>, { process, shared, users }: CacheTiers, options: CacheOptions) {
    this.#kind = kind;
    this.#options = options;
    this.#process = new ProcessAnswers(kind, { tier: process, users, staleIfErrorMs: options.staleIfErrorMs });
    this.#shared = shared && new SharedAnswers(kind, shared, users, options);
    this.#refusals = new Refusals(options.clock);
    const tiers = { process: this.#process, shared: this.#shared, refusals: this.#refusals };
    this.#trips = new Trips(kind, tiers, { epochs: users, counts: this.counts, ...options });
    this.#standIn = new StandIn(kind, this.#process, options);
  }

  /**
   * What the process knows, at once. Starts a refresh in the background when the entry is getting old.
   *
   * @param id the question's own, where the caller has it already
   */
  peek(question: Q, id = this.#kind.id(question)): P | undefined {
    const now = this.#options.clock.now();
    const entry = this.#process.findFresh(id, now);
    if (!entry) return undefined;
    this.counts.hits++;
    if (now >= entry.refreshAt) this.#trips.renew(id, question, entry);
    return entry.hit;
  }

  /**
   * Answers from the nearest tier that knows, and asks the service when none does.
   *
   * @param call.fresh ask the service, skip the tiers
   * @param call.signal aborts this caller's wait; the flight goes on for the others
   * @param id the question's own, where the caller has it already
   */
  async get(
    question: Q,
    call: { fresh?: boolean; signal?: AbortSignal } = {},
    id = this.#kind.id(question),
  ): Promise<Outcome<P, R>> {
    const fresh = call.fresh ?? false;
    call.signal?.throwIfAborted();
    if (!fresh) {
      const answer = this.peek(question, id);
      if (answer !== undefined) return { kind: "answer", answer };
      const refusal = this.#trips.refusal(id);
      if (refusal) return refusal;
    }
    const trip = fresh ? this.#trips.takeFresh(id, question) : this.#trips.take(id, question);
    try {
      return await raceAbort(trip.landed, call.signal);
    } catch (error) {
      const mayStandIn = !fresh && !call.signal?.aborted && this.#options.isOutage(error);
      const answer = mayStandIn ? this.#standIn.find(trip) : undefined;
      if (answer === undefined) throw error;
      this.counts.stale++;
      return { kind: "answer", answer };
    }
  }

  /** Forgets one answer in both tiers, and keeps flights that are under way from bringing it back. */
  async invalidate(question: Q): Promise<void> {
    const id = this.#kind.id(question);
    this.#trips.ground(id);
    this.#process.forget(id);
    this.#refusals.lift(id);
    await this.#shared?.invalidate(id);
  }

  get inFlight(): number {
    return this.#trips.size;
  }
}
