import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";

const HEADERS = [
  ["Host", "shop.example"],
  ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"],
  ["Accept", "application/json"],
  ["Accept-Language", "es-ES,es;q=0.8,en;q=0.5"],
  ["Accept-Encoding", "gzip, deflate, br, zstd"],
  ["Connection", "keep-alive"],
] as const;

/** A request as Node's parser leaves it. */
export function requestWith(token: string, connection: Socket): IncomingMessage {
  const request = new IncomingMessage(connection);
  request.httpVersionMajor = 1;
  for (const [name, value] of [...HEADERS, ["Authorization", `Bearer ${token}`] as const]) {
    request.rawHeaders.push(name, value);
    request.headers[name.toLowerCase()] = value;
  }
  return request;
}

/** The same request for another round: what the middleware left on it would be found again. */
export function forget(request: IncomingMessage): void {
  (request as { [AUTH]?: unknown })[AUTH] = undefined;
}

const AUTH: unique symbol = Symbol.for("portero.request") as never;
