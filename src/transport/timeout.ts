import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { whenAborted } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { isUnconfirmed, type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/**
 * Ends a try after its `timeoutMs`, on our clock and whatever the transport below does about it: a transport that forgets its
 * timeout must not take away the fallback's time.
 */
export function withTimeout(inner: Transport, upstream: Upstream, clock: Clock): Transport {
  return unaryTransport(<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    const { timeoutMs, signal } = call;
    const controller = new AbortController();
    let letGo: (() => void) | undefined;
    return new Promise<UnaryResponse<I, O>>((resolve, reject) => {
      const finish = () => {
        timer?.clear();
        letGo?.();
      };
      const onAbort = () => {
        finish();
        reject(signal?.reason);
        controller.abort(signal?.reason);
      };
      const onTimeout = () => {
        finish();
        const reason = new ConnectError("the operation timed out", Code.DeadlineExceeded);
        controller.abort(reason); // what is below hears of it at once, and may have something to say
        const unconfirmed = isUnconfirmed(reason);
        reject(new UpstreamError(upstream, "unreachable", "timeout", { timedOut: true, unconfirmed }));
      };
      const timer = timeoutMs === undefined ? undefined : setPatientTimeout(clock, onTimeout, timeoutMs);
      if (signal?.aborted) return onAbort();
      letGo = signal && whenAborted(signal, onAbort);
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
