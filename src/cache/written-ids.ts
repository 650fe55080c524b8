import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import { boundedKey, type Tombstone } from "./tombstones.js";

/** So many ids and meanings are remembered. */
const MAX_WRITTEN = 20_000;

/** What this process wrote to the store, by ids and by meanings, and when that was asked for. */
export class WrittenIds {
  /** In the order of this process. */
  #orders: BoundedMap<number> | undefined;

  /** What was asked for of the id, of that meaning, at that place in the order of this process was written. */
  add(id: string, meaning: string | undefined, order: number): void {
    this.#orders ??= createBoundedMap<number>({ maxEntries: MAX_WRITTEN });
    this.#orders.set(boundedKey(id), order);
    if (meaning !== undefined) this.#orders.set(meaning, order);
  }

  /** Whether the id was written, or any of that meaning. */
  has(idOrMeaning: string): boolean {
    return this.#orders?.peek(boundedKey(idOrMeaning)) !== undefined;
  }

  /** Whether what was written of the id last was asked for before that. */
  isBefore(id: string, until: Tombstone): boolean {
    return (this.#orders?.peek(boundedKey(id)) ?? Number.POSITIVE_INFINITY) <= until.order;
  }
}
