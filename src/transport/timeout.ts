import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { whenAborted } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { isUnconfirmed, type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** The controller of one try. A stage below may abort it, too: whatever is still under way for it ends then. */
export class TryController extends AbortController {
  /** Called before the listeners of the signal, for one stage below. */
  onAbort: ((reason: unknown) => void) | undefined;

  override abort(reason?: unknown): void {
    this.onAbort?.(reason);
    super.abort(reason);
  }
}

/** @param call has the signal of the controller */
export type ControlledHandler = <I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
  controller: TryController,
) => Promise<UnaryResponse<I, O>>;

/** A stage that ends no tries. */
export function uncontrolled(inner: Transport): ControlledHandler {
  return (call) => forward(inner, call);
}

/**
 * Ends a try after its `timeoutMs`, on our clock and whatever is below does about it: a transport that forgets its timeout must not take
 * away the fallback's time.
 */
export function withTimeout(ask: ControlledHandler, upstream: Upstream, clock: Clock): Transport {
  return unaryTransport(<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    const { timeoutMs, signal } = call;
    const controller = new TryController();
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
      ask({ ...call, signal: controller.signal }, controller).then(
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
