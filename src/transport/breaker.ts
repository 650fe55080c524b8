import type { Transport } from "@connectrpc/connect";
import type { Admission, CircuitBreaker } from "../runtime/circuit-breaker.js";
import { hadItsTime } from "./call-context.js";
import { breakerOpen, type Upstream, UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/**
 * Asks the breaker before each call and tells it the result. A refusal is a success: the upstream did its work.
 *
 * @param timeoutMs the upstream's timeout; a shorter try that times out says nothing about the upstream
 */
export function withBreaker(
  inner: Transport,
  breaker: CircuitBreaker,
  { upstream, timeoutMs }: { upstream: Upstream; timeoutMs: number },
): Transport {
  return unaryTransport(async (call) => {
    const admission = breaker.admit();
    if (!admission) throw breakerOpen(upstream, breaker.retryAfterMs);
    try {
      const response = await forward(inner, call);
      admission.succeeded();
      return response;
    } catch (error) {
      if (!(error instanceof UpstreamError) || call.signal?.aborted) {
        admission.inconclusive(); // cancelled by us, or a fault of our own: it says nothing about the upstream
        throw error;
      }
      tell(admission, error, hadItsTime(call.timeoutMs, timeoutMs));
      throw error;
    }
  });
}

function tell(admission: Admission, error: UpstreamError, fair: boolean): void {
  switch (error.failure) {
    case "refused":
      return admission.succeeded();
    case "busy":
      return admission.inconclusive(); // the answer of a live upstream, which a stranger can provoke
    case "unreachable":
      if (error.ours || (error.timedOut && !fair)) return admission.inconclusive();
      if (error.timedOut) return admission.failed();
      return error.network || error.unprocessed ? admission.fellWithOthers() : admission.failed();
    case "broken":
      if (error.healthy) return admission.succeeded();
      // A stranger's token that makes the service throw could open the breaker of the last upstream: REST is never blamed for that.
      if (error.upstream === "rest") return admission.inconclusive();
      error.blame = (otherAnswered) => (otherAnswered ? admission.failed() : admission.inconclusive());
  }
}
