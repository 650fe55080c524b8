/** More than any process writes at once; what a store never ends is not remembered for ever. */
const MAX_PENDING = 10_000;

/** Writes that a store has not ended, by key: it may take longer for one than anybody waits. */
export class PendingWrites {
  /** In the order they began. */
  readonly #pending = new Map<string, Promise<void>>();

  /** Begins a write once those of the same key have ended: the last one counts. */
  begin<T>(key: string, write: () => Promise<T>): Promise<T> {
    const before = this.#pending.get(key);
    const writing = before ? before.then(write) : write();
    const ended: Promise<void> = writing.then(
      () => this.#end(key, ended),
      () => this.#end(key, ended),
    );
    if (this.#pending.size >= MAX_PENDING) {
      for (const oldest of this.#pending.keys()) {
        this.#pending.delete(oldest);
        break;
      }
    }
    this.#pending.set(key, ended);
    return writing;
  }

  /** Resolves when the last write of the key has ended, either way. */
  of(key: string): Promise<void> | undefined {
    return this.#pending.get(key);
  }

  all(): Iterable<Promise<void>> {
    return this.#pending.values();
  }

  #end(key: string, ended: Promise<void>): void {
    if (this.#pending.get(key) === ended) this.#pending.delete(key);
  }
}
