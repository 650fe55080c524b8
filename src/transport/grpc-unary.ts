import type * as http2 from "node:http2";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, createContextValues, type Interceptor, type UnaryResponse } from "@connectrpc/connect";
import { createMethodUrl, runUnaryCall } from "@connectrpc/connect/protocol";
import { requestHeader, validateResponseWithCompression, validateTrailer } from "@connectrpc/connect/protocol-grpc";
import { raceAbort } from "../runtime/abort.js";
import { untraced } from "../runtime/untraced.js";
import { isChecked } from "./checked-headers.js";
import { abortError, exchange, networkError } from "./grpc-exchange.js";
import { mark } from "./grpc-fate.js";
import { frameOf } from "./grpc-frame.js";
import type { ReplaceableSession } from "./grpc-session.js";
import { isOk, isPlain, PlainResponse, toWebHeaders } from "./plain-response.js";
import type { UnaryCall, UnaryHandler } from "./stage.js";

const STATUS = "grpc-status";

export interface GrpcUnaryOptions {
  url: string;
  session: ReplaceableSession;
  interceptors: readonly Interceptor[];
  /** A larger answer is no answer. */
  maxAnswerBytes: number;
}

/** What the bytes of a request are made of. */
interface Request<I extends DescMessage, O extends DescMessage> {
  readonly method: DescMethodUnary<I, O>;
  readonly path: string;
  readonly headers: http2.OutgoingHttpHeaders;
  readonly message: MessageShape<I>;
  readonly signal: AbortSignal | undefined;
}

/**
 * gRPC over HTTP/2, for methods with one message in and one out: a frame on a stream each way. What a status, a header or a trailer means
 * is Connect's to say. The server is told of a call's `timeoutMs`; to end it is for a stage above.
 */
export function createGrpcUnary({ url, session, interceptors, maxAnswerBytes }: GrpcUnaryOptions): UnaryHandler {
  const paths = new Map<DescMethodUnary, string>();
  const ownHeaders = Object.freeze(Object.fromEntries(requestHeader(true, undefined, undefined)));
  return interceptors.length === 0 ? plain : intercepted;

  async function plain<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) {
    const { method, signal } = call;
    try {
      let path = paths.get(method);
      if (path === undefined) {
        path = pathOf(createMethodUrl(url, method));
        paths.set(method, path);
      }
      const message = create(method.input, call.message);
      return await ask({ method, path, headers: plainHeaders(call), message, signal });
    } catch (error) {
      throw ConnectError.from(error);
    }
  }

  /** As {@link headerOf} has them, made with less work where a call brings none of its own. */
  function plainHeaders(call: UnaryCall): http2.OutgoingHttpHeaders {
    const { header, timeoutMs } = call;
    if (header !== undefined && !isChecked(header)) return Object.fromEntries(headerOf(call));
    if (timeoutMs === undefined && header === undefined) return ownHeaders;
    return {
      ...ownHeaders,
      ...header,
      ...(timeoutMs !== undefined && { "grpc-timeout": `${Math.ceil(timeoutMs)}m` }),
    };
  }

  function intercepted<I extends DescMessage, O extends DescMessage>(call: UnaryCall<I, O>) {
    const { method, signal, message, context } = call;
    return runUnaryCall<I, O>({
      interceptors: [...interceptors],
      ...(signal && { signal }),
      req: {
        stream: false,
        service: method.parent,
        method,
        requestMethod: "POST",
        url: createMethodUrl(url, method),
        header: headerOf(call),
        contextValues: context ?? createContextValues(),
        message,
      },
      next: (request) => ask({ ...request, path: pathOf(request.url), headers: Object.fromEntries(request.header) }),
    });
  }

  async function ask<I extends DescMessage, O extends DescMessage>(
    request: Request<I, O>,
  ): Promise<UnaryResponse<I, O>> {
    const { method, signal } = request;
    const frame = frameOf(toBinary(method.input, request.message));
    let headers: http2.IncomingHttpHeaders = {};
    let header: Headers | undefined;
    let headerError: ConnectError | undefined;
    const reply = await exchange(await open(request), frame, {
      signal,
      maxBytes: maxAnswerBytes,
      onBytes: () => session.noteSignOfLife(),
      onHeaders: (answered) => {
        headers = answered;
        if (isPlain(headers)) return;
        header = toWebHeaders(headers);
        // No compression is offered: an answer is small, and a compressed one could be a bomb.
        ({ headerError } = validateResponseWithCompression([], Number(headers[":status"]), header));
      },
    });
    const message = reply.message && parse(method.output, reply.message);
    const { trailers = {} } = reply;
    if (message && !header && isOk(trailers)) return new PlainResponse(method, message, headers, trailers);
    header ??= toWebHeaders(headers);
    const trailer = toWebHeaders(trailers);
    untraced(() => validateTrailer(trailer, header as Headers));
    if (!message) throw headerError ?? missingMessage(trailer);
    if (headerError || (trailer.get(STATUS) ?? header.get(STATUS)) !== "0") throw unexpectedMessage();
    return { stream: false, service: method.parent, method, header, message, trailer };
  }

  /** A stream for the request, unless it is no longer wanted when there is a connection. */
  async function open({ path, headers, signal }: Request<DescMessage, DescMessage>): Promise<http2.ClientHttp2Stream> {
    if (signal?.aborted) throw abortError(signal);
    try {
      const connection = session.standing ?? (await raceAbort(session.ready().catch(notMade), signal));
      return connection.request("POST", path, headers);
    } catch (error) {
      throw signal?.aborted ? abortError(signal) : networkError(error as Error);
    }
  }
}

function notMade(error: Error): never {
  throw mark(error, "unconnected");
}

function headerOf({ header, timeoutMs }: UnaryCall): Headers {
  return requestHeader(true, timeoutMs && Math.ceil(timeoutMs), header);
}

function pathOf(url: string): string {
  const { pathname, search } = new URL(url);
  return pathname + search;
}

function parse<O extends DescMessage>(schema: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(schema, bytes);
  } catch {
    throw new ConnectError("the answer cannot be parsed", Code.Internal);
  }
}

function missingMessage(trailer: Headers): ConnectError {
  const code = trailer.has(STATUS) ? Code.Unimplemented : Code.Unknown;
  return new ConnectError("protocol error: missing output message for unary method", code);
}

/** Of a message under a status that is not OK, whatever the details say that come with it: for Connect they outweigh the status. */
function unexpectedMessage(): ConnectError {
  return new ConnectError("protocol error: received output message with error status", Code.Unknown);
}
