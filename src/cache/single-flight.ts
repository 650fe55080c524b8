import type { Asking, History, Invalidation } from "./invalidation.js";
import type { Timeline } from "./timeline.js";

/**
 * A question under way, for as many callers as ask it meanwhile:
 *
 * - *begun*: the service has not been asked. `order` and `triedAs` say when it began: whatever the service will say, it says later.
 * - *asking*: since `order`, which stays. `triedAs` moves on when the question leaves again because all its tries failed; with a try
 *   beside another it stays, for the answer may be to the earlier one.
 * - *discarded*: `history` says that its id or its meaning was invalidated, or that a question asked later was answered. Its callers get the answer;
 *   it is not stored and not joined. One that has only begun stops being discarded when it asks.
 *   Of subjects `history` knows nothing: the answer of one whose user was invalidated is not stored, by `isVoid`, and it is not joined, by
 *   `mayBeJoined`.
 * - *landed*: with a value, also where the service could not tell; then it is forgotten.
 *
 * A second one for an id begins only where the first must not be joined.
 */
export class Load<K extends Task, T> implements Asking {
  readonly id: string;
  /** What is loaded, and how. */
  readonly task: K;
  readonly history: History;
  landed!: Promise<T>;
  #order: number;
  #triedAs: number;

  constructor(id: string, task: K, history: History, begunAs: number) {
    this.id = id;
    this.task = task;
    this.history = history;
    this.#order = begunAs;
    this.#triedAs = begunAs;
  }

  get order(): number {
    return this.#order;
  }

  get triedAs(): number {
    return this.#triedAs;
  }

  get meaning(): string | undefined {
    return this.task.meaning;
  }

  /** The service is asked only now, however long ago the load began. */
  asks(order: number): void {
    this.#order = order;
    this.#triedAs = order;
  }

  /** @param isBeside the answer may still be to a try that left before */
  tries(order: number, isBeside: boolean): void {
    if (!isBeside) this.#triedAs = order;
  }

  /**
   * It has its answer: loads of the id that asked before it are discarded, unless they ask again.
   *
   * @param order when what was answered was asked
   */
  answered(order: number): void {
    this.history.newestAnswered = Math.max(this.history.newestAnswered, order);
  }
}

/** What single flight must know of what is loaded. */
interface Task {
  readonly meaning: string | undefined;
}

/** The loads of one id, in the order they began, and what has happened to it meanwhile. */
interface Group<K extends Task, T> extends History {
  readonly loads: Load<K, T>[];
}

const ignore = () => undefined;

/** Single flight: one question per id is under way, and the callers that ask the same wait for its answer. */
export class SingleFlight<K extends Task, T> {
  readonly #timeline: Timeline;
  readonly #invalidation: Invalidation;
  #groups = new Map<string, Group<K, T>>();

  constructor(timeline: Timeline, invalidation: Invalidation) {
    this.#timeline = timeline;
    this.#invalidation = invalidation;
  }

  /** Ids with a question under way. */
  get size(): number {
    return this.#groups.size;
  }

  /**
   * The latest load that a caller may join.
   *
   * @param suits what else it must be
   */
  joinable(id: string, suits: (load: Load<K, T>) => boolean): Load<K, T> | undefined {
    return this.#groups.get(id)?.loads.findLast((load) => suits(load) && this.#invalidation.mayBeJoined(load));
  }

  /** Begins a load. Later callers join this one, also where another is still under way. */
  begin(id: string, task: K, run: (load: Load<K, T>) => Promise<T>): Load<K, T> {
    let group = this.#groups.get(id);
    if (!group) {
      group = { invalidatedAs: 0, newestAnswered: 0, loads: [] };
      this.#groups.set(id, group);
    }
    const load = new Load<K, T>(id, task, group, this.#timeline.next());
    group.loads.push(load);
    load.landed = this.#land(load, run);
    load.landed.catch(ignore); // it is detached: all its callers may have left
    return load;
  }

  /** The id was invalidated, and all that has its meaning: what was asked before is discarded. */
  invalidated(id: string, meaning: string | undefined, order: number): void {
    for (const group of this.#groups.values()) {
      for (const load of group.loads) {
        if (load.id === id || (meaning !== undefined && load.meaning === meaning))
          group.invalidatedAs = Math.max(group.invalidatedAs, order);
      }
    }
  }

  async #land(load: Load<K, T>, run: (load: Load<K, T>) => Promise<T>): Promise<T> {
    await undefined; // what is called on the way may ask the same, and finds that it is being asked
    try {
      return await run(load);
    } finally {
      this.#leave(load);
    }
  }

  #leave(load: Load<K, T>): void {
    const group = this.#groups.get(load.id) as Group<K, T>;
    if (group.loads.length > 1) return void group.loads.splice(group.loads.indexOf(load), 1);
    this.#groups.delete(load.id);
    if (this.#groups.size === 0) this.#groups = new Map(); // one that V8 has outgrown keeps alive what was in it
  }
}
