import type { BreakerState } from "../runtime/circuit-breaker.js";
import type { Upstream } from "../transport/outcome.js";
import type { Config } from "./config/config.js";
import { shownUrl } from "./config/shown-url.js";
import type { Events } from "./events.js";

/** Tells of one upstream: in log lines, and to the listeners of the client. */
export interface UpstreamReports {
  /** It failed, and has never answered yet. */
  firstFailure(reason: string): void;
  credentialRefused(): void;
  /** @param lastFailure why it failed last */
  breakerMoved(from: BreakerState, to: BreakerState, lastFailure: string | undefined): void;
}

/** @param url as it was configured; it is shown without user-info */
export function createUpstreamReports(
  upstream: Upstream,
  url: string | undefined,
  { logger, breaker: { recoveryMs } }: Config,
  events: Events,
): UpstreamReports {
  const shown = url === undefined ? "the transport given" : (shownUrl(url) ?? "its URL (not shown)");
  return {
    firstFailure(reason) {
      logger.warn(`portero: ${upstream} has not answered so far: ${shown} is ${reason}`);
    },
    credentialRefused() {
      logger.error(`portero: ${upstream} refuses this service's own credentials on look-ups; see the option "headers"`);
    },
    breakerMoved(from, to, lastFailure) {
      if (to === "open") {
        logger.warn(
          `portero: the breaker of ${upstream} is open, it is not asked for ${recoveryMs / 1000} s: ` +
            `${shown} was ${lastFailure}`,
        );
      } else if (to === "closed") {
        logger.info(`portero: the breaker of ${upstream} is closed: ${upstream} is asked again`);
      }
      events.emit("breaker", { upstream, from, to });
    },
  };
}
