import * as net from "node:net";
import { describe, expect, test } from "@jest/globals";
import { type AuthClient, type BreakerOptions, createAuthClient, type GrpcOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { startRawGrpc, startTcpGate, type TcpGate } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
/** Far longer than a test takes: timers below ours are real, and must not be the ones that fire. */
const TIMEOUT_MS = 60_000;
const ANSWER = reply.message(reply.user("ana"));

function clientOf(
  gate: TcpGate,
  { protocol = "http", ...grpc }: GrpcOptions & { protocol?: string } = {},
  breaker: BreakerOptions = { failureThreshold: 100 },
) {
  const clock = new ManualClock();
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: `${protocol}://127.0.0.1:${gate.port}`, timeoutMs: TIMEOUT_MS, ...grpc },
      breaker,
      retry: { attempts: 1 },
      cache: { ttlMs: 0, refusalTtlMs: 0 },
      clock,
      logger: false,
    }),
  );
  return { client, clock };
}

/** One call after the other, each until its timeout. */
async function silentCalls(client: AuthClient, clock: ManualClock, count: number) {
  for (let call = 0; call < count; call++) {
    const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
    await clock.advance(TIMEOUT_MS);
    expect(await failure).toMatchObject({ code: "auth_unavailable" });
  }
}

describe("a connection that looks alive and brings nothing", () => {
  test("is replaced after three calls in a row that got no byte", async () => {
    const grpc = opened(await startRawGrpc(ANSWER));
    const gate = opened(await startTcpGate());
    const { client, clock } = clientOf(gate);
    await silentCalls(client, clock, 3);
    expect(gate.connections).toBe(1);

    gate.target = grpc.port;
    expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "grpc" });
    expect(gate.connections).toBe(2);
  });

  test("is kept after two", async () => {
    const gate = opened(await startTcpGate());
    const { client, clock } = clientOf(gate);
    await silentCalls(client, clock, 2);
    gate.target = opened(await startRawGrpc(ANSWER)).port;
    await silentCalls(client, clock, 1);
    expect(gate.connections).toBe(1);
  });

  test("is replaced again when the next one is no better", async () => {
    const gate = opened(await startTcpGate());
    const { client, clock } = clientOf(gate);
    await silentCalls(client, clock, 6);
    expect(gate.connections).toBe(2);
    await silentCalls(client, clock, 1);
    expect(gate.connections).toBe(3);
  });

  test("is replaced once for calls that ran out at the same time; they say nothing about the next one", async () => {
    const gate = opened(await startTcpGate());
    const { client, clock } = clientOf(gate);
    const tokens = ["a", "b", "c", "d", "e"];
    const failures = tokens.map((token) => client.verifyToken(token).catch((error: unknown) => error));
    await clock.advance(TIMEOUT_MS);
    for (const failure of failures) expect(await failure).toMatchObject({ code: "auth_unavailable" });

    await silentCalls(client, clock, 3);
    expect(gate.connections).toBe(2);
    gate.target = opened(await startRawGrpc(ANSWER)).port;
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
    expect(gate.connections).toBe(3);
  });
});

test("calls that are cut off because their connection is given up count nothing", async () => {
  const gate = opened(await startTcpGate());
  const { client, clock } = clientOf(gate);
  const failures: Promise<unknown>[] = [];
  for (const token of ["a", "b", "c", "d", "e"]) {
    failures.push(client.verifyToken(token).catch((error: unknown) => error));
    await clock.advance(1000);
  }
  await clock.advance(TIMEOUT_MS - 3000); // the time of three of them is over
  for (const failure of failures) expect(await failure).toMatchObject({ code: "auth_unavailable" });
  expect(client.status().grpc?.failures).toBe(3);
});

test("the probe of a breaker goes to whoever is there now, not where the calls before it failed", async () => {
  const ill = opened(await startRawGrpc(reply.trailersOnly(14)));
  const gate = opened(await startTcpGate(ill.port));
  const { client, clock } = clientOf(gate, {}, { failureThreshold: 5, recoveryMs: 30_000 });
  for (let call = 0; call < 5; call++) {
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
  }
  expect([client.status().grpc?.breaker, gate.connections]).toEqual(["open", 1]);
  gate.target = opened(await startRawGrpc(ANSWER)).port; // what a balancer does, while the connection to the ill one stands
  await clock.advance(30_000);
  expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
  expect([client.status().grpc?.breaker, gate.connections]).toEqual(["closed", 2]);
});

test("a server that is slow but answers in between keeps its connection", async () => {
  const hangs = () => undefined;
  const grpc = opened(await startRawGrpc(hangs));
  const gate = opened(await startTcpGate(grpc.port));
  const { client, clock } = clientOf(gate);
  await silentCalls(client, clock, 2);
  grpc.reply = reply.trailers(16);
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  grpc.reply = hangs;
  await silentCalls(client, clock, 2);
  grpc.reply = ANSWER;
  expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
  expect(gate.connections).toBe(1);
});

test("an answer that stops half-way is a sign of life", async () => {
  let heard = 0;
  const grpc = opened(
    await startRawGrpc((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
      stream.session?.ping(() => heard++); // the pong comes after the headers were read
    }),
  );
  const gate = opened(await startTcpGate(grpc.port));
  const { client, clock } = clientOf(gate);
  for (let call = 1; call <= 3; call++) {
    const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
    await until(() => heard === call);
    await clock.advance(TIMEOUT_MS);
    expect(await failure).toMatchObject({ code: "auth_unavailable" });
  }
  grpc.reply = ANSWER;
  expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
  expect(gate.connections).toBe(1);
});

describe("a connection that is never made", () => {
  const { key, cert } = selfSigned();

  test("is given up after three calls as well: TLS that nobody answers", async () => {
    const grpc = opened(await startRawGrpc(ANSWER, { key, cert }));
    const gate = opened(await startTcpGate());
    const { client, clock } = clientOf(gate, { protocol: "https", tls: { ca: cert } });
    await silentCalls(client, clock, 3);
    expect(gate.connections).toBe(1);

    gate.target = grpc.port;
    expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "grpc" });
    expect(gate.connections).toBe(2);
  });

  test.each<[name: string, greet: (socket: net.Socket) => unknown]>([
    ["hangs up", (socket) => socket.end()],
    ["resets", (socket) => socket.resetAndDestroy()],
    ["answers in HTTP", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["answers with garbage", (socket) => socket.write(Buffer.alloc(500, 0x5a))],
    ["answers with an alert", (socket) => socket.write(Buffer.from([21, 3, 3, 0, 2, 2, 40]))],
    [
      "answers with half a record and resets",
      (socket) => socket.write(Buffer.from([22, 3, 3, 9]), () => socket.resetAndDestroy()),
    ],
  ])("TLS that %s in the handshake is an outage, and the next call is answered", async (_name, greet) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => greet(socket));
    });
    opened({ close: () => server.close() });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const gate = opened(await startTcpGate((server.address() as net.AddressInfo).port));
    const { client } = clientOf(gate, { protocol: "https", tls: { ca: cert } });
    const calls = [client.verifyToken("token-ana"), client.verifyToken("token-bea")];
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.status().grpc?.failures).toBe(1);

    gate.target = opened(await startRawGrpc(ANSWER, { key, cert })).port;
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
  });

  test("a certificate that nobody vouches for is an outage", async () => {
    const grpc = opened(await startRawGrpc(ANSWER, { key, cert }));
    const gate = opened(await startTcpGate(grpc.port));
    const { client } = clientOf(gate, { protocol: "https" });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(0);
  });
});

test("a server that is started again at the same address is found again", async () => {
  const first = opened(await startRawGrpc(ANSWER));
  const gate = opened(await startTcpGate(first.port));
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: gate.url, timeoutMs: TIMEOUT_MS },
      cache: { ttlMs: 0 },
      random: () => 0, // no wait before the retry
      logger: false,
    }),
  );
  await client.verifyToken("token-ana");
  await first.close();
  const second = opened(await startRawGrpc(ANSWER));
  gate.target = second.port;
  expect(await client.verifyToken("token-ana")).toMatchObject({ source: "grpc" });
  expect(second.requests).toHaveLength(1);
});

test("close() ends the connection and what is under way on it", async () => {
  const gate = opened(await startTcpGate());
  const { client } = clientOf(gate);
  const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
  await until(() => gate.connections > 0);
  await client.close();
  expect(await failure).toMatchObject({ code: "auth_unavailable" });
  await until(() => gate.open === 0);
});
