/** More than any process tells before it reads what it told, in entries. */
const MAX_ENTRIES = 10_000;

/**
 * The entries of this process that it has not read back yet, by id. What was read back, the proof of the reader vouches for; of the others
 * each may be lost, also while a later one, which was told to another master, is there.
 */
export class LogEchoes {
  readonly #unread = new Set<string>();
  /** Read before the store said that they were added. */
  readonly #early = new Set<string>();

  get unread(): readonly string[] {
    return [...this.#unread];
  }

  added(id: string): void {
    if (!this.#early.delete(id)) addBounded(this.#unread, id);
  }

  read(id: string): void {
    if (!this.#unread.delete(id)) addBounded(this.#early, id);
  }

  clear(): void {
    this.#unread.clear();
    this.#early.clear();
  }
}

function addBounded(ids: Set<string>, id: string): void {
  ids.add(id);
  if (ids.size <= MAX_ENTRIES) return;
  for (const oldest of ids) {
    ids.delete(oldest);
    return;
  }
}
