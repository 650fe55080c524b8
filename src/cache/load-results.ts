import type { Clock } from "../runtime/clock.js";
import type { Invalidation } from "./invalidation.js";
import type { LoadTask } from "./load-task.js";
import type { NegativeCache } from "./negative-cache.js";
import type { ProcessEntry, ProcessView } from "./process-cache.js";
import type { SharedCache, SharedLookup } from "./shared-cache.js";
import type { CacheSpec, Entry } from "./spec.js";
import { subjectKey } from "./subject-invalidations.js";
import type { Moment } from "./timeline.js";
import type { Tombstone } from "./tombstones.js";

/** Where a load leaves what it brought. */
export interface ResultTiers<Q, V, P, R> {
  readonly process: ProcessView<Q, V, P>;
  readonly negative: NegativeCache<R>;
  readonly shared: SharedCache<Q, V> | undefined;
  readonly invalidation: Invalidation;
}

export interface ResultOptions {
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Longest stay in the process when there is a shared cache, in milliseconds. */
  readonly processTtlMs: number;
}

/** Entries that were stored together should not expire together: each lives up to this share shorter. */
const JITTER = 0.1;

/** Leaves in the tiers what a load brought. Whether it may is for `ServiceLoads` to say. */
export class LoadResults<Q, V, P, R> {
  readonly #spec: CacheSpec<Q, V, P, R>;
  readonly #tiers: ResultTiers<Q, V, P, R>;
  readonly #options: ResultOptions;

  constructor(spec: CacheSpec<Q, V, P, R>, tiers: ResultTiers<Q, V, P, R>, options: ResultOptions) {
    this.#spec = spec;
    this.#tiers = tiers;
    this.#options = options;
  }

  /** The answer of the service, as an entry. */
  entryOf({ question, meaning }: LoadTask<Q>, value: V, { order, wall, monotonic }: Moment): Entry<V> {
    const { about, ttlMs } = this.#spec;
    const livesMs = this.#jittered(ttlMs);
    const subject = subjectKey(about, this.#spec.subjectOf(question, value));
    return {
      value,
      order,
      askedAt: wall,
      isShared: false,
      expiresAt: wall + livesMs,
      endsAt: monotonic + livesMs,
      subject,
      meaning,
    };
  }

  /** Stores an answer of the service in both tiers. */
  store(id: string, entry: Entry<V>, hardExpiry: number): void {
    this.keep(id, entry, hardExpiry);
    this.#tiers.shared?.put(id, entry, hardExpiry);
  }

  /** Keeps an entry in the process, for as long as it may; `undefined` where that is over already. */
  keep(id: string, entry: Entry<V>, hardExpiry: number): ProcessEntry<V, P> | undefined {
    const { process, negative, shared } = this.#tiers;
    const { clock, processTtlMs } = this.#options;
    const tierEnd = shared ? clock.monotonic() + this.#jittered(processTtlMs) : Number.POSITIVE_INFINITY;
    negative.forget(id);
    return process.keep(id, entry, { tierEnd, hardExpiry });
  }

  /**
   * Remembers a refusal, and deletes what it contradicts, by the first of these that is true:
   *
   * | the entry in the store               | deleted there | may make room for    | others are told |
   * |--------------------------------------|---------------|----------------------|-----------------|
   * | held here, found or written          | yes           | others that were     | if it is news   |
   * | unknown: the store could not be read | yes           | those of strangers   | if it is news   |
   * | not found                            | no            | those of strangers   | no              |
   *
   * @param tried when the service was asked last
   * @param lookup what the load had found in the shared cache
   * @param isNews something was held that nothing had contradicted
   */
  refuse(id: string, reason: R, tried: Tombstone, lookup: SharedLookup<V> | undefined, isNews: boolean): void {
    const { invalidation, negative, process, shared } = this.#tiers;
    const wasHeld = process.forget(id);
    const isThere = lookup?.mayBeThere;
    const isOurs = wasHeld || isThere === true || (shared?.hasWritten(id) ?? false);
    // Also where it is not to be repeated: the shared cache, a request or a connection may still hold what it contradicts.
    invalidation.refused(id, tried, isOurs);
    // For a flood of garbage tokens, which a look has not found, there is nothing to delete.
    if (isOurs || isThere === undefined) shared?.refuse(id, tried, isOurs, isNews);
    negative.remember(id, reason, this.#jittered(this.#spec.refusalTtlMs));
  }

  #jittered(ttlMs: number): number {
    return ttlMs * (1 - JITTER * this.#options.random());
  }
}
