import type { Clock } from "../runtime/clock.js";
import { isNewer, type Kept } from "./invalidation.js";
import type { LoadResults, ResultTiers } from "./load-results.js";
import type { LoadTask } from "./load-task.js";
import type { Load } from "./single-flight.js";
import type { AnswerSource, CacheSpec, Entry, Verdict } from "./spec.js";
import type { Looked } from "./stale-if-error.js";
import type { Timeline } from "./timeline.js";
import type { Tombstone } from "./tombstones.js";

/** Where a load looks, and what it leaves its answer in. */
export interface ServiceTiers<Q, V, P, R> extends ResultTiers<Q, V, P, R> {
  readonly timeline: Timeline;
}

export interface ServiceOptions {
  readonly clock: Clock;
  readonly refusals: RefusalWatch;
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

type Refusal<R> = Extract<Verdict<unknown, R>, { kind: "refusal" }>;

/** What was accepted longer ago than so many TTLs may have ended meanwhile, as sessions do over night. */
const RECENT_TTLS = 2;

/** Asks the service for a load, and leaves in the tiers what it said, unless something contradicts that already. */
export class ServiceLoads<Q, V, P, R> {
  readonly #spec: CacheSpec<Q, V, P, R>;
  readonly #tiers: ServiceTiers<Q, V, P, R>;
  readonly #results: LoadResults<Q, V, P, R>;
  readonly #options: ServiceOptions;

  constructor(
    spec: CacheSpec<Q, V, P, R>,
    tiers: ServiceTiers<Q, V, P, R>,
    results: LoadResults<Q, V, P, R>,
    options: ServiceOptions,
  ) {
    this.#spec = spec;
    this.#tiers = tiers;
    this.#results = results;
    this.#options = options;
  }

  /**
   * Rejects when the service could not tell.
   *
   * @param looked what the shared cache had
   * @param waitsSince when the load began to wait for the service, monotonic in milliseconds; default: now
   */
  async ask(load: Load<LoadTask<Q>, unknown>, looked: Looked<V>, waitsSince?: number): Promise<Verdict<V, R>> {
    const { invalidation, timeline } = this.#tiers;
    const { id, task } = load;
    const { mode, standing, asked: watched } = task;
    // When the question left last, should the answer be a refusal: that holds against all that was asked before.
    let tried = timeline.stamp();
    const asked = timeline.asks();
    load.asks(asked.order);
    const onTry = (isBeside: boolean) => {
      tried = timeline.stamp();
      load.tries(tried.order, isBeside);
    };
    const fresh = mode.kind === "fresh";
    const since = fresh ? mode.since : (waitsSince ?? asked.monotonic);
    const onQueued = (ms: number) => {
      if (watched) watched.queuedMs = ms;
    };
    const verdict = await this.#spec.ask(task.question, { onTry, fresh, since, standing, onQueued });
    if (verdict.kind === "refusal") {
      this.#refused(load, verdict, tried, looked);
      return verdict;
    }
    this.#options.refusals.answered(verdict.source);
    const entry = this.#results.entryOf(task, verdict.value, asked);
    // While it was under way its entry was invalidated, or a question asked later was answered: storing it would be a stale set.
    if (invalidation.isDiscarded(load) || invalidation.isVoid(entry)) return verdict;
    if (invalidation.isUnproven(entry)) return verdict; // shared, it would be what proves itself
    if (this.#foundLater(id, entry)) return verdict;
    load.answered(load.triedAs);
    this.#results.store(id, entry, task.hardExpiry);
    return verdict;
  }

  /** Whether another load took a later answer from the shared cache while this one was under way. */
  #foundLater(id: string, entry: Entry<V>): boolean {
    const held = this.#tiers.process.peek(id);
    return held?.isShared === true && held.order > entry.order && isNewer(held, entry);
  }

  #refused(load: Load<LoadTask<Q>, unknown>, refusal: Refusal<R>, tried: Tombstone, looked: Looked<V>): void {
    const { id, task } = load;
    const { invalidation } = this.#tiers;
    const { refusals } = this.#options;
    const { isInformed, source, reason } = refusal;
    const held = this.#goodUntilNow(load, looked);
    if (isInformed) refusals.answered(source);
    else if (held && this.#options.clock.now() < held.askedAt + RECENT_TTLS * this.#spec.ttlMs)
      refusals.refused(source, held.subject);
    const { order } = tried;
    if (invalidation.isDiscarded({ order, triedAs: order, history: load.history })) return;
    const isRefusing = refusals.isRefusing(source);
    // While everybody is refused the entry is used to its end, and asked about again before: it contradicts nothing.
    if (!isInformed && !task.isWaitedFor && isRefusing) return invalidation.refusedWithAll(id, tried);
    load.answered(order);
    this.#results.refuse(id, reason, tried, looked.lookup, held !== undefined && !isRefusing);
  }

  /** What was good by all that is known, however long ago: not what was invalidated, or has ended by its own word. */
  #goodUntilNow({ id, task }: Load<LoadTask<Q>, unknown>, { entry }: Looked<V>): Kept | undefined {
    const held = this.#tiers.process.peek(id) ?? entry;
    if (!held || this.#tiers.invalidation.isVoid(held)) return undefined;
    return this.#options.clock.now() < task.hardExpiry ? held : undefined;
  }
}
