/** More than any process writes at once; what a store never ends is not remembered for ever. */
const MAX_PENDING = 10_000;

/** Writes that a store has not ended, by key: it may take longer for one than anybody waits. */
export class PendingWrites {
  /** In the order they began. */
  readonly #pending = new Map<string, Promise<unknown>>();

  begin<T>(key: string, write: () => Promise<T>): Promise<T> {
    const writing = write();
    const ended: Promise<unknown> = Promise.allSettled([this.#pending.get(key), writing]).then(() => {
      if (this.#pending.get(key) === ended) this.#pending.delete(key);
    });
    this.#pending.delete(key); // the latest of its writes counts
    if (this.#pending.size >= MAX_PENDING) {
      for (const oldest of this.#pending.keys()) {
        this.#pending.delete(oldest);
        break;
      }
    }
    this.#pending.set(key, ended);
    return writing;
  }

  /** Resolves when all writes of the key have ended, either way. */
  of(key: string): Promise<unknown> | undefined {
    return this.#pending.get(key);
  }

  all(): Iterable<Promise<unknown>> {
    return this.#pending.values();
  }
}
