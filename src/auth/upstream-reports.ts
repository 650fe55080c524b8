import type { BreakerState } from "../runtime/circuit-breaker.js";
import { LinePerMinute } from "../runtime/line-per-minute.js";
import type { FailureListener, UpstreamFailure } from "../transport/failure-watch.js";
import type { Operation } from "../transport/operation.js";
import { type Upstream, UpstreamError } from "../transport/outcome.js";
import type { ReplicaMove } from "../transport/replica-set.js";
import { type RestPaths, templateOf } from "../transport/rest-request.js";
import type { Config } from "./config/config.js";
import { shownPath, shownUrls } from "./config/shown-url.js";
import type { Events } from "./events.js";
import { hintOf } from "./failure-hints.js";

/** Tells of one upstream: in log lines, and to the listeners of the client. */
export interface UpstreamReports extends FailureListener {
  credentialRefused(): void;
  /** Throws the `DependencyError` on, of which the first one is reported. */
  cannotLoad(error: Error): never;
  /** Throws, in words, why the upstream is not ready. */
  notReady(error: unknown): never;
  /** @param lastFailure why it failed last */
  breakerMoved(from: BreakerState, to: BreakerState, lastFailure: UpstreamFailure | undefined): void;
  /** @param addresses how many the upstream has: that one of several connections to a single one is out is nothing for the log */
  replicaMoved(move: ReplicaMove, addresses: number): void;
}

/** Where an upstream is asked. */
export interface AskedAt {
  /** As they were configured; they are shown without user-info. None with a custom transport. */
  readonly urls: readonly string[];
  /** Of REST. */
  readonly paths?: RestPaths;
}

export function createUpstreamReports(
  upstream: Upstream,
  at: AskedAt,
  { logger, clock, breaker: { recoveryMs } }: Config,
  events: Events,
): UpstreamReports {
  let isUnloadable = false;
  const shown = at.urls.length === 0 ? "the transport given" : (shownUrls(at.urls) ?? "its URL (not shown)");
  const lines = new LinePerMinute(clock);
  return {
    onFailing(failure, lastedMs) {
      const since = lastedMs === undefined ? "so far" : `for ${Math.round(lastedMs / 1000)} s`;
      logger.warn(
        `portero: ${upstream} has not answered ${failure.operation} ${since}: ${shown} is ${reasonOf(upstream, failure, at)}`,
      );
    },
    onTroubled(failure, { calls, failed }) {
      logger.warn(
        `portero: ${upstream} has failed ${failed} of the last ${calls} calls of ${failure.operation}: ` +
          `${shown} was ${reasonOf(upstream, failure, at)}`,
      );
    },
    onRefusingAll({ tokens, codes, areMalformed }) {
      const how = `${areMalformed ? " as malformed" : ""} (${codes.join(", ")})`;
      const question = areMalformed
        ? `is ${askedOf(upstream, "VerifyToken", at)} at ${shown} the auth service's, does it take what is sent, ` +
          'does the option "token" return the token alone, without "Bearer "?'
        : `is ${shown} the auth service of these tokens, and does it want a credential of this service (option "headers")?`;
      logger.warn(
        `portero: ${upstream} has refused each of the first ${tokens} tokens${how}, and answered none: ${question}`,
      );
    },
    credentialRefused() {
      logger.error(`portero: ${upstream} refuses this service's own credentials on look-ups; see the option "headers"`);
    },
    cannotLoad(error) {
      if (!isUnloadable) logger.error(`portero: ${upstream} cannot be asked: ${error.message}`);
      isUnloadable = true;
      throw error;
    },
    notReady(error) {
      if (!(error instanceof UpstreamError)) throw new Error(`${upstream}: ${(error as Error).message}`);
      const { failure, detail } = error;
      const hint = hintOf(upstream, error);
      throw new Error(`${upstream} ${shown} is ${failure} (${detail})${hint === undefined ? "" : `: ${hint}`}`);
    },
    breakerMoved(from, to, lastFailure) {
      if (to === "open") {
        logger.warn(
          `portero: the breaker of ${upstream} is open, it is not asked for ${recoveryMs / 1000} s: ` +
            `${shown} was ${lastFailure && reasonOf(upstream, lastFailure, at)}`,
        );
      } else if (to === "closed") {
        logger.info(`portero: the breaker of ${upstream} is closed: ${upstream} is asked again`);
      }
      events.emit("breaker", { upstream, from, to });
    },
    replicaMoved({ address, from, to, reason }, addresses) {
      const isLoss = to === "out";
      if (addresses > 1 && (isLoss || from === "out") && lines.mayTell(address, isLoss)) {
        if (isLoss) logger.warn(`portero: the replica ${address} of ${upstream} is out, others are asked: ${reason}`);
        else logger.info(`portero: the replica ${address} of ${upstream} is back`);
      }
      events.emit("replica", { upstream, address, from, to, reason });
    },
  };
}

/** `broken (HTTP 404) at POST /auth/verify: …`, and what to write instead, where the code tells. Of the question it has the pattern alone. */
export function reasonOf(upstream: Upstream, failure: UpstreamFailure, at: AskedAt): string {
  const hint = hintOf(upstream, failure);
  const what = `${failure.failure} (${failure.detail}) at ${askedOf(upstream, failure.operation, at)}`;
  return hint === undefined ? what : `${what}: ${hint}`;
}

/** What is asked, as a server's own log names it. */
export function askedOf(upstream: Upstream, operation: Operation, { paths }: AskedAt): string {
  if (upstream === "grpc" || !paths) return `auth.AuthService/${operation}`;
  return `${operation === "VerifyToken" ? "POST" : "GET"} ${shownPath(templateOf(operation, paths))}`;
}
