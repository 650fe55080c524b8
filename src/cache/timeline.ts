import type { Clock } from "../runtime/clock.js";
import type { Tombstone } from "./tombstones.js";

/** When the service was asked. */
export interface Moment {
  /** In the order of this process. */
  readonly order: number;
  /** Wall time in milliseconds, for what crosses processes. */
  readonly wall: number;
  /** In milliseconds, for ages. */
  readonly monotonic: number;
}

/** What wall times of this process differ by at least, in milliseconds: a number of today's size can tell them apart. */
const LEAST_MS = 2 ** -10;

/** Of so many seconds in which something was asked it is known when they began. */
const MAX_SECONDS = 1024;

/**
 * When things happen. In this process their order is a counter: the wall clock can be set back, and many things happen within one of
 * its milliseconds.
 */
export class Timeline {
  readonly #clock: Clock;
  #order = 0;
  #latestWall = Number.NEGATIVE_INFINITY;
  /** Seconds in which something was asked, the latest last: all that was asked before each of them has a smaller order. */
  readonly #seconds: Moment[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The next place in the order of this process. */
  next(): number {
    return ++this.#order;
  }

  get monotonic(): number {
    return this.#clock.monotonic();
  }

  /** The wall time of a moment, by the clock as it is set now. */
  wallOf(monotonic: number): number {
    return this.#clock.now() - (this.#clock.monotonic() - monotonic);
  }

  /** The service is being asked. */
  asks(): Moment {
    const wall = this.#clock.now();
    this.#latestWall = Math.max(wall, this.#latestWall);
    const monotonic = this.#clock.monotonic();
    if (monotonic - (this.#seconds.at(-1)?.monotonic ?? Number.NEGATIVE_INFINITY) >= 1000) {
      this.#seconds.push({ monotonic, wall, order: this.next() });
      if (this.#seconds.length > MAX_SECONDS) this.#seconds.shift();
    }
    return { order: this.next(), wall, monotonic };
  }

  /**
   * An entry of the shared cache was read, and may be taken.
   *
   * @param askedAt when it was asked for, by the clock of another process
   */
  accepts(askedAt: number): number {
    this.#latestWall = Math.max(askedAt, this.#latestWall);
    return this.next();
  }

  /**
   * The moment of something that makes void what was asked for before. Its wall time is not before that of any question of this process,
   * or of any answer that it took from the shared cache, and no two have the same, also when the clock was set back since.
   */
  stamp(): Tombstone {
    const now = this.#clock.now();
    this.#latestWall = now > this.#latestWall ? now : this.#latestWall + LEAST_MS;
    return { order: this.next(), wall: this.#latestWall };
  }

  /**
   * Another process contradicts what was asked before that time.
   *
   * @param at wall time in milliseconds, by the clock of that process; one from the future counts as now
   * @param skewMs by how much the clocks may differ: what was asked here longer after that was asked later, where both clocks say so: the
   * wall clock can be set, and the monotonic one stands still while the machine is suspended
   */
  placeOf(at: number, skewMs: number): Tombstone {
    const { order, wall } = this.stamp();
    const until = this.#clock.monotonic() - (this.#clock.now() - (at + skewMs));
    // To the beginning of the next second in which anything was asked: rather too much is void than too little.
    const later = this.#seconds.find((second) => second.monotonic > until && second.wall > at + skewMs);
    return { order: later?.order ?? order, wall: Math.min(at, wall) };
  }
}
