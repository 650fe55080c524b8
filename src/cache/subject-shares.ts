export interface SubjectSharesOptions {
  readonly maxPerSubject: number;
  /** Of all entries of a subject together; a single one may be larger. */
  readonly maxBytes: number;
  bytesOf(key: string): number;
  evict(key: string): void;
}

/** The keys of one subject, the oldest first. */
class Share extends Set<string> {
  bytes = 0;

  take(key: string, bytes: number): void {
    this.add(key);
    this.bytes += bytes;
  }
}

/**
 * The room that the entries of one subject share: one user can have any number of tokens accepted, or of spellings of one, and would
 * push out those of all others.
 */
export class SubjectShares {
  readonly #options: SubjectSharesOptions;
  /** The key alone where there is one: almost all users have one token. */
  readonly #shares = new Map<string, string | Share>();

  constructor(options: SubjectSharesOptions) {
    this.#options = options;
  }

  /** The entry is there now, and pushes out older ones of its subject where their room is full. */
  add(subject: string, key: string): void {
    const { maxPerSubject, maxBytes, bytesOf, evict } = this.#options;
    const known = this.#shares.get(subject);
    if (known === undefined) return void this.#shares.set(subject, key);
    const share = typeof known === "string" ? this.#shareOf(subject, known) : known;
    share.take(key, bytesOf(key));
    for (const oldest of share) {
      if (oldest === key || (share.size <= maxPerSubject && share.bytes <= maxBytes)) break;
      evict(oldest); // which removes it here
    }
  }

  remove(subject: string, key: string, bytes: number): void {
    const share = this.#shares.get(subject);
    if (typeof share === "string") {
      if (share === key) this.#shares.delete(subject);
    } else if (share?.delete(key)) {
      share.bytes -= bytes;
      if (share.size === 0) this.#shares.delete(subject);
    }
  }

  #shareOf(subject: string, key: string): Share {
    const share = new Share();
    share.take(key, this.#options.bytesOf(key));
    this.#shares.set(subject, share);
    return share;
  }
}
