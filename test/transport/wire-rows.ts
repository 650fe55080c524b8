import type * as net from "node:net";
import {
  CODE,
  END_HEADERS,
  END_STREAM,
  FRAME,
  fields,
  frame,
  GRPC,
  goaway,
  headers,
  reset,
  type Script,
  wellBehaved,
} from "../support/frame-server.js";
import { envelope, user } from "../support/grpc-replies.js";

/** The largest message that a transport of the suite takes. */
export const MAX_BYTES = 1000;

export type WireRow = readonly [name: string, script: Script];

const ANA = envelope(user("ana"));
const LAST = END_HEADERS | END_STREAM;
const { NO_ERROR, CANCEL } = CODE;

/** The frames of an answer, on whichever stream the question came. */
type Frames = (stream: number) => readonly Buffer[];

function sends(frames: Frames): Script {
  return { ...wellBehaved, request: (socket, stream) => socket.write(Buffer.concat(frames(stream))) };
}

/** One write after the other, so that each can arrive alone. */
function sendsInPieces(frames: Frames): Script {
  const next = (socket: net.Socket, [piece, ...rest]: readonly Buffer[]): void => {
    if (piece && !socket.destroyed) socket.write(piece, () => setImmediate(() => next(socket, rest)));
  };
  return { ...wellBehaved, request: (socket, stream) => next(socket, frames(stream)) };
}

const data = (stream: number, bytes: Uint8Array, flags = 0) => frame(FRAME.DATA, flags, stream, Buffer.from(bytes));
const trailers = (stream: number, status: Record<string, string>) => headers(stream, status, LAST);

/** Headers, the bytes in one DATA frame, trailers. */
function answers(bytes: Uint8Array, status: Record<string, string> = { "grpc-status": "0" }, more = {}): Script {
  return sends((stream) => [headers(stream, { ...GRPC, ...more }), data(stream, bytes), trailers(stream, status)]);
}

function alone(status: Record<string, string>): Script {
  return sends((stream) => [headers(stream, { ...GRPC, ...status }, LAST)]);
}

/** A google.rpc.Status with a code, in base64. */
function details(code: number): string {
  // The same wire format: field 1 a varint, field 2 a string.
  const status = Buffer.concat([Buffer.from([8, code, 18, 3]), Buffer.from("why")]);
  return status.toString("base64").replace(/=+$/, "");
}

/** A user whose message has exactly so many bytes. */
function userOf(size: number): Uint8Array {
  const bytes = user("ana", "a".repeat(size - user("ana", "a".repeat(500)).length + 500));
  if (bytes.length !== size) throw new Error(`a message of ${bytes.length} bytes`);
  return bytes;
}

const RST_CODES = [
  ...["NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED"],
  ...["FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM"],
  ...["INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED", "a code that nobody knows"],
];

const bytesOfAna = (bytes: Uint8Array) => Array.from(bytes, (byte) => Buffer.from([byte]));

/** With headers that mean nothing to gRPC. */
export const MORE_HEADERS: Script = answers(
  ANA,
  { "grpc-status": "0", "x-trailer": "1" },
  { "x-more": "a, b", date: "today" },
);

/** Both transports take the message. */
export const ACCEPTED: readonly WireRow[] = [
  ["a message and a status in trailers", answers(ANA)],
  ["content-type application/grpc", answers(ANA, undefined, { "content-type": "application/grpc" })],
  ["an answer of exactly the largest size", answers(envelope(userOf(MAX_BYTES)))],
  ["grpc-encoding: identity", answers(ANA, undefined, { "grpc-encoding": "identity" })],
  [
    "a message with fields that nobody knows",
    answers(envelope(Buffer.concat([user("ana"), Buffer.from([0xf8, 7, 1])]))),
  ],
  ["an empty message", answers(envelope(Buffer.alloc(0)))],
  ["status 0 in headers, and a message", answers(ANA, {}, { "grpc-status": "0" })],
  [
    "hangs up behind the answer",
    hangsUp((stream) => [headers(stream, GRPC), data(stream, ANA), trailers(stream, { "grpc-status": "0" })]),
  ],
  ["more trailers", answers(ANA, { "grpc-status": "0", "x-more": "1", "grpc-message": "fine" })],
  [
    "a message byte by byte",
    sendsInPieces((stream) => [
      headers(stream, GRPC),
      ...bytesOfAna(ANA).map((byte) => data(stream, byte)),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "a message behind its head",
    sendsInPieces((stream) => [
      headers(stream, GRPC),
      data(stream, ANA.subarray(0, 5)),
      data(stream, ANA.subarray(5)),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "empty DATA frames around a message",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, Buffer.alloc(0)),
      data(stream, ANA),
      data(stream, Buffer.alloc(0)),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "100 and 103 before the answer",
    sends((stream) => [
      headers(stream, { ":status": "100" }),
      headers(stream, { ":status": "103", link: "</a>" }),
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "headers in HEADERS and CONTINUATION",
    sends((stream) => [
      headers(stream, { ":status": "200" }, 0),
      frame(FRAME.CONTINUATION, END_HEADERS, stream, fields({ "content-type": "application/grpc" })),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "RST_STREAM NO_ERROR behind a whole answer",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
      reset(stream, NO_ERROR),
    ]),
  ],
  [
    "RST_STREAM CANCEL behind a whole answer",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
      reset(stream, CANCEL),
    ]),
  ],
  [
    "GOAWAY before the answer",
    sends((stream) => [
      goaway(stream, NO_ERROR),
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  [
    "GOAWAY behind the answer",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
      goaway(stream, NO_ERROR),
    ]),
  ],
  [
    "DATA behind the trailers",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
      data(stream, ANA),
    ]),
  ],
];

/** Neither does, and both say the same of it. */
export const REJECTED: readonly WireRow[] = [
  // Statuses.
  ...[1, 2, 3, 4, 5, 7, 8, 12, 13, 14, 16, 17, 99].flatMap((code): WireRow[] => [
    [`status ${code} in trailers`, answers(Buffer.alloc(0), { "grpc-status": `${code}` })],
    [`status ${code} alone`, alone({ "grpc-status": `${code}` })],
    [`status ${code} under a message`, answers(ANA, { "grpc-status": `${code}` })],
  ]),
  ["status 16 in headers, and a message", answers(ANA, {}, { "grpc-status": "16" })],
  ["status 16 in headers, 0 in trailers", answers(ANA, undefined, { "grpc-status": "16" })],
  ["status 0 in headers, 16 in trailers", answers(ANA, { "grpc-status": "16" }, { "grpc-status": "0" })],
  ["status 16 in headers, and in trailers", answers(ANA, { "grpc-status": "16" }, { "grpc-status": "16" })],
  ["status 0 alone", alone({ "grpc-status": "0" })],
  ["status 0 without a message", answers(Buffer.alloc(0))],
  ["status 16 with a message for people", alone({ "grpc-status": "16", "grpc-message": "caf%C3%A9 50%25" })],
  ["status 16 with a message that is no percent-encoding", alone({ "grpc-status": "16", "grpc-message": "%zz%" })],
  ["status 16 in words", alone({ "grpc-status": "UNAUTHENTICATED" })],
  ["status 16 and more", alone({ "grpc-status": "16x" })],
  ["status 016", alone({ "grpc-status": "016" })],
  ["status -1", alone({ "grpc-status": "-1" })],
  ["an empty status", alone({ "grpc-status": "" })],
  ["an empty status in trailers", answers(ANA, { "grpc-status": "" })],
  ["status 16 with its details", alone({ "grpc-status": "16", "grpc-status-details-bin": details(16) })],
  [
    "status 16 in trailers with its details",
    answers(ANA, { "grpc-status": "16", "grpc-status-details-bin": details(16) }),
  ],
  ["status 16 with the details of another", alone({ "grpc-status": "16", "grpc-status-details-bin": details(5) })],
  [
    "status 0 with the details of a refusal",
    answers(ANA, { "grpc-status": "0", "grpc-status-details-bin": details(16) }),
  ],
  [
    "status 16 alone with the details of success",
    alone({ "grpc-status": "16", "grpc-status-details-bin": details(0) }),
  ],
  [
    "status 16 in headers with the details of success in trailers",
    answers(ANA, { "grpc-status-details-bin": details(0) }, { "grpc-status": "16" }),
  ],
  ["status 16 with details that are no base64", alone({ "grpc-status": "16", "grpc-status-details-bin": "?" })],
  ["status 16 with details that are no protobuf", alone({ "grpc-status": "16", "grpc-status-details-bin": "/w" })],
  ["details of a refusal without a status", answers(ANA, { "grpc-status-details-bin": details(16) })],
  ["no status", answers(ANA, { "x-more": "1" })],
  ["no trailers", sends((stream) => [headers(stream, GRPC), data(stream, ANA, END_STREAM)])],
  ["headers alone, without a status", alone({})],
  [
    "trailers that do not end the stream",
    sends((stream) => [
      headers(stream, GRPC),
      data(stream, ANA),
      headers(stream, { "grpc-status": "0" }),
      reset(stream, CANCEL),
    ]),
  ],
  [
    "status 16 in trailers that do not end the stream",
    sends((stream) => [headers(stream, GRPC), headers(stream, { "grpc-status": "16" }), reset(stream, CANCEL)]),
  ],

  // HTTP.
  ...[204, 301, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 599].flatMap((status): WireRow[] => [
    [
      `HTTP ${status}`,
      sends((stream) => [headers(stream, { ":status": `${status}`, "content-type": "text/html" }, LAST)]),
    ],
    [
      `HTTP ${status} with status 16`,
      sends((stream) => [headers(stream, { ...GRPC, ":status": `${status}`, "grpc-status": "16" }, LAST)]),
    ],
  ]),
  [
    "HTTP 503 with a body without an end",
    sends((stream) => [headers(stream, { ":status": "503" }), data(stream, ANA)]),
  ],
  ...[
    "text/html",
    "application/json",
    "application/grpc-web+proto",
    "application/grpcx",
    "application/grpc+thrift",
  ].map(
    (type): WireRow => [`content-type ${type || "without a value"}`, answers(ANA, undefined, { "content-type": type })],
  ),
  [
    "no content-type",
    sends((stream) => [
      headers(stream, { ":status": "200" }),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  ["grpc-encoding: gzip", answers(ANA, undefined, { "grpc-encoding": "gzip" })],
  ["grpc-encoding: gzip with status 16", alone({ "grpc-status": "16", "grpc-encoding": "gzip" })],

  // Bodies.
  ["a compressed message", answers(envelope(user("ana"), { flags: 1 }))],
  ["a compressed message under a refusal", answers(envelope(user("ana"), { flags: 1 }), { "grpc-status": "16" })],
  ["an answer one byte too large", answers(envelope(userOf(MAX_BYTES + 1)))],
  ["an answer of 4 GiB", answers(envelope(user("ana"), { length: 0xffffffff }))],
  [
    "the head of an answer that is too large, and nothing else",
    sends((stream) => [headers(stream, GRPC), data(stream, envelope(Buffer.alloc(0), { length: MAX_BYTES + 1 }))]),
  ],
  ["two messages", answers(Buffer.concat([ANA, ANA]))],
  ["two messages under a refusal", answers(Buffer.concat([ANA, ANA]), { "grpc-status": "16" })],
  ["a message and an empty one", answers(Buffer.concat([ANA, envelope(Buffer.alloc(0))]))],
  ["an empty message and one", answers(Buffer.concat([envelope(Buffer.alloc(0)), ANA]))],
  ["a message that announces more", answers(envelope(user("ana"), { length: 100 }))],
  [
    "a message that announces more under a refusal",
    answers(envelope(user("ana"), { length: 100 }), { "grpc-status": "16" }),
  ],
  ["half a head", answers(ANA.subarray(0, 3))],
  ["garbage", answers(Buffer.from("<html></html>"))],
  ["a message that is no protobuf", answers(envelope(Buffer.from("<html></html>")))],
  ["a message that is cut short inside", answers(envelope(user("ana").subarray(0, -1)))],
  ["a message that is no protobuf under a refusal", answers(envelope(Buffer.from("<html>")), { "grpc-status": "16" })],
  ["a message that is no UTF-8", answers(envelope(Buffer.from([10, 2, 0xff, 0xfe])))],

  // Streams and connections that end.
  ...RST_CODES.flatMap((name, code): WireRow[] => [
    [`RST_STREAM ${name}`, sends((stream) => [reset(stream, code)])],
    [`RST_STREAM ${name} behind headers`, sends((stream) => [headers(stream, GRPC), reset(stream, code)])],
    [
      `RST_STREAM ${name} behind a message`,
      sends((stream) => [headers(stream, GRPC), data(stream, ANA), reset(stream, code)]),
    ],
    [
      `RST_STREAM ${name} behind half a message`,
      sends((stream) => [headers(stream, GRPC), data(stream, ANA.subarray(0, 7)), reset(stream, code)]),
    ],
  ]),
  ...[0, 2, 11].flatMap((code): WireRow[] => [
    [`GOAWAY ${code} that denies the call`, sends(() => [goaway(0, code, "debug")])],
    [`GOAWAY ${code}, and hangs up`, hangsUp((stream) => [goaway(stream, code)])],
  ]),
  [
    "GOAWAY in the middle of the answer that denies the call",
    sends((stream) => [
      headers(stream, GRPC),
      goaway(0, NO_ERROR),
      data(stream, ANA),
      trailers(stream, { "grpc-status": "0" }),
    ]),
  ],
  ["hangs up", hangsUp(() => [])],
  ["hangs up behind headers", hangsUp((stream) => [headers(stream, GRPC)])],
  ["hangs up behind a message", hangsUp((stream) => [headers(stream, GRPC), data(stream, ANA)])],
  ["resets the connection", resets(() => [])],
  ["resets the connection behind a message", resets((stream) => [headers(stream, GRPC), data(stream, ANA)])],
];

/** What ours says, what Connect's says, and why they differ. */
export const STRICTER: readonly { name: string; script: Script; ours: string; connect: string }[] = [
  {
    name: "status 16 with the details of success: the status is the service's word, and says no",
    script: answers(ANA, { "grpc-status": "16", "grpc-status-details-bin": details(0) }),
    ours: "broken, Unknown",
    connect: 'user "ana"',
  },
  {
    name: "a flag that nobody knows: the message may not be what it seems",
    script: answers(envelope(user("ana"), { flags: 2 })),
    ours: "broken, Internal",
    connect: 'user "ana"',
  },
  {
    name: "a message and one byte: whatever follows a message is too much",
    script: answers(Buffer.concat([ANA, Buffer.from([0])])),
    ours: "broken, Unimplemented",
    connect: "broken, InvalidArgument",
  },
];

function hangsUp(frames: Frames): Script {
  return { ...wellBehaved, request: (socket, stream) => void socket.end(Buffer.concat(frames(stream))) };
}

function resets(frames: Frames): Script {
  return {
    ...wellBehaved,
    request: (socket, stream) => {
      socket.write(Buffer.concat(frames(stream)), () => socket.resetAndDestroy());
    },
  };
}
