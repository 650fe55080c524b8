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
  /** Called with every entry that is not there any more: evicted, deleted or replaced. */
  onRemove?: (value: V, key: string) => void;
}

export function createBoundedMap<V extends {}>({
  maxEntries,
  maxBytes = 0,
  onEvict,
  onRemove,
}: BoundedMapOptions<V>): BoundedMap<V> {
  return new LRUCache<string, V>({
    max: maxEntries,
    maxSize: maxBytes, // 0: no bound
    dispose: (value, key, reason) => {
      onRemove?.(value, key);
      if (reason === "evict") onEvict?.(value);
    },
  });
}
