import { raceAbort } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { type Flight, Flights } from "./flights.js";
import type { Kind, Outcome } from "./kind.js";
import { ProcessAnswers } from "./process-answers.js";
import type { ProcessEntry, ProcessTier } from "./process-tier.js";
import { Refusals } from "./refusals.js";
import { SharedAnswers } from "./shared-answers.js";
import type { SharedTier } from "./shared-tier.js";
import { StandIn } from "./stand-in.js";
import { type Dated, type Trip, TripCargo } from "./trip.js";
import type { UserInvalidations } from "./user-invalidations.js";

export interface CacheTiers {
  readonly process: ProcessTier;
  readonly shared: SharedTier | undefined;
  readonly users: UserInvalidations;
}

export interface CacheOptions {
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Longest stay in the process tier when there is a shared one, in milliseconds. */
  readonly processTtlMs: number;
  /** How long past its end an answer may stand in for an unavailable service, in milliseconds. */
  readonly staleIfErrorMs: number;
  /** Whether a question failed because the service is unavailable. */
  readonly isOutage: (error: unknown) => boolean;
}

export interface CacheCounts {
  /** Answered by the process tier. */
  hits: number;
  /** Answered by the shared tier. */
  sharedHits: number;
  /** Answered by a remembered no. */
  refusals: number;
  /** Asked of the service. */
  misses: number;
  /** Answered by an expired entry, because the service was unavailable. */
  stale: number;
}

/** Entries that were stored together should not expire together: each lives up to this share shorter. */
const JITTER = 0.1;

/** What a question is content with, of what the shared tier holds: see {@link TripCargo.youngerThan}. */
const ANYTHING = Number.NEGATIVE_INFINITY;
const NOTHING = Number.POSITIVE_INFINITY;

/**
 * One kind of answer, cached in the process, then in the shared tier, then asked of the service: one flight per question, however
 * many ask at once.
 */
export class TieredCache<Q, V, P, R> {
  readonly counts: CacheCounts = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0 };
  readonly #kind: Kind<Q, V, P, R>;
  readonly #options: CacheOptions;
  readonly #flights: Flights<Outcome<P, R>, TripCargo<Q, V>>;
  readonly #refusals: Refusals<R>;
  readonly #process: ProcessAnswers<Q, V, P>;
  readonly #shared: SharedAnswers<Q, V> | undefined;
  readonly #standIn: StandIn<Q, V, P>;

  constructor(kind: Kind<Q, V, P, R>, tiers: CacheTiers, options: CacheOptions) {
    this.#kind = kind;
    this.#options = options;
    this.#flights = new Flights(tiers.users);
    this.#refusals = new Refusals(options.clock);
    const { process, shared, users } = tiers;
    this.#process = new ProcessAnswers(kind, { tier: process, users, staleIfErrorMs: options.staleIfErrorMs });
    this.#standIn = new StandIn(kind, this.#process, options);
    this.#shared = shared && new SharedAnswers(kind, shared, users, options);
  }

  /**
   * What the process knows, at once. Starts a refresh in the background when the entry is getting old.
   *
   * @param id the question's own, where the caller has it already
   */
  peek(question: Q, id = this.#kind.id(question)): P | undefined {
    const now = this.#options.clock.now();
    const entry = this.#findFresh(id, now);
    if (!entry) return undefined;
    this.counts.hits++;
    if (now >= entry.refreshAt) this.#renewed(entry, this.#flights.joinable(id) ?? this.#renew(id, question, entry));
    return entry.hit;
  }

  #findFresh(id: string, now: number): ProcessEntry<V, P> | undefined {
    const entry = this.#process.find(id);
    return entry && now < entry.freshUntil && !this.#process.isVoid(entry) ? entry : undefined;
  }

  /** The remembered no, if there is one. */
  #peekRefusal(id: string): R | undefined {
    const reason = this.#refusals.reason(id);
    if (reason !== undefined) this.counts.refusals++;
    return reason;
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
      const reason = this.#peekRefusal(id);
      if (reason !== undefined) return { kind: "refusal", reason };
    }
    const flight = fresh
      ? this.#depart(id, question, NOTHING)
      : (this.#joinable(id) ?? this.#depart(id, question, ANYTHING));
    try {
      return await raceAbort(flight.landed, call.signal);
    } catch (error) {
      const mayStandIn = !fresh && !call.signal?.aborted && this.#options.isOutage(error);
      const answer = mayStandIn ? this.#standIn.find(flight) : undefined;
      if (answer === undefined) throw error;
      this.counts.stale++;
      return { kind: "answer", answer };
    }
  }

  /** Forgets one answer in both tiers, and keeps flights that are under way from bringing it back. */
  async invalidate(question: Q): Promise<void> {
    const id = this.#kind.id(question);
    this.#flights.ground(id);
    this.#process.forget(id);
    this.#refusals.lift(id);
    await this.#shared?.invalidate(id);
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  /** Who is content with what the shared tier holds must not wait, and fail, with those who are not. */
  #joinable(id: string): Trip<Q, V, Outcome<P, R>> | undefined {
    return this.#flights.joinable(id, ({ cargo }) => !this.#shared || cargo.youngerThan === ANYTHING);
  }

  #depart(id: string, question: Q, youngerThan: number): Trip<Q, V, Outcome<P, R>> {
    const cargo = new TripCargo<Q, V>(question, this.#kind.endOf, youngerThan);
    return this.#flights.depart(id, cargo, (trip) => this.#fly(trip));
  }

  async #fly(trip: Trip<Q, V, Outcome<P, R>>): Promise<Outcome<P, R>> {
    const { clock } = this.#options;
    const { id, cargo } = trip;
    // Always a wait: whoever is called on the way may ask the same, and find that it is being asked.
    const lookup = await (cargo.youngerThan === NOTHING ? undefined : this.#shared?.find(trip));
    cargo.lookup = lookup;
    if (lookup?.answer && lookup.answer.askedAt <= this.#refusals.askedAt(id)) cargo.withdraw(); // refused meanwhile
    const shared = cargo.usable(clock.now());
    const met = lookup && cargo.youngerThan === ANYTHING ? this.#meet(trip, shared) : undefined;
    if (met) return met;
    if (shared) {
      this.counts.sharedHits++;
      const entry = this.#mayStore(trip, shared) ? this.#keep(trip, shared) : undefined;
      if (entry && clock.now() >= entry.refreshAt) {
        this.#renewed(entry, this.#beside(trip) ?? this.#renew(id, cargo.question, entry));
      }
      return { kind: "answer", answer: this.#kind.present(shared.value, "shared", cargo.end) };
    }
    this.counts.misses++;
    if (trip.grounded) cargo.withdraw();
    this.#flights.setOut(trip);
    const askedAt = clock.now();
    let triedAt = askedAt;
    const verdict = await this.#kind.ask(cargo.question, () => {
      triedAt = clock.now();
      if (trip.grounded) cargo.withdraw();
      this.#flights.tries(trip);
    });
    if (verdict.kind === "refusal") {
      // For a flood of garbage tokens there is nothing to delete.
      this.#refused(trip, verdict.reason, triedAt, !lookup?.known || lookup.answer !== undefined);
      return verdict;
    }
    const dated = { value: verdict.value, askedAt, expiresAt: askedAt + this.#jittered(this.#kind.ttlMs) };
    if (this.#mayStore(trip, dated)) {
      this.#flights.overtake(trip);
      this.#keep(trip, dated);
      this.#shared?.put(trip, dated);
    }
    return { kind: "answer", answer: this.#kind.present(verdict.value, verdict.source, cargo.end) };
  }

  /**
   * What others, who did not look into the shared tier or were not content with it, have brought since or are bringing, unless what the
   * tier holds is newer.
   */
  #meet(
    trip: Trip<Q, V, Outcome<P, R>>,
    shared: Dated<V> | undefined,
  ): Outcome<P, R> | Promise<Outcome<P, R>> | undefined {
    const entry = this.#findFresh(trip.id, this.#options.clock.now());
    if (entry && (!shared || entry.askedAt >= shared.askedAt)) {
      this.counts.hits++;
      return { kind: "answer", answer: entry.hit };
    }
    if (shared) return undefined;
    const reason = this.#peekRefusal(trip.id);
    if (reason !== undefined) return { kind: "refusal", reason };
    // Not one that looks there first: that one could meet another, and so on, and nobody would ask the service.
    return this.#flights.joinable(trip.id, ({ cargo }) => cargo.youngerThan !== ANYTHING)?.landed;
  }

  /** Another flight for the same, under way at the same time. */
  #beside(trip: Trip<Q, V, Outcome<P, R>>): Trip<Q, V, Outcome<P, R>> | undefined {
    return this.#flights.joinable(trip.id, (other) => other !== trip);
  }

  /** Not when an invalidation came in between, or a flight that asked later has landed. */
  #mayStore({ grounded, cargo: { question } }: Trip<Q, V, unknown>, { value, askedAt }: Dated<V>): boolean {
    const subject = this.#kind.subjectOf?.(question, value);
    return !grounded && !this.#process.isVoid({ subject, askedAt });
  }

  /** Keeps an answer in the process, for as long as it may. */
  #keep({ id, cargo: { question, end } }: Trip<Q, V, unknown>, dated: Dated<V>): ProcessEntry<V, P> | undefined {
    const { processTtlMs, clock } = this.#options;
    const now = clock.now();
    const tierEnd = this.#shared ? now + this.#jittered(processTtlMs) : Number.POSITIVE_INFINITY;
    this.#refusals.lift(id);
    return this.#process.keep(id, question, dated, { now, tierEnd, end });
  }

  #refused(trip: Trip<Q, V, Outcome<P, R>>, reason: R, askedAt: number, mayBeShared: boolean): void {
    const { id, grounded } = trip;
    if (grounded) return;
    this.#flights.overtake(trip);
    const wasKept = this.#process.forget(id);
    if (wasKept || mayBeShared) this.#shared?.drop(id, askedAt);
    // Also where it is not to be repeated: the shared tier may still hold what it overrules.
    this.#refusals.remember(id, { reason, askedAt, ttlMs: this.#jittered(this.#kind.refusalTtlMs) });
  }

  #renew(id: string, question: Q, { askedAt }: ProcessEntry<V, P>): Flight<unknown, unknown> {
    return this.#depart(id, question, askedAt);
  }

  /** The flight will bring what takes the entry's place. */
  #renewed(entry: ProcessEntry<V, P>, flight: Flight<unknown, unknown>): void {
    entry.refreshAt = Number.POSITIVE_INFINITY; // once
    flight.landed.catch(() => {
      // Nobody could tell: the entry still holds. Try again half-way to its end, and so on.
      const now = this.#options.clock.now();
      entry.refreshAt = now + (entry.freshUntil - now) / 2;
    });
  }

  #jittered(ttlMs: number): number {
    return ttlMs * (1 - JITTER * this.#options.random());
  }
}
