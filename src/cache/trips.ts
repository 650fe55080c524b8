import type { Clock } from "../runtime/clock.js";
import { type Epochs, Flights } from "./flights.js";
import type { Kind, Outcome } from "./kind.js";
import type { ProcessAnswers } from "./process-answers.js";
import type { ProcessEntry } from "./process-tier.js";
import type { Refusals } from "./refusals.js";
import type { SharedAnswers } from "./shared-answers.js";
import { type Dated, MAX_SKEW_MS, type Trip, TripCargo } from "./trip.js";

/** What trips look into on their way, and leave their answers in. */
export interface TripTiers<Q, V, P, R> {
  readonly process: ProcessAnswers<Q, V, P>;
  readonly refusals: Refusals<R>;
  readonly shared: SharedAnswers<Q, V> | undefined;
}

export interface TripCounts {
  /** Answered by the process tier. */
  hits: number;
  /** Answered by the shared tier. */
  sharedHits: number;
  /** Answered by a remembered no. */
  refusals: number;
  /** Asked of the service. */
  misses: number;
}

export interface TripOptions {
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Longest stay in the process tier when there is a shared one, in milliseconds. */
  readonly processTtlMs: number;
}

/** Entries that were stored together should not expire together: each lives up to this share shorter. */
const JITTER = 0.1;

/** What a question is content with, of what the shared tier holds: see {@link TripCargo.youngerThan}. */
const ANYTHING = Number.NEGATIVE_INFINITY;
const NOTHING = Number.POSITIVE_INFINITY;

/** The ways of one kind of question to its answer, past what the process knows: one flight per question, however many ask at once. */
export class Trips<Q, V, P, R> {
  readonly #kind: Kind<Q, V, P, R>;
  readonly #tiers: TripTiers<Q, V, P, R>;
  readonly #counts: TripCounts;
  readonly #options: TripOptions;
  readonly #flights: Flights<Outcome<P, R>, TripCargo<Q, V>>;

  /** @param counts what is counted on the way */
  constructor(
    kind: Kind<Q, V, P, R>,
    tiers: TripTiers<Q, V, P, R>,
    { epochs, counts, ...options }: TripOptions & { epochs: Epochs; counts: TripCounts },
  ) {
    this.#kind = kind;
    this.#tiers = tiers;
    this.#counts = counts;
    this.#options = options;
    this.#flights = new Flights(epochs);
  }

  /** Questions under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** To the nearest tier that knows, and to the service when none does: with whoever is asking the same already. */
  take(id: string, question: Q): Trip<Q, V, Outcome<P, R>> {
    // Who is content with what the shared tier holds must not wait, and fail, with those who are not.
    const suits = ({ cargo }: Trip<Q, V, unknown>) => !this.#tiers.shared || cargo.youngerThan === ANYTHING;
    return this.#flights.joinable(id, suits) ?? this.#depart(id, question, ANYTHING);
  }

  /** To the service, whatever the tiers hold. */
  takeFresh(id: string, question: Q): Trip<Q, V, Outcome<P, R>> {
    return this.#depart(id, question, NOTHING);
  }

  /**
   * Brings, in the background, what takes the entry's place.
   *
   * @param except the trip that brought the entry itself
   */
  renew(id: string, question: Q, entry: ProcessEntry<V, P>, except?: Trip<Q, V, Outcome<P, R>>): void {
    const trip = this.#flights.joinable(id, (other) => other !== except) ?? this.#depart(id, question, entry.askedAt);
    entry.refreshAt = Number.POSITIVE_INFINITY; // once
    trip.landed.catch(() => {
      // Nobody could tell: the entry still holds. Try again half-way to its end, and so on.
      const now = this.#options.clock.now();
      entry.refreshAt = now + (entry.freshUntil - now) / 2;
    });
  }

  /** What is under way for the question comes too late to be kept, or to be joined. */
  ground(id: string): void {
    this.#flights.ground(id);
  }

  /** The remembered no, if there is one. */
  refusal(id: string): Outcome<P, R> | undefined {
    const reason = this.#tiers.refusals.reason(id);
    if (reason === undefined) return undefined;
    this.#counts.refusals++;
    return { kind: "refusal", reason };
  }

  #depart(id: string, question: Q, youngerThan: number): Trip<Q, V, Outcome<P, R>> {
    const cargo = new TripCargo<Q, V>(question, this.#kind.endOf, youngerThan);
    return this.#flights.depart(id, cargo, (trip) => this.#fly(trip));
  }

  async #fly(trip: Trip<Q, V, Outcome<P, R>>): Promise<Outcome<P, R>> {
    const { clock } = this.#options;
    const { id, cargo } = trip;
    const looking = cargo.youngerThan === NOTHING ? undefined : this.#tiers.shared?.find(trip);
    cargo.prepareEnd();
    const lookup = await looking;
    cargo.lookup = lookup;
    // Refused, here and since it was asked for: that may have been while this trip looked.
    if (lookup?.answer && lookup.answer.askedAt - MAX_SKEW_MS <= this.#tiers.refusals.askedAt(id)) cargo.withdraw();
    const shared = cargo.usable(clock.now());
    const met = lookup && cargo.youngerThan === ANYTHING ? this.#meet(trip, shared) : undefined;
    if (met) return met;
    if (shared) {
      this.#counts.sharedHits++;
      const entry = this.#mayStore(trip, shared) ? this.#keep(trip, shared) : undefined;
      if (entry && clock.now() >= entry.refreshAt) this.renew(id, cargo.question, entry, trip);
      return { kind: "answer", answer: this.#kind.present(shared.value, "shared", cargo.end) };
    }
    this.#counts.misses++;
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
    const dated = {
      value: verdict.value,
      askedAt,
      expiresAt: askedAt + this.#jittered(this.#kind.ttlMs),
      subject: this.#kind.subjectOf?.(cargo.question, verdict.value),
    };
    if (this.#mayStore(trip, dated)) {
      this.#flights.overtake(trip);
      this.#keep(trip, dated);
      this.#tiers.shared?.put(trip, dated);
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
    const entry = this.#tiers.process.findFresh(trip.id, this.#options.clock.now());
    if (entry && (!shared || entry.askedAt >= shared.askedAt)) {
      this.#counts.hits++;
      return { kind: "answer", answer: entry.hit };
    }
    if (shared) return undefined;
    // Not a trip that looks there first: that one could meet another, and so on, and nobody would ask the service.
    const beside = ({ cargo }: Trip<Q, V, unknown>) => cargo.youngerThan !== ANYTHING;
    return this.refusal(trip.id) ?? this.#flights.joinable(trip.id, beside)?.landed;
  }

  /** Not when an invalidation came in between, or a flight that asked later has landed. */
  #mayStore({ grounded }: Trip<Q, V, unknown>, dated: Dated<V>): boolean {
    return !grounded && !this.#tiers.process.isVoid(dated);
  }

  /** Keeps an answer in the process, for as long as it may. */
  #keep({ id, cargo: { end } }: Trip<Q, V, unknown>, dated: Dated<V>): ProcessEntry<V, P> | undefined {
    const { processTtlMs, clock } = this.#options;
    const now = clock.now();
    const tierEnd = this.#tiers.shared ? now + this.#jittered(processTtlMs) : Number.POSITIVE_INFINITY;
    this.#tiers.refusals.lift(id);
    return this.#tiers.process.keep(id, dated, { now, tierEnd, end });
  }

  #refused(trip: Trip<Q, V, Outcome<P, R>>, reason: R, askedAt: number, mayBeShared: boolean): void {
    const { id, grounded } = trip;
    if (grounded) return;
    this.#flights.overtake(trip);
    const wasKept = this.#tiers.process.forget(id);
    if (wasKept || mayBeShared) this.#tiers.shared?.drop(id, askedAt);
    // Also where it is not to be repeated: the shared tier may still hold what it overrules.
    this.#tiers.refusals.remember(id, { reason, askedAt, ttlMs: this.#jittered(this.#kind.refusalTtlMs) });
  }

  #jittered(ttlMs: number): number {
    return ttlMs * (1 - JITTER * this.#options.random());
  }
}
