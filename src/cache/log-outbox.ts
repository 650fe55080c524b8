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

  get size(): number {
    return this.#invalidations.size + this.#refusals.size;
  }

  /** Unless what waits is newer. The oldest makes room. */
  add(telling: Telling): void {
    const isRefusal = telling.fact.kind === "refusal";
    const [room, max] = isRefusal ? [this.#refusals, MAX_REFUSALS] : [this.#invalidations, MAX_INVALIDATIONS];
    const key = factKey(telling.fact);
    if (isNewer(room.get(key), telling)) return;
    room.delete(key);
    room.set(key, telling);
    if (room.size > max) for (const [oldest] of firstOf(room, 1)) room.delete(oldest);
  }

  /** It is told, and with it what is older. */
  told(telling: Telling): void {
    const key = factKey(telling.fact);
    const rooms = telling.fact.kind === "refusal" ? [this.#refusals] : [this.#refusals, this.#invalidations];
    for (const room of rooms) if (!isNewer(room.get(key), telling)) room.delete(key);
  }

  /** What has waited longest, refusals last. */
  first(count: number): Telling[] {
    const some = [...firstOf(this.#invalidations, count), ...firstOf(this.#refusals, count)];
    return some.slice(0, count).map(([, telling]) => telling);
  }

  clear(): void {
    this.#invalidations.clear();
    this.#refusals.clear();
  }
}

function isNewer(one: Telling | undefined, than: Telling): boolean {
  return one !== undefined && one.fact.at > than.fact.at;
}

function firstOf<V>(map: ReadonlyMap<string, V>, count: number): [string, V][] {
  const first: [string, V][] = [];
  for (const entry of map) {
    if (first.length >= count) break;
    first.push(entry);
  }
  return first;
}
