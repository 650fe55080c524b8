import * as http from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import * as reply from "../support/grpc-replies.js";
import type { ManualClock } from "../support/manual-clock.js";
import { startRawGrpc } from "../support/raw-upstreams.js";

type Afterwards = (end: () => unknown) => void;

const GRPC_MODES = {
  "an answer": (token) => reply.message(reply.user(token)),
  "a refusal": (token) => reply.trailersOnly(16, echo(token)),
  "a refused look-up": (token) => reply.trailersOnly(5, echo(token)),
  "a thrown error": (token) => reply.trailersOnly(2, echo(token)),
  "an outage": (token) => reply.trailersOnly(14, echo(token)),
  "a bad credential": (token) => reply.trailersOnly(7, echo(token)),
  "a strange status": (token) => reply.trailersOnly(token),
  "a proxy's page": (token) => reply.bareHttp(502, { "x-echo": token, location: `http://127.0.0.1/${token}` }),
  "bytes that are no message": (token) => reply.message(Buffer.from(`<${token}>`)),
  "a death half-way": () => reply.diesHalfWay,
  silence: () => () => undefined,
} satisfies Record<string, (token: string) => (stream: ServerHttp2Stream) => void>;

function echo(token: string) {
  return {
    "grpc-message": `what is ${token}`,
    "grpc-status-details-bin": Buffer.from(token).toString("base64"),
    "x-echo": token,
  };
}

type Mode = keyof typeof GRPC_MODES;

/** A gRPC side that puts the token into whatever it says. */
export async function startEchoGrpc(afterwards: Afterwards) {
  const server = await startRawGrpc(GRPC_MODES.silence());
  afterwards(() => server.close());
  let mode: Mode = "silence";
  return {
    url: server.url,
    modes: Object.keys(GRPC_MODES) as Mode[],
    become(next: Mode, token: string) {
      mode = next;
      server.reply = GRPC_MODES[next](token);
    },
    /** Lets the time pass until silence has become a timeout. */
    async settleWith(settled: Promise<unknown>, clock: ManualClock) {
      let done = false;
      const finish = () => {
        done = true;
      };
      settled.then(finish, finish);
      while (!done) await clock.advance(mode === "silence" ? 100 : 1);
    },
  };
}

const REST_MODES = {
  "an answer": (response, { token }) => response.end(JSON.stringify({ user_id: token, is_active: true })),
  "a refusal": (response, { body, token }) => response.writeHead(401, { "X-Echo": token }).end(body),
  "a page not found": (response, { body, token }) => response.writeHead(404, token, { "X-Echo": token }).end(body),
  "a crash": (response, { body, token }) => response.writeHead(500, token, { "X-Echo": token }).end(body),
  "a redirect": (response, { token }) => response.writeHead(302, { Location: `http://127.0.0.1/${token}` }).end(),
  "a Retry-After": (response, { token }) => response.writeHead(503, { "Retry-After": token }).end(),
  "no JSON": (response, { body }) => response.end(`<html>${body}</html>`),
  "cut JSON": (response, { body }) => response.end(body.slice(0, -1)),
  "the wrong shape": (response, { token }) => response.end(JSON.stringify({ user_id: [token], locals: token, id: {} })),
  "no HTTP": (response, { token }) => response.socket?.end(`${token} ${token}\r\n\r\n`),
  "a hang-up": (response) => response.destroy(),
} satisfies Record<string, (response: http.ServerResponse, heard: { body: string; token: string }) => unknown>;

type RestMode = keyof typeof REST_MODES;

/** A REST side that does the same. */
export async function startEchoRest(afterwards: Afterwards) {
  let mode: RestMode = "an answer";
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const token = body === "" ? decodeURIComponent(request.url?.split("/").at(-1) ?? "") : JSON.parse(body).token;
    REST_MODES[mode](response, { body: body || `"${token}"`, token });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterwards(() => {
    server.closeAllConnections();
    return new Promise<void>((resolve) => server.close(() => resolve()));
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    modes: Object.keys(REST_MODES) as RestMode[],
    become(next: RestMode) {
      mode = next;
    },
  };
}
