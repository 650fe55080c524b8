import type { Transport } from "@connectrpc/connect";
import type { Admission, CircuitBreaker } from "../runtime/circuit-breaker.js";
import { hadItsTime, isKnown } from "./call-context.js";
import { breakerOpen, type Upstream, UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/**
 * Asks the breaker before each call and tells it the result. The refusal of a known question is a success: the upstream did its work. One
 * of a stranger's is a sign of life alone, and a known question takes the place of a stranger's probe.
 *
 * @param timeoutMs the upstream's timeout; a shorter try that times out says nothing about the upstream
 */
export function withBreaker(
  inner: Transport,
  breaker: CircuitBreaker,
  { upstream, timeoutMs }: { upstream: Upstream; timeoutMs: number },
): Transport {
  return unaryTransport(async (call) => {
    const admission = breaker.admit(isKnown(call.context));
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
      tell(admission, error, { fair: hadItsTime(call.timeoutMs, timeoutMs), known: isKnown(call.context) });
      throw error;
    }
  });
}

function tell(admission: Admission, error: UpstreamError, { fair, known }: { fair: boolean; known: boolean }): void {
  switch (error.failure) {
    case "refused":
      // An upstream can hang at good tokens and refuse garbage at once, which any stranger can send.
      return known ? admission.succeeded() : admission.alive();
    case "busy":
      return admission.inconclusive(); // the answer of a live upstream, which a stranger can provoke
    case "unreachable":
      if (error.ours || (error.timedOut && !fair)) return admission.inconclusive();
      // A probe is all that is asked: nothing would ever confirm it, and the breaker would stay half-open.
      if (error.unconfirmed) return admission.probe ? admission.failed() : admission.inconclusive();
      if (error.timedOut) return admission.failed();
      return error.network || error.unprocessed ? admission.fellWithOthers() : admission.failed();
    case "broken":
      if (error.healthy) return admission.alive(); // of its other operations that says nothing
      // A stranger's token that makes the service throw could open the breaker of the last upstream: REST is never blamed for that.
      if (error.upstream === "rest") return admission.inconclusive();
      error.blame = (otherAnswered) => (otherAnswered ? admission.failed() : admission.inconclusive());
  }
}
