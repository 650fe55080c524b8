import * as net from "node:net";
import { envelope, user } from "./grpc-replies.js";
import { listen } from "./listen.js";

/** Types of HTTP/2 frames (RFC 9113 §6, 7838, 8336, 9218). */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
  ALTSVC: 10,
  ORIGIN: 12,
  PRIORITY_UPDATE: 16,
} as const;
/** Error codes of HTTP/2 (RFC 9113 §7). */
export const CODE = { NO_ERROR: 0, INTERNAL_ERROR: 2, REFUSED_STREAM: 7, CANCEL: 8, ENHANCE_YOUR_CALM: 11 } as const;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;
/** With which an answer of gRPC begins. */
export const GRPC = { ":status": "200", "content-type": "application/grpc+proto" } as const;
const PREFACE_BYTES = 24;
const HEADER_BYTES = 9;

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUIntBE(payload.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

export function uint32(...numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * numbers.length);
  for (const [index, number] of numbers.entries()) bytes.writeUInt32BE(number, 4 * index);
  return bytes;
}

export function settings(...pairs: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.concat(
    pairs.map(([id, value]) => {
      const pair = Buffer.alloc(6);
      pair.writeUInt16BE(id, 0);
      pair.writeUInt32BE(value, 2);
      return pair;
    }),
  );
  return frame(FRAME.SETTINGS, 0, 0, payload);
}

/** HPACK without its tables: literal fields that are not indexed (RFC 7541 §6.2.2). */
export function fields(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export function headers(stream: number, values: Readonly<Record<string, string>>, flags = END_HEADERS): Buffer {
  return frame(FRAME.HEADERS, flags, stream, fields(values));
}

export function goaway(lastId: number, code: number, debug = ""): Buffer {
  return frame(FRAME.GOAWAY, 0, 0, Buffer.concat([uint32(lastId, code), Buffer.from(debug)]));
}

export function reset(stream: number, code: number): Buffer {
  return frame(FRAME.RST_STREAM, 0, stream, uint32(code));
}

/** Ana, in the usual three frames. */
export function answer(stream: number): Buffer {
  return Buffer.concat([
    headers(stream, GRPC),
    frame(FRAME.DATA, 0, stream, envelope(user("ana"))),
    headers(stream, { "grpc-status": "0" }, END_HEADERS | END_STREAM),
  ]);
}

/** What is sent on one connection. Nothing is sent but what stands here. */
export interface Script {
  /** As soon as the connection stands. */
  hello?(socket: net.Socket): void;
  /** When a request is complete. */
  request(socket: net.Socket, stream: number): void;
  /** When it is asked whether it is there. */
  ping?(socket: net.Socket, data: Buffer): void;
}

/** It keeps to the protocol. */
export const wellBehaved: Script = {
  hello: (socket) => socket.write(settings()),
  request: (socket, stream) => socket.write(answer(stream)),
  ping: (socket, data) => socket.write(frame(FRAME.PING, ACK, 0, data)),
};

export interface FrameServer {
  readonly port: number;
  readonly url: string;
  /** The scripts of the connections that came. */
  readonly connections: readonly Script[];
  close(): Promise<void>;
}

/** An HTTP/2 server that writes its frames by hand. The first connections play the scripts given, all others are well-behaved. */
export async function startFrameServer(...scripts: readonly Script[]): Promise<FrameServer> {
  const sockets = new Set<net.Socket>();
  const connections: Script[] = [];
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    const script = scripts[connections.length] ?? wellBehaved;
    connections.push(script);
    script.hello?.(socket);
    let unread: Buffer = Buffer.alloc(0);
    let skipped = false;
    socket.on("data", (bytes: Buffer) => {
      unread = Buffer.concat([unread, bytes]);
      if (!skipped && unread.length >= PREFACE_BYTES) {
        unread = unread.subarray(PREFACE_BYTES);
        skipped = true;
      }
      while (skipped && unread.length >= HEADER_BYTES) {
        const end = HEADER_BYTES + unread.readUIntBE(0, 3);
        if (unread.length < end) return;
        const [type, flags, stream] = [unread[3], unread[4] ?? 0, unread.readUInt32BE(5)];
        const payload = Buffer.from(unread.subarray(HEADER_BYTES, end));
        unread = unread.subarray(end);
        if (type === FRAME.GOAWAY) socket.end(); // like any server, on whose connection nothing will follow
        const isRequest = type === FRAME.DATA || type === FRAME.HEADERS;
        if (isRequest && flags & END_STREAM) script.request(socket, stream);
        if (type === FRAME.PING && !(flags & ACK)) script.ping?.(socket, payload);
      }
    });
  });
  const port = await listen(server);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    connections,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
