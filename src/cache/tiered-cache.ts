import { raceAbort } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { type Flight, Flights } from "./flights.js";
import type { Kind, Outcome, Verdict } from "./kind.js";
import { type ProcessEntry, type ProcessTier, storeIn } from "./process-tier.js";
import { Refusals } from "./refusals.js";
import type { SharedEntry, SharedTier } from "./shared-tier.js";
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
/** From this share of its TTL on, an entry is refreshed while it still serves. */
const REFRESH_AT = 0.8;
/** An entry from further in the future, in milliseconds, was written by somebody whose clock, or purpose, is not ours. */
const MAX_SKEW_MS = 60_000;

/** An answer with the times that follow from when it was asked. */
interface Dated<V> {
  readonly value: V;
  readonly askedAt: number;
  readonly expiresAt: number;
}

/**
 * One kind of answer, cached in the process, then in the shared tier, then asked of the service: one flight per question, however
 * many ask at once.
 */
export class TieredCache<Q, V, P, R> {
  readonly counts: CacheCounts = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0 };
  readonly #kind: Kind<Q, V, P, R>;
  readonly #tiers: CacheTiers;
  readonly #options: CacheOptions;
  readonly #flights: Flights<Outcome<P, R>>;
  readonly #refusals: Refusals<R>;
  readonly #prefix: string;

  constructor(kind: Kind<Q, V, P, R>, tiers: CacheTiers, options: CacheOptions) {
    this.#kind = kind;
    this.#tiers = tiers;
    this.#options = options;
    this.#prefix = `${kind.name}:`;
    this.#flights = new Flights(tiers.users);
    this.#refusals = new Refusals(options.clock);
  }

  /** What the process knows, at once. Starts a refresh in the background when the entry is getting old. */
  peek(question: Q): P | undefined {
    const id = this.#kind.id(question);
    const entry = this.#entry(id);
    const now = this.#options.clock.now();
    if (!entry || now >= entry.freshUntil || this.#isVoid(entry)) return undefined;
    this.counts.hits++;
    if (now >= entry.refreshAt) this.#refresh(id, question, entry);
    return entry.hit;
  }

  /** The remembered no, if there is one. */
  peekRefusal(question: Q): R | undefined {
    const reason = this.#refusals.reason(this.#kind.id(question));
    if (reason !== undefined) this.counts.refusals++;
    return reason;
  }

  /**
   * Answers from the nearest tier that knows, and asks the service when none does.
   *
   * @param call.fresh ask the service, skip the tiers
   * @param call.signal aborts this caller's wait; the flight goes on for the others
   */
  async get(question: Q, call: { fresh?: boolean; signal?: AbortSignal } = {}): Promise<Outcome<P, R>> {
    const fresh = call.fresh ?? false;
    call.signal?.throwIfAborted();
    if (!fresh) {
      const answer = this.peek(question);
      if (answer !== undefined) return { kind: "answer", answer };
      const reason = this.peekRefusal(question);
      if (reason !== undefined) return { kind: "refusal", reason };
    }
    const id = this.#kind.id(question);
    const flight = fresh ? undefined : this.#flights.joinable(id);
    return raceAbort((flight ?? this.#depart(id, question, { fresh })).landed, call.signal);
  }

  /** Forgets one answer in both tiers, and keeps flights that are under way from bringing it back. */
  async invalidate(question: Q): Promise<void> {
    const id = this.#kind.id(question);
    this.#flights.ground(id);
    this.#forget(id);
    this.#refusals.forget(id);
    await this.#tiers.shared?.remove(this.#kind.name, id);
  }

  get inFlight(): number {
    return this.#flights.size;
  }

  #depart(id: string, question: Q, how: { fresh?: boolean; youngerThan?: number }): Flight<Outcome<P, R>> {
    return this.#flights.depart(id, (flight) => this.#fly(flight, question, how));
  }

  async #fly(
    flight: Flight<unknown>,
    question: Q,
    { fresh = false, youngerThan = Number.NEGATIVE_INFINITY }: { fresh?: boolean; youngerThan?: number },
  ): Promise<Outcome<P, R>> {
    const { clock } = this.#options;
    const shared = fresh ? undefined : await this.#readShared(flight, question);
    if (shared && shared.askedAt > youngerThan && clock.now() < Math.min(shared.expiresAt, this.#endOf(question))) {
      this.counts.sharedHits++;
      const entry = this.#store(flight, question, shared);
      if (entry && clock.now() >= entry.refreshAt) this.#refresh(flight.id, question, entry);
      return { kind: "answer", answer: this.#kind.present(shared.value, "shared", question) };
    }
    this.counts.misses++;
    const askedAt = clock.now();
    let verdict: Verdict<V, R>;
    try {
      verdict = await this.#kind.ask(question);
    } catch (error) {
      const stale = this.#standIn(flight.id, question, shared);
      if (stale === undefined) throw error;
      this.counts.stale++;
      return { kind: "answer", answer: this.#kind.present(stale, "stale", question) };
    }
    if (verdict.kind === "refusal") {
      this.#refused(flight, verdict.reason);
      return verdict;
    }
    const dated = { value: verdict.value, askedAt, expiresAt: this.#expiry(askedAt) };
    if (this.#store(flight, question, dated)) this.#share(flight, question, dated);
    return { kind: "answer", answer: this.#kind.present(verdict.value, verdict.source, question) };
  }

  /** What the shared tier knows, unless an invalidation says that it must not be used. It may be expired: see `#standIn`. */
  async #readShared(flight: Flight<unknown>, question: Q): Promise<Dated<V> | undefined> {
    const { shared, users } = this.#tiers;
    if (!shared) return undefined;
    const speaksOfUser = this.#kind.subjectOf !== undefined;
    const [lookup, anyInvalidation] = await Promise.all([
      shared.read(this.#kind.name, flight.id),
      speaksOfUser ? users.anyShared() : false,
    ]);
    const found = lookup.known && lookup.entry ? this.#decode(lookup.entry) : undefined;
    if (!found) return undefined;
    const subject = this.#kind.subjectOf?.(question, found.value);
    if (subject !== undefined) {
      if (anyInvalidation && !(await users.learn(subject))) return undefined; // it cannot be ruled out
      if (users.cover(subject, found.askedAt)) return undefined;
    }
    return flight.grounded ? undefined : found;
  }

  #decode(entry: SharedEntry): Dated<V> | undefined {
    const { clock } = this.#options;
    const value = this.#kind.decode(entry.value);
    if (value === undefined || entry.askedAt > clock.now() + MAX_SKEW_MS) return undefined;
    // Whoever wrote it may have longer TTLs than we: ours hold here.
    return { value, askedAt: entry.askedAt, expiresAt: Math.min(entry.expiresAt, entry.askedAt + this.#kind.ttlMs) };
  }

  /** Keeps an answer in the process, unless it was overtaken by an invalidation or by a later flight. */
  #store(
    flight: Flight<unknown>,
    question: Q,
    { value, askedAt, expiresAt }: Dated<V>,
  ): ProcessEntry<V, P> | undefined {
    const { id } = flight;
    const { processTtlMs, staleIfErrorMs, clock } = this.#options;
    const subject = this.#kind.subjectOf?.(question, value);
    if (flight.grounded || (subject !== undefined && this.#tiers.users.cover(subject, askedAt))) return undefined;
    if (this.#overtaken(flight)) return undefined;
    this.#refusals.forget(id);
    const end = this.#endOf(question);
    const processEnd = this.#tiers.shared ? clock.now() + this.#jittered(processTtlMs) : Number.POSITIVE_INFINITY;
    const freshUntil = Math.min(expiresAt, processEnd, end);
    if (freshUntil <= clock.now()) {
      this.#forget(id);
      return undefined;
    }
    const refreshAt = askedAt + (expiresAt - askedAt) * REFRESH_AT;
    const entry: ProcessEntry<V, P> = {
      value,
      hit: this.#kind.present(value, "process", question),
      askedAt,
      flight: flight.number,
      freshUntil,
      staleUntil: Math.min(expiresAt + staleIfErrorMs, end),
      refreshAt: refreshAt < end ? refreshAt : Number.POSITIVE_INFINITY,
      subject,
    };
    storeIn(this.#tiers.process, this.#prefix + id, entry, this.#kind.bytesOf(value));
    return entry;
  }

  #share(flight: Flight<unknown>, question: Q, { value, askedAt, expiresAt }: Dated<V>): void {
    const end = this.#endOf(question);
    const entry = { askedAt, expiresAt, value: this.#kind.encode(value) };
    const keptUntil = Math.min(expiresAt + this.#options.staleIfErrorMs, end);
    this.#tiers.shared?.write(this.#kind.name, flight.id, entry, keptUntil - this.#options.clock.now());
  }

  #refused(flight: Flight<unknown>, reason: R): void {
    const { id } = flight;
    if (this.#overtaken(flight)) return;
    this.#forget(id);
    void this.#tiers.shared?.remove(this.#kind.name, id).catch(() => undefined); // it expires by itself
    if (this.#kind.refusalTtlMs <= 0 || flight.grounded) return;
    this.#refusals.remember(id, reason, flight.number, this.#jittered(this.#kind.refusalTtlMs));
  }

  /** Whether a flight that began later has landed already: its verdict is the newer one. */
  #overtaken(flight: Flight<unknown>): boolean {
    return Math.max(this.#entry(flight.id)?.flight ?? 0, this.#refusals.flight(flight.id)) > flight.number;
  }

  #refresh(id: string, question: Q, entry: ProcessEntry<V, P>): void {
    entry.refreshAt = Number.POSITIVE_INFINITY; // once
    this.#depart(id, question, { youngerThan: entry.askedAt }).landed.catch(() => {
      // Nobody could tell: the entry still holds. Try again half-way to its end, and so on.
      const now = this.#options.clock.now();
      entry.refreshAt = now + (entry.freshUntil - now) / 2;
    });
  }

  /** An expired answer that may stand in while the service is unavailable. */
  #standIn(id: string, question: Q, shared: Dated<V> | undefined): V | undefined {
    const now = this.#options.clock.now();
    const entry = this.#entry(id);
    if (this.#options.staleIfErrorMs <= 0) return undefined;
    if (entry && now < entry.staleUntil && !this.#isVoid(entry)) return entry.value;
    if (!shared) return undefined;
    const end = this.#endOf(question);
    const subject = this.#kind.subjectOf?.(question, shared.value);
    const isVoid = subject !== undefined && this.#tiers.users.cover(subject, shared.askedAt);
    return !isVoid && now < Math.min(shared.expiresAt + this.#options.staleIfErrorMs, end) ? shared.value : undefined;
  }

  #entry(id: string): ProcessEntry<V, P> | undefined {
    return this.#tiers.process.get(this.#prefix + id) as ProcessEntry<V, P> | undefined;
  }

  #isVoid({ subject, askedAt }: ProcessEntry<V, P>): boolean {
    return subject !== undefined && this.#tiers.users.cover(subject, askedAt);
  }

  #endOf(question: Q): number {
    return this.#kind.endOf?.(question) ?? Number.POSITIVE_INFINITY;
  }

  #forget(id: string): void {
    this.#tiers.process.delete(this.#prefix + id);
  }

  #expiry(askedAt: number): number {
    return askedAt + this.#jittered(this.#kind.ttlMs);
  }

  #jittered(ttlMs: number): number {
    return ttlMs * (1 - JITTER * this.#options.random());
  }
}
