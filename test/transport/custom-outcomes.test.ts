import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { Code, ConnectError, type ConnectRouter, createRouterTransport, type Transport } from "@connectrpc/connect";
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import * as grpcReply from "../support/grpc-replies.js";
import { startRawGrpc, startRawRest } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
const TIMEOUT_MS = 30_000;
/** Four times what opens a breaker. */
const MANY = 20;

/** Behind a custom transport REST knows everybody, or is not there. */
async function start(transport: Transport, { alone = false } = {}) {
  const users = Object.fromEntries(Array.from({ length: MANY }, (_, index) => [`token-${index}`, { id: `${index}` }]));
  const { rest } = opened(await startAuthService({ users }));
  const client = opened(
    createAuthClient({
      grpc: { transport, timeoutMs: TIMEOUT_MS },
      ...(!alone && { rest: { url: rest.url, timeoutMs: TIMEOUT_MS } }),
      retry: { attempts: 1 },
      logger: false,
    }),
  );
  let asked = 0;
  const ask = () =>
    client.verifyToken(`token-${asked++}`).then(
      ({ source }) => source,
      ({ code }: { code: string }) => code,
    );
  const breaker = () => `${client.status().grpc?.breaker} ${client.status().grpc?.failures}`;
  return { ask, breaker };
}

const raising = (error: Error) => (router: ConnectRouter) =>
  router.service(AuthService, {
    verifyToken() {
      throw error;
    },
  });

/** The same service behind each protocol of Connect, in memory and over HTTP. */
const PROTOCOLS: Readonly<Record<string, (routes: (router: ConnectRouter) => unknown) => Promise<Transport>>> = {
  "in memory": async (routes) => createRouterTransport((router) => void routes(router)),
  Connect: async (routes) => createConnectTransport({ baseUrl: await serve(routes), httpVersion: "1.1" }),
  "gRPC-Web": async (routes) => createGrpcWebTransport({ baseUrl: await serve(routes), httpVersion: "1.1" }),
};

async function serve(routes: (router: ConnectRouter) => unknown): Promise<string> {
  const server = http.createServer(connectNodeAdapter({ routes: (router) => void routes(router) }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened({
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe.each(Object.entries(PROTOCOLS))("a custom transport (%s) whose service says", (_name, make) => {
  test("RESOURCE_EXHAUSTED is busy: REST answers, and nothing counts", async () => {
    const { ask, breaker } = await start(await make(raising(new ConnectError("slow down", Code.ResourceExhausted))));
    for (let stranger = 0; stranger < MANY; stranger++) expect(await ask()).toBe("rest");
    expect(breaker()).toBe("closed 0");
  });

  test("UNAVAILABLE is out of reach, each time", async () => {
    const transport = await make(raising(new ConnectError("later", Code.Unavailable)));
    const { ask, breaker } = await start(transport, { alone: true });
    await Promise.all(Array.from({ length: 4 }, ask));
    expect(breaker()).toBe("closed 4");
  });

  test("UNAUTHENTICATED refuses", async () => {
    const { ask, breaker } = await start(await make(raising(new ConnectError("no", Code.Unauthenticated))));
    expect(await ask()).toBe("invalid_token");
    expect(breaker()).toBe("closed 0");
  });
});

test("RESOURCE_EXHAUSTED without an answer's headers is believed as well, from a transport of one's own making", async () => {
  const error = new ConnectError("slow down", Code.ResourceExhausted);
  const { ask, breaker } = await start({ unary: () => Promise.reject(error), stream: () => Promise.reject(error) });
  for (let stranger = 0; stranger < MANY; stranger++) expect(await ask()).toBe("rest");
  expect(breaker()).toBe("closed 0");
});

describe("what Connect itself says with the code of a verdict is none:", () => {
  const wellRoutes = (router: ConnectRouter) =>
    router.service(AuthService, { verifyToken: () => ({ userId: "ana".repeat(100), isActive: true }) });

  test("an answer past readMaxBytes", async () => {
    const options = { transport: { readMaxBytes: 50 } } as Parameters<typeof createRouterTransport>[1];
    const { ask, breaker } = await start(createRouterTransport((router) => void wellRoutes(router), options));
    expect(await ask()).toBe("rest");
    expect(breaker()).toBe("closed 1");
  });

  test.each<[string, string, Record<string, string>]>([
    ["no JSON", "<html>", { "content-type": "application/json" }],
    ["no protobuf", "<html>", { "content-type": "application/proto" }],
    ["badly compressed", "<html>", { "content-type": "application/proto", "content-encoding": "gzip" }],
  ])("an answer that is %s", async (_name, body, headers) => {
    const raw = opened(await startRawRest((response) => void response.writeHead(200, headers).end(body)));
    const useBinaryFormat = headers["content-type"] === "application/proto";
    const transport = createConnectTransport({ baseUrl: raw.url, httpVersion: "1.1", useBinaryFormat });
    const { ask } = await start(transport);
    expect(await ask()).toBe("rest");
  });

  test.each(["NGHTTP2_INADEQUATE_SECURITY", "NGHTTP2_HTTP_1_1_REQUIRED"] as const)("RST_STREAM %s", async (code) => {
    const raw = opened(await startRawGrpc(grpcReply.reset(code)));
    const { ask, breaker } = await start(createGrpcTransport({ baseUrl: raw.url }));
    expect(await ask()).toBe("rest");
    expect(breaker()).toBe("closed 1");
  });

  test("a message that ends early", async () => {
    const cut = grpcReply.envelope(grpcReply.user("ana"), { length: 100 });
    const raw = opened(await startRawGrpc(grpcReply.framed(cut, { "grpc-status": "0" })));
    const { ask } = await start(createGrpcTransport({ baseUrl: raw.url }));
    expect(await ask()).toBe("rest");
  });
});

test.each([408, 429])("a bare HTTP %i in front of it is busy", async (status) => {
  const raw = opened(await startRawRest((response) => void response.writeHead(status).end("slow down")));
  const { ask, breaker } = await start(createConnectTransport({ baseUrl: raw.url, httpVersion: "1.1" }));
  for (let stranger = 0; stranger < MANY; stranger++) expect(await ask()).toBe("rest");
  expect(breaker()).toBe("closed 0");
});

test("connections that are reset at once are one failure", async () => {
  const held: http.ServerResponse[] = [];
  const raw = opened(await startRawRest((response) => void held.push(response)));
  const transport = createConnectTransport({ baseUrl: raw.url, httpVersion: "1.1" });
  const { ask, breaker } = await start(transport, { alone: true });
  const outcomes = Array.from({ length: MANY }, ask);
  await until(() => held.length === MANY);
  for (const response of held) response.socket?.resetAndDestroy();
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set(["auth_unavailable"]));
  expect(breaker()).toBe("closed 1");
});
