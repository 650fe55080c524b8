/** One question under way to the service. */
export interface Flight<T> {
  readonly id: string;
  /** Flights are numbered in the order they began. */
  readonly number: number;
  /** An invalidation came in between: what it brings is for those aboard, and is not stored. */
  readonly grounded: boolean;
  readonly landed: Promise<T>;
}

/** Flights that began in an earlier epoch are not joined any more. */
export interface Epochs {
  readonly epoch: number;
}

/** Single flight: who asks what is being asked already waits for the same answer. */
export class Flights<T> {
  readonly #epochs: Epochs;
  readonly #current = new Map<string, Flight<T> & { readonly epoch: number }>();
  readonly #live = new Set<{ readonly id: string; grounded: boolean }>();
  #count = 0;

  constructor(epochs: Epochs) {
    this.#epochs = epochs;
  }

  get size(): number {
    return this.#live.size;
  }

  /** The flight that a caller may join: begun after every invalidation that could concern it. */
  joinable(id: string): Flight<T> | undefined {
    const flight = this.#current.get(id);
    return flight?.epoch === this.#epochs.epoch ? flight : undefined;
  }

  /** Begins a flight. Later callers join this one, also where another one is still under way. */
  depart(id: string, fly: (flight: Flight<unknown>) => Promise<T>): Flight<T> {
    const flight = {
      id,
      number: ++this.#count,
      epoch: this.#epochs.epoch,
      grounded: false,
      landed: undefined as unknown as Promise<T>,
    };
    this.#live.add(flight);
    this.#current.set(id, flight);
    flight.landed = fly(flight).finally(() => {
      this.#live.delete(flight);
      if (this.#current.get(id) === flight) this.#current.delete(id);
    });
    flight.landed.catch(() => undefined); // it is detached: everyone aboard may have left
    return flight;
  }

  /** Nobody joins the flights for this question any more, and what they bring is not stored. */
  ground(id: string): void {
    this.#current.delete(id);
    for (const flight of this.#live) if (flight.id === id) flight.grounded = true;
  }
}
