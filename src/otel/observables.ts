import type { Attributes, Meter, Observable } from "@opentelemetry/api";
import type { AuthClient } from "../auth/auth-client.js";
import type { AuthClientStatus } from "../auth/client-status.js";
import { nameOf } from "./attributes.js";

/** A value, and what tells it from the others of its instrument. */
type Series = readonly [value: number, attributes?: Attributes];

/** An instrument that reads what `status()` says. */
interface Reading {
  readonly name: string;
  /** `counter`: it only grows. `gauge`: it goes up and down, and is a sum over processes all the same. */
  readonly type: "counter" | "gauge";
  readonly unit: string;
  readonly description: string;
  readonly read: (status: AuthClientStatus) => readonly Series[];
}

const BREAKER_STATES = ["closed", "open", "half-open"] as const;
const REPLICA_STATES = ["ready", "connecting", "out"] as const;
const LOG_STATES = ["live", "behind", "none"] as const;
/** `portero.cache.result`, by the count of `status()`. */
const RESULTS = {
  hits: "process_hit",
  sharedHits: "shared_hit",
  refusals: "refusal_hit",
  stale: "stale",
  misses: "miss",
} as const;

const READINGS: readonly Reading[] = [
  counter(
    "portero.authentications",
    "{decision}",
    "Decisions of requireAuth, optionalAuth and authenticate: a request behind two of them counts twice",
    ({ requests }) => [
      ...each(requests.authenticated, (source) => ({ "portero.source": nameOf(source) })),
      ...each(requests.refused, (code) => ({ "error.type": nameOf(code) })),
    ],
  ),
  counter("portero.authorizations", "{decision}", "Decisions of guards", ({ requests }) =>
    Object.entries(requests.guards).flatMap(([guard, verdicts]) =>
      each(verdicts, (verdict) => ({ "portero.guard": guard, "portero.decision": verdict })),
    ),
  ),
  counter(
    "portero.cache.lookups",
    "{lookup}",
    "Answers of the caches, and questions to the service (miss): refreshes too, one for all that wait; a stale answer comes after a miss",
    ({ cache }) =>
      Object.entries(cache.lookups).flatMap(([kind, counts]) =>
        Object.entries(RESULTS).map(
          ([count, result]): Series => [
            counts[count as keyof typeof RESULTS],
            { "portero.cache.kind": kind, "portero.cache.result": result },
          ],
        ),
      ),
  ),
  counter("portero.cache.evictions", "{entry}", "Entries that had to make room", ({ cache }) => [[cache.evictions]]),
  counter("portero.cache.renewals", "{renewal}", "Refreshes in the background", ({ cache }) => [[cache.renewals]]),
  counter("portero.cache.invalidations", "{invalidation}", "Invalidations, made here or heard of", ({ cache }) =>
    Object.entries(cache.invalidations).flatMap(([by, scopes]) =>
      each(scopes, (scope) => ({ "portero.invalidation.scope": scope, "portero.invalidation.by": by })),
    ),
  ),
  counter("portero.cache.shared.errors", "{error}", "Operations of the shared cache that failed", ({ cache }) =>
    each(cache.sharedErrors, (code) => ({ "error.type": nameOf(code) })),
  ),
  gauge("portero.cache.entry.count", "{entry}", "Entries of the process cache", ({ cache }) => [[cache.entries]]),
  gauge("portero.cache.size", "By", "Roughly what they take", ({ cache }) => [[cache.bytes]]),
  counter("portero.upstream.fallbacks", "{call}", "Questions that went to REST", ({ upstream }) =>
    Object.entries(upstream.fallbacks).flatMap(([operation, reasons]) =>
      each(reasons, (reason) => ({ "portero.operation": operation, "portero.fallback.reason": reason })),
    ),
  ),
  counter("portero.upstream.retries", "{retry}", "Questions asked again", ({ upstream }) => [[upstream.retries]]),
  gauge("portero.upstream.active_calls", "{call}", "Calls under way", ({ upstream }) => [[upstream.active]]),
  gauge("portero.upstream.queued_calls", "{call}", "Calls that wait for a place", ({ upstream }) => [
    [upstream.queued],
  ]),
  gauge("portero.upstream.call.limit", "{call}", "Calls that may be under way", ({ upstream }) => [[upstream.limit]]),
  gauge("portero.breaker.state", "1", "1 for the state that a breaker is in, 0 for the others", (status) =>
    breakersIn(status).flatMap(({ upstream, state }) =>
      BREAKER_STATES.map(
        (each): Series => [state === each ? 1 : 0, { "portero.upstream": upstream, "portero.breaker.state": each }],
      ),
    ),
  ),
  counter("portero.breaker.transitions", "{transition}", "How often a breaker moved to a state", (status) =>
    breakersIn(status).flatMap(({ upstream, transitions }) =>
      each(transitions, (state) => ({ "portero.upstream": upstream, "portero.breaker.state": state })),
    ),
  ),
  gauge("portero.replica.count", "{replica}", "Replicas of gRPC, by state", ({ grpc }) =>
    grpc?.replicas
      ? REPLICA_STATES.map(
          (state): Series => [
            grpc.replicas?.filter((replica) => replica.state === state).length ?? 0,
            { "portero.replica.state": state },
          ],
        )
      : [],
  ),
  counter("portero.replica.transitions", "{transition}", "How often a replica moved to a state", ({ grpc }) =>
    grpc?.replicaTransitions ? each(grpc.replicaTransitions, (state) => ({ "portero.replica.state": state })) : [],
  ),
  counter("portero.replica.hedges", "{call}", "Calls beside one that did not answer", ({ grpc }) =>
    grpc?.hedged === undefined ? [] : [[grpc.hedged]],
  ),
  counter("portero.replica.second_tries", "{call}", "Calls after one that failed", ({ grpc }) =>
    grpc?.secondTries === undefined ? [] : [[grpc.secondTries]],
  ),
  gauge("portero.log.state", "1", "1 for the state that the log of invalidations is in", ({ cache }) =>
    LOG_STATES.map((state): Series => [cache.log === state ? 1 : 0, { "portero.log.state": state }]),
  ),
  counter("portero.log.told", "{invalidation}", "Told to other processes", ({ cache }) => [[cache.told]]),
  counter("portero.log.heard", "{invalidation}", "Heard of other processes", ({ cache }) => [[cache.heard]]),
  counter("portero.log.gaps", "{gap}", "How often something may have been missed", ({ cache }) => [[cache.gaps]]),
  gauge("portero.log.outbox", "{invalidation}", "What could not be told yet", ({ cache }) => [[cache.outbox]]),
];

/** Reads a client's numbers whenever its meter collects. */
export interface Observation {
  end(): void;
  /** After one more time, so that nothing that was counted is lost. */
  endAfterNext(): void;
}

/** Has the meter read the client's numbers; every series of a counter is there from the beginning, as 0. */
export function observe(client: AuthClient, meter: Meter): Observation {
  const instruments = new Map<Reading, Observable>(
    READINGS.map((reading) => {
      const { name, type, ...options } = reading;
      const { unit, description } = options;
      const create = type === "counter" ? "createObservableCounter" : "createObservableUpDownCounter";
      return [reading, meter[create](name, { unit, description })];
    }),
  );
  const all = [...instruments.values()];
  let isLast = false;
  const callback: Parameters<Meter["addBatchObservableCallback"]>[0] = (result) => {
    if (isLast) queueMicrotask(end); // a meter that calls one after the other may not like it at once
    const status = client.status();
    for (const [{ read }, instrument] of instruments)
      for (const [value, attributes] of read(status)) result.observe(instrument, value, attributes);
  };
  const end = () => meter.removeBatchObservableCallback(callback, all);
  meter.addBatchObservableCallback(callback, all);
  return {
    end,
    endAfterNext() {
      isLast = true;
    },
  };
}

function counter(name: string, unit: string, description: string, read: Reading["read"]): Reading {
  return { name, type: "counter", unit, description, read };
}

function gauge(name: string, unit: string, description: string, read: Reading["read"]): Reading {
  return { name, type: "gauge", unit, description, read };
}

function each(counts: Readonly<Record<string, number>>, attributesOf: (key: string) => Attributes): Series[] {
  return Object.entries(counts).map(([key, count]) => [count, attributesOf(key)]);
}

interface Breaker {
  readonly upstream: string;
  readonly state: string;
  readonly transitions: Readonly<Record<string, number>>;
}

function breakersIn({ grpc, rest, cache }: AuthClientStatus): Breaker[] {
  const { shared, sharedTransitions } = cache;
  const transitions = { closed: sharedTransitions.available, open: sharedTransitions.unavailable, "half-open": 0 };
  const state = shared === "available" ? "closed" : "open";
  return [
    ...(grpc ? [{ upstream: "grpc", state: grpc.breaker, transitions: grpc.transitions }] : []),
    ...(rest ? [{ upstream: "rest", state: rest.breaker, transitions: rest.transitions }] : []),
    ...(shared === "none" ? [] : [{ upstream: "shared_cache", state, transitions }]),
  ];
}
