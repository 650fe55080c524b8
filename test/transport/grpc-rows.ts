import { Code } from "@connectrpc/connect";
import * as reply from "../support/grpc-replies.js";

/** What the contract makes of a reply. `unimplemented` is broken, but a success for the breaker. */
export type GrpcOutcome = "refused" | "unreachable" | "busy" | "broken" | "unimplemented";

export interface GrpcRow {
  readonly name: string;
  readonly reply: reply.GrpcReply;
  readonly outcome: GrpcOutcome;
  /** How often one try asks. Default: once. */
  readonly asks?: number;
}

/** For every row; {@link oversized} is longer. */
export const MAX_ANSWER_BYTES = 2048;
const oversized = reply.user("ana", "a".repeat(MAX_ANSWER_BYTES));

const TOKEN_OUTCOMES: Readonly<Record<number, GrpcOutcome>> = {
  [Code.Canceled]: "unreachable",
  [Code.Unknown]: "broken",
  [Code.InvalidArgument]: "refused",
  [Code.DeadlineExceeded]: "unreachable",
  [Code.NotFound]: "refused",
  [Code.AlreadyExists]: "broken",
  [Code.PermissionDenied]: "refused",
  [Code.ResourceExhausted]: "busy",
  [Code.FailedPrecondition]: "broken",
  [Code.Aborted]: "broken",
  [Code.OutOfRange]: "broken",
  [Code.Unimplemented]: "unimplemented",
  [Code.Internal]: "broken",
  [Code.Unavailable]: "unreachable",
  [Code.DataLoss]: "broken",
  [Code.Unauthenticated]: "refused",
};

function statusRows(outcomes: Readonly<Record<number, GrpcOutcome>>): readonly GrpcRow[] {
  return Object.entries(outcomes).flatMap(([code, outcome]) => [
    { name: `grpc-status ${code} (${Code[Number(code)]}) in trailers`, reply: reply.trailers(code), outcome },
    { name: `grpc-status ${code} (${Code[Number(code)]}) alone`, reply: reply.trailersOnly(code), outcome },
  ]);
}

/** `VerifyToken`: every status that a gRPC server can send. */
export const TOKEN_STATUS_ROWS = statusRows(TOKEN_OUTCOMES);

/** Look-ups: what is our own credential's fault is no verdict about a user. */
export const LOOKUP_STATUS_ROWS = statusRows({
  ...TOKEN_OUTCOMES,
  [Code.PermissionDenied]: "broken",
  [Code.Unauthenticated]: "broken",
});

/** A proxy's words: without a `grpc-status` none of them is the service's verdict. */
export const PROXY_ROWS: readonly GrpcRow[] = [
  ...([400, 401, 403, 404, 500] as const).map((status) => ({
    name: `a bare HTTP ${status}`,
    reply: reply.bareHttp(status),
    outcome: "broken" as const,
  })),
  ...([502, 503, 504] as const).map((status) => ({
    name: `a bare HTTP ${status}`,
    reply: reply.bareHttp(status),
    outcome: "unreachable" as const,
  })),
  ...([408, 429] as const).map((status) => ({
    name: `a bare HTTP ${status}`,
    reply: reply.bareHttp(status),
    outcome: "busy" as const,
  })),
  { name: "a redirect", reply: reply.bareHttp(302, { location: "http://127.0.0.1:1/" }), outcome: "broken" },
  { name: "a web page", reply: reply.bareHttp(200), outcome: "broken" },
];

/** Replies to `VerifyToken` that are none. */
export const MALFORMED_ROWS: readonly GrpcRow[] = [
  { name: "no message", reply: reply.trailers(0), outcome: "broken" },
  { name: "no status", reply: reply.framed(reply.envelope(reply.user("ana")), undefined), outcome: "broken" },
  { name: "a status that is no number", reply: reply.trailers("sixteen"), outcome: "broken" },
  { name: "a status that does not exist", reply: reply.trailers(99), outcome: "broken" },
  { name: "an empty message", reply: reply.message(Buffer.alloc(0)), outcome: "broken" },
  { name: "an empty user_id", reply: reply.message(reply.user("")), outcome: "broken" },
  { name: "bytes that are no protobuf", reply: reply.message(Buffer.from("<html></html>")), outcome: "broken" },
  { name: "a user_id that is no UTF-8", reply: reply.message(Buffer.from([10, 2, 0xff, 0xfe])), outcome: "broken" },
  { name: "a message cut short", reply: reply.message(reply.user("ana").subarray(0, -1)), outcome: "broken" },
  {
    name: "an envelope that promises more",
    reply: reply.framed(reply.envelope(reply.user("ana"), { length: 100 }), { "grpc-status": "0" }),
    outcome: "broken",
  },
  {
    name: "a compressed message that was not asked for",
    reply: reply.framed(reply.envelope(reply.user("ana"), { flags: 1 }), { "grpc-status": "0" }),
    outcome: "broken",
  },
  {
    name: "an encoding that was not asked for",
    reply: reply.framed(reply.envelope(reply.user("ana")), { "grpc-status": "0" }, { "grpc-encoding": "gzip" }),
    outcome: "broken",
  },
  {
    name: "two messages",
    reply: reply.framed(Buffer.concat([reply.envelope(reply.user("ana")), reply.envelope(reply.user("bea"))]), {
      "grpc-status": "0",
    }),
    outcome: "broken",
  },
  { name: "an answer over maxAnswerBytes", reply: reply.message(oversized), outcome: "broken" },
  {
    name: "an envelope of 4 GiB",
    reply: reply.framed(reply.envelope(reply.user("ana"), { length: 0xffffffff }), { "grpc-status": "0" }),
    outcome: "broken",
  },
  {
    name: "a good message under a refusal",
    reply: reply.framed(reply.envelope(reply.user("ana")), { "grpc-status": "16" }),
    outcome: "refused",
  },
];

/** Calls that something cut off. */
export const CUT_ROWS: readonly GrpcRow[] = [
  ...(
    [
      "NGHTTP2_CANCEL",
      "NGHTTP2_ENHANCE_YOUR_CALM",
      "NGHTTP2_INTERNAL_ERROR",
      "NGHTTP2_INADEQUATE_SECURITY", // Connect makes PERMISSION_DENIED of these two
      "NGHTTP2_HTTP_1_1_REQUIRED",
    ] as const
  ).map((code) => ({ name: `RST_STREAM ${code}`, reply: reply.reset(code), outcome: "unreachable" as const })),
  // It was certainly not processed: asked once more at once.
  {
    name: "RST_STREAM NGHTTP2_REFUSED_STREAM",
    reply: reply.reset("NGHTTP2_REFUSED_STREAM"),
    outcome: "unreachable",
    asks: 2,
  },
  { name: "a server that dies during the call", reply: reply.dies, outcome: "unreachable" },
  { name: "a server that dies half-way through its answer", reply: reply.diesHalfWay, outcome: "unreachable" },
];
