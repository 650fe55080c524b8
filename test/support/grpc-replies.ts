import * as http2 from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { GetUserPermissionsResponseSchema, VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import type { RawGrpcServer } from "./raw-upstreams.js";

/** What a raw gRPC server does with a request. */
export type GrpcReply = RawGrpcServer["reply"];

const GRPC_HEADERS = { ":status": 200, "content-type": "application/grpc+proto" };

/** Only a status, in the headers: what grpcio sends when a handler aborts before it has answered. */
export function trailersOnly(code: number | string, more: http2.OutgoingHttpHeaders = {}): GrpcReply {
  return (stream) => {
    stream.respond({ ...GRPC_HEADERS, "grpc-status": String(code), ...more }, { endStream: true });
  };
}

/** Headers, the given bytes, and a status in the trailers. */
export function framed(bytes: Uint8Array, trailers: http2.OutgoingHttpHeaders | undefined, headers = {}): GrpcReply {
  return (stream) => {
    stream.respond({ ...GRPC_HEADERS, ...headers }, { waitForTrailers: true });
    stream.once("wantTrailers", () => (trailers ? stream.sendTrailers(trailers) : stream.close()));
    stream.end(bytes);
  };
}

/** A status in real trailers, after headers and no message. */
export function trailers(code: number | string): GrpcReply {
  return framed(Buffer.alloc(0), { "grpc-status": String(code), "grpc-message": "said%20the%20service" });
}

/** One message and `grpc-status: 0`. */
export function message(bytes: Uint8Array): GrpcReply {
  return framed(envelope(bytes), { "grpc-status": "0" });
}

/** What a proxy says that has no gRPC server behind it. */
export function bareHttp(status: number, headers: http2.OutgoingHttpHeaders = {}): GrpcReply {
  return (stream) => {
    stream.respond({ ":status": status, "content-type": "text/html", ...headers });
    stream.end("<h1>not gRPC</h1>");
  };
}

export function reset(code: keyof typeof http2.constants): GrpcReply {
  return (stream) => stream.close(http2.constants[code] as number);
}

/** The server's process ends in the middle of the call. */
export const dies: GrpcReply = (stream) => stream.session?.destroy();

/** The same, when half of the answer is out. */
export const diesHalfWay: GrpcReply = (stream) => {
  if (stream.destroyed) return; // with another one, which died a moment ago
  stream.respond(GRPC_HEADERS);
  stream.write(envelope(user("ana")).subarray(0, 8), () => stream.session?.destroy());
};

/** One length-prefixed message of the gRPC wire; `length` and `flags` may lie. */
export function envelope(bytes: Uint8Array, { length = bytes.length, flags = 0 } = {}): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt8(flags, 0);
  prefix.writeUInt32BE(length, 1);
  return Buffer.concat([prefix, bytes]);
}

export function user(userId: string, email = ""): Uint8Array {
  return toBinary(VerifyTokenResponseSchema, create(VerifyTokenResponseSchema, { userId, email, isActive: true }));
}

export function permissions(...names: string[]): Uint8Array {
  return toBinary(GetUserPermissionsResponseSchema, create(GetUserPermissionsResponseSchema, { permissions: names }));
}
