import type { DescMessage } from "@bufbuild/protobuf";
import type { ConnectError, Interceptor, Transport, UnaryResponse } from "@connectrpc/connect";
import type { Clock } from "../runtime/clock.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { untraced } from "../runtime/untraced.js";
import type { Address } from "./addresses.js";
import { hadItsTime } from "./call-context.js";
import { networkError } from "./grpc-exchange.js";
import { believesGrpcStatus, fromNetworkError, isServiceWord, isTimeout, toUpstreamError } from "./grpc-outcome.js";
import { ReplaceableSession } from "./grpc-session.js";
import { createGrpcUnary } from "./grpc-unary.js";
import { answerDefect, answersAnother } from "./operation.js";
import { UpstreamError } from "./outcome.js";
import type { ReplicaLink } from "./replica.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** After so many calls in a row that got no byte, the connection is given up. */
const SILENT_CALLS = 3;

export interface GrpcLinkOptions {
  /** Of one call, in milliseconds. */
  readonly timeoutMs: number;
  readonly tls?: TlsSource | undefined;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  readonly interceptors?: readonly Interceptor[];
  /** A larger answer is no answer. */
  readonly maxAnswerBytes: number;
}

/**
 * gRPC over HTTP/2 to one address. Errors are {@link UpstreamError}s.
 *
 * @param onChange told when a connection stands, or has ended
 */
export function createGrpcLink(address: Address, onChange: () => void, options: GrpcLinkOptions): ReplicaLink {
  const { url, host } = address;
  const { interceptors = [], maxAnswerBytes } = options;
  const session = new ReplaceableSession({ tls: undefined, ...options, url, host, onChange });
  const grpc = unaryTransport(createGrpcUnary({ url: url.href, session, interceptors, maxAnswerBytes }));
  const { transport, renew } = leavingSilence(grpc, session, options.timeoutMs);
  return {
    transport: classified(transport, believesGrpcStatus),
    renew,
    get isReady() {
      return session.isReady;
    },
    async connect() {
      try {
        await session.greeted();
      } catch (error) {
        throw fromNetworkError(networkError(error as Error));
      }
    },
    drop: () => session.replace(),
    close: () => session.close(),
  };
}

/**
 * Any other Connect transport in gRPC's place. It may speak a protocol without `grpc-status`, so a code is believed where it is
 * the service's own, whether or not it came as one.
 */
export function classifyTransport(transport: Transport): Transport {
  return classified(transport, isServiceWord);
}

/** Gives up the connection after calls in a row that ran into their timeout without a sign of life from the server. */
function leavingSilence(inner: Transport, session: ReplaceableSession, timeoutMs: number) {
  let silentCalls = 0;
  let connection = 0;
  const replace = () => {
    silentCalls = 0;
    connection++;
    session.replace();
  };
  const transport = unaryTransport(async (call) => {
    const before = session.signsOfLife;
    const askedOn = connection;
    try {
      const response = await forward(inner, call);
      silentCalls = 0;
      return response;
    } catch (error) {
      if (session.signsOfLife !== before) silentCalls = 0;
      else if (isTimeout(error) && hadItsTime(call.timeoutMs, timeoutMs) && askedOn === connection) {
        if (++silentCalls >= SILENT_CALLS) replace();
      }
      throw error;
    }
  });
  return { transport, renew: () => (silentCalls > 0 ? replace() : session.retire()) };
}

/** Turns what a Connect transport throws into the outcomes of the contract, and checks that an answer is one. */
function classified(inner: Transport, isVerdict: (error: ConnectError) => boolean): Transport {
  return unaryTransport(async <I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) => {
    let response: UnaryResponse<I, O>;
    try {
      response = await forward(inner, call);
    } catch (error) {
      if (call.signal?.aborted && !isTimeout(error)) throw error;
      throw untraced(() => toUpstreamError(error, call, isVerdict));
    }
    const { message } = response;
    const defect = answerDefect(call.method, message) ?? answersAnother(call.method, call.message, message);
    if (defect) throw new UpstreamError("grpc", "broken", defect);
    return response;
  });
}
