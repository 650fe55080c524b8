/** First in, first out, and user by user in turn: one that waits with many is served as often as one that waits with one. */
export class TurnsByUser<T> {
  readonly #users = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(user: string, item: T): void {
    const own = this.#users.get(user);
    if (own) own.add(item);
    else this.#users.set(user, new Set([item]));
    this.#size++;
  }

  delete(user: string, item: T): void {
    const own = this.#users.get(user);
    if (!own?.delete(item)) return;
    this.#size--;
    if (own.size === 0) this.#users.delete(user);
  }

  /** Takes out the item whose turn it is, of those users that may be served. */
  next(mayBeServed: (user: string) => boolean): T | undefined {
    for (const [user, own] of this.#users) {
      if (!mayBeServed(user)) continue;
      const [item] = own as Iterable<T>;
      this.delete(user, item as T);
      if (this.#users.delete(user)) this.#users.set(user, own); // to the end
      return item;
    }
    return undefined;
  }

  /** How many are served before one more of that user, at most. */
  aheadOf(user: string): number {
    return Math.min(this.#size, (this.sizeOf(user) + 1) * this.#users.size);
  }

  sizeOf(user: string): number {
    return this.#users.get(user)?.size ?? 0;
  }

  /** The latest item of the user that waits with the most. */
  get latestOfLongest(): { readonly item: T; readonly size: number } | undefined {
    let longest: Set<T> | undefined;
    for (const own of this.#users.values()) if (own.size > (longest?.size ?? 0)) longest = own;
    return longest && { item: [...longest].at(-1) as T, size: longest.size };
  }
}

/** Last in, first out: while more come than can be served, those that are served have not waited long. */
export class LatestFirst<T> {
  readonly #items = new Set<T>();
  /** Also those that have left, until they are many. */
  #stack: T[] = [];

  get size(): number {
    return this.#items.size;
  }

  add(item: T): void {
    this.#items.add(item);
    if (this.#stack.length > 2 * this.#items.size + 16) this.#stack = [...this.#items];
    else this.#stack.push(item);
  }

  delete(item: T): void {
    this.#items.delete(item);
  }

  /** Takes out the latest. */
  next(): T | undefined {
    while (this.#stack.length > 0) {
      const item = this.#stack.pop() as T;
      if (this.#items.delete(item)) return item;
    }
    return undefined;
  }

  get oldest(): T | undefined {
    for (const item of this.#items) return item;
    return undefined;
  }
}
