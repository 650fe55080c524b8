/** What tells whether a store, or a part of it, can be used. */
export interface StoreSigns {
  /** Keyv reports errors here instead of rejecting, unless told otherwise. */
  on?(event: "error", listener: (error: unknown) => void): unknown;
  off?(event: "error", listener: (error: unknown) => void): unknown;
  /** Settles when the first attempt to connect has ended, and rejects when it failed. What fails before then is no sign of a dead store. */
  readonly ready?: Promise<unknown>;
  /** Calls back whenever the store has a new connection: what failed on the one before says nothing about this one. */
  onConnected?(listener: () => void): void;
  /** Calls back whenever the store, asked by itself whether it is there, said so within the time of an operation. */
  onPong?(listener: () => void): void;
}

/** A part of a store that can be away while the others are there. */
export interface StorePart extends StoreSigns {
  /** For log lines: where it is at the moment. */
  readonly name: string;
}

/** The parts of a store, which come and go. */
export interface StoreParts {
  /** None while they are not known; then the store itself tells whether it can be used. */
  all(): readonly StorePart[];
  /** The one that holds a key. */
  of(key: string): StorePart | undefined;
  /** Calls back when there are others. */
  onChanged(listener: () => void): void;
}

/** Where the shared cache keeps its entries: what Keyv offers, and nothing more. */
export interface SharedStore extends StoreSigns {
  get(key: string): Promise<unknown>;
  set(key: string, value: string, ttlMs: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /** Several at once; rejects unless all could be read. (Keyv's `getMany` takes some that could not for missing.) */
  getAll?(keys: readonly string[]): Promise<readonly unknown[]>;
  /** Of a store whose parts fail apart. */
  readonly parts?: StoreParts;
}
