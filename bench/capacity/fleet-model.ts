/** A fleet under a steady load, each request from any user, at any process. */
export interface Fleet {
  readonly processes: number;
  /** Of all processes together. */
  readonly requestsPerSecond: number;
  /** Each user's part of the requests; together 1. */
  readonly shares: readonly number[];
  readonly ttlMs: number;
  /** Well below `ttlMs`: the arithmetic holds up to half of it. */
  readonly processTtlMs: number;
}

export interface FleetLoad {
  /** Calls and operations per second. */
  readonly upstreamAlone: number;
  readonly upstreamShared: number;
  readonly redisLooks: number;
  readonly redisSets: number;
  /** Entries that one process holds at a time and that still serve. */
  readonly heldAlone: number;
  readonly heldShared: number;
}

/** TTLs are up to 10 % shorter, at random. */
export const JITTERED = 0.95;
/** An entry is renewed by the first request after a point that each process draws for itself between these shares of its TTL. */
export const [REFRESHED_FROM, REFRESHED_BY] = [0.6, 0.8] as const;
const STEPS = 1000;

/**
 * What a fleet asks of its auth service and of its Redis. Of each user an entry lives for `life`, until the next request finds it old:
 * it is asked for once per `life` plus the time between two requests of that user – in each process, or with a shared cache once in the
 * whole fleet, by the process that is the first.
 */
export function loadOf({ processes, requestsPerSecond, shares, ttlMs, processTtlMs }: Fleet): FleetLoad {
  const ttl = (JITTERED * ttlMs) / 1000;
  const window = (REFRESHED_BY - REFRESHED_FROM) * ttl;
  const life = ((REFRESHED_FROM + REFRESHED_BY) / 2) * ttl;
  const local = (JITTERED * processTtlMs) / 1000;
  let [upstreamAlone, upstreamShared, looks, heldAlone, heldShared] = [0, 0, 0, 0, 0];
  for (const share of shares) {
    const gap = 1 / (requestsPerSecond * share);
    const gapHere = gap * processes;
    upstreamAlone += processes / (life + gapHere);
    const notYet = (part: number) => notRenewed(part, window / gapHere) ** processes;
    const cycle = REFRESHED_FROM * ttl + window * mean(notYet) + notYet(1) * gap;
    upstreamShared += 1 / cycle;
    // In each process the entry is looked for once per its stay there; a renewal in the fleet cuts the stay that it meets by half.
    const held = local / (local + gapHere);
    heldShared += held;
    heldAlone += life / (life + gapHere);
    looks += (processes * (1 + (held * local) / (2 * cycle))) / (local + gapHere);
    // A process that renews it may find the old one in the shared cache first, and then looks twice.
    looks += ((1 - held) * (1 - notYet(1) * Math.exp(-((1 - REFRESHED_BY) * ttl) / gap))) / cycle;
  }
  return {
    upstreamAlone,
    upstreamShared,
    redisLooks: looks,
    redisSets: upstreamShared,
    heldAlone,
    heldShared,
  };
}

/** How likely a process has not renewed an entry when that part of the window is over, in which it gets so many requests. */
function notRenewed(part: number, requests: number): number {
  return 1 - part + (1 - Math.exp(-requests * part)) / requests;
}

/** Of a function from 0 to 1. */
function mean(of: (part: number) => number): number {
  let sum = 0;
  for (let step = 0.5; step < STEPS; step++) sum += of(step / STEPS);
  return sum / STEPS;
}

export type Distribution = "uniform" | "zipf";

/**
 * Each user's part of the requests. `uniform`: all come equally often, and of all distributions this one asks the service most. `zipf`:
 * the second comes half as often as the first, the third a third.
 */
export function sharesOf({ users, distribution }: { users: number; distribution: Distribution }): number[] {
  const weights = Array.from({ length: users }, (_, rank) => (distribution === "zipf" ? 1 / (rank + 1) : 1));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
