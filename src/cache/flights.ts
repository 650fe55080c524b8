/** One question under way to the service, with what it carries along. */
export interface Flight<T, C> {
  readonly id: string;
  readonly cargo: C;
  /** It was overtaken, by an invalidation or by a later flight: what it brings is for those aboard, and changes nothing. */
  readonly grounded: boolean;
  readonly landed: Promise<T>;
}

class LiveFlight<T, C> implements Flight<T, C> {
  readonly id: string;
  readonly cargo: C;
  readonly epoch: number;
  landed!: Promise<T>;
  /** When the service was last asked, in the order of all questions. */
  askedAs: number;
  /** The latest question that has been answered. */
  overtakenBy = 0;
  invalidated = false;

  constructor(id: string, cargo: C, { epoch, askedAs }: { epoch: number; askedAs: number }) {
    this.id = id;
    this.cargo = cargo;
    this.epoch = epoch;
    this.askedAs = askedAs;
  }

  get grounded(): boolean {
    return this.invalidated || this.overtakenBy > this.askedAs;
  }
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
  #questions = 0;

  constructor(epochs: Epochs) {
    this.#epochs = epochs;
  }

  /** Questions under way. */
  get size(): number {
    return this.#live.size;
  }

  /**
   * The latest flight that a caller may join: begun after every invalidation that could concern it.
   *
   * @param suits what else it must be
   */
  joinable(id: string, suits: (flight: Flight<T, C>) => boolean = () => true): Flight<T, C> | undefined {
    const { epoch } = this.#epochs;
    return this.#live.get(id)?.findLast((flight) => !flight.grounded && flight.epoch === epoch && suits(flight));
  }

  /** Begins a flight. Later callers join this one, also where another one is still under way. */
  depart(id: string, cargo: C, fly: (flight: Flight<T, C>) => Promise<T>): Flight<T, C> {
    const flight = new LiveFlight<T, C>(id, cargo, { epoch: this.#epochs.epoch, askedAs: ++this.#questions });
    const others = this.#live.get(id);
    if (others) others.push(flight);
    else this.#live.set(id, [flight]);
    flight.landed = this.#land(flight, fly);
    flight.landed.catch(() => undefined); // it is detached: everyone aboard may have left
    return flight;
  }

  /** The flight asks the service only now, however long ago it began: no invalidation so far concerns what it will bring. */
  setOut(flight: Flight<T, C>): void {
    (flight as LiveFlight<T, C>).invalidated = false;
    this.tries(flight);
  }

  /** The service is asked, for the first time or again: what this try brings is newer than all that was asked before. */
  tries(flight: Flight<T, C>): void {
    (flight as LiveFlight<T, C>).askedAs = ++this.#questions;
  }

  /** Grounds every flight for the question. */
  ground(id: string): void {
    for (const flight of this.#live.get(id) ?? []) flight.invalidated = true;
  }

  /** The flight has its answer: those that asked before it are overtaken, unless they ask again. */
  overtake(flight: Flight<T, C>): void {
    const { id, askedAs } = flight as LiveFlight<T, C>;
    for (const other of this.#live.get(id) ?? []) other.overtakenBy = Math.max(other.overtakenBy, askedAs);
  }

  async #land(flight: LiveFlight<T, C>, fly: (flight: Flight<T, C>) => Promise<T>): Promise<T> {
    await undefined; // whoever is called on the way may ask the same, and finds that it is being asked
    try {
      return await fly(flight);
    } finally {
      this.#arrive(flight);
    }
  }

  #arrive(flight: LiveFlight<T, C>): void {
    const flights = this.#live.get(flight.id) as LiveFlight<T, C>[];
    if (flights.length === 1) this.#live.delete(flight.id);
    else flights.splice(flights.indexOf(flight), 1);
  }
}
