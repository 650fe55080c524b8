import type * as http2 from "node:http2";
import { createContextValues, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, type GrpcTransportOptions } from "@connectrpc/connect-node";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { systemClock } from "../../src/runtime/clock.js";
import { believesGrpcStatus, toUpstreamError } from "../../src/transport/grpc-outcome.js";
import { ReplaceableSession } from "../../src/transport/grpc-session.js";
import { createGrpcUnary } from "../../src/transport/grpc-unary.js";
import { unaryTransport } from "../../src/transport/stage.js";
import { MAX_BYTES } from "./wire-rows.js";

export interface WireTransport {
  readonly transport: Transport;
  readonly session: ReplaceableSession;
  close(): void;
}

export type TransportMaker = (url: string, interceptors?: Interceptor[]) => WireTransport;

/** Ours and Connect's, both on connections of ours. */
export const TRANSPORTS: Readonly<Record<"ours" | "connect", TransportMaker>> = {
  ours: (url, interceptors = []) => {
    const session = openSession(url);
    const transport = unaryTransport(createGrpcUnary({ url, session, interceptors, maxAnswerBytes: MAX_BYTES }));
    return { transport, session, close: () => session.close() };
  },
  connect: (url, interceptors = []) => {
    const session = openSession(url);
    const transport = createGrpcTransport({
      baseUrl: url,
      sessionManager: sessionManagerOf(url, session),
      interceptors,
      readMaxBytes: MAX_BYTES,
      acceptCompression: [],
    });
    return { transport, session, close: () => session.close() };
  },
};

function openSession(url: string): ReplaceableSession {
  return new ReplaceableSession({ url, tls: undefined, timeoutMs: 10_000, clock: systemClock, random: Math.random });
}

function sessionManagerOf(
  url: string,
  session: ReplaceableSession,
): NonNullable<GrpcTransportOptions["sessionManager"]> {
  return {
    authority: new URL(url).origin,
    async request(method: string, path: string, headers: http2.OutgoingHttpHeaders) {
      return (await session.ready()).request(method, path, headers);
    },
    notifyResponseByteRead: () => session.noteSignOfLife(),
  };
}

export interface AskOptions {
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly header?: Record<string, string>;
}

export function ask(transport: Transport, { token = "token", signal, timeoutMs, header }: AskOptions = {}) {
  return transport.unary(AuthService.method.verifyToken, signal, timeoutMs, header, { token }, createContextValues());
}

const FLAGS = ["timedOut", "network", "unprocessed", "ours", "healthy", "credentialRefused"] as const;

/** The user that was let in, or what the contract makes of the failure. */
export async function outcomeOf(answer: ReturnType<typeof ask>): Promise<string> {
  try {
    const { message } = await answer;
    return `user ${JSON.stringify((message as unknown as { userId: string }).userId)}`;
  } catch (thrown) {
    const error = toUpstreamError(thrown, { method: AuthService.method.verifyToken }, believesGrpcStatus);
    return [error.failure, error.detail, ...FLAGS.filter((flag) => error[flag])].join(", ");
  }
}
