import type { RestFault } from "./rest-front.js";

const JSON_HEADERS = { "Content-Type": "application/json" };
const CHUNK = Buffer.alloc(64 * 1024, " ");

/** Nobody could be reached, or stayed to the end: it counts, and is asked again. */
export const UNREACHABLE = {
  "hung before the headers": () => undefined,
  "hung after the headers": (response) => void response.writeHead(200, JSON_HEADERS).flushHeaders(),
  "reset in mid-answer": (response, answer) => {
    response.writeHead(200, { ...JSON_HEADERS, "Content-Length": answer.length });
    response.write(answer.slice(0, answer.length / 2), () => response.socket?.resetAndDestroy());
  },
  "an endless body, byte by byte": (response) => {
    response.writeHead(200, JSON_HEADERS);
    const timer = setInterval(() => response.write(" "), 5);
    response.once("close", () => clearInterval(timer));
  },
} as const satisfies Readonly<Record<string, RestFault>>;

/** A live server without room for a question, and no time left until it has: it counts nothing. */
export const BUSY = {
  "429 with Retry-After": (response) => void response.writeHead(429, { "Retry-After": "7" }).end(),
} as const satisfies Readonly<Record<string, RestFault>>;

/** An answer that is none: it is not asked again, and its breaker stays closed. */
export const BROKEN = {
  "500": (response) => void response.writeHead(500, JSON_HEADERS).end('{"detail":"a fault"}'),
  "truncated JSON": (response, answer) =>
    void response.writeHead(200, JSON_HEADERS).end(answer.slice(0, answer.length / 2)),
  "an endless body": (response) => {
    response.writeHead(200, JSON_HEADERS);
    const pour = () => {
      while (!response.destroyed && response.write(CHUNK));
    };
    response.on("drain", pour);
    pour();
  },
  "something else than HTTP": (response) => void response.socket?.end("220 mail.example.com ESMTP\r\n"),
} as const satisfies Readonly<Record<string, RestFault>>;

/** Sends everybody elsewhere, with method and body. */
export function redirectTo(url: string): RestFault {
  return (response) => void response.writeHead(307, { Location: `${url}/auth/verify` }).end();
}
