import { CircuitBreaker } from "../../src/runtime/circuit-breaker.js";
import { withBreaker } from "../../src/transport/breaker.js";
import { type Fallback, failover, type UpstreamRoute } from "../../src/transport/failover.js";
import type { Upstream } from "../../src/transport/outcome.js";
import { uncontrolled, withTimeout } from "../../src/transport/timeout.js";
import { ask, FakeUpstream, failure } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

export const GRPC_MS = 1000;
export const REST_MS = 2000;
export const THRESHOLD = 3;
export const RECOVERY_MS = 30_000;

/**
 * Failover over two upstreams in memory, each behind its breaker and its timeout as in the pipeline.
 *
 * @param options.timed `false` leaves the timeouts out, as if their timers fired late
 * @param options.heard `false`: nobody wants to know of fallbacks
 * @param options.restTakes `false`: no question has a form that REST takes
 */
export function twoUpstreams({ timed = true, heard = true, restTakes = true } = {}) {
  const clock = new ManualClock();
  const moves: string[] = [];
  const fallbacks: Fallback["reason"][] = [];

  function side(upstream: Upstream, timeoutMs: number) {
    const fake = new FakeUpstream(`from-${upstream}`, clock);
    const breaker = new CircuitBreaker({
      failureThreshold: THRESHOLD,
      windowMs: 60_000,
      recoveryMs: RECOVERY_MS,
      clock,
      onTransition: (from, to) => moves.push(`${upstream}: ${from} → ${to}`),
    });
    const end = timed ? withTimeout(uncontrolled(fake.transport), upstream, clock) : fake.transport;
    const route: UpstreamRoute = {
      upstream,
      breaker,
      timeoutMs,
      transport: withBreaker(end, breaker, { upstream, timeoutMs }),
    };
    return { fake, breaker, route };
  }

  const grpc = side("grpc", GRPC_MS);
  const rest = side("rest", REST_MS);
  const onFallback = ({ reason }: Fallback) => void fallbacks.push(reason);
  const second: UpstreamRoute = { ...rest.route, takes: () => restTakes };
  const both = failover(grpc.route, second, { clock, ...(heard && { onFallback }) });
  const alone = failover(grpc.route, undefined, { clock, onFallback });
  const start = (call: { deadlineMs?: number; signal?: AbortSignal; known?: boolean } = {}) =>
    ask(both, { clock, deadlineMs: GRPC_MS + REST_MS, ...call });

  /** Opens a breaker without asking the other side. */
  function open({ breaker }: { breaker: CircuitBreaker }) {
    while (breaker.state !== "open") breaker.admit()?.failed();
    moves.length = 0;
  }

  return {
    clock,
    grpc: grpc.fake,
    rest: rest.fake,
    breakers: { grpc: grpc.breaker, rest: rest.breaker },
    moves,
    fallbacks,
    start,
    startAlone: (deadlineMs = GRPC_MS) => ask(alone, { clock, deadlineMs }),
    openGrpc: () => open(grpc),
    openRest: () => open(rest),
    /** gRPC's breaker is open, and its recovery time is over. */
    async recoverGrpc() {
      open(grpc);
      await clock.advance(RECOVERY_MS);
    },
  };
}

export const unreachable = (upstream: Upstream) => failure(upstream, "unreachable");
export const broken = (upstream: Upstream) => failure(upstream, "broken");
export const refused = (upstream: Upstream) => failure(upstream, "refused");
