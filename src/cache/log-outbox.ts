import { type Fact, factKey } from "./log-facts.js";

/** What the other processes are to learn. */
export interface Telling {
  readonly fact: Fact;
  /** Makes the store forget what the fact contradicts; rejects when it could not be told. Once more where it is told again. */
  readonly write: () => Promise<unknown>;
}

/** So many invalidations wait to be told, and so many refusals. */
const [MAX_INVALIDATIONS, MAX_REFUSALS] = [10_000, 1000];

/**
 * What could not be told yet: the newest of each subject and id. Refusals have a room of their own: they come by themselves, as fast as
 * tokens end, and must not push out what an application wants to be forgotten. Nor do they say all that the invalidation of a token says.
 */
export class LogOutbox {
  readonly #invalidations = new Map<string, Telling>();
  readonly #refusals = new Map<string, Telling>();
  /** What could not be told in its turn either. */
  readonly #failed = new Set<Telling>();

  get size(): number {
    return this.#invalidations.size + this.#refusals.size;
  }

  /** Unless what waits is newer. The oldest makes room. */
  add(telling: Telling): void {
    const room = this.#roomOf(telling);
    const max = room === this.#refusals ? MAX_REFUSALS : MAX_INVALIDATIONS;
    const key = factKey(telling.fact);
    if (isLater(room.get(key), telling)) return;
    this.#remove(room, key);
    room.set(key, telling);
    if (room.size > max) for (const oldest of room.keys()) return this.#remove(room, oldest);
  }

  /** It is told, and with it what is older. */
  told(telling: Telling): void {
    const key = factKey(telling.fact);
    const rooms = telling.fact.kind === "refusal" ? [this.#refusals] : [this.#refusals, this.#invalidations];
    for (const room of rooms) if (!isLater(room.get(key), telling)) this.#remove(room, key);
  }

  /** Its turn has come, and it waits on: behind all that was not tried yet. */
  failed(telling: Telling): void {
    if (this.has(telling)) this.#failed.add(telling);
  }

  /** It still waits, and nothing newer in its place. */
  has(telling: Telling): boolean {
    return this.#roomOf(telling).get(factKey(telling.fact)) === telling;
  }

  /** What has waited longest first, refusals last; and behind them what has failed before, in the same order. */
  all(): Telling[] {
    const all = [...this.#invalidations.values(), ...this.#refusals.values()];
    return [...all.filter((each) => !this.#failed.has(each)), ...all.filter((each) => this.#failed.has(each))];
  }

  /** Lets go of all others. */
  keep(isKept: (telling: Telling) => boolean): void {
    for (const room of [this.#invalidations, this.#refusals])
      for (const [key, telling] of room) if (!isKept(telling)) this.#remove(room, key);
  }

  clear(): void {
    this.#invalidations.clear();
    this.#refusals.clear();
    this.#failed.clear();
  }

  #roomOf({ fact }: Telling): Map<string, Telling> {
    return fact.kind === "refusal" ? this.#refusals : this.#invalidations;
  }

  #remove(room: Map<string, Telling>, key: string): void {
    const telling = room.get(key);
    if (!telling) return;
    room.delete(key);
    this.#failed.delete(telling);
  }
}

function isLater(one: Telling | undefined, than: Telling): boolean {
  return one !== undefined && one.fact.at > than.fact.at;
}
