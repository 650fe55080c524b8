import type { Clock } from "../runtime/clock.js";
import type { Epochs } from "./flights.js";
import type { EntryName } from "./keyring.js";
import type { SharedTier } from "./shared-tier.js";
import { Tombstones } from "./tombstones.js";

const KIND = "user-invalidated";
/** One more entry that says whether there is any tombstone at all: without it nobody need look for one. */
export const ANY_USER_INVALIDATED: EntryName = { kind: "any-user-invalidated", id: "" };

/**
 * Invalidation of a user: leaves a tombstone with the time, in this process and in the shared tier. Entries that were asked for
 * before it are void, wherever they lie and whenever they are found.
 */
export class UserInvalidations implements Epochs {
  readonly #tombstones = new Tombstones();
  readonly #shared: SharedTier | undefined;
  readonly #clock: Clock;
  readonly #keepMs: number;
  #epoch = 0;

  /** @param keepMs how long an entry can live at most: a tombstone must outlive it */
  constructor({ shared, clock, keepMs }: { shared: SharedTier | undefined; clock: Clock; keepMs: number }) {
    this.#shared = shared;
    this.#clock = clock;
    this.#keepMs = keepMs;
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
    const tombstone = { askedAt: at, expiresAt: at + this.#keepMs, value: true };
    await this.#shared?.writeThrough(nameOf(subject), tombstone, this.#keepMs);
    await this.#shared?.writeThrough(ANY_USER_INVALIDATED, tombstone, this.#keepMs); // after it, so that it outlives it
  }

  /** Takes over what the shared tier knows of the user; `false` when it cannot be asked. */
  async learn(subject: string): Promise<boolean> {
    if (!this.#shared) return true;
    const [lookup] = await this.#shared.read(nameOf(subject));
    if (lookup.entry) this.#tombstones.record(subject, lookup.entry.askedAt);
    return lookup.known;
  }
}

function nameOf(subject: string): EntryName {
  return { kind: KIND, id: subject };
}
