import type * as net from "node:net";
import {
  ACK,
  answer,
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
  settings,
  uint32,
} from "../support/frame-server.js";

const REQUEST = { ":method": "GET", ":scheme": "http", ":authority": "localhost", ":path": "/" };
const { NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM } = CODE;
const MAX_ID = 0x7fffffff;

/** Sends the frames as soon as the connection stands, and answers calls all the same. */
const atOnce = (...frames: readonly Buffer[]): Script => ({
  hello: (socket) => socket.write(Buffer.concat([settings(), ...frames])),
  request: (socket, stream) => socket.write(answer(stream)),
});
/** Does it instead of answering the first call; answers the others. */
const instead = (act: (socket: net.Socket, stream: number) => unknown): Script => ({
  hello: (socket) => socket.write(settings()),
  request: (socket, stream) => void (stream === 1 ? act(socket, stream) : socket.write(answer(stream))),
});
/** Sends the frames in front of the first answer. */
const beforeAnswer = (frames: (stream: number) => readonly Buffer[]): Script =>
  instead((socket, stream) => socket.write(Buffer.concat([...frames(stream), answer(stream)])));
const promise = (stream: number, promised = 2) =>
  frame(FRAME.PUSH_PROMISE, END_HEADERS, stream, Buffer.concat([uint32(promised), fields(REQUEST)]));
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

/** Harmless: calls are answered. */
export const IGNORED: readonly [name: string, script: Script][] = [
  ["ALTSVC", atOnce(frame(FRAME.ALTSVC, 0, 0, Buffer.from('\0\x0bhttp://a.b/h2=":1"')))],
  ["ORIGIN", atOnce(frame(FRAME.ORIGIN, 0, 0, Buffer.from("\0\x0ahttp://a.b")))],
  ["ORIGIN that is cut short", atOnce(frame(FRAME.ORIGIN, 0, 0, Buffer.from("\xff\xffh", "latin1")))],
  ["PRIORITY_UPDATE", beforeAnswer((stream) => [frame(FRAME.PRIORITY_UPDATE, 0, 0, uint32(stream))])],
  ["PRIORITY", beforeAnswer((stream) => [frame(FRAME.PRIORITY, 0, stream, Buffer.from([0, 0, 0, 9, 1]))])],
  ["frames of an unknown type", beforeAnswer((stream) => [frame(0xfa, 0xff, 0), frame(0xfb, 0xff, stream, uint32(1))])],
  ["SETTINGS that nobody knows", atOnce(settings([0xf0f0, 1], [0xf0f1, MAX_ID]))],
  ["an ACK of no SETTINGS", atOnce(frame(FRAME.SETTINGS, ACK, 0))],
  ["a hundred PINGs", beforeAnswer(() => many(100, () => frame(FRAME.PING, 0, 0, Buffer.alloc(8))))],
  ["103 Early Hints", beforeAnswer((stream) => [headers(stream, { ":status": "103", link: "</a>" })])],
  ["100 Continue, a hundred times", beforeAnswer((stream) => many(100, () => headers(stream, { ":status": "100" })))],
  ["empty DATA frames", { ...atOnce(), request: (socket, stream) => trickle(socket, stream) }],
  ["GOAWAY that lets the call end", beforeAnswer((stream) => [goaway(stream, NO_ERROR, "bye")])],
  ["GOAWAY in two steps", beforeAnswer((stream) => [goaway(MAX_ID, NO_ERROR), goaway(stream, NO_ERROR)])],
];

function trickle(socket: net.Socket, stream: number): void {
  const empty = many(50, () => frame(FRAME.DATA, 0, stream));
  const [response, rest] = [headers(stream, GRPC), answer(stream).subarray(headers(stream, GRPC).length)];
  socket.write(Buffer.concat([response, ...empty, rest]));
}

/** The call was not looked at: it is asked again on the next connection, and answered there. */
export const ASKED_AGAIN: readonly [name: string, script: Script][] = [
  ["RST_STREAM REFUSED_STREAM", instead((socket, stream) => socket.write(reset(stream, REFUSED_STREAM)))],
  ["GOAWAY for the call", instead((socket) => socket.write(goaway(0, NO_ERROR, "max_age")))],
  [
    "GOAWAY in two steps, for the call",
    instead((socket) => socket.write(Buffer.concat([goaway(MAX_ID, NO_ERROR), goaway(0, NO_ERROR)]))),
  ],
  [
    "GOAWAY with an error, for the call",
    instead((socket) => socket.write(goaway(0, ENHANCE_YOUR_CALM, "too_many_pings"))),
  ],
  [
    "GOAWAY for the call, and a reset",
    instead((socket) => socket.write(goaway(0, NO_ERROR), () => socket.resetAndDestroy())),
  ],
];

/** The call may be lost, and its connection. Node 20 tells nobody that it has given up a connection: there, calls time out on it. */
export const BROUGHT_DOWN: readonly [name: string, script: Script][] = [
  ["ALTSVC that is cut short", atOnce(frame(FRAME.ALTSVC, 0, 0, Buffer.from("\0\xffh", "latin1")))],
  ["the ACK of no PING", atOnce(frame(FRAME.PING, ACK, 0, Buffer.alloc(8)))],
  ["a pushed stream", beforeAnswer((stream) => [promise(stream)])],
  ["a pushed stream with its answer", beforeAnswer((stream) => [promise(stream), headers(2, GRPC)])],
  ["a pushed stream, then GOAWAY", beforeAnswer((stream) => [promise(stream), goaway(0, INTERNAL_ERROR)])],
  [
    "a pushed stream, then a reset",
    instead((socket, stream) => socket.write(promise(stream), () => socket.resetAndDestroy())),
  ],
  ["a pushed stream of its own", beforeAnswer(() => [promise(99)])],
  ["a thousand SETTINGS", beforeAnswer(() => [settings(...many(1000, (index) => [index, 1] as const))])],
  ["SETTINGS that allow push", beforeAnswer(() => [settings([2, 1])])],
  ["SETTINGS with a window over 2^31", beforeAnswer(() => [settings([4, 0xffffffff])])],
  ["SETTINGS with frames of no size", beforeAnswer(() => [settings([5, 0])])],
  ["SETTINGS that are cut short", beforeAnswer(() => [frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(5))])],
  ["SETTINGS on a stream", beforeAnswer((stream) => [frame(FRAME.SETTINGS, 0, stream)])],
  ["an endless SETTINGS", beforeAnswer(() => [frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(6 * 20_000))])],
  [
    "WINDOW_UPDATE past 2^31 for the connection",
    beforeAnswer(() => many(2, () => frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(MAX_ID)))),
  ],
  ["WINDOW_UPDATE by nothing", beforeAnswer(() => [frame(FRAME.WINDOW_UPDATE, 0, 0, uint32(0))])],
  ["RST_STREAM for a stream that is not there", beforeAnswer(() => [reset(99, CANCEL)])],
  ["RST_STREAM for the connection", beforeAnswer(() => [reset(0, CANCEL)])],
  ["DATA on a stream that is not there", beforeAnswer(() => [frame(FRAME.DATA, 0, 99, Buffer.alloc(5))])],
  ["HEADERS on a stream that is not there", beforeAnswer(() => [headers(99, GRPC)])],
  ["HEADERS on a stream of the server's", beforeAnswer(() => [headers(2, GRPC)])],
  [
    "DATA that is all padding, and more",
    beforeAnswer((stream) => [frame(FRAME.DATA, 8, stream, Buffer.from([200, 0]))]),
  ],
  ["CONTINUATION of nothing", beforeAnswer((stream) => [frame(FRAME.CONTINUATION, END_HEADERS, stream)])],
  [
    "HEADERS that are no HPACK",
    beforeAnswer((stream) => [frame(FRAME.HEADERS, END_HEADERS, stream, Buffer.alloc(9, 0xff))]),
  ],
  ["a PING that is cut short", beforeAnswer(() => [frame(FRAME.PING, 0, 0, Buffer.alloc(7))])],
  ["a GOAWAY that is cut short", beforeAnswer(() => [frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(7))])],
  [
    "a GOAWAY that takes back the one before",
    instead((socket) => socket.write(Buffer.concat([goaway(1, NO_ERROR), goaway(3, NO_ERROR)]))),
  ],
  [
    "GOAWAY with an error and debug data",
    instead((socket, stream) => socket.write(goaway(stream, ENHANCE_YOUR_CALM, "x".repeat(10_000)))),
  ],
  ["a frame over the limit", beforeAnswer((stream) => [frame(FRAME.DATA, 0, stream, Buffer.alloc(40_000))])],
  ["RST_STREAM CANCEL", instead((socket, stream) => socket.write(reset(stream, CANCEL)))],
  ["RST_STREAM INTERNAL_ERROR", instead((socket, stream) => socket.write(reset(stream, INTERNAL_ERROR)))],
  ["RST_STREAM with a code that nobody knows", instead((socket, stream) => socket.write(reset(stream, 0xdead)))],
  ["RST_STREAM NO_ERROR", instead((socket, stream) => socket.write(reset(stream, NO_ERROR)))],
  [
    "GOAWAY that denies the answer that it has begun",
    instead((socket, stream) => socket.write(Buffer.concat([headers(stream, GRPC), goaway(0, NO_ERROR)]))),
  ],
  [
    "REFUSED_STREAM behind half an answer",
    instead((socket, stream) => socket.write(Buffer.concat([headers(stream, GRPC), reset(stream, REFUSED_STREAM)]))),
  ],
  [
    "trailers alone, without a status",
    instead((socket, stream) => socket.write(headers(stream, GRPC, END_HEADERS | END_STREAM))),
  ],
  [
    "headers without :status",
    instead((socket, stream) => socket.write(headers(stream, { a: "b" }, END_HEADERS | END_STREAM))),
  ],
  [
    "101 Switching Protocols",
    instead((socket, stream) => socket.write(headers(stream, { ":status": "101" }, END_HEADERS | END_STREAM))),
  ],
  ["garbage for frames", instead((socket) => socket.write(Buffer.alloc(1000, 0x5a)))],
  ["garbage for SETTINGS", { hello: (socket) => socket.write(Buffer.alloc(1000, 0xff)), request: () => undefined }],
  [
    "HTTP/1.1",
    {
      hello: (socket) => socket.write("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
      request: () => undefined,
    },
  ],
  [
    "HTTP/1.1, and hangs up",
    { hello: (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), request: () => undefined },
  ],
  ["nothing, and hangs up", { hello: (socket) => socket.end(), request: () => undefined }],
  ["nothing, and resets", { hello: (socket) => socket.resetAndDestroy(), request: () => undefined }],
  ["SETTINGS, and hangs up at the call", instead((socket) => socket.end())],
  ["SETTINGS, and resets at the call", instead((socket) => socket.resetAndDestroy())],
];
