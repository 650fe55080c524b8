/** Something that waits in a {@link WaitList}; only the list sets its neighbours. */
export interface Waiting<T> {
  before: T | undefined;
  after: T | undefined;
}

/**
 * What waits, the longest first. A list of its own instead of a Set, for what comes and goes with each operation: V8 makes the tables of
 * a Set anew as it grows and shrinks, and those that it has left keep alive what was in them.
 */
export class WaitList<T extends Waiting<T>> {
  #first: T | undefined;
  #last: T | undefined;

  /** The one that waits longest. */
  get first(): T | undefined {
    return this.#first;
  }

  add(item: T): void {
    item.before = this.#last;
    if (this.#last) this.#last.after = item;
    else this.#first = item;
    this.#last = item;
  }

  /** Whether it was waiting. */
  delete(item: T): boolean {
    const { before, after } = item;
    if (!before && this.#first !== item) return false;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    item.before = undefined;
    item.after = undefined;
    return true;
  }
}
