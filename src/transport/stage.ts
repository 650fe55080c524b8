import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ContextValues, type Transport, type UnaryResponse } from "@connectrpc/connect";

/** One unary call, as it travels from stage to stage. */
export interface UnaryCall<I extends DescMessage = DescMessage, O extends DescMessage = DescMessage> {
  readonly method: DescMethodUnary<I, O>;
  readonly signal: AbortSignal | undefined;
  /** Relative, and therefore stale after any wait: stages that wait count from the deadline in the context. */
  readonly timeoutMs: number | undefined;
  readonly header: ConstructorParameters<typeof Headers>[0];
  readonly message: MessageInitShape<I>;
  readonly context: ContextValues | undefined;
}

export type UnaryHandler = <I extends DescMessage, O extends DescMessage>(
  call: UnaryCall<I, O>,
) => Promise<UnaryResponse<I, O>>;

/** A `Transport` of unary calls. `auth.AuthService` has no others. */
export function unaryTransport(unary: UnaryHandler): Transport {
  return {
    unary: (method, signal, timeoutMs, header, message, context) =>
      unary({ method, signal, timeoutMs, header, message, context }),
    stream: () => Promise.reject(new ConnectError("auth.AuthService has no streaming methods", Code.Unimplemented)),
  };
}

/**
 * Hands a call on to the next stage. One that throws instead of rejecting rejects all the same.
 *
 * @param limits others than those of the call
 */
export function forward<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  call: UnaryCall<I, O>,
  { signal, timeoutMs }: Pick<UnaryCall, "signal" | "timeoutMs"> = call,
): Promise<UnaryResponse<I, O>> {
  try {
    return transport.unary(call.method, signal, timeoutMs, call.header, call.message, call.context);
  } catch (error) {
    return Promise.reject(error);
  }
}
