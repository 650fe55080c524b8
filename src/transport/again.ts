import type { Transport } from "@connectrpc/connect";
import { beginTry } from "./call-context.js";
import { UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/**
 * Asks once more, at once and on another connection, what the upstream certainly did not process (RFC 9113 §8.7): a server that closes
 * its connections now and then loses no call. Neither counted nor paid from the retry budget; lost a second time it is unreachable.
 *
 * @param anew asks on a connection of its own, where `inner` could take another dead one
 */
export function againIfUnprocessed(inner: Transport, anew = inner): Transport {
  return unaryTransport(async (call) => {
    try {
      return await forward(inner, call);
    } catch (error) {
      if (!(error instanceof UpstreamError && error.unprocessed) || call.signal?.aborted) throw error;
      beginTry(call.context);
      return await forward(anew, call);
    }
  });
}
