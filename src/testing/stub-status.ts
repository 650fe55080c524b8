import type { AuthClientStatus } from "../auth/client-status.js";
import { EventCounts } from "../auth/event-counts.js";
import type { RequestCounts } from "../auth/request-counts.js";

const NO_CALLS = { answered: 0, refused: 0, unreachable: 0, busy: 0, broken: 0, cancelled: 0 };
const NO_LOOKUPS = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0, renewals: 0 };

/** The status of a client that asks nothing and caches nothing. */
export function stubStatus(requests: RequestCounts): AuthClientStatus {
  const counts = new EventCounts();
  const idle = { breaker: "closed", failures: 0, retryAfterMs: 0, refusals: 0, calls: NO_CALLS } as const;
  return {
    grpc: { ...idle, transitions: counts.breaker.grpc },
    cache: {
      ...{ entries: 0, bytes: 0, shared: "none", evictions: 0, ...NO_LOOKUPS },
      ...{ log: "none", told: 0, heard: 0, gaps: 0, outbox: 0 },
      lookups: { token: NO_LOOKUPS, locals: NO_LOOKUPS, permissions: NO_LOOKUPS, organization: NO_LOOKUPS },
      invalidations: counts.invalidations,
      sharedErrors: { timeout: 0, not_connected: 0, refused: 0, other: 0 },
      sharedTransitions: counts.shared,
    },
    inFlight: 0,
    upstream: {
      ...{ active: 0, queued: 0, queuedKnown: 0, queuedStrangers: 0, limit: 256, strangersLimit: 192 },
      retries: 0,
      fallbacks: counts.fallbacks,
    },
    requests: requests.status,
  };
}
