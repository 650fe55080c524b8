import type { Transport } from "@connectrpc/connect";
import { CircuitBreaker } from "../runtime/circuit-breaker.js";
import { Addresses, type Lookup } from "../transport/addresses.js";
import { againIfUnprocessed } from "../transport/again.js";
import { type ReplicasStatus, withReplicas } from "../transport/balance.js";
import { withBreaker } from "../transport/breaker.js";
import { untold, withCallChannel } from "../transport/call-channel.js";
import { OutcomeCounter, type OutcomeCounts } from "../transport/call-outcome.js";
import { watchingCredential } from "../transport/credential-watch.js";
import { withCredentials } from "../transport/credentials.js";
import { failover, type UpstreamRoute } from "../transport/failover.js";
import { FailureWatch } from "../transport/failure-watch.js";
import { classifyTransport, createGrpcLink } from "../transport/grpc.js";
import { withLimit } from "../transport/limit.js";
import { withLessons } from "../transport/limit-lessons.js";
import type { UpstreamHealth } from "../transport/operation-record.js";
import type { Upstream } from "../transport/outcome.js";
import { reach } from "../transport/reachable.js";
import { ReplicaSet } from "../transport/replica-set.js";
import { createRestUpstream } from "../transport/rest.js";
import { hasRestForm } from "../transport/rest-request.js";
import { withRetry } from "../transport/retry.js";
import { type ControlledHandler, uncontrolled, withTimeout } from "../transport/timeout.js";
import { type LimitStatus, UpstreamLimits } from "../transport/upstream-limits.js";
import type { Config } from "./config/config.js";
import type { GrpcConfig, RestConfig } from "./config/upstreams.js";
import type { FallbackCounts } from "./event-counts.js";
import type { Events } from "./events.js";
import type { TriedUpstream } from "./readiness.js";
import { createProbe, NO_TOKEN } from "./service-calls.js";
import { type AskedAt, createUpstreamReports, reasonOf, type UpstreamReports } from "./upstream-reports.js";
import { watchedTls } from "./watched-tls.js";

/** Beside gRPC, REST is probably not needed at first: its HTTP client is loaded this much later, in milliseconds. */
const WARM_AFTER_MS = 1000;

/** One upstream, with its stages and what the client does with it besides asking. */
export interface PipelineUpstream extends UpstreamRoute, TriedUpstream {
  /** Several where gRPC has; none with a custom transport. */
  readonly urls: readonly string[];
  /** Past its breaker, and unknown to what counts its calls, for a diagnosis; but through its replicas, which it tells of their failures. */
  readonly direct: Transport;
  /** How the tries at it have ended so far. */
  calls(): OutcomeCounts;
  /** Why it could not tell last, in words, and when: wall time, in milliseconds. */
  lastFailure(): { readonly reason: string; readonly at: number } | undefined;
  /** By its breaker, and by the calls of the last minute. */
  health(): UpstreamHealth;
  /** Of gRPC's, but for a custom transport. */
  replicas?(): ReplicasStatus;
  close(): void;
}

/** How calls stand, and how often more than one was needed. */
export interface LoadStatus extends LimitStatus {
  /** Questions that were asked again, of all upstreams, after a wait. */
  readonly retries: number;
  /** Questions that went to REST, by what gRPC had done: see the event `fallback`. */
  readonly fallbacks: FallbackCounts;
}

/** Everything between the cache and the network. */
export interface Pipeline {
  readonly transport: Transport;
  /** In the order they are asked. */
  readonly upstreams: readonly PipelineUpstream[];
  load(): LoadStatus;
  close(): void;
}

/** How the ends of the pipeline are made; simulations put theirs in the place of the network. */
export interface UpstreamFactories {
  /** For each replica. */
  readonly grpc: typeof createGrpcLink;
  readonly rest: typeof createRestUpstream;
  /** Of gRPC's hosts. Default: the machine's. */
  readonly lookup?: Lookup;
}

export const networkUpstreams: UpstreamFactories = { grpc: createGrpcLink, rest: createRestUpstream };

/**
 * The whole order of the stages, each named like its file. `credentials` is there where the option `headers` is set.
 *
 * limit → credentials → retry → failover, and behind it, for each upstream,
 * breaker → limit-lessons → credential-watch → failure-watch → timeout → balance → again → call-channel → grpc | rest
 *
 * `balance` is gRPC's alone: it has `again`, `call-channel` and a connection for each replica. Inside the breaker and the timeout, so that one bad replica
 * opens no breaker and no call outlives its time.
 */
export function createPipeline(
  config: Config,
  events: Events,
  client: object,
  make: UpstreamFactories = networkUpstreams,
): Pipeline {
  const { clock, random, headers } = config;
  const isShared = (config.cache.redis ?? config.cache.store) !== undefined;
  const limits = new UpstreamLimits({ ...config.limit, clock, askedFirst: () => askedFirst().upstream });
  const tries = { grpc: new OutcomeCounter(), rest: new OutcomeCounter() };
  const [first, second] = [config.grpc && grpcUpstream(config.grpc), config.rest && restUpstream(config.rest)].filter(
    (upstream) => upstream !== undefined,
  );
  if (!first) throw new TypeError("a pipeline needs an upstream");
  const upstreams = second ? [first, second] : [first];

  const over = failover(first, second, { clock, onFallback: (fallback) => events.emit("fallback", fallback) });
  const canTry = (known: boolean) => upstreams.some(({ breaker }) => !breaker.turnsAway(known));
  let retries = 0;
  const retried = withRetry(over, { ...config.retry, clock, random, canTry, onRetry: () => void retries++ });
  const transport = withLimit(signed(retried), limits.places, clock);
  const close = () => {
    for (const upstream of upstreams) upstream.close();
  };
  const load = () => ({ ...limits.status, retries, fallbacks: events.counts.fallbacks });
  return { transport, upstreams, load, close };

  function told(inner: Transport, upstream: Upstream): Transport {
    return withCallChannel(inner, { client, upstream, clock, tries: tries[upstream] });
  }

  function signed(inner: Transport): Transport {
    const onFailure = (name: string) => config.logger.error(`portero: the function given as "headers" failed: ${name}`);
    return headers ? withCredentials(inner, headers, { clock, onFailure }) : inner;
  }

  /** A probe of the first one runs beside the second one. */
  function askedFirst(): PipelineUpstream {
    return second && first?.breaker.state !== "closed" ? second : (first as PipelineUpstream);
  }

  function grpcUpstream(grpc: GrpcConfig): PipelineUpstream {
    const { urls, transport, interceptors, connections, timeoutMs, hedgeMs } = grpc;
    const reports = createUpstreamReports("grpc", grpc, config, events);
    if (transport) {
      const tried = told(classifyTransport(transport), "grpc");
      const given = { ask: uncontrolled(againIfUnprocessed(tried, clock)), renew: () => undefined };
      return { ...routeTo("grpc", grpc, given, reports), urls, connect: async () => undefined, close: () => undefined };
    }
    const tls = watchedTls(grpc.tls, "grpc.tls", config);
    const { maxAnswerBytes, retry } = config;
    const addresses = new Addresses({ urls, lookup: make.lookup, clock, random, onChange: () => replicas.update() });
    const replicas = new ReplicaSet(addresses, {
      link: (address, onChange) =>
        make.grpc(address, onChange, { timeoutMs, tls, interceptors, maxAnswerBytes, clock, random }),
      around: (replica) => againIfUnprocessed(told(replica, "grpc"), clock),
      connections,
      timeoutMs,
      clock,
      random,
      onMove: reports.replicaMoved,
    });
    const { ask, counts } = withReplicas(replicas, {
      clock,
      timeoutMs,
      hedgeMs,
      asksAgain: retry.attempts > 1,
      places: limits.extraPlaces("grpc"),
    });
    return {
      ...routeTo("grpc", grpc, { ask, renew: () => replicas.renew() }, reports),
      urls,
      replicas: () => ({ replicas: replicas.status, ...counts }),
      connect: () => replicas.connect().catch(reports.notReady),
      close: () => replicas.close(),
    };
  }

  function restUpstream(rest: RestConfig): PipelineUpstream {
    const { url, agent, paths } = rest;
    const tls = watchedTls(rest.tls, "rest.tls", config);
    const { maxAnswerBytes } = config;
    const network = make.rest({ url, tls, agent, paths, maxAnswerBytes, clock, random });
    const at = { ...rest, urls: [url] };
    const reports = createUpstreamReports("rest", at, config, events);
    const [first, anew] = [told(network.transport, "rest"), told(network.anew, "rest")];
    const tried = { ask: uncontrolled(againIfUnprocessed(first, clock, anew)), renew: network.renew };
    const warm = () => network.warm().catch(reports.cannotLoad);
    const warming = clock.setTimeout(() => void warm().catch(() => undefined), config.grpc ? WARM_AFTER_MS : 0, {
      background: true,
    });
    return {
      ...routeTo("rest", at, tried, reports),
      urls: at.urls,
      takes: ({ method, message }) => hasRestForm(method, message),
      async connect() {
        await warm();
        if (agent === undefined) await reach(url, tls).catch(reports.notReady); // where an agent leads, it alone knows
      },
      close: () => {
        warming.clear();
        network.close();
      },
    };
  }

  /** An upstream's own stages, from its breaker to its network. */
  function routeTo(upstream: Upstream, at: RouteConfig, network: Network, reports: UpstreamReports): WatchedRoute {
    const { timeoutMs } = at;
    const failures = new FailureWatch(clock, reports, { noToken: NO_TOKEN, isShared });
    const breaker = new CircuitBreaker({
      ...config.breaker,
      clock,
      onTransition: (from, to) => {
        if (to === "half-open") network.renew();
        if (to === "open") failures.hush();
        reports.breakerMoved(from, to, failures.last);
      },
    });
    const tried = withTimeout(network.ask, upstream, clock);
    const watched = watchingCredential(failures.watch(tried), reports.credentialRefused);
    const probe = createProbe(signed(watched), timeoutMs);
    const learning = withLessons(watched, limits, { upstream, timeoutMs, clock });
    return {
      upstream,
      breaker,
      timeoutMs,
      transport: withBreaker(learning, breaker, { upstream, timeoutMs }),
      direct: signed(untold(tried)),
      ask: (signal) => probe(signal).catch(reports.notReady),
      calls: () => tries[upstream].counts,
      health: () => (breaker.state === "open" ? "down" : failures.health),
      lastFailure: () => failures.last && { reason: reasonOf(upstream, failures.last, at), at: failures.last.at },
    };
  }
}

interface RouteConfig extends AskedAt {
  readonly timeoutMs: number;
}

type WatchedRoute = UpstreamRoute & Pick<PipelineUpstream, "ask" | "direct" | "calls" | "health" | "lastFailure">;

/** Where a route ends: all that is behind its timeout. */
interface Network {
  readonly ask: ControlledHandler;
  renew(): void;
}
