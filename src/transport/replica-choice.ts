import type { Replica } from "./replica.js";

export interface Wanted {
  /** Not these. */
  readonly tried?: readonly Replica[];
  /** Where all others are out, whether one of those. Default `true`. */
  readonly orOut?: boolean;
}

export function candidates(replicas: readonly Replica[], wanted: Wanted): Replica[] {
  return replicas.filter((replica) => isWanted(replica, wanted));
}

/**
 * One that is not out, has a connection, has the fewest calls under way and was picked least recently, in this order; where all are out
 * the last three decide.
 */
export function best(replicas: readonly Replica[], wanted: Wanted): Replica | undefined {
  let found: Replica | undefined;
  for (const replica of replicas) {
    if (isWanted(replica, wanted) && (found === undefined || goesBefore(replica, found))) found = replica;
  }
  return found;
}

/** Whether one call may show that it is well again. */
export function isDue({ health, isOnTrial }: Replica): boolean {
  return health.isOut && !isOnTrial && health.outMs === 0;
}

function isWanted(replica: Replica, { tried, orOut = true }: Wanted): boolean {
  return !tried?.includes(replica) && (orOut || !replica.health.isOut);
}

function goesBefore(one: Replica, other: Replica): boolean {
  if (one.health.isOut !== other.health.isOut) return other.health.isOut;
  if (one.link.isReady !== other.link.isReady) return one.link.isReady;
  if (one.inFlight !== other.inFlight) return one.inFlight < other.inFlight;
  return one.pickedAt < other.pickedAt;
}
