import { raceAbort } from "../runtime/abort.js";
import type { GuardedStore } from "./guarded-store.js";
import { contradicts, Invalidation, MAX_SKEW_MS, type OnContradicted } from "./invalidation.js";
import type { InvalidationLog } from "./invalidation-log.js";
import type { Caller, LoadCounts } from "./landing.js";
import { shortMeaning } from "./load-task.js";
import { Loader, type LoaderOptions } from "./loader.js";
import type { TokenFact } from "./log-facts.js";
import { NegativeCache } from "./negative-cache.js";
import type { ProcessCache, ProcessView } from "./process-cache.js";
import { SharedCache } from "./shared-cache.js";
import type { CacheSpec, Origin, Outcome } from "./spec.js";
import { type SubjectInvalidations, subjectKey } from "./subject-invalidations.js";
import type { Timeline } from "./timeline.js";

/** What the caches of a client have in common. */
export interface CacheTiers {
  readonly process: ProcessCache;
  readonly store: GuardedStore | undefined;
  readonly subjects: SubjectInvalidations;
  readonly timeline: Timeline;
  readonly log: InvalidationLog | undefined;
}

export interface CacheCounts extends LoadCounts {
  /** Answered by an expired entry, because the service was unavailable. */
  stale: number;
}

/**
 * One kind of answer, cached in the process (L1), then in the shared cache (L2), then asked of the service: one question under way per
 * id, however many ask at once. `invalidation.ts` says which entries are void.
 *
 * To be read in this order: `spec`, `invalidation` with its table, `timeline` and `tombstones`, this file, `loader`, `service-loads`, then
 * the tiers `process-cache` and `shared-cache`; `log-*` and `redis-*` when they are needed.
 */
export class TieredCache<Q, V, P, R> {
  readonly counts: CacheCounts = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0, renewals: 0 };
  readonly #spec: CacheSpec<Q, V, P, R>;
  readonly #options: LoaderOptions;
  readonly #timeline: Timeline;
  readonly #invalidation: Invalidation;
  readonly #process: ProcessView<Q, V, P>;
  readonly #negative: NegativeCache<R>;
  readonly #shared: SharedCache<Q, V> | undefined;
  readonly #loader: Loader<Q, V, P, R>;

  constructor(
    spec: CacheSpec<Q, V, P, R>,
    { process, store, subjects, timeline, log }: CacheTiers,
    options: LoaderOptions & { readonly onContradicted?: OnContradicted },
  ) {
    const invalidation = new Invalidation(subjects, spec.hasDigestIds, options.onContradicted);
    this.#spec = spec;
    this.#options = options;
    this.#timeline = timeline;
    this.#invalidation = invalidation;
    this.#process = process.view(spec, invalidation);
    this.#negative = new NegativeCache(options.clock);
    this.#shared = store && new SharedCache(spec, store, { ...options, subjects, invalidation, timeline, log });
    const tiers = { process: this.#process, negative: this.#negative, shared: this.#shared, invalidation, timeline };
    this.#loader = new Loader(spec, tiers, { ...options, counts: this.counts });
  }

  /**
   * The answer that the process holds, without waiting. Starts a refresh in the background when the entry is getting old.
   *
   * @param id the question's own, where the caller has it already
   */
  peek(question: Q, id = this.#spec.id(question)): P | undefined {
    const { clock } = this.#options;
    const wall = clock.now();
    const now = clock.monotonicAt?.(wall) ?? clock.monotonic();
    const entry = this.#process.findHit(id, now, wall);
    if (!entry) return undefined;
    this.counts.hits++;
    if (now >= entry.refreshAt) this.#loader.refresh(id, question, entry);
    return entry.hit;
  }

  /** Whether the process has an entry for the id, void or expired though it is. */
  holds(id: string): boolean {
    return this.#process.peek(id) !== undefined;
  }

  /**
   * Answers from the nearest tier that knows, and asks the service when none does.
   *
   * @param call.fresh ask the service, skip the tiers
   * @param call.signal aborts this caller's wait; the load goes on for the others
   * @param call.asker names the subject of a user, who is known then: a guard let it in
   * @param call.gate passed before the service is asked about what is not known; where it throws, the service is not asked
   * @param id the question's own, where the caller has it already
   */
  async get(
    question: Q,
    call: { fresh?: boolean; signal?: AbortSignal } & Caller = {},
    id = this.#spec.id(question),
  ): Promise<Outcome<P, R>> {
    const { fresh = false, signal } = call;
    signal?.throwIfAborted();
    const held = fresh ? undefined : this.#held(question, id);
    if (held) return held;
    const traits = { kind: this.#spec.name, fresh, isRefresh: false, signal };
    return this.#options.watch.asks(traits, (asked) => this.#ask(question, { ...call, asked }, id));
  }

  /** What the process knows. */
  #held(question: Q, id: string): Outcome<P, R> | undefined {
    const answer = this.peek(question, id);
    return answer === undefined ? this.#loader.refusal(id) : { kind: "answer", answer, source: "process" };
  }

  async #ask(
    question: Q,
    call: { fresh?: boolean; signal?: AbortSignal } & Caller,
    id: string,
  ): Promise<Outcome<P, R>> {
    const fresh = call.fresh ?? false;
    const landed = fresh ? this.#loader.fresh(id, question, call) : this.#loader.miss(id, question, call);
    const landing = await raceAbort(landed, call.signal);
    if (landing.kind === "turned away") {
      const { gate, ...others } = call;
      if (landing.gate === gate) throw landing.error;
      // It joined a load whose gate was another caller's. All that joined it pass their own gates now, at the same time: each joining the
      // load of the next would wait for as many gates as there are callers.
      if (gate && !this.holds(id)) await raceAbort(gate(), call.signal);
      call.signal?.throwIfAborted();
      return (fresh ? undefined : this.#held(question, id)) ?? this.#ask(question, others, id);
    }
    if (landing.kind !== "unavailable") return landing;
    if (fresh || landing.stale === undefined) throw landing.error;
    this.counts.stale++;
    return { kind: "answer", answer: landing.stale, source: "stale" };
  }

  /** Forgets one answer in both tiers, and keeps loads that are under way from bringing it back. Rejects when the others could not be told. */
  async invalidate(question: Q): Promise<void> {
    const id = this.#spec.id(question);
    const digest = this.#spec.read?.(question).meaning;
    const meaning = shortMeaning(digest);
    const at = this.#timeline.stamp();
    this.#invalidation.invalidated(id, at, meaning, this.#knows(meaning));
    this.#loader.invalidated(id, meaning, at.order);
    this.#process.forget(id);
    this.#negative.forget(id);
    await this.#shared?.invalidate(id, digest, at);
  }

  /** Whether an answer about that subject that was handed out has been contradicted since. */
  isContradicted(subject: string, origin: Origin): boolean {
    const held = this.#process.peek(origin.id);
    // What is still held was not invalidated or refused since. Its order alone would not say so: it may be the answer to a second try.
    if (held && held.order === origin.order) return this.#invalidation.isVoid(held);
    return this.#invalidation.isContradicted(subjectKey(this.#spec.about, subject), origin);
  }

  /** Whether something that contradicts an answer that was handed out may have been missed. */
  isUnproven(origin: Origin): boolean {
    return this.#invalidation.isUnproven(origin);
  }

  /** Another process invalidated it, or was refused it. Nothing is written, but what this process had put may be there still. */
  hear({ id, meaning: digest, at }: TokenFact): void {
    const meaning = shortMeaning(digest);
    const until = this.#invalidation.heard(id, at, () => this.#timeline.placeOf(at, MAX_SKEW_MS));
    this.#invalidation.invalidated(id, until, meaning, this.#knows(meaning));
    this.#loader.invalidated(id, meaning, until.order);
    const held = this.#process.peek(id);
    if (held && contradicts(until, held)) this.#process.forget(id);
    this.#negative.forget(id); // it may be older than what is told, and is asked about anew
    this.#shared?.dropIfBefore(id, until);
  }

  /** Whether an id of that meaning is held, or was written: in whatever spelling. */
  #knows(meaning: string | undefined): boolean {
    return meaning !== undefined && (this.#process.holdsMeaning(meaning) || this.#shared?.hasWritten(meaning) === true);
  }

  get inFlight(): number {
    return this.#loader.size;
  }
}
