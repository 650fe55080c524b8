import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import { type GuardedStore, latestOf, type StoredEntry } from "./guarded-store.js";
import { MAX_SKEW_MS, SHARED_LIFE_MS, type Subjects } from "./invalidation.js";
import type { InvalidationLog } from "./invalidation-log.js";
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

/** Where this process has it from. Of what it invalidates itself the store has the tombstone. */
type Source = "store" | "log";

interface Seen {
  /** As the tombstone says it. */
  readonly at: number;
  /** Monotonic, in milliseconds. */
  readonly heardAt: number;
}

export interface SubjectInvalidationsOptions {
  store: GuardedStore | undefined;
  timeline: Timeline;
  /** Where there is one, other processes are told. */
  log?: InvalidationLog | undefined;
  maxTombstones?: number | undefined;
  /** Told of each subject that was invalidated, here or elsewhere, by its key, and until when. */
  onInvalidated?: ((key: string, until: Tombstone) => void) | undefined;
}

/** Invalidated users and organizations, for all caches of a client: what is told here, and what the store knows of others. */
export class SubjectInvalidations implements Subjects {
  readonly maxTombstones: number;
  readonly #tombstones: Tombstones;
  readonly #store: GuardedStore | undefined;
  readonly #timeline: Timeline;
  readonly #log: InvalidationLog | undefined;
  readonly #onInvalidated: SubjectInvalidationsOptions["onInvalidated"];
  /**
   * What was heard of a subject last: the same again is no news. An older one may be: by a clock that is behind. Of what the store says and
   * what the log tells each has its own: else an old entry of the log that is played back would make the store's tombstone news again.
   */
  #seen: BoundedMap<{ readonly [S in Source]?: Seen }> | undefined;
  #latest = 0;
  #unprovenUntil = 0;

  constructor({ store, timeline, log, maxTombstones = MAX_TOMBSTONES, onInvalidated }: SubjectInvalidationsOptions) {
    this.maxTombstones = maxTombstones;
    this.#tombstones = new Tombstones(maxTombstones);
    this.#store = store;
    this.#timeline = timeline;
    this.#log = log;
    this.#onInvalidated = onInvalidated;
  }

  /** When the last one was invalidated. What a question is about shows only in its answer: none asked before is joined. */
  get latest(): number {
    return this.#latest;
  }

  get unprovenUntil(): number {
    return this.#unprovenUntil;
  }

  /** The log may have lost something: by that, nothing is void, but what is kept so far must be looked up again. */
  doubt(): void {
    this.#unprovenUntil = this.#timeline.next();
  }

  void(key: string, order: number, storedAt?: number): boolean {
    return this.#tombstones.void(key, order, storedAt);
  }

  voidStored(key: string, askedAt: number): boolean {
    return this.#tombstones.voidStored(key, askedAt);
  }

  /** Rejects when the others could not be told; this process has forgotten all the same. */
  async invalidate(about: Subject, subject: string): Promise<void> {
    const made = this.#timeline.stamp();
    this.#record(subjectKey(about, subject), made, made.wall, "store");
    const store = this.#store;
    if (!store) return;
    let isAgain = false;
    const write = async () => {
      // When it is told again, another process may have invalidated it since: an older tombstone must not take the place of that one.
      const at = Math.max(made.wall, isAgain ? await this.#storedAt(about, subject, store) : made.wall);
      isAgain = true;
      const tombstone = { askedAt: at, expiresAt: at + TOMBSTONE_MS, value: true };
      if (at === made.wall) await store.writeConfirmed(tombstoneOf(about, subject), tombstone, TOMBSTONE_MS);
      // Written second, with the same TTL: it ends last. Also where the other process has come no further than its tombstone.
      await store.writeConfirmed(anyInvalidated(about), tombstone, TOMBSTONE_MS);
    };
    // What others need of it is the key, which has a bound as entries of the log have.
    if (this.#log) await this.#log.tell({ fact: { kind: about, subject: boundedKey(subject), at: made.wall }, write });
    else await write();
  }

  /** What the tombstone in the store says; rejects when it cannot be read. */
  async #storedAt(about: Subject, subject: string, store: GuardedStore): Promise<number> {
    const [{ wasRead, entries }] = await store.read(tombstoneOf(about, subject));
    if (!wasRead) throw new Error("the tombstone in the store cannot be read");
    return latestOf(entries)?.askedAt ?? Number.NEGATIVE_INFINITY;
  }

  /**
   * Another process invalidated the subject: its tombstone lies in the store. All that this process has asked so far is void: how the
   * other's clock stands to ours is not known well enough to except anything.
   *
   * @param at wall time in milliseconds, by the clock of that process
   */
  hearStored(about: Subject, subject: string, at: number): void {
    this.#hear(subjectKey(about, subject), at, "store", () => {
      const { order, wall } = this.#timeline.stamp();
      // One from the future is cut to now: else it would make void what is asked from now on and, once evicted, raise the floor for all.
      return { order, wall: Math.min(at, wall) };
    });
  }

  /** The same, where the log tells of it: which may be old, and played back. */
  hearTold(about: Subject, subject: string, at: number): void {
    this.#hear(subjectKey(about, subject), at, "log", () => this.#timeline.placeOf(at, MAX_SKEW_MS));
  }

  #hear(key: string, at: number, source: Source, place: () => Tombstone): void {
    const seen = this.#seen?.get(key);
    // In whatever way it was heard before: it makes nothing void that was asked since.
    const same = seen?.store?.at === at ? seen.store : seen?.log?.at === at ? seen.log : undefined;
    if (!same) return this.#record(key, place(), at, source);
    if (source === "store" && seen) this.#seen?.set(key, { ...seen, store: same });
    this.#tombstones.prolong(key, Math.min(at, this.#timeline.wallOf(same.heardAt)));
  }

  #record(key: string, tombstone: Tombstone, at: number, source: Source): void {
    this.#seen ??= createBoundedMap({ maxEntries: MAX_TOMBSTONES });
    this.#seen.set(key, { ...this.#seen.peek(key), [source]: { at, heardAt: this.#timeline.monotonic } });
    this.#latest = Math.max(this.#latest, tombstone.order);
    this.#tombstones.record(key, tombstone);
    this.#onInvalidated?.(key, tombstone);
  }

  /** Takes over what the store knows of the subject; `false` when it cannot be asked. */
  async learn(about: Subject, subject: string, store: GuardedStore): Promise<boolean> {
    const [{ wasRead, entries }] = await store.read(tombstoneOf(about, subject));
    if (entries.length > 0) this.hearStored(about, subject, (latestOf(entries) as StoredEntry).askedAt);
    return wasRead;
  }
}

function tombstoneOf(about: Subject, subject: string): EntryName {
  return { kind: `${about}-invalidated`, id: subject, isTombstone: true };
}
