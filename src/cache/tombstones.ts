import { hash } from "node:crypto";
import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";

/** So many are remembered one by one, of either kind. */
export const MAX_TOMBSTONES = 10_000;

/** Longer keys are remembered as digests. In characters. */
const MAX_KEY_LENGTH = 128;

/** A key to be remembered by, however long the id is. */
export function boundedKey(id: string): string {
  return id.length <= MAX_KEY_LENGTH ? id : `#${hash("sha256", id)}`;
}

/** The moment before which all that was asked for is void. */
export interface Tombstone {
  /** In the order of this process: for what it holds, and what it is asking. */
  readonly order: number;
  /** Wall time in milliseconds: for what lies in the shared cache. */
  readonly wall: number;
}

const NONE: Tombstone = { order: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };

/**
 * What was invalidated, and when. Bounded, in two ways:
 *
 * - what had to make room raises a floor, under which everything is void: too much is asked again, never too little;
 * - what any stranger can make many of has a room of its own without a floor: a flood of it costs no other key an entry.
 */
export class Tombstones {
  #floor = NONE;
  #ours: BoundedMap<Tombstone> | undefined;
  #strangers: BoundedMap<Tombstone> | undefined;
  readonly #maxEntries: number;

  constructor(maxEntries = MAX_TOMBSTONES) {
    this.#maxEntries = maxEntries;
  }

  /** @param isOurs else a stranger can make many such: it goes to the room without a floor */
  record(key: string, tombstone: Tombstone, isOurs = true): void {
    const room = isOurs ? this.#roomOfOurs() : this.#roomOfStrangers();
    room.set(key, laterOf(room.peek(key), tombstone));
  }

  /**
   * Moves a tombstone later that was cut to "now" when it was heard. A clock that was an hour behind cut it an hour too early; once it is
   * set, entries that were asked for in that hour would seem to be younger than the invalidation.
   *
   * @param wall until when what lies in the shared cache is void, wall time in milliseconds
   */
  prolong(key: string, wall: number): void {
    this.record(key, { ...NONE, wall });
  }

  /**
   * Whether what this process asked for, or accepted, at that place in its order is void.
   *
   * @param storedAt when it may have been asked for, if another process did: wall time in milliseconds
   */
  void(key: string, order: number, storedAt = Number.POSITIVE_INFINITY): boolean {
    if (this.isEmpty) return false; // the usual case, on every request
    if (isBefore(order, storedAt, this.#floor)) return true;
    return isBefore(order, storedAt, this.#ours?.peek(key)) || isBefore(order, storedAt, this.#strangers?.peek(key));
  }

  /** Whether what may have been asked for at that time, wall time in milliseconds, is void. */
  voidStored(key: string, askedAt: number): boolean {
    if (this.isEmpty) return false;
    if (askedAt <= this.#floor.wall) return true;
    return askedAt <= (this.#ours?.peek(key) ?? NONE).wall || askedAt <= (this.#strangers?.peek(key) ?? NONE).wall;
  }

  get isEmpty(): boolean {
    return this.#ours === undefined && this.#strangers === undefined;
  }

  /** Made when it is needed: it reserves its room at once. */
  #roomOfOurs(): BoundedMap<Tombstone> {
    this.#ours ??= createBoundedMap<Tombstone>({
      maxEntries: this.#maxEntries,
      onEvict: (evicted) => {
        this.#floor = laterOf(this.#floor, evicted);
      },
    });
    return this.#ours;
  }

  #roomOfStrangers(): BoundedMap<Tombstone> {
    this.#strangers ??= createBoundedMap<Tombstone>({ maxEntries: this.#maxEntries });
    return this.#strangers;
  }
}

function laterOf(one: Tombstone = NONE, other: Tombstone): Tombstone {
  return { order: Math.max(one.order, other.order), wall: Math.max(one.wall, other.wall) };
}

function isBefore(order: number, storedAt: number, tombstone: Tombstone = NONE): boolean {
  return order <= tombstone.order || storedAt <= tombstone.wall;
}
