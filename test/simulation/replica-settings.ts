import type { Random } from "./random.js";

/** A world of replicas, as far as it does not change while it runs. */
export interface ReplicaSettings {
  readonly replicas: number;
  /** Found by their name, or each given by its address. */
  readonly isNamed: boolean;
  readonly hasFaults: boolean;
  /** No more than one is ill at a time: then nobody may notice. */
  readonly isOneIll: boolean;
  /** Those who ask are known already. */
  readonly isKnown: boolean;
  /** Some tokens make every replica throw. */
  readonly hasPoison: boolean;
  readonly grpcMs: number;
  readonly restMs: number;
  readonly hedgeMs: number;
  readonly failureThreshold: number;
  readonly steps: number;
}

export function drawReplicaSettings(random: Random): ReplicaSettings {
  return {
    replicas: random.pick([2, 3, 4, 4, 5]),
    isNamed: random.chance(0.5),
    hasFaults: random.chance(0.85),
    isOneIll: random.chance(0.7),
    isKnown: random.chance(0.4),
    hasPoison: random.chance(0.3),
    grpcMs: random.pick([300, 1000]),
    restMs: 500,
    hedgeMs: random.pick([100, 100, 100, 0]),
    failureThreshold: random.pick([1, 2, 5]),
    steps: 10 + random.int(20),
  };
}
