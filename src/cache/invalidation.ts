import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import type { Entry, Origin } from "./spec.js";
import { boundedKey, MAX_TOMBSTONES, type Tombstone, Tombstones } from "./tombstones.js";

/*
 * Every fact carries when it was asked for. What was asked for later wins. An answer is void if it was asked for before one of these:
 *
 * | what happened                              | is remembered                                        | and holds against            |
 * |--------------------------------------------|------------------------------------------------------|------------------------------|
 * | a user, an organization was invalidated    | a tombstone, here and in the store                   | every entry about it         |
 * | a token was invalidated                    | deleted in both tiers; its time, here; for a JWT     | what the store brings back,  |
 * |                                            | also the digest of what its spellings share          | and every other spelling     |
 * | an id was refused                          | deleted in both tiers, where it lay; the time of the | what the store still holds,  |
 * |                                            | refusal                                              | every question asked before  |
 * | an id could not be deleted from the store  | a tombstone of it, in this process alone             | what the store still holds   |
 * | an id was answered                         | the entry in the process, fresh or not               | what the store still holds,  |
 * |                                            |                                                      | every question asked before  |
 * | a refresh was refused while the service    | the time of the refusal, in this process alone       | nothing; but what may have   |
 * | refuses all (see `mass-refusals.ts`)       |                                                      | been asked before is never   |
 * |                                            |                                                      | stale                        |
 * | another process invalidated a subject      | a tombstone here, when it is read in the store       | every entry about it         |
 * | the log tells that another invalidated a   | as if it were here, without a write                  | as if it were here           |
 * | subject                                    |                                                      |                              |
 * | the log tells that another invalidated a   | as if it were here; the entry that this process had  | as if it were here           |
 * | token, or was refused one                  | put into the store before that is deleted again      |                              |
 * | the log may have lost something            | a place in the order of this process                 | nothing; but an entry from   |
 * |                                            |                                                      | before is looked up again,   |
 * |                                            |                                                      | and an answer that was asked |
 * |                                            |                                                      | for before is not stored     |
 *
 * A refusal is void only by what is remembered of its own id: it lets nobody in. Strangers can make a flood of ids. Of those that were
 * invalidated or refused the oldest are forgotten, for they were deleted as well, and of those that could not be deleted, where they were
 * neither held nor written here; of all else that must make room a floor is left (`tombstones.ts`). A refusal of what was held, written or
 * found makes room for others like it alone: an older answer may still be on its way to the store from another process.
 *
 * Of subjects other processes learn in any case, see `subject-invalidations.ts`; of tokens where there is a log (`invalidation-log.ts`),
 * but for refusals that are no news (`load-results.ts`) or too many at once (`log-teller.ts`). Else an id that was invalidated or refused
 * here they serve from their own memory for a while, and one that could not be deleted from the store until its entry there ends. What the
 * log tells holds against what was asked here until it happened, as far as clocks may differ, and never against what is asked later than
 * it is heard: an old entry of the log can be played back.
 *
 * `isVoid` is asked of what this process asked for itself, or has accepted: has taken from the shared cache. There, "before" is the order
 * of this process, which no clock can change; of what it has accepted, also the time. `isVoidInStore` is asked of what the shared cache
 * brings; there, times are by other clocks, and what could have been asked before a contradiction counts as asked before. Of two answers
 * the one with the later time is the newer, whatever the clocks: the other is younger by no more than they differ. Either is asked after
 * the last `await`. What a wall time of another process means here is for `timeline` to say, and of an entry from the future for
 * `shared-cache`.
 */

/** What the clocks of processes that share a store may differ by, in milliseconds. */
export const MAX_SKEW_MS = 60_000;

/**
 * No answer is left in the shared cache, or taken from there, for longer after it was asked for, in milliseconds, whatever TTLs the
 * processes have that share it: a tombstone need not be remembered for longer.
 */
export const SHARED_LIFE_MS = 24 * 3_600_000;

/** Whether an entry is newer than the one that it would replace. */
export function isNewer(entry: Dated, than: Dated): boolean {
  return entry.askedAt > than.askedAt;
}

type Dated = Pick<Entry<unknown>, "askedAt">;
/** What an entry must say of itself. */
export type Kept = Pick<Entry<unknown>, "order" | "subject" | "meaning" | "isShared" | "askedAt">;

/** Whether what happened contradicts an answer about the same. */
export function contradicts(
  until: Tombstone,
  { order, isShared, askedAt }: Omit<Kept, "subject" | "meaning">,
): boolean {
  return order <= until.order || (isShared && askedAt - MAX_SKEW_MS <= until.wall);
}

/** What has happened to an id while it was being loaded, in the order of this process; 0 = nothing. */
export interface History {
  invalidatedAs: number;
  /** Of all questions about it that were answered, when the one was asked that was asked last. */
  newestAnswered: number;
}

/** A question under way. */
export interface Asking {
  readonly id: string;
  /** When the service was asked, or will be at the earliest, in the order of this process. */
  readonly order: number;
  /** When it was asked last, or, of tries beside each other, when the first of them was: the answer may be to that. */
  readonly triedAs: number;
  readonly history: Readonly<History>;
  readonly meaning: string | undefined;
}

/** What was heard of users and organizations, in whatever way: see `subject-invalidations.ts`. */
export interface Subjects {
  /** Of each kind that the caches remember, so many one by one. */
  readonly maxTombstones: number;
  /** When the last one was invalidated, in the order of this process. */
  readonly latest: number;
  /** Until when, in the order of this process, what was told may have been missed. */
  readonly unprovenUntil: number;
  /**
   * Whether what this process asked for about a subject, or accepted, at that place in its order, is void.
   *
   * @param storedAt see tombstones.ts
   */
  void(key: string, order: number, storedAt?: number): boolean;
  /** Whether what may have been asked for about it at that time, wall time in milliseconds, is void. */
  voidStored(key: string, askedAt: number): boolean;
}

export type OnContradicted = (id: string, meaning: string | undefined, until: Tombstone) => void;

/** When what is known of one kind of question is void. */
export class Invalidation {
  readonly #subjects: Subjects;
  readonly #hasDigestIds: boolean | undefined;
  readonly #onContradicted: OnContradicted | undefined;
  readonly #meanings: Tombstones;
  /** Ids that were invalidated: the store may have lost the deletion. */
  readonly #deleted: Tombstones;
  /** Ids that the store could not be told to delete. */
  readonly #undeleted: Tombstones;
  /** Ids that were refused: those of entries that were there, and all others, of which strangers can make a flood. */
  readonly #refused: Readonly<Record<"ours" | "strangers", Tombstones>>;
  /** Ids that were refused while everybody was. */
  readonly #refusedWithAll: Tombstones;
  /** What was heard of an id last: the same again is no news. */
  #heard: BoundedMap<{ readonly at: number; readonly until: Tombstone }> | undefined;

  /** @param onContradicted told of each id that was contradicted, with its meaning where all of that is, and until when */
  constructor(subjects: Subjects, hasDigestIds: boolean | undefined, onContradicted?: OnContradicted) {
    this.#subjects = subjects;
    this.#onContradicted = onContradicted;
    this.#hasDigestIds = hasDigestIds;
    const { maxTombstones } = subjects;
    this.#meanings = new Tombstones(maxTombstones);
    this.#deleted = new Tombstones(maxTombstones);
    this.#undeleted = new Tombstones(maxTombstones);
    this.#refused = { ours: new Tombstones(maxTombstones), strangers: new Tombstones(maxTombstones) };
    this.#refusedWithAll = new Tombstones(maxTombstones);
  }

  isVoid({ order, subject, meaning, isShared, askedAt }: Kept): boolean {
    const storedAt = isShared ? askedAt - MAX_SKEW_MS : undefined;
    return (
      this.#subjects.void(subject, order, storedAt) ||
      (meaning !== undefined && !this.#meanings.isEmpty && this.#meanings.void(meaning, order, storedAt))
    );
  }

  /**
   * Whether something may be missing of what contradicts it. Of an entry of the process: it is looked up in the store before it is served.
   * Of an answer: the store does not know it, and would confirm it if it were put there.
   */
  isUnproven({ order }: Pick<Kept, "order">): boolean {
    return order <= this.#subjects.unprovenUntil;
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
      (meaning !== undefined && !this.#meanings.isEmpty && this.#meanings.voidStored(meaning, asked)) ||
      this.#deleted.voidStored(key, asked) ||
      this.#undeleted.voidStored(key, asked) ||
      this.#refused.ours.voidStored(key, asked) ||
      this.#refused.strangers.voidStored(key, asked) ||
      (held !== undefined && isNewer(held, entry))
    );
  }

  /** Whether the answer to a question under way comes too late: storing it would be a stale set. */
  isDiscarded({ order, triedAs, history }: Omit<Asking, "id" | "meaning">): boolean {
    return order < history.invalidatedAs || triedAs < history.newestAnswered;
  }

  /** Whether a new caller may be given the answer to a question under way. */
  mayBeJoined(asking: Asking): boolean {
    return asking.order > this.#subjects.latest && !this.isUnproven(asking) && !this.isDiscarded(asking);
  }

  /** @param isOurs the process holds, or wrote, an id of that meaning: no stranger's */
  invalidated(id: string, at: Tombstone, meaning: string | undefined, isOurs: boolean): void {
    if (meaning !== undefined) this.#meanings.record(meaning, at, isOurs);
    this.#deleted.record(this.#keyOf(id), at, false);
    this.#onContradicted?.(id, meaning, at);
  }

  /**
   * Another process invalidated the id.
   *
   * @param place in the order of this process, taken once: since what is heard again makes nothing void that was asked meanwhile
   * @returns until when what was asked for is void
   */
  heard(id: string, at: number, place: () => Tombstone): Tombstone {
    const key = this.#keyOf(id);
    const heard = this.#heard?.get(key);
    if (heard?.at === at) return heard.until;
    const until = place();
    this.#heard ??= createBoundedMap({ maxEntries: MAX_TOMBSTONES });
    this.#heard.set(key, { at, until });
    return until;
  }

  /** @param isOurs an entry was there: no stranger's */
  refused(id: string, at: Tombstone, isOurs: boolean): void {
    this.#refused[isOurs ? "ours" : "strangers"].record(this.#keyOf(id), at, false);
    this.#onContradicted?.(id, undefined, at);
  }

  /** Whether an answer that was handed out has been contradicted since. */
  isContradicted(subject: string, origin: Origin): boolean {
    const { id, order, askedAt, isShared } = origin;
    const storedAt = isShared ? askedAt - MAX_SKEW_MS : undefined;
    const key = this.#keyOf(id);
    return (
      this.isVoid({ ...origin, subject }) ||
      this.#deleted.void(key, order, storedAt) ||
      this.#refused.ours.void(key, order, storedAt) ||
      this.#refused.strangers.void(key, order, storedAt)
    );
  }

  /** The id was refused while everybody was: its entry may be used to its end, and no longer. */
  refusedWithAll(id: string, at: Tombstone): void {
    this.#refusedWithAll.record(this.#keyOf(id), at);
  }

  /** Whether an entry must not be served when it has ended. */
  wasRefusedWithAll(id: string, { askedAt }: Dated): boolean {
    return !this.#refusedWithAll.isEmpty && this.#refusedWithAll.voidStored(this.#keyOf(id), askedAt - MAX_SKEW_MS);
  }

  /** The store could not be told to delete the id. */
  undeleted(id: string, at: Tombstone, isOurs: boolean): void {
    this.#undeleted.record(this.#keyOf(id), at, isOurs);
  }

  #keyOf(id: string): string {
    return this.#hasDigestIds ? id : boundedKey(id);
  }
}
