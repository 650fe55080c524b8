import type { Clock } from "../runtime/clock.js";
import { FreshTurns } from "./fresh-turns.js";
import { type Invalidation, isNewer, subjectKey } from "./invalidation.js";
import { type LoadMode, LoadTask, MISS } from "./load-task.js";
import type { NegativeCache } from "./negative-cache.js";
import type { ProcessEntry, ProcessView } from "./process-cache.js";
import type { SharedCache, SharedLookup } from "./shared-cache.js";
import { type Load, SingleFlight } from "./single-flight.js";
import type { AnswerSource, CacheSpec, Entry, Outcome, Verdict } from "./spec.js";
import type { Moment, Timeline } from "./timeline.js";
import type { Tombstone } from "./tombstones.js";

/** How a load lands: the service answered, or refused, or could not tell; then an expired entry may be served. */
export type Landing<P, R> =
  | Outcome<P, R>
  | { readonly kind: "unavailable"; readonly error: unknown; readonly stale: P | undefined };

/** Where a load looks, and what it leaves its answer in. */
export interface LoaderTiers<Q, V, P, R> {
  readonly process: ProcessView<Q, V, P>;
  readonly negative: NegativeCache<R>;
  readonly shared: SharedCache<Q, V> | undefined;
  readonly invalidation: Invalidation;
  readonly timeline: Timeline;
}

export interface LoadCounts {
  /** Answered by the process cache. */
  hits: number;
  /** Answered by the shared cache. */
  sharedHits: number;
  /** Answered by a remembered refusal. */
  refusals: number;
  /** Asked of the service. */
  misses: number;
}

export interface LoaderOptions {
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Longest stay in the process when there is a shared cache, in milliseconds. */
  readonly processTtlMs: number;
  /** How long past its end an entry may be served while the service is unavailable, in milliseconds. */
  readonly staleIfErrorMs: number;
  readonly refusals: RefusalWatch;
  /** Whether a question failed because the service is unavailable, or because there was no place to ask it. */
  readonly couldNotAsk: (error: unknown) => boolean;
}

/** Knows whether an upstream refuses everybody, which is no evidence about one user. */
export interface RefusalWatch {
  answered(source: AnswerSource): void;
  /**
   * What it had accepted before, and should still accept, was refused.
   *
   * @param user of whom that was: the key of a subject
   */
  refused(source: AnswerSource, user: string): void;
  isRefusing(source: AnswerSource): boolean;
}

/** What the shared cache brought a load, and what of that was accepted. */
interface Looked<V> {
  readonly lookup: SharedLookup<V> | undefined;
  readonly entry: Entry<V> | undefined;
}

type LoadOf<Q, P, R> = Load<LoadTask<Q>, Landing<P, R>>;

/** What was accepted longer ago than so many TTLs may have ended meanwhile, as sessions do over night. */
const RECENT_TTLS = 2;

/** Entries that were stored together should not expire together: each lives up to this share shorter. */
const JITTER = 0.1;

/** Loads what the process does not hold: from the shared cache, else from the service; then fills both. */
export class Loader<Q, V, P, R> {
  readonly #spec: CacheSpec<Q, V, P, R>;
  readonly #tiers: LoaderTiers<Q, V, P, R>;
  readonly #counts: LoadCounts;
  readonly #options: LoaderOptions;
  readonly #flights: SingleFlight<LoadTask<Q>, Landing<P, R>>;
  readonly #turns: FreshTurns<Landing<P, R>>;

  /** @param counts what is counted on the way */
  constructor(
    spec: CacheSpec<Q, V, P, R>,
    tiers: LoaderTiers<Q, V, P, R>,
    options: LoaderOptions & { counts: LoadCounts },
  ) {
    this.#spec = spec;
    this.#tiers = tiers;
    this.#counts = options.counts;
    this.#options = options;
    this.#flights = new SingleFlight(tiers.timeline, tiers.invalidation);
    this.#turns = new FreshTurns(options.clock);
  }

  /** Questions under way. */
  get size(): number {
    return this.#flights.size;
  }

  /** A load that looks into the shared cache, and asks the service where that has no answer. */
  miss(id: string, question: Q): Promise<Landing<P, R>> {
    // With a shared cache, a miss looks there first: it waits for a fresh load or a refresh only where it found nothing.
    const suits = ({ task }: LoadOf<Q, P, R>) => !this.#tiers.shared || task.mode.kind === "miss";
    return (this.#flights.joinable(id, suits) ?? this.#begin(id, question, MISS)).landed;
  }

  /** A load that asks the service, whatever is held, and has not asked it yet. */
  fresh(id: string, question: Q): Promise<Landing<P, R>> {
    return this.#turns.take(id, (since) => this.#begin(id, question, { kind: "fresh", since }).landed);
  }

  /**
   * Brings, in the background, what takes the entry's place.
   *
   * @param except the load that brought the entry itself
   */
  refresh(id: string, question: Q, entry: ProcessEntry<V, P>, except?: LoadOf<Q, P, R>): void {
    const load =
      this.#flights.joinable(id, (other) => other !== except) ??
      this.#begin(id, question, { kind: "refresh", newerThan: entry });
    entry.refreshAt = Number.POSITIVE_INFINITY; // once
    const again = () => {
      // The entry still holds. Try again half-way to its end, and so on.
      const now = this.#options.clock.monotonic();
      entry.refreshAt = now + (entry.freshUntil - now) / 2;
    };
    load.landed.then(({ kind }) => kind !== "answer" && again(), again);
  }

  /** The id was invalidated: what is under way for it is neither stored nor joined. */
  invalidated(id: string, order: number): void {
    this.#flights.invalidated(id, order);
  }

  /** The remembered refusal, if there is one. */
  refusal(id: string): Outcome<P, R> | undefined {
    const reason = this.#tiers.negative.reason(id);
    if (reason === undefined) return undefined;
    this.#counts.refusals++;
    return { kind: "refusal", reason };
  }

  #begin(id: string, question: Q, mode: LoadMode): LoadOf<Q, P, R> {
    return this.#flights.begin(id, new LoadTask(question, mode, this.#spec), (load) => this.#run(load));
  }

  async #run(load: LoadOf<Q, P, R>): Promise<Landing<P, R>> {
    const { question, mode } = load.task;
    const looking = mode.kind === "fresh" ? undefined : this.#tiers.shared?.find(question, load);
    load.task.prepare();
    const lookup = await looking;
    const entry = this.#accepted(load, lookup?.entry);
    const shared = entry && this.#isWanted(entry, load.task) ? entry : undefined;
    if (lookup && mode.kind === "miss") {
      const answered = this.#answeredMeanwhile(load.id, shared);
      if (answered) return answered;
      const beside = shared ? undefined : this.#besideMiss(load.id);
      if (beside) return this.#landBeside(load, await beside.landed, { lookup, entry });
    }
    return shared ? this.#landShared(load, shared) : this.#ask(load, { lookup, entry });
  }

  /** The entry of the shared cache, unless something contradicts it. It may be expired. */
  #accepted(load: LoadOf<Q, P, R>, entry: Entry<V> | undefined): Entry<V> | undefined {
    const { invalidation, process } = this.#tiers;
    return entry && !invalidation.isVoidInStore(load, entry, process.peek(load.id)) ? entry : undefined;
  }

  #isWanted(entry: Entry<V>, { mode, hardExpiry }: LoadTask<Q>): boolean {
    const { clock } = this.#options;
    if (mode.kind === "refresh" && !isNewer(entry, mode.newerThan)) return false;
    return clock.monotonic() < entry.endsAt && clock.now() < Math.min(entry.expiresAt, hardExpiry);
  }

  /** The answer or refusal that another load left in the process while this one looked, unless the shared cache has a newer entry. */
  #answeredMeanwhile(id: string, shared: Entry<V> | undefined): Outcome<P, R> | undefined {
    const held = this.#tiers.process.findFresh(id);
    if (held && (!shared || !isNewer(shared, held))) {
      this.#counts.hits++;
      return { kind: "answer", answer: held.hit };
    }
    return shared ? undefined : this.refusal(id);
  }

  /** The refresh or fresh load that a miss waits for when it has looked in vain. Not another miss: that could wait for a third, and none would ask. */
  #besideMiss(id: string): LoadOf<Q, P, R> | undefined {
    return this.#flights.joinable(id, ({ task }) => task.mode.kind !== "miss");
  }

  #landBeside(load: LoadOf<Q, P, R>, landing: Landing<P, R>, looked: Looked<V>): Landing<P, R> {
    return landing.kind === "unavailable" ? this.#unavailable(load, landing.error, looked) : landing;
  }

  #landShared(load: LoadOf<Q, P, R>, shared: Entry<V>): Outcome<P, R> {
    const { question, hardExpiry } = load.task;
    this.#counts.sharedHits++;
    const kept = this.#keep(load, shared);
    if (kept && this.#options.clock.monotonic() >= kept.refreshAt) this.refresh(load.id, question, kept, load);
    return { kind: "answer", answer: this.#spec.present(shared.value, "shared", hardExpiry) };
  }

  async #ask(load: LoadOf<Q, P, R>, looked: Looked<V>): Promise<Landing<P, R>> {
    const { timeline, shared } = this.#tiers;
    const { refusals } = this.#options;
    const { id, task } = load;
    this.#counts.misses++;
    // A refusal holds against all that was asked before the last try; an answer is as old as the first: it may be the answer to that.
    let tried = timeline.contradicts();
    const asked = timeline.asks();
    this.#flights.asks(load, asked.order);
    let verdict: Verdict<V, R>;
    const onTry = () => {
      tried = timeline.contradicts();
      this.#flights.tries(load, tried.order);
    };
    const { mode } = task;
    const fresh = mode.kind === "fresh";
    try {
      verdict = await this.#spec.ask(task.question, { onTry, fresh, since: fresh ? mode.since : asked.monotonic });
    } catch (error) {
      return this.#unavailable(load, error, looked);
    }
    this.#turns.answeredAfter(timeline.monotonic - asked.monotonic);
    if (verdict.kind === "refusal") {
      if (verdict.isInformed) refusals.answered(verdict.source);
      else this.#tellRefused(load, verdict.source, looked);
      const isDoubtful = !verdict.isInformed && refusals.isRefusing(verdict.source);
      if (isDoubtful && mode.kind === "refresh") this.#doubted(load, tried);
      else this.#refused(load, verdict.reason, tried, looked);
      return verdict;
    }
    refusals.answered(verdict.source);
    const entry = this.#entryOf(load, verdict.value, asked);
    if (this.#mayStore(load, entry)) {
      this.#flights.answered(load);
      this.#keep(load, entry);
      shared?.put(id, entry, task.hardExpiry);
    }
    return { kind: "answer", answer: this.#spec.present(verdict.value, verdict.source, task.hardExpiry) };
  }

  #entryOf({ task: { question, meaning } }: LoadOf<Q, P, R>, value: V, { order, wall, monotonic }: Moment): Entry<V> {
    const { about, ttlMs } = this.#spec;
    const livesMs = this.#jittered(ttlMs);
    const subject = subjectKey(about, this.#spec.subjectOf(question, value));
    return { value, order, askedAt: wall, expiresAt: wall + livesMs, endsAt: monotonic + livesMs, subject, meaning };
  }

  /**
   * Not when its entry was invalidated while the load was under way, or a question asked later was answered: its callers get the
   * answer; storing it would be a stale set.
   */
  #mayStore(load: LoadOf<Q, P, R>, entry: Entry<V>): boolean {
    const { invalidation } = this.#tiers;
    return !invalidation.isDiscarded(load) && !invalidation.isVoid(entry);
  }

  /** What was good a moment ago by all that is known: not what was invalidated, has ended by its own word, or is long past its TTL. */
  #tellRefused({ id, task }: LoadOf<Q, P, R>, source: AnswerSource, { entry }: Looked<V>): void {
    const { clock, refusals } = this.#options;
    const held = this.#tiers.process.peek(id) ?? entry;
    if (!held || this.#tiers.invalidation.isVoid(held)) return;
    const now = clock.now();
    if (now < task.hardExpiry && now < held.askedAt + RECENT_TTLS * this.#spec.ttlMs)
      refusals.refused(source, held.subject);
  }

  /** A refusal of a refresh while everybody is refused: the entry is used to its end, and asked about again before. */
  #doubted(load: LoadOf<Q, P, R>, tried: Tombstone): void {
    const { invalidation } = this.#tiers;
    if (invalidation.isDiscarded(load)) return;
    this.#flights.answered(load);
    invalidation.doubted(load.id, tried);
  }

  #refused(load: LoadOf<Q, P, R>, reason: R, tried: Tombstone, { lookup }: Looked<V>): void {
    const { invalidation, negative, process, shared } = this.#tiers;
    const { id } = load;
    if (invalidation.isDiscarded(load)) return;
    this.#flights.answered(load);
    const wasHeld = process.forget(id);
    const isThere = lookup?.known ? lookup.mayBeThere : undefined;
    if (shared) {
      // Also where it is not to be repeated: the shared cache may still hold what it contradicts.
      invalidation.refused(id, tried);
      const isKnown = wasHeld || isThere === true || invalidation.isWritten(id);
      // For a flood of garbage tokens there is nothing to delete.
      if (isKnown || isThere === undefined) shared.drop(id, tried, isKnown);
    }
    negative.remember(id, reason, this.#jittered(this.#spec.refusalTtlMs));
  }

  /** Stale-if-error. A store that could be read has the last word: an entry that is missing or in doubt there may have been refused elsewhere. */
  #unavailable(load: LoadOf<Q, P, R>, error: unknown, { lookup, entry }: Looked<V>): Landing<P, R> {
    const { hardExpiry } = load.task;
    let stale: P | undefined;
    if (this.#options.couldNotAsk(error) && this.#options.clock.now() < hardExpiry) {
      const value = lookup?.known ? this.#staleShared(load, entry) : this.#tiers.process.findStale(load.id)?.value;
      if (value !== undefined) stale = this.#spec.present(value, "stale", hardExpiry);
    }
    return { kind: "unavailable", error, stale };
  }

  #staleShared(load: LoadOf<Q, P, R>, entry: Entry<V> | undefined): V | undefined {
    const { clock, staleIfErrorMs } = this.#options;
    const { invalidation, process } = this.#tiers;
    if (!entry || staleIfErrorMs <= 0) return undefined;
    const held = process.findStale(load.id);
    if (held && isNewer(held, entry)) return held.value; // another load has brought it since
    if (clock.monotonic() >= entry.endsAt + staleIfErrorMs || clock.now() >= entry.expiresAt + staleIfErrorMs)
      return undefined;
    // Once more: meanwhile its id may have been invalidated, or refused, also in answer to a question asked before this one.
    if (!this.#accepted(load, entry) || invalidation.isDoubted(load.id, entry)) return undefined;
    const { order } = entry;
    return invalidation.isDiscarded({ order, triedAs: order, history: load.history }) ? undefined : entry.value;
  }

  /** Keeps an answer in the process, for as long as it may. */
  #keep({ id, task: { hardExpiry } }: LoadOf<Q, P, R>, entry: Entry<V>): ProcessEntry<V, P> | undefined {
    const { process, negative, shared } = this.#tiers;
    const { clock, processTtlMs } = this.#options;
    const tierEnd = shared ? clock.monotonic() + this.#jittered(processTtlMs) : Number.POSITIVE_INFINITY;
    negative.forget(id);
    return process.keep(id, entry, { tierEnd, hardExpiry });
  }

  #jittered(ttlMs: number): number {
    return ttlMs * (1 - JITTER * this.#options.random());
  }
}
