import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import type { Clock, Timer } from "../runtime/clock.js";
import { type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/**
 * Ends a try after its `timeoutMs`, on our clock and whatever the transport below does about it: a transport that forgets its
 * timeout must not take away the fallback's time.
 *
 * A process that was busy for longer than that finds its timers due before it has read the answer that came meanwhile: it gets one
 * more look at the network, or a stall of our own would count as the upstream's failure.
 */
export function withTimeout(inner: Transport, upstream: Upstream, clock: Clock): Transport {
  return unaryTransport(<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    const { timeoutMs, signal } = call;
    const controller = new AbortController();
    return new Promise<UnaryResponse<I, O>>((resolve, reject) => {
      const finish = () => {
        timer?.clear();
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = () => {
        finish();
        reject(signal?.reason);
        controller.abort(signal?.reason);
      };
      const onTimeout = () => {
        finish();
        reject(new UpstreamError(upstream, "unreachable", "timeout", { timedOut: true }));
        controller.abort(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      };
      let timer: Timer | undefined;
      if (timeoutMs !== undefined) {
        timer = clock.setTimeout(() => {
          timer = clock.setTimeout(onTimeout, 0);
        }, timeoutMs);
      }
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      forward(inner, { ...call, signal: controller.signal }).then(
        (response) => {
          finish();
          resolve(response);
        },
        (error) => {
          finish();
          reject(error);
        },
      );
    });
  });
}
