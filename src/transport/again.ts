import type { Transport } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import { MIN_TRY_MS, repeatTry } from "./call-context.js";
import { UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/**
 * Asks once more, at once and on another connection, what the upstream certainly did not process (RFC 9113 §8.7): a server that closes
 * its connections now and then loses no call. Neither counted nor paid from the retry budget; lost a second time it is unreachable.
 *
 * Both share the time of one try.
 *
 * @param anew asks on a connection of its own, where `inner` could take another dead one
 */
export function againIfUnprocessed(inner: Transport, clock: Clock, anew = inner): Transport {
  return unaryTransport(async (call) => {
    const began = clock.monotonic();
    try {
      return await forward(inner, call);
    } catch (error) {
      if (!(error instanceof UpstreamError && error.unprocessed) || call.signal?.aborted) throw error;
      const timeoutMs = call.timeoutMs && call.timeoutMs - (clock.monotonic() - began);
      if (timeoutMs !== undefined && timeoutMs < MIN_TRY_MS) throw error;
      repeatTry(call.context);
      return await forward(anew, { ...call, timeoutMs });
    }
  });
}
