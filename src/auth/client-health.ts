import type { UpstreamHealth } from "../transport/operation-record.js";
import type { Upstream } from "../transport/outcome.js";
import type { AuthClientStatus } from "./client-status.js";

/** Plain and serialisable; without URLs and reasons, so that it can be shown. */
export interface AuthClientHealth {
  /**
   * `down`: no upstream answers, and cached users alone are let in; also after `close()`. `degraded`: something that is configured does not
   * work, or not always, and the rest serves.
   */
  readonly status: "ok" | "degraded" | "down";
  /** Whether `ready()` has resolved once, and `close()` was not called. */
  readonly ready: boolean;
  /** Absent where it is not configured. */
  readonly grpc?: UpstreamHealth;
  readonly rest?: UpstreamHealth;
  /** `degraded`: it takes no writes. */
  readonly sharedCache?: UpstreamHealth;
}

export function healthOf(
  upstreams: readonly { readonly upstream: Upstream; health(): UpstreamHealth }[],
  { shared, sharedWrites }: AuthClientStatus["cache"],
  { isReady, isClosed }: { readonly isReady: boolean; readonly isClosed: boolean },
): AuthClientHealth {
  const of = upstreams.map(({ upstream, health }) => [upstream, health()] as const);
  const sharedCache = shared === "unavailable" ? "down" : sharedWrites === "failing" ? "degraded" : "ok";
  const areDown = isClosed || of.every(([, health]) => health === "down");
  const areWell = sharedCache === "ok" && of.every(([, health]) => health === "ok");
  return {
    status: areDown ? "down" : areWell ? "ok" : "degraded",
    ready: isReady && !isClosed,
    ...Object.fromEntries(of),
    ...(shared !== "none" && { sharedCache }),
  };
}
