import type { Transport } from "@connectrpc/connect";
import { CircuitBreaker } from "../runtime/circuit-breaker.js";
import { againIfUnprocessed } from "../transport/again.js";
import { withBreaker } from "../transport/breaker.js";
import { watchingCredential } from "../transport/credential-watch.js";
import { withCredentials } from "../transport/credentials.js";
import { failover, type UpstreamRoute } from "../transport/failover.js";
import { FailureWatch } from "../transport/failure-watch.js";
import { classifyTransport, createGrpcUpstream } from "../transport/grpc.js";
import { type Load, withLimit } from "../transport/limit.js";
import type { Upstream } from "../transport/outcome.js";
import { isReachable } from "../transport/reachable.js";
import { createRestUpstream } from "../transport/rest.js";
import { hasRestForm } from "../transport/rest-request.js";
import { withRetry } from "../transport/retry.js";
import { withTimeout } from "../transport/timeout.js";
import type { Config } from "./config/config.js";
import { shownUrl } from "./config/shown-url.js";
import type { GrpcConfig, RestConfig } from "./config/upstreams.js";
import type { Events } from "./events.js";

/** When a client is made, REST is probably not needed yet; a second later its HTTP client is loaded, in case it will be. */
const WARM_AFTER_MS = 1000;

/** One upstream as the pipeline uses it. */
interface Leg extends UpstreamRoute {
  readonly url: string | undefined;
  /** Whether a connection can be made. */
  connect(): Promise<boolean>;
  close(): void;
}

/** Everything between the cache and the network. */
export interface Pipeline {
  readonly transport: Transport;
  /** In the order they are asked. */
  readonly legs: readonly Leg[];
  load(): Load;
  close(): void;
}

/** How the ends of the pipeline are made; simulations put theirs in the place of the network. */
export interface UpstreamFactories {
  readonly grpc: typeof createGrpcUpstream;
  readonly rest: typeof createRestUpstream;
}

export const networkUpstreams: UpstreamFactories = { grpc: createGrpcUpstream, rest: createRestUpstream };

/**
 * The order of the stages, said once:
 * `limit( credentials( retry( failover( breaker( timeout( again( grpc ) ) ), breaker( timeout( again( rest ) ) ) ) ) ) )`
 */
export function createPipeline(config: Config, events: Events, make: UpstreamFactories = networkUpstreams): Pipeline {
  const { clock, random, headers } = config;
  const [first, second] = [config.grpc && grpcLeg(config.grpc), config.rest && restLeg(config.rest)].filter(
    (leg) => leg !== undefined,
  );
  if (!first) throw new TypeError("a pipeline needs an upstream");
  const legs = second ? [first, second] : [first];

  const over = failover(first, second, { clock, onFallback: (fallback) => events.emit("fallback", fallback) });
  const canTry = () => legs.some(({ breaker }) => !breaker.refuses);
  const retried = withRetry(over, { ...config.retry, clock, random, canTry });
  const onFailure = (name: string) => config.logger.error(`portero: the function given as "headers" failed: ${name}`);
  const signed = headers ? withCredentials(retried, headers, { clock, onFailure }) : retried;
  const { transport, load } = withLimit(signed, { ...config.limit, clock });
  const close = () => {
    for (const leg of legs) leg.close();
  };
  return { transport, legs, load, close };

  function grpcLeg(grpc: GrpcConfig): Leg {
    const { url, tls, transport: custom } = grpc;
    if (custom || url === undefined) {
      const transport = classifyTransport(custom as Transport);
      return {
        ...guarded("grpc", undefined, againIfUnprocessed(transport, clock), grpc),
        url: undefined,
        connect: async () => true,
        close: () => undefined,
      };
    }
    const { timeoutMs, interceptors } = grpc;
    const upstream = make.grpc({ url, timeoutMs, tls, interceptors, maxAnswerBytes: config.maxAnswerBytes });
    return {
      ...guarded("grpc", url, againIfUnprocessed(upstream.transport, clock), grpc, upstream.renew),
      url,
      connect: upstream.connect,
      close: upstream.close,
    };
  }

  function restLeg(rest: RestConfig): Leg {
    const { url, tls, agent, paths } = rest;
    const { maxAnswerBytes } = config;
    const upstream = make.rest({ url, tls, agent, paths, maxAnswerBytes, now: () => clock.now() });
    const warming = clock.setTimeout(upstream.warm, config.grpc ? WARM_AFTER_MS : 0, { background: true });
    const close = () => {
      warming.clear();
      upstream.close();
    };
    const transport = againIfUnprocessed(upstream.transport, clock, upstream.anew);
    return {
      ...guarded("rest", url, transport, rest, upstream.renew),
      url,
      takes: ({ method, message }) => hasRestForm(method, message),
      connect: async () => agent !== undefined || (await isReachable(url, tls)), // where an agent leads, it alone knows
      close,
    };
  }

  function guarded(
    upstream: Upstream,
    url: string | undefined,
    transport: Transport,
    { timeoutMs }: { timeoutMs: number },
    beforeProbe?: () => void,
  ): UpstreamRoute {
    const shown = url === undefined ? "the transport given" : (shownUrl(url) ?? "its URL (not shown)");
    const failures = new FailureWatch((reason) =>
      config.logger.warn(`portero: ${upstream} has not answered so far: ${shown} is ${reason}`),
    );
    const breaker = new CircuitBreaker({
      ...config.breaker,
      clock,
      onTransition: (from, to) => {
        if (to === "half-open") beforeProbe?.();
        if (to === "open")
          config.logger.warn(
            `portero: the breaker of ${upstream} is open, it is not asked for ${config.breaker.recoveryMs / 1000} s: ` +
              `${shown} was ${failures.last}`,
          );
        else if (to === "closed")
          config.logger.info(`portero: the breaker of ${upstream} is closed: ${upstream} is asked again`);
        events.emit("breaker", { upstream, from, to });
      },
    });
    const watched = watchingCredential(failures.watch(withTimeout(transport, upstream, clock)), () =>
      config.logger.error(
        `portero: ${upstream} refuses this service's own credentials on look-ups; see the option "headers"`,
      ),
    );
    return { upstream, breaker, timeoutMs, transport: withBreaker(watched, breaker, { upstream, timeoutMs }) };
  }
}

/** An upstream's state, as plain data. */
export function statusOf({ url, breaker }: Leg) {
  const shown = shownUrl(url);
  return {
    ...(shown !== undefined && { url: shown }),
    breaker: breaker.state,
    failures: breaker.failures,
    retryAfterMs: Math.ceil(breaker.retryAfterMs),
  };
}
