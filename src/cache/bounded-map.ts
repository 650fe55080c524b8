import { LRUCache } from "lru-cache";

/** A map that holds so many entries at most, and lets go of the least recently used one first. */
export interface BoundedMap<V> {
  /** Counts as a use. */
  get(key: string): V | undefined;
  /** Does not count as a use. */
  peek(key: string): V | undefined;
  /** Where the map is bounded in bytes, `size` is the entry's. */
  set(key: string, value: V, options?: { size: number }): unknown;
  delete(key: string): boolean;
  readonly size: number;
  /** The sum of the entries' sizes, where the map is bounded in bytes. */
  readonly calculatedSize: number;
}

export interface BoundedMapOptions<V> {
  maxEntries: number;
  maxBytes?: number;
  /** Called with an entry that had to make room. */
  onEvict?: (value: V) => void;
}

export function createBoundedMap<V extends {}>({ maxEntries, maxBytes, onEvict }: BoundedMapOptions<V>): BoundedMap<V> {
  return new LRUCache<string, V>({
    max: maxEntries,
    ...(maxBytes !== undefined && { maxSize: maxBytes }),
    ...(onEvict && {
      dispose: (value: V, _key: string, reason: string) => {
        if (reason === "evict") onEvict(value);
      },
    }),
  });
}
