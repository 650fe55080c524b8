/** One question under way to the service, with what it carries along. */
export interface Flight<T, C> {
  readonly id: string;
  readonly cargo: C;
  /** It was overtaken, by an invalidation or by a later flight: what it brings is for those aboard, and changes nothing. */
  readonly grounded: boolean;
  readonly landed: Promise<T>;
}

interface LiveFlight<T, C> extends Flight<T, C> {
  /** Grows with the time at which the service was asked. */
  number: number;
  readonly epoch: number;
  grounded: boolean;
  landed: Promise<T>;
}

/** Flights that began in an earlier epoch are not joined any more. */
export interface Epochs {
  readonly epoch: number;
}

/** Single flight: who asks what is being asked already waits for the same answer. */
export class Flights<T, C> {
  readonly #epochs: Epochs;
  /** By question, in the order they began. More than one only where the later ones had reason not to join. */
  readonly #live = new Map<string, LiveFlight<T, C>[]>();
  #departures = 0;

  constructor(epochs: Epochs) {
    this.#epochs = epochs;
  }

  /** Questions under way. */
  get size(): number {
    return this.#live.size;
  }

  /** The flight that a caller may join: begun after every invalidation that could concern it. */
  joinable(id: string): Flight<T, C> | undefined {
    const flight = this.#live.get(id)?.at(-1);
    return flight && !flight.grounded && flight.epoch === this.#epochs.epoch ? flight : undefined;
  }

  /** Begins a flight. Later callers join this one, also where another one is still under way. */
  depart(id: string, cargo: C, fly: (flight: Flight<T, C>) => Promise<T>): Flight<T, C> {
    const flight: LiveFlight<T, C> = {
      id,
      cargo,
      number: ++this.#departures,
      epoch: this.#epochs.epoch,
      grounded: false,
      landed: undefined as unknown as Promise<T>,
    };
    const others = this.#live.get(id);
    if (others) others.push(flight);
    else this.#live.set(id, [flight]);
    flight.landed = fly(flight).finally(() => this.#arrive(flight));
    flight.landed.catch(() => undefined); // it is detached: everyone aboard may have left
    return flight;
  }

  /**
   * The flight asks the service only now, however long ago it began: what it brings is newer than what those bring that asked before,
   * and than any invalidation so far.
   */
  setOut(flight: Flight<T, C>): void {
    const live = flight as LiveFlight<T, C>;
    live.number = ++this.#departures;
    live.grounded = false;
  }

  /** Grounds every flight for the question; with `before`, only those that set out before that one. */
  ground(id: string, before?: Flight<T, C>): void {
    const limit = (before as LiveFlight<T, C> | undefined)?.number ?? Number.POSITIVE_INFINITY;
    for (const flight of this.#live.get(id) ?? []) if (flight.number < limit) flight.grounded = true;
  }

  #arrive(flight: LiveFlight<T, C>): void {
    const others = this.#live.get(flight.id)?.filter((other) => other !== flight) ?? [];
    if (others.length > 0) this.#live.set(flight.id, others);
    else this.#live.delete(flight.id);
  }
}
