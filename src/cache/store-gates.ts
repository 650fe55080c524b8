import type { Clock } from "../runtime/clock.js";
import type { SharedStore, StorePart } from "./shared-store.js";
import type { StoreErrors } from "./store-error.js";
import { StoreGate } from "./store-gate.js";

export interface StoreGatesOptions {
  store: SharedStore;
  clock: Clock;
  /** The store is away with all its parts, or something of it is back. With what it failed with last. */
  onTransition?: (available: boolean, error?: unknown) => void;
  /** The same of one part, while others may be there: its keys cannot be reached, or can be again. */
  onPartTransition?: (name: string, available: boolean, error?: unknown) => void;
  /** Whether all of the store that can be read takes what is written. With what the last write failed with. */
  onWriteTransition?: (works: boolean, error?: unknown) => void;
  /** Counts what fails. */
  errors?: StoreErrors | undefined;
}

/** A gate for each part of a store, so that one that is away does not keep operations from the others. */
export class StoreGates {
  readonly #options: StoreGatesOptions;
  /** Of a store without parts, and of what belongs to no part. */
  readonly #whole: StoreGate;
  readonly #parts = new Map<StorePart, StoreGate>();
  /** As it was said last. */
  #available = true;
  #takesWrites = true;
  #closed = false;

  constructor(options: StoreGatesOptions) {
    this.#options = options;
    const { store, clock, errors } = options;
    this.#whole = new StoreGate({
      store,
      clock,
      errors,
      onTransition: (_available, error) => this.#tell(error),
      onWriteTransition: (_works, error) => this.#tellOfWrites(error),
    });
    store.parts?.onChanged(() => this.#follow());
    this.#follow();
  }

  /** Settles when the first attempts to connect have ended, either way. */
  async ready(): Promise<void> {
    await this.#whole.ready();
    await Promise.all([...this.#parts.values()].map((gate) => gate.ready()));
  }

  /** Whether there is anything of the store. */
  get available(): boolean {
    return this.#gates().some(({ available }) => available);
  }

  /** How many parts there are, and how many can be used. */
  get partCounts(): { readonly available: number; readonly total: number } | undefined {
    if (this.#parts.size === 0) return undefined;
    return { available: this.#gates().filter(({ available }) => available).length, total: this.#parts.size };
  }

  /** Whether writes and deletions arrive, where the store can be read. */
  get takesWrites(): boolean {
    return this.#gates().every(({ takesWrites }) => takesWrites);
  }

  /** The one that an operation on the key must pass. */
  of(key: string): StoreGate {
    const part = this.#options.store.parts?.of(key);
    return (part && this.#parts.get(part)) ?? this.#whole;
  }

  /** Lets nothing through any more, waits for what is under way, no longer than for any operation, and lets go of the store. */
  async close(underWay: Iterable<Promise<unknown>>): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#whole.close(underWay), ...[...this.#parts.values()].map((gate) => gate.close([]))]);
  }

  #gates(): readonly StoreGate[] {
    return this.#parts.size > 0 ? [...this.#parts.values()] : [this.#whole];
  }

  #follow(): void {
    if (this.#closed) return;
    const parts = this.#options.store.parts?.all() ?? [];
    for (const part of parts) if (!this.#parts.has(part)) this.#add(part);
    for (const [part, gate] of this.#parts) if (!parts.includes(part)) this.#remove(part, gate);
  }

  #add(part: StorePart): void {
    const { clock, errors, onPartTransition } = this.#options;
    const gate = new StoreGate({
      store: part,
      clock,
      errors,
      onTransition: (available, error) => {
        if (this.#parts.get(part) !== gate) return;
        onPartTransition?.(part.name, available, error);
        this.#tell(error);
      },
      onWriteTransition: (_works, error) => this.#tellOfWrites(error),
    });
    this.#parts.set(part, gate);
    void gate.ready().then(() => this.#tell());
  }

  /** Its keys lie elsewhere now. */
  #remove(part: StorePart, gate: StoreGate): void {
    this.#parts.delete(part);
    if (gate.isLost) this.#options.onPartTransition?.(part.name, true);
    void gate.close([]);
    this.#tell();
    this.#tellOfWrites();
  }

  #tell(error?: unknown): void {
    const gates = this.#gates();
    const isDecided = gates.some(({ available }) => available) || gates.every(({ isLost }) => isLost);
    if (!isDecided || this.available === this.#available) return;
    this.#available = !this.#available;
    this.#options.onTransition?.(this.#available, this.#available ? undefined : error);
  }

  #tellOfWrites(error?: unknown): void {
    if (this.takesWrites === this.#takesWrites) return;
    this.#takesWrites = !this.#takesWrites;
    this.#options.onWriteTransition?.(this.#takesWrites, this.#takesWrites ? undefined : error);
  }
}
