import type { BreakerState } from "../runtime/circuit-breaker.js";
import type { ReplicasStatus } from "../transport/balance.js";
import type { OutcomeCounts } from "../transport/failure-watch.js";
import { shownUrls } from "./config/shown-url.js";
import type { PipelineUpstream } from "./pipeline.js";

/** The state of one upstream. */
export interface UpstreamStatus {
  /** Without user-info, several by commas; absent with a custom transport. */
  readonly url?: string;
  readonly breaker: BreakerState;
  /** Failures in a row that count at the moment. */
  readonly failures: number;
  /** Milliseconds until an open breaker admits a probe; else 0. */
  readonly retryAfterMs: number;
  /** How often it has refused, since its last answer, what it had accepted before. Many are no user's doing: see the event `refusals`. */
  readonly refusals: number;
  /** How its calls have ended so far, each try counted: what {@link lastFailure} is one of, or an answer, or a refusal. */
  readonly calls: OutcomeCounts;
  /** Why it could not tell last, however long ago; absent where it always could. */
  readonly lastFailure?: {
    /** Codes, what was asked (a method or a path, never an id), and what may be wrong: for people, its text may change. */
    readonly reason: string;
    /** Wall time, in milliseconds since 1970. */
    readonly at: number;
  };
}

/** Of gRPC, unless it has a custom transport. */
export interface GrpcStatus extends UpstreamStatus, Partial<ReplicasStatus> {}

/** Plain and serialisable. Counts are since the client was made. */
export interface AuthClientStatus {
  /** Absent where it is not configured. */
  readonly grpc?: GrpcStatus;
  readonly rest?: UpstreamStatus;
  readonly cache: {
    /** Entries in the process, and roughly their bytes. */
    readonly entries: number;
    readonly bytes: number;
    /**
     * As the last operations found it, reads, writes or deletions: a process that asks nothing does not notice a change. A Redis Cluster
     * is available while one of its masters is.
     */
    readonly shared: "none" | "available" | "unavailable";
    /**
     * Whether a shared cache that can be read takes entries and deletions; `failing` after four in a row that it refused (a full
     * Redis, missing rights). Absent without one.
     */
    readonly sharedWrites?: "ok" | "failing";
    /** Of a Redis Cluster: how many masters there are, and how many of them can be used. Absent until they are known. */
    readonly sharedMasters?: { readonly available: number; readonly total: number };
    /**
     * The log of invalidations, by which processes on one Redis tell each other at once. `live`: within the last 3 s all was read that had
     * been told; `behind`: that cannot be said, and invalidations elsewhere may be noticed only when entries end; `none`: there is no log,
     * because there is no Redis, or it lacks the rights or the commands.
     */
    readonly log: "none" | "live" | "behind";
    /** What this process told others: invalidations, and refusals of tokens that it held. */
    readonly told: number;
    /** What it heard of others. */
    readonly heard: number;
    /** How often something may have been told that it did not hear: then what it holds is looked up in Redis again. */
    readonly gaps: number;
    /** What could not be told yet. */
    readonly outbox: number;
    /** Answered by this process's cache. */
    readonly hits: number;
    /** Answered by the shared cache. */
    readonly sharedHits: number;
    /** Answered by a remembered refusal. */
    readonly refusals: number;
    /** Asked of the service. */
    readonly misses: number;
    /** Answered by an expired entry, with `cache.staleIfErrorMs`. */
    readonly stale: number;
  };
  /** Questions under way, in the shared cache or at the service: one for all calls that wait for the same answer. */
  readonly inFlight: number;
  readonly upstream: {
    /** Calls under way … */
    readonly active: number;
    /** … and those that wait for a place, */
    readonly queued: number;
    /** of users that are known, */
    readonly queuedKnown: number;
    /** and of strangers. */
    readonly queuedStrangers: number;
    /** How many calls may be under way at the moment: `limit.maxConcurrent`, or less while the service is slow or times out. */
    readonly limit: number;
    /** How many of these strangers may have. */
    readonly strangersLimit: number;
  };
}

export function upstreamStatus(
  { urls, breaker, calls, lastFailure, replicas }: PipelineUpstream,
  refusals: number,
): GrpcStatus {
  const shown = shownUrls(urls);
  const last = lastFailure();
  return {
    ...(shown !== undefined && { url: shown }),
    breaker: breaker.state,
    failures: breaker.failures,
    retryAfterMs: Math.ceil(breaker.retryAfterMs),
    refusals,
    calls: calls(),
    ...(last && { lastFailure: last }),
    ...replicas?.(),
  };
}
