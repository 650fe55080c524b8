/** What changes a store. One that is full takes no entries, and still deletes. */
export type Change = "set" | "delete";

/** So many failures of one kind in a row, while the store can be read, are no mishap: one more than the breaker of writes counts. */
const FAILURES_IN_A_ROW = 4;

/** Knows whether a store that answers takes what is written, and tells when that changes. */
export class WriteHealth {
  readonly #runs = new Map<Change, number>();
  readonly #failing = new Set<Change>();
  readonly #onTransition: (works: boolean, error?: unknown) => void;

  constructor(onTransition: (works: boolean, error?: unknown) => void = () => undefined) {
    this.#onTransition = onTransition;
  }

  get works(): boolean {
    return this.#failing.size === 0;
  }

  failed(change: Change, error: unknown): void {
    const run = (this.#runs.get(change) ?? 0) + 1;
    this.#runs.set(change, run);
    if (run < FAILURES_IN_A_ROW) return;
    const worked = this.works;
    this.#failing.add(change);
    if (worked) this.#onTransition(false, error);
  }

  succeeded(change: Change): void {
    this.#runs.delete(change);
    if (this.#failing.delete(change) && this.works) this.#onTransition(true);
  }
}
