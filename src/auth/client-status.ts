import type { BreakerState } from "../runtime/circuit-breaker.js";
import type { ReplicasStatus } from "../transport/balance.js";
import type { OutcomeCounts } from "../transport/call-outcome.js";
import { shownUrls } from "./config/shown-url.js";
import type { BreakerTransitions, EventCounts, InvalidationCounts, ReplicaTransitions } from "./event-counts.js";
import type { LoadStatus, PipelineUpstream } from "./pipeline.js";
import type { RequestsStatus } from "./request-counts.js";

/** The state of one upstream. */
export interface UpstreamStatus {
  /** Without user-info, several by commas; absent with a custom transport. */
  readonly url?: string;
  readonly breaker: BreakerState;
  /** How often its breaker has moved to each state. */
  readonly transitions: BreakerTransitions;
  /** Failures in a row that count at the moment. */
  readonly failures: number;
  /** Milliseconds until an open breaker admits a probe; else 0. */
  readonly retryAfterMs: number;
  /** How often it has refused, since its last answer, what it had accepted before. Many are no user's doing: see the event `refusals`. */
  readonly refusals: number;
  /**
   * How the tries at it have ended so far, as the metric `portero.upstream.call.duration` counts them: each by itself, also where several
   * were made for one call. `cancelled`: nothing waited for it any more, as for the slower of two.
   */
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
export interface GrpcStatus extends UpstreamStatus, Partial<ReplicasStatus> {
  /** How often one of the replicas has moved to each state. */
  readonly replicaTransitions?: ReplicaTransitions;
}

/** Answers and questions of one kind. Not a sum of look-ups: what a refresh brings counts, and what joins another's question does not. */
export interface LookupCounts {
  /** Answered by this process's cache. */
  readonly hits: number;
  /** Answered by the shared cache: also a refresh. */
  readonly sharedHits: number;
  /** Answered by a remembered refusal. */
  readonly refusals: number;
  /** Asked of the service: once for all that wait for the same answer, and by a refresh too. */
  readonly misses: number;
  /** Answered by an expired entry, with `cache.staleIfErrorMs`: each caller, after the miss of all of them. */
  readonly stale: number;
  /** Refreshes in the background that were begun. */
  readonly renewals: number;
}

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
    /** Entries of the process that had to make room. */
    readonly evictions: number;
    /** The same as the sums of these, for each kind of question. */
    readonly lookups: Readonly<Record<"token" | "locals" | "permissions" | "organization", LookupCounts>>;
    /** What was invalidated with this client, and what the log told of; `refusal`: another process was refused a token that it held. */
    readonly invalidations: InvalidationCounts;
    /** Operations of the shared cache that failed; `refused`: it said so itself, now or when it was connected to. */
    readonly sharedErrors: Readonly<Record<"timeout" | "not_connected" | "refused" | "other", number>>;
    /** How often it came back, and went away. */
    readonly sharedTransitions: Readonly<Record<"available" | "unavailable", number>>;
  } & LookupCounts;
  /** Questions under way, in the shared cache or at the service: one for all calls that wait for the same answer. */
  readonly inFlight: number;
  readonly upstream: LoadStatus;
  readonly requests: RequestsStatus;
}

export function upstreamStatus(
  { upstream, urls, breaker, calls, lastFailure, replicas }: PipelineUpstream,
  refusals: number,
  counts: EventCounts,
): GrpcStatus {
  const shown = shownUrls(urls);
  const last = lastFailure();
  return {
    ...(shown !== undefined && { url: shown }),
    breaker: breaker.state,
    transitions: { ...counts.breaker[upstream] },
    failures: breaker.failures,
    retryAfterMs: Math.ceil(breaker.retryAfterMs),
    refusals,
    calls: calls(),
    ...(last && { lastFailure: last }),
    ...(replicas && { ...replicas(), replicaTransitions: { ...counts.replica } }),
  };
}
