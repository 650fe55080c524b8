import type { Transport } from "@connectrpc/connect";
import { CircuitBreaker } from "../../src/runtime/circuit-breaker.js";
import { Addresses } from "../../src/transport/addresses.js";
import { againIfUnprocessed } from "../../src/transport/again.js";
import { withReplicas } from "../../src/transport/balance.js";
import { withBreaker } from "../../src/transport/breaker.js";
import { beginTry } from "../../src/transport/call-context.js";
import { withLimit } from "../../src/transport/limit.js";
import { type ReplicaMove, ReplicaSet } from "../../src/transport/replica-set.js";
import { forward, unaryTransport } from "../../src/transport/stage.js";
import { withTimeout } from "../../src/transport/timeout.js";
import { UpstreamLimits } from "../../src/transport/upstream-limits.js";
import { FakeReplica } from "../support/fake-replica.js";
import { type AskOptions, ask, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

export const TIMEOUT_MS = 1000;

export interface FakeReplicasOptions {
  readonly count?: number;
  readonly hedgeMs?: number;
  readonly asksAgain?: boolean;
  readonly maxConcurrent?: number;
  /** Failures that open the breaker. Default 5. */
  readonly failureThreshold?: number;
  readonly urls?: readonly string[];
  readonly connections?: { min: number; max: number };
  readonly lookup?: (hostname: string) => Promise<readonly { address: string }[]>;
}

/** An upstream whose replicas are in memory, behind its breaker, timeout and limit, as the pipeline has them. */
export function fakeReplicas({
  count = 4,
  hedgeMs = 100,
  asksAgain = true,
  maxConcurrent = 256,
  failureThreshold = 5,
  urls = Array.from({ length: count }, (_, at) => `http://10.0.0.${at}:1`),
  connections = { min: 1, max: 8 },
  lookup,
}: FakeReplicasOptions = {}) {
  const clock = new ManualClock();
  const replicas: FakeReplica[] = [];
  const byAddress = new Map<string, FakeReplica>();
  const moves: ReplicaMove[] = [];
  const limits = new UpstreamLimits({ maxConcurrent, maxQueue: 1024, clock, askedFirst: () => "grpc" });
  const addresses = new Addresses({ urls, lookup, clock, random: () => 0.5, onChange: () => set.update() });
  const set: ReplicaSet = new ReplicaSet(addresses, {
    connections,
    timeoutMs: TIMEOUT_MS,
    clock,
    random: () => 0.5,
    around: (replica) => againIfUnprocessed(replica, clock),
    onMove: (move) => moves.push(move),
    link: ({ host }, onChange) => {
      const replica = new FakeReplica(`from-${host}`, clock);
      replica.onChange = onChange;
      replicas.push(replica);
      byAddress.set(host, replica);
      return replica.link;
    },
  });
  const places = limits.extraPlaces("grpc");
  const balancer = withReplicas(set, { clock, timeoutMs: TIMEOUT_MS, hedgeMs, asksAgain, places });
  const breaker = new CircuitBreaker({ failureThreshold, windowMs: 60_000, recoveryMs: 30_000, clock });
  const tried = withTimeout(balancer.ask, "grpc", clock);
  const guarded = withBreaker(tried, breaker, { upstream: "grpc", timeoutMs: TIMEOUT_MS });
  const asked = unaryTransport(async (call) => {
    const end = beginTry(call.context); // as the failover does
    try {
      return await forward(guarded, call);
    } finally {
      end();
    }
  });
  const transport: Transport = withLimit(asked, limits.places, clock);
  const start = (options: Partial<AskOptions> = {}) =>
    watched(ask(transport, { clock, timeoutMs: TIMEOUT_MS, ...options }));
  /** One call after the other, `everyMs` apart; those that are not over by then are waited for at the end. */
  const askInARow = async (
    calls: number,
    { everyMs = 10, ...options }: Partial<AskOptions> & { everyMs?: number } = {},
  ) => {
    const asked = [];
    for (let call = 0; call < calls; call++) {
      asked.push(start(options));
      await clock.advance(everyMs);
    }
    await clock.advance(2 * TIMEOUT_MS);
    return asked;
  };
  const status = () => ({ replicas: set.status, ...balancer.counts });
  const states = () => status().replicas.map(({ state }) => state);
  const calls = () => replicas.map(({ calls }) => calls.length);
  const total = () => calls().reduce((sum, calls) => sum + calls, 0);
  return {
    clock,
    replicas,
    byAddress,
    set,
    breaker,
    limits,
    moves,
    start,
    askInARow,
    status,
    states,
    asked: calls,
    total,
  };
}
