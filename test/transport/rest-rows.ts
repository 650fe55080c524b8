import * as zlib from "node:zlib";
import * as reply from "./rest-replies.js";

export type RestOutcome = "refused" | "unreachable" | "busy" | "broken";

export interface RestRow {
  readonly name: string;
  readonly reply: reply.RestReply;
  readonly outcome: RestOutcome;
}

const { ANA, MAX_ANSWER_BYTES } = reply;

function statusRows(outcome: RestOutcome, ...codes: number[]): readonly RestRow[] {
  return codes.map((code) => ({ name: `HTTP ${code}`, reply: reply.status(code), outcome }));
}

const UNREACHABLE_STATUSES = statusRows("unreachable", 502, 503, 504);
const BUSY_STATUSES = statusRows("busy", 408, 429);
const NEVER_AN_ANSWER = [204, 205, 206, 300, 301, 302, 303, 304, 307, 308];
const NEVER_A_VERDICT = [402, 405, 406, 409, 410, 413, 415, 418, 451, 500, 501, 505, 511];

export const TOKEN_STATUS_ROWS: readonly RestRow[] = [
  ...statusRows("refused", 400, 401, 403, 422),
  ...UNREACHABLE_STATUSES,
  ...BUSY_STATUSES,
  ...statusRows("broken", 404, ...NEVER_AN_ANSWER, ...NEVER_A_VERDICT),
];

export const LOOKUP_STATUS_ROWS: readonly RestRow[] = [
  ...statusRows("refused", 400, 404, 422),
  ...UNREACHABLE_STATUSES,
  ...BUSY_STATUSES,
  ...statusRows("broken", 401, 403, ...NEVER_AN_ANSWER, ...NEVER_A_VERDICT),
];

/** Bodies of an HTTP 200 to `/auth/verify` that are no answer. */
export const SHAPE_ROWS: readonly RestRow[] = [
  ...Object.entries({
    "{}": {},
    "[]": [],
    null: null,
    true: true,
    "a number": 1,
    "a string": "ana",
    "a list of users": [ANA],
    "a user under another key": { data: ANA },
    "an error in a 200": { error: "no such token" },
    "no user_id": { ...ANA, user_id: undefined },
    "an empty user_id": { ...ANA, user_id: "" },
    "user_id null": { ...ANA, user_id: null },
    "user_id a number": { ...ANA, user_id: 7 },
    "user_id a list": { ...ANA, user_id: ["ana"] },
    "user_id an object": { ...ANA, user_id: { id: "ana" } },
    "is_active a string": { ...ANA, is_active: "true" },
    "is_active a number": { ...ANA, is_active: 1 },
    "permissions a string": { ...ANA, permissions: "all" },
    "permissions of numbers": { ...ANA, permissions: [1] },
    "a null among the permissions": { ...ANA, permissions: ["read", null] },
    "locals of objects": { ...ANA, locals: [{ id: "madrid" }] },
    "email a number": { ...ANA, email: 5 },
  }).map(([name, value]): RestRow => ({ name, reply: reply.json(value), outcome: "broken" })),
  {
    name: "a user_id inherited",
    reply: reply.body('{"__proto__":{"user_id":"ana","is_active":true}}'),
    outcome: "broken",
  },
  { name: "nothing", reply: reply.body(""), outcome: "broken" },
  { name: "a web page", reply: reply.body("<html></html>"), outcome: "broken" },
  { name: "half of a JSON", reply: reply.body(JSON.stringify(ANA).slice(0, -1)), outcome: "broken" },
  { name: "two JSONs", reply: reply.body(JSON.stringify(ANA).repeat(2)), outcome: "broken" },
  {
    name: "bad UTF-8",
    reply: reply.body(
      Buffer.concat([Buffer.from('{"is_active":true,"user_id":"an'), Buffer.from([0xff]), Buffer.from('"}')]),
    ),
    outcome: "broken",
  },
  { name: "UTF-16", reply: reply.body(Buffer.from(JSON.stringify(ANA), "utf16le")), outcome: "broken" },
  {
    name: "a compressed body that was not asked for",
    reply: reply.body(zlib.gzipSync(JSON.stringify(ANA)), { "content-encoding": "gzip" }),
    outcome: "broken",
  },
  {
    name: "an answer over maxAnswerBytes",
    reply: reply.json({ ...ANA, email: "a".repeat(MAX_ANSWER_BYTES) }),
    outcome: "broken",
  },
  {
    name: "an answer over maxAnswerBytes that ends with its connection",
    reply: reply.raw(
      `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n${JSON.stringify(ANA)}${" ".repeat(2 * MAX_ANSWER_BYTES)}`,
    ),
    outcome: "broken",
  },
  { name: "an answer without end", reply: reply.endless, outcome: "broken" },
  {
    name: "another protocol that nobody asked for",
    reply: reply.raw("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n"),
    outcome: "broken",
  },
  { name: "no HTTP", reply: reply.raw("SSH-2.0-OpenSSH_9.6\r\n"), outcome: "broken" },
  {
    name: "a response header with a control character",
    reply: reply.raw(`HTTP/1.1 200 OK\r\nx-a: \u0001\r\ncontent-length: 2\r\n\r\n{}`),
    outcome: "broken",
  },
];

/** Requests that something cut off. */
export const CUT_ROWS: readonly RestRow[] = [
  { name: "a connection that ends before the response", reply: reply.hangsUp, outcome: "unreachable" },
  { name: "a body that ends before its length", reply: reply.cutShort, outcome: "unreachable" },
  { name: "chunks that end before the last one", reply: reply.cutShortInChunks, outcome: "unreachable" },
];
