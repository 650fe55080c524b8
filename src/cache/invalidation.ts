import { hash } from "node:crypto";
import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import type { GuardedStore, StoredEntry } from "./guarded-store.js";
import type { EntryName } from "./keyring.js";
import type { Entry, Subject } from "./spec.js";
import type { Timeline } from "./timeline.js";
import { MAX_TOMBSTONES, type Tombstone, Tombstones } from "./tombstones.js";

/*
 * Every fact carries when it was asked for. What was asked for later wins. An answer is void if it was asked for before one of these:
 *
 * | what happened                              | is remembered                                        | and holds against            |
 * |--------------------------------------------|------------------------------------------------------|------------------------------|
 * | a user, an organization was invalidated    | a tombstone, here and in the store                   | every entry about it         |
 * | a token was invalidated                    | deleted in both tiers; its time, here; for a JWT     | what the store brings back,  |
 * |                                            | also the digest of what its spellings share          | and every other spelling     |
 * | an id was refused                          | deleted in both tiers; the time of the refusal       | what the store still holds,  |
 * |                                            |                                                      | every question asked before  |
 * | an id could not be deleted from the store  | a tombstone of it, in this process alone             | what the store still holds   |
 * | an id was answered                         | the entry in the process, fresh or not               | what the store still holds,  |
 * |                                            |                                                      | every question asked before  |
 * | a refresh was refused while everybody is   | the time of the refusal, in this process alone       | nothing; but an entry asked  |
 * |                                            |                                                      | for before is never stale    |
 * | another process invalidated a subject      | a tombstone here, when it is read: `hear`            | every entry about it         |
 *
 * Only of subjects do other processes learn: an id that the store could not be told to delete they serve until its entry ends.
 *
 * `isVoid` is asked of what this process asked for itself, or has accepted; there, "before" is the order of this process.
 * `isVoidInStore` is asked of what the shared cache brings; there, times are by other clocks, and what could have been asked before
 * counts as asked before. Either is asked after the last `await`. No other file compares one time of
 * asking with another.
 */

/** What the clocks of processes that share a store may differ by, in milliseconds. */
export const MAX_SKEW_MS = 60_000;

/**
 * No answer is left in the shared cache, or taken from there, for longer after it was asked for, in milliseconds, whatever TTLs the
 * processes have that share it: a tombstone need not be remembered for longer.
 */
export const SHARED_LIFE_MS = 24 * 3_600_000;
const TOMBSTONE_MS = SHARED_LIFE_MS + MAX_SKEW_MS;

/** Longer keys are remembered as digests. In characters. */
const MAX_KEY_LENGTH = 128;
const MAX_REMEMBERED = 10_000;

/** Says whether there is any tombstone of a subject of that kind at all: if not, none need be looked for. */
export function anyInvalidated(about: Subject): EntryName {
  return { kind: `any-${about}-invalidated`, id: "", isTombstone: true };
}

/** The key that entries, and tombstones in this process, have of a subject. */
export function subjectKey(about: Subject, subject: string): string {
  const key = boundedKey(subject); // of a user it begins with a bracket, see `compoundId`, or is a digest
  return about === "user" ? key : `${about}:${key}`;
}

function boundedKey(id: string): string {
  return id.length <= MAX_KEY_LENGTH ? id : `#${hash("sha256", id, "base64url")}`;
}

export interface SubjectInvalidationsOptions {
  store: GuardedStore | undefined;
  timeline: Timeline;
  maxTombstones?: number | undefined;
}

/** Invalidated users and organizations, for all caches of a client. */
export class SubjectInvalidations {
  /** Of each kind that the caches remember, so many one by one. */
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
    await this.#store?.writeConfirmed(anyInvalidated(about), tombstone, TOMBSTONE_MS); // after it, so that it outlives it
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
    this.#seen ??= createBoundedMap({ maxEntries: MAX_REMEMBERED });
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

/** The one that was asked for last. */
export function latestOf(entries: readonly StoredEntry[]): StoredEntry | undefined {
  return entries.reduce<StoredEntry | undefined>(
    (latest, entry) => (latest && latest.askedAt >= entry.askedAt ? latest : entry),
    undefined,
  );
}

/** Whether an entry is newer than the one that it would replace. */
export function isNewer(entry: Dated, than: Dated): boolean {
  return entry.askedAt > than.askedAt;
}

type Dated = Pick<Entry<unknown>, "askedAt">;

/** What has happened to an id while it was being loaded, in the order of this process; 0 = nothing. */
export interface History {
  invalidatedAs: number;
  /** When the latest question was asked that has been answered. */
  newestAnswered: number;
}

/** A question under way. */
export interface Asking {
  readonly id: string;
  /** When the service was asked, or will be at the earliest, in the order of this process. */
  readonly order: number;
  /** When it was asked last, for the first time or again. */
  readonly triedAs: number;
  readonly history: Readonly<History>;
  readonly meaning: number | undefined;
}

/** When what is known of one kind of question is void. */
export class Invalidation {
  readonly #subjects: SubjectInvalidations;
  readonly #hasDigestIds: boolean;
  readonly #meanings: Tombstones;
  /** Ids that were invalidated: the store may have lost the deletion. */
  readonly #deleted: Tombstones;
  /** Ids that the store could not be told to delete. */
  readonly #undeleted: Tombstones;
  readonly #refused: Tombstones;
  /** Ids that were refused while everybody was. */
  readonly #doubted: Tombstones;
  #written: BoundedMap<true> | undefined;

  constructor(subjects: SubjectInvalidations, hasDigestIds: boolean) {
    this.#subjects = subjects;
    this.#hasDigestIds = hasDigestIds;
    const { maxTombstones } = subjects;
    this.#meanings = new Tombstones(maxTombstones);
    this.#deleted = new Tombstones(maxTombstones);
    this.#undeleted = new Tombstones(maxTombstones);
    this.#refused = new Tombstones(maxTombstones);
    this.#doubted = new Tombstones(maxTombstones);
  }

  isVoid({ order, subject, meaning }: Pick<Entry<unknown>, "order" | "subject" | "meaning">): boolean {
    return this.#subjects.void(subject, order) || this.#isVoidMeaning(meaning, order);
  }

  /**
   * @param asking the question for which it was read from the store
   * @param held what the process holds of the id, fresh or not
   */
  isVoidInStore(asking: Asking, entry: Entry<unknown>, held?: Dated): boolean {
    const { subject, meaning, askedAt } = entry;
    const asked = askedAt - MAX_SKEW_MS; // by the clock of the process that contradicts it, at the earliest
    const key = this.#keyOf(asking.id);
    return (
      this.isDiscarded(asking) ||
      this.#subjects.voidStored(subject, asked) ||
      (meaning !== undefined && !this.#meanings.isEmpty && this.#meanings.voidStored(`${meaning}`, asked)) ||
      this.#deleted.voidStored(key, asked) ||
      this.#undeleted.voidStored(key, asked) ||
      this.#refused.voidStored(key, asked) ||
      (held !== undefined && isNewer(held, entry))
    );
  }

  /** Whether the answer to a question under way comes too late: storing it would be a stale set. */
  isDiscarded({ order, triedAs, history }: Omit<Asking, "id" | "meaning">): boolean {
    return order < history.invalidatedAs || triedAs < history.newestAnswered;
  }

  /** Whether a new caller may be given the answer to a question under way. */
  mayBeJoined(asking: Asking): boolean {
    return asking.order > this.#subjects.latest && !this.isDiscarded(asking);
  }

  /** @param isKnown the process holds, or wrote, an id of that meaning: no stranger's */
  invalidated(id: string, at: Tombstone, meaning: number | undefined, isKnown: boolean): void {
    if (meaning !== undefined) this.#meanings.record(`${meaning}`, at, isKnown);
    this.#deleted.record(this.#keyOf(id), at, false);
  }

  refused(id: string, at: Tombstone): void {
    this.#refused.record(this.#keyOf(id), at, false);
  }

  /** The id was refused while everybody was: its entry may be used to its end, and no longer. */
  doubted(id: string, at: Tombstone): void {
    this.#doubted.record(this.#keyOf(id), at);
  }

  /** Whether an entry must not be served when it has ended. */
  isDoubted(id: string, { askedAt }: Dated): boolean {
    return !this.#doubted.isEmpty && this.#doubted.voidStored(this.#keyOf(id), askedAt - MAX_SKEW_MS);
  }

  /** The store could not be told to delete the id. */
  undeleted(id: string, at: Tombstone, isKnown: boolean): void {
    this.#undeleted.record(this.#keyOf(id), at, isKnown);
  }

  /** The id, of that meaning, was written to the store. */
  written(id: string, meaning: number | undefined): void {
    this.#written ??= createBoundedMap<true>({ maxEntries: 2 * MAX_REMEMBERED });
    this.#written.set(this.#keyOf(id), true);
    if (meaning !== undefined) this.#written.set(`${meaning}`, true);
  }

  /** Whether the id was written, or any of that meaning. */
  isWritten(idOrMeaning: string): boolean {
    return this.#written?.peek(this.#keyOf(idOrMeaning)) !== undefined;
  }

  #isVoidMeaning(meaning: number | undefined, order: number): boolean {
    return meaning !== undefined && !this.#meanings.isEmpty && this.#meanings.void(`${meaning}`, order);
  }

  #keyOf(id: string): string {
    return this.#hasDigestIds ? id : boundedKey(id);
  }
}
