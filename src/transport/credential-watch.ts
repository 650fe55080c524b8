import type { Transport } from "@connectrpc/connect";
import { isLookup } from "./answer.js";
import { type Upstream, UpstreamError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

/** Reports once that an upstream refuses our own credential on look-ups, and again after it accepted it in between. */
export function watchingCredential(inner: Transport, onRefused: (upstream: Upstream) => void): Transport {
  let refused = false;
  return unaryTransport(async (call) => {
    try {
      const response = await forward(inner, call);
      if (isLookup(call.method)) refused = false;
      return response;
    } catch (error) {
      if (error instanceof UpstreamError && error.credentialRefused && !refused) {
        refused = true;
        onRefused(error.upstream);
      }
      throw error;
    }
  });
}
