import type { DescMessage } from "@bufbuild/protobuf";
import type { Transport, UnaryResponse } from "@connectrpc/connect";
import { isLookup } from "./operation.js";
import { type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** Reports once that an upstream refuses our own credential on look-ups, and again after it accepted it in between. */
export function watchingCredential(inner: Transport, onRefused: (upstream: Upstream) => void): Transport {
  let refused = false;
  // Elsewhere the same refusal is one of the token.
  return unaryTransport((call) => (isLookup(call.method) ? watched(call) : forward(inner, call)));

  async function watched<I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
  ): Promise<UnaryResponse<I, O>> {
    try {
      const response = await forward(inner, call);
      refused = false;
      return response;
    } catch (error) {
      if (error instanceof UpstreamError && error.credentialRefused && !refused) {
        refused = true;
        onRefused(error.upstream);
      }
      throw error;
    }
  }
}
