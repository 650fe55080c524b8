import type * as http2 from "node:http2";
import type { DescMessage, DescMethodUnary, MessageShape } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";

const STATUS = "grpc-status";
/** Of an answer that is gRPC, and names nothing else about itself. */
const PLAIN_TYPES: readonly unknown[] = ["application/grpc", "application/grpc+proto"];
/** Where one of these is there, it is for Connect to say what the answer means. */
const [DETAILS, ENCODING] = ["grpc-status-details-bin", "grpc-encoding"];

/** Whether headers say nothing that could go against the answer: then Connect need not judge them. */
export function isPlain(headers: http2.IncomingHttpHeaders): boolean {
  const names = [STATUS, DETAILS, ENCODING];
  return (
    Number(headers[":status"]) === 200 &&
    PLAIN_TYPES.includes(headers["content-type"]) &&
    !names.some((name) => name in headers)
  );
}

/** Whether trailers say that all is well, and nothing besides. */
export function isOk(trailers: http2.IncomingHttpHeaders): boolean {
  return trailers[STATUS] === "0" && !(DETAILS in trailers);
}

/** An answer as nearly all are: its headers are made for those alone that read them, which takes longer than to read the message. */
export class PlainResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly method: DescMethodUnary<I, O>;
  readonly message: MessageShape<O>;
  readonly #headers: http2.IncomingHttpHeaders;
  readonly #trailers: http2.IncomingHttpHeaders;
  #header: Headers | undefined;
  #trailer: Headers | undefined;

  constructor(
    method: DescMethodUnary<I, O>,
    message: MessageShape<O>,
    headers: http2.IncomingHttpHeaders,
    trailers: http2.IncomingHttpHeaders,
  ) {
    this.method = method;
    this.message = message;
    this.#headers = headers;
    this.#trailers = trailers;
  }

  get service(): DescMethodUnary<I, O>["parent"] {
    return this.method.parent;
  }

  get header(): Headers {
    this.#header ??= toWebHeaders(this.#headers);
    return this.#header;
  }

  get trailer(): Headers {
    this.#trailer ??= toWebHeaders(this.#trailers);
    return this.#trailer;
  }
}

/** Without the pseudo-headers. */
export function toWebHeaders(headers: http2.IncomingHttpHeaders): Headers {
  const web = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || name.startsWith(":")) continue;
    for (const each of Array.isArray(value) ? value : [value]) web.append(name, each);
  }
  return web;
}
