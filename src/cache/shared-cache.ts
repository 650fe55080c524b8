import type { Clock } from "../runtime/clock.js";
import { type GuardedStore, latestOf, type StoredEntry } from "./guarded-store.js";
import { type Asking, type Invalidation, MAX_SKEW_MS, SHARED_LIFE_MS } from "./invalidation.js";
import type { InvalidationLog } from "./invalidation-log.js";
import type { EntryName } from "./keyring.js";
import type { CacheSpec, Entry } from "./spec.js";
import { anyInvalidated, type SubjectInvalidations, subjectKey } from "./subject-invalidations.js";
import type { Timeline } from "./timeline.js";
import type { Tombstone } from "./tombstones.js";
import { WrittenIds } from "./written-ids.js";

/** What a look into the shared cache brought. */
export interface SharedLookup<V> {
  /** The store could be asked. True also where the entry is in doubt: then none of the process is served stale. */
  readonly wasRead: boolean;
  /** What lies there may be the answer, void or expired though it is. `undefined`: not known. */
  readonly mayBeThere: boolean | undefined;
  /** It may be void, and expired: then it can still be served while the service is unavailable. */
  readonly entry: Entry<V> | undefined;
}

const NOT_READ = { wasRead: false, mayBeThere: undefined, entry: undefined };
const NO_ENTRY = { wasRead: true, mayBeThere: false, entry: undefined };
/** An entry of no use now: it does not decode, is too old or from the future by this clock, or what contradicts it could not be read. */
const UNUSABLE = { wasRead: true, mayBeThere: true, entry: undefined };

export interface SharedCacheOptions {
  readonly subjects: SubjectInvalidations;
  readonly invalidation: Invalidation;
  readonly timeline: Timeline;
  readonly clock: Clock;
  /** Where there is one, other processes are told of tokens. */
  readonly log: InvalidationLog | undefined;
  /** How long past its end an entry may be served while the service is unavailable, in milliseconds. */
  readonly staleIfErrorMs: number;
}

/** L2, which several processes share: one kind of answer in the store. */
export class SharedCache<Q, V> {
  readonly #spec: CacheSpec<Q, V, unknown, unknown>;
  readonly #store: GuardedStore;
  readonly #subjects: SubjectInvalidations;
  readonly #invalidation: Invalidation;
  readonly #timeline: Timeline;
  readonly #clock: Clock;
  readonly #written = new WrittenIds();
  readonly #log: InvalidationLog | undefined;
  readonly #staleIfErrorMs: number;

  constructor(
    spec: CacheSpec<Q, V, unknown, unknown>,
    store: GuardedStore,
    { subjects, invalidation, timeline, clock, log, staleIfErrorMs }: SharedCacheOptions,
  ) {
    this.#spec = spec;
    this.#store = store;
    this.#subjects = subjects;
    this.#invalidation = invalidation;
    this.#timeline = timeline;
    this.#clock = clock;
    this.#log = spec.isTold ? log : undefined;
    this.#staleIfErrorMs = staleIfErrorMs;
  }

  /**
   * The entry in the store, when the tombstone of its subject has been read. Whether it is void is for the caller to ask, after the wait.
   *
   * @param asking what the entry takes its meaning from
   * @param isKnown a known user asks: strangers have not all the room of the store
   */
  async find(question: Q, asking: Asking, isKnown: boolean): Promise<SharedLookup<V>> {
    for (let looks = 0; looks < 2; looks++) {
      const order = this.#timeline.next();
      const lookup = await this.#look(question, asking, isKnown);
      if (!this.#invalidation.isUnproven({ order })) return lookup;
      // What was read before something was missed may be what that contradicts.
    }
    return UNUSABLE;
  }

  async #look(question: Q, asking: Asking, isKnown: boolean): Promise<SharedLookup<V>> {
    const { about } = this.#spec;
    const names = [this.#nameOf(asking.id), anyInvalidated(about)] as const;
    const [lookup, any] = await (isKnown ? this.#store.read(...names) : this.#store.readForStranger(...names));
    if (!lookup.wasRead && lookup.entries.length === 0) return NOT_READ;
    const stored = latestOf(lookup.entries);
    if (!stored) return NO_ENTRY;
    const value = this.#decode(stored);
    if (value === undefined) return UNUSABLE;
    const subject = this.#spec.subjectOf(question, value);
    const mayBeInvalidated = !any.wasRead || any.entries.length > 0;
    if (mayBeInvalidated && !(await this.#subjects.learn(about, subject, this.#store))) return UNUSABLE;
    const [now, askedAt] = [this.#clock.now(), stored.askedAt];
    const expiresAt = Math.min(stored.expiresAt, askedAt + this.#spec.ttlMs); // of another process, whose TTLs may be longer: ours hold here
    const endsAt = this.#clock.monotonic() + (expiresAt - Math.max(now, askedAt));
    const order = this.#timeline.accepts(askedAt);
    const entry = {
      value,
      order,
      askedAt,
      isShared: true,
      expiresAt,
      endsAt,
      subject: subjectKey(about, subject),
      meaning: asking.meaning,
    };
    return { wasRead: true, mayBeThere: true, entry };
  }

  /** Writes behind. */
  put(id: string, { value, order, askedAt, expiresAt, endsAt, meaning }: Entry<V>, hardExpiry: number): void {
    const now = this.#clock.now();
    const leftMs = Math.min(expiresAt - now, endsAt - this.#clock.monotonic());
    const keptMs = Math.min(leftMs + this.#staleIfErrorMs, askedAt + SHARED_LIFE_MS - now, hardExpiry - now);
    if (leftMs <= 0 || keptMs <= 0) return;
    this.#written.add(id, meaning, order);
    this.#store.write(this.#nameOf(id), { askedAt, expiresAt, value: this.#spec.encode(value) }, keptMs);
  }

  /** Deletes, and tells the other processes. Rejects when they could not be told. */
  async invalidate(id: string, meaning: string | undefined, at: Tombstone): Promise<void> {
    const write = () => this.#delete(id, at, true);
    if (this.#log) await this.#log.tell({ fact: { kind: "token", id, meaning, at: at.wall }, write });
    else await write();
  }

  /**
   * Deletes behind what was refused.
   *
   * @param isOurs the process held or wrote it, or the store had it: no stranger's
   * @param isNews nothing had contradicted it before: the other processes are told
   */
  refuse(id: string, at: Tombstone, isOurs: boolean, isNews: boolean): void {
    if (!isNews || !this.#log) return this.drop(id, at, isOurs);
    const write = () => this.#delete(id, at, isOurs);
    this.#log.tellRefusal({ fact: { kind: "refusal", id, meaning: undefined, at: at.wall }, write });
  }

  /** Whether this process put the id there, or any of that meaning. */
  hasWritten(idOrMeaning: string): boolean {
    return this.#written.has(idOrMeaning);
  }

  /** Deletes behind what this process put there, if it was asked for before that: it may have come after the deletion. */
  dropIfBefore(id: string, until: Tombstone): void {
    if (this.#written.isBefore(id, until)) this.drop(id, until, true);
  }

  /** Deletes behind. */
  drop(id: string, at: Tombstone, isOurs: boolean): void {
    void this.#delete(id, at, isOurs).catch(() => undefined); // it left a tombstone
  }

  async #delete(id: string, at: Tombstone, isOurs: boolean): Promise<void> {
    try {
      await this.#store.remove(this.#nameOf(id), isOurs);
    } catch (error) {
      this.#invalidation.undeleted(id, at, isOurs);
      throw error;
    }
  }

  #nameOf(id: string): EntryName {
    return { kind: this.#spec.name, id, isDigest: this.#spec.hasDigestIds };
  }

  /** One from further in the future comes from a process whose clock, or purpose, is not ours. */
  #decode({ askedAt, value }: StoredEntry): V | undefined {
    const now = this.#clock.now();
    return askedAt > now + MAX_SKEW_MS || now >= askedAt + SHARED_LIFE_MS ? undefined : this.#spec.decode(value);
  }
}
