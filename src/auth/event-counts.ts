import type { BreakerState } from "../runtime/circuit-breaker.js";
import type { Fallback } from "../transport/failover.js";
import type { Operation } from "../transport/operation.js";
import type { Upstream } from "../transport/outcome.js";
import type { ReplicaState } from "../transport/replica.js";

type By<K extends string, V = number> = Record<K, V>;

export type BreakerTransitions = Readonly<By<BreakerState>>;
export type ReplicaTransitions = Readonly<By<ReplicaState>>;
export type FallbackCounts = Readonly<By<Operation, Readonly<By<Fallback["reason"]>>>>;
export type InvalidationCounts = {
  readonly here: Readonly<By<"token" | "user" | "organization">>;
  readonly log: Readonly<By<"token" | "user" | "organization" | "refusal">>;
};

/** What is counted of events: one of these. */
export interface Countable {
  readonly breaker?: { readonly upstream: Upstream; readonly to: BreakerState };
  readonly replica?: { readonly to: ReplicaState };
  readonly fallback?: Fallback;
  readonly invalidation?: {
    readonly by: "here" | "log";
    readonly kind: "token" | "user" | "organization" | "refusal";
  };
  readonly cache?: { readonly tier: "shared" | "log"; readonly available: boolean };
}

/** How often each event of a client has come. */
export class EventCounts {
  readonly breaker: By<Upstream, By<BreakerState>> = { grpc: noMoves(), rest: noMoves() };
  readonly replica: By<ReplicaState> = { ready: 0, connecting: 0, out: 0 };
  readonly shared = { available: 0, unavailable: 0 };
  readonly fallback: By<Operation, By<Fallback["reason"]>> = {
    VerifyToken: noFallbacks(),
    GetUserPermissions: noFallbacks(),
    GetUserLocals: noFallbacks(),
    GetOrganization: noFallbacks(),
  };
  readonly invalidation = {
    here: { token: 0, user: 0, organization: 0, refusal: 0 },
    log: { token: 0, user: 0, organization: 0, refusal: 0 },
  };

  count({ breaker, replica, fallback, invalidation, cache }: Countable): void {
    if (breaker) this.breaker[breaker.upstream][breaker.to]++;
    if (replica) this.replica[replica.to]++;
    if (fallback) this.fallback[fallback.operation][fallback.reason]++;
    if (invalidation) this.invalidation[invalidation.by][invalidation.kind]++;
    if (cache?.tier === "shared") this.shared[cache.available ? "available" : "unavailable"]++;
  }

  /** Copies, as `status()` has them. */
  get fallbacks(): FallbackCounts {
    return structuredClone(this.fallback);
  }

  get invalidations(): InvalidationCounts {
    const { here, log } = this.invalidation;
    const { token, user, organization } = here; // a refusal is noticed, not made
    return { here: { token, user, organization }, log: { ...log } };
  }
}

function noMoves(): By<BreakerState> {
  return { closed: 0, open: 0, "half-open": 0 };
}

function noFallbacks(): By<Fallback["reason"]> {
  return { open: 0, unreachable: 0, busy: 0, broken: 0 };
}
