interface Options<V> {
  max: number;
  maxSize?: number;
  dispose?: (value: V, key: string, reason: string) => void;
}

/**
 * What portero uses of lru-cache, on a plain `Map`. The real one reserves the room for all its entries when it is made, which takes
 * longer than everything else that a simulated client does in its life.
 */
export class LRUCache<K extends string, V> {
  calculatedSize = 0;
  readonly #options: Options<V>;
  /** The least recently used first. */
  readonly #entries = new Map<K, { value: V; size: number }>();

  constructor(options: Options<V>) {
    this.#options = options;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  peek(key: K): V | undefined {
    return this.#entries.get(key)?.value;
  }

  delete(key: K): boolean {
    return this.#remove(key, "delete");
  }

  set(key: K, value: V, { size = 0 }: { size?: number } = {}): this {
    const { max, maxSize = Number.POSITIVE_INFINITY } = this.#options;
    this.#remove(key, "set");
    if (size > maxSize) return this;
    while (this.#entries.size >= max || this.calculatedSize + size > maxSize) {
      const [oldest] = this.#entries.keys();
      this.#remove(oldest as K, "evict");
    }
    this.#entries.set(key, { value, size });
    this.calculatedSize += size;
    return this;
  }

  #remove(key: K, reason: string): boolean {
    const entry = this.#entries.get(key);
    if (!entry) return false;
    this.#entries.delete(key);
    this.calculatedSize -= entry.size;
    this.#options.dispose?.(entry.value, key, reason);
    return true;
  }
}
