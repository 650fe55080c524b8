import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import type { GuardedStore, StoredEntry } from "./guarded-store.js";
import { latestOf, MAX_SKEW_MS, SHARED_LIFE_MS, type Subjects } from "./invalidation.js";
import type { EntryName } from "./keyring.js";
import type { Subject } from "./spec.js";
import type { Timeline } from "./timeline.js";
import { boundedKey, MAX_TOMBSTONES, type Tombstone, Tombstones } from "./tombstones.js";

const TOMBSTONE_MS = SHARED_LIFE_MS + MAX_SKEW_MS;

/** Says whether there is any tombstone of a subject of that kind at all: if not, none need be looked for. */
export function anyInvalidated(about: Subject): EntryName {
  return { kind: `any-${about}-invalidated`, id: "" };
}

/** The key that entries, and tombstones in this process, have of a subject. */
export function subjectKey(about: Subject, subject: string): string {
  const key = boundedKey(subject); // of a user it begins with a bracket, see `compoundId`, or is a digest
  return about === "user" ? key : `${about}:${key}`;
}

export interface SubjectInvalidationsOptions {
  store: GuardedStore | undefined;
  timeline: Timeline;
  maxTombstones?: number | undefined;
}

/** Invalidated users and organizations, for all caches of a client: what is told here, and what the store knows of others. */
export class SubjectInvalidations implements Subjects {
  readonly maxTombstones: number;
  readonly #tombstones: Tombstones;
  readonly #store: GuardedStore | undefined;
  readonly #timeline: Timeline;
  /** What the store's tombstone of a subject said last, and when that was heard, monotonic: the same again is no news. */
  #seen: BoundedMap<{ readonly at: number; readonly heardAt: number }> | undefined;
  #latest = 0;

  constructor({ store, timeline, maxTombstones = MAX_TOMBSTONES }: SubjectInvalidationsOptions) {
    this.maxTombstones = maxTombstones;
    this.#tombstones = new Tombstones(maxTombstones);
    this.#store = store;
    this.#timeline = timeline;
  }

  /** When the last one was invalidated. What a question is about shows only in its answer: none asked before is joined. */
  get latest(): number {
    return this.#latest;
  }

  void(key: string, order: number): boolean {
    return this.#tombstones.void(key, order);
  }

  voidStored(key: string, askedAt: number): boolean {
    return this.#tombstones.voidStored(key, askedAt);
  }

  /** Rejects when the store could not be told; this process has forgotten all the same. */
  async invalidate(about: Subject, subject: string): Promise<void> {
    const made = this.#timeline.contradicts();
    this.#record(subjectKey(about, subject), made, made.wall);
    const tombstone = { askedAt: made.wall, expiresAt: made.wall + TOMBSTONE_MS, value: true };
    await this.#store?.writeConfirmed(tombstoneOf(about, subject), tombstone, TOMBSTONE_MS);
    await this.#store?.writeConfirmed(anyInvalidated(about), tombstone, TOMBSTONE_MS); // written second, with the same TTL: it ends last
  }

  /**
   * Another process invalidated the subject. All that this process has asked so far is void: how the other's clock stands to ours is
   * not known well enough to except anything.
   *
   * @param at wall time in milliseconds, by the clock of that process
   */
  hear(about: Subject, subject: string, at: number): void {
    const key = subjectKey(about, subject);
    const seen = this.#seen?.get(key);
    if (seen?.at === at) {
      this.#tombstones.prolong(key, Math.min(at, this.#timeline.wallOf(seen.heardAt)));
      return;
    }
    const { order, wall } = this.#timeline.contradicts();
    // One from the future is cut to now: else it would make void what is asked from now on and, once evicted, raise the floor for all.
    this.#record(key, { order, wall: Math.min(at, wall) }, at);
  }

  #record(key: string, tombstone: Tombstone, at: number): void {
    this.#seen ??= createBoundedMap({ maxEntries: MAX_TOMBSTONES });
    this.#seen.set(key, { at, heardAt: this.#timeline.monotonic });
    this.#latest = tombstone.order;
    this.#tombstones.record(key, tombstone);
  }

  /** Takes over what the store knows of the subject; `false` when it cannot be asked. */
  async learn(about: Subject, subject: string, store: GuardedStore): Promise<boolean> {
    const [{ known, entries }] = await store.read(tombstoneOf(about, subject));
    if (entries.length > 0) this.hear(about, subject, (latestOf(entries) as StoredEntry).askedAt);
    return known;
  }
}

function tombstoneOf(about: Subject, subject: string): EntryName {
  return { kind: `${about}-invalidated`, id: subject, isTombstone: true };
}
