/** So many entries are read at once. Fewer than are kept: of a read that brings fewer, nothing was trimmed before it. */
const BATCH = 1000;

/** How many entries are read at once: fewer where they are more than one answer may hold, until all have been read. */
export class LogBatch {
  #size = BATCH;

  get size(): number {
    return this.#size;
  }

  /** `false` where it was one already. */
  halve(): boolean {
    if (this.#size === 1) return false;
    this.#size = Math.floor(this.#size / 2);
    return true;
  }

  /** Nothing is left of what was too much. */
  reset(): void {
    this.#size = BATCH;
  }
}
