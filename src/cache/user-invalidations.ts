import type { Clock } from "../runtime/clock.js";
import type { Epochs } from "./flights.js";
import type { EntryName } from "./keyring.js";
import type { SharedTier } from "./shared-tier.js";
import { Tombstones } from "./tombstones.js";
import { MAX_SKEW_MS } from "./trip.js";

/**
 * No answer about a user is left in the shared tier, or taken from there, for longer after it was asked for, in milliseconds, whatever
 * TTLs the processes have that share it: an invalidation need not be remembered for longer.
 */
export const SHARED_LIFE_MS = 24 * 3_600_000;
const TOMBSTONE_MS = SHARED_LIFE_MS + MAX_SKEW_MS;

const KIND = "user-invalidated";
/** One more entry that says whether there is any tombstone at all: without it nobody need look for one. */
export const ANY_USER_INVALIDATED: EntryName = { kind: "any-user-invalidated", id: "", isTombstone: true };

/**
 * Invalidation of a user: leaves a tombstone with the time, in this process and in the shared tier. Entries that were asked for
 * before it are void, wherever they lie and whenever they are found.
 */
export class UserInvalidations implements Epochs {
  readonly #tombstones = new Tombstones();
  readonly #shared: SharedTier | undefined;
  readonly #clock: Clock;
  #epoch = 0;

  constructor({ shared, clock }: { shared: SharedTier | undefined; clock: Clock }) {
    this.#shared = shared;
    this.#clock = clock;
  }

  /** Grows with each invalidation here. Whom a flight will speak of shows when it lands, so nobody joins one begun before. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Whether what was asked about the user at that time is void, as far as this process knows. */
  cover(subject: string, askedAt: number): boolean {
    return this.#tombstones.covers(subject, askedAt);
  }

  /** Rejects when the shared tier could not be told; this process has forgotten all the same. */
  async invalidate(subject: string): Promise<void> {
    const at = this.#clock.now();
    this.#epoch++;
    this.#tombstones.record(subject, at);
    const tombstone = { askedAt: at, expiresAt: at + TOMBSTONE_MS, value: true };
    await this.#shared?.writeThrough(nameOf(subject), tombstone, TOMBSTONE_MS);
    await this.#shared?.writeThrough(ANY_USER_INVALIDATED, tombstone, TOMBSTONE_MS); // after it, so that it outlives it
  }

  /** Takes over what the shared tier knows of the user; `false` when it cannot be asked. */
  async learn(subject: string): Promise<boolean> {
    if (!this.#shared) return true;
    const [lookup] = await this.#shared.read(nameOf(subject));
    if (lookup.entry) {
      // What was asked so far: one from the future would hold for what is asked from now on, and once it has to make room, for everybody.
      this.#tombstones.record(subject, Math.min(lookup.entry.askedAt, this.#clock.now()));
    }
    return lookup.known;
  }
}

function nameOf(subject: string): EntryName {
  return { kind: KIND, id: subject, isTombstone: true };
}
