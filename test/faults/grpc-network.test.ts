import * as http from "node:http";
import { describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { listen } from "../support/listen.js";
import { type NetworkFault, startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { type Answer, askAtOnce, openCaller } from "./caller.js";
import { readCertificates } from "./certificates.js";
import { endure } from "./endure.js";
import { expectBackWithFirstProbe, expectServedBy } from "./expectations.js";
import { startGrpcServer } from "./grpc-server.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

async function startService() {
  const service = opened(await startAuthService({ users: everybody() }));
  return { rest: service.upstreams.rest, grpcPort: Number(new URL(service.grpc.url).port) };
}

describe("a network before gRPC", () => {
  const FAULTS: readonly [name: string, fault: NetworkFault][] = [
    ["that resets connections in mid-answer", { kind: "reset", afterBytes: 20 }],
    ["that resets connections as soon as the server speaks", { kind: "reset", afterBytes: 0 }],
    ["that lets answers through byte by byte", { kind: "trickle", everyMs: 5 }],
    ["that delivers garbage for frames", { kind: "garbage" }],
  ];

  test.each(FAULTS)("%s: REST answers, and the first probe after it finds gRPC again", async (name, fault) => {
    const { rest, grpcPort } = await startService();
    const network = opened(await startTcpProxy(grpcPort));
    const caller = opened(await openCaller({ grpc: { url: network.url }, rest }));
    const endured = await endure(caller, {
      strike: () => network.strike(fault),
      heal: () => network.heal(),
      servedBy: "grpc",
      opens: "grpc",
    });
    record("gRPC", `a network ${name}`, endured.during, { on: "gRPC", ms: endured.backMs });
    expectServedBy("rest", endured.during);
    expectBackWithFirstProbe(endured);
  });

  // Which probe of a series falls on a connection that is lost already depends on how many there were before it.
  test.each([1, 2, 3])(
    "that swallows everything, for %i failed probes: REST answers, and the first probe after it finds gRPC again",
    async (failedProbes) => {
      const { rest, grpcPort } = await startService();
      const network = opened(await startTcpProxy(grpcPort));
      const caller = opened(await openCaller({ grpc: { url: network.url }, rest }));
      const endured = await endure(caller, {
        strike: () => network.strike({ kind: "black hole" }),
        heal: () => network.heal(),
        servedBy: "grpc",
        opens: "grpc",
        failedProbes,
      });
      const fault = `a network that swallows everything, until ${failedProbes === 1 ? "a probe has" : `${failedProbes} probes have`} failed`;
      record("gRPC", fault, endured.during, { on: "gRPC", ms: endured.backMs });
      expectServedBy("rest", endured.during);
      expectBackWithFirstProbe(endured);
    },
  );

  test("that swallows TLS handshakes: REST answers, and the first probe after it finds gRPC again", async () => {
    const { rest } = await startService();
    const { ca, ...tls } = readCertificates();
    const grpc = opened(await startGrpcServer({ tls }));
    const network = opened(await startTcpProxy(grpc.port, "https"));
    const caller = opened(await openCaller({ grpc: { url: network.url, tls: { ca } }, rest }));
    const endured = await endure(caller, {
      strike: () => network.strike({ kind: "black hole" }),
      heal: () => network.heal(),
      servedBy: "grpc",
      opens: "grpc",
    });
    const fault = "a network that swallows everything, TLS handshakes among it";
    record("gRPC", fault, endured.during, { on: "gRPC", ms: endured.backMs });
    expectServedBy("rest", endured.during);
    expectBackWithFirstProbe(endured);
  });

  test("that leads to a server of HTTP/1.1: REST answers, and the first probe after it finds gRPC again", async () => {
    const { rest, grpcPort } = await startService();
    const stranger = await startStranger();
    const network = opened(await startTcpProxy(grpcPort));
    const caller = opened(await openCaller({ grpc: { url: network.url }, rest }));
    const endured = await endure(caller, {
      strike: () => {
        network.heal(stranger.port);
        network.cut();
      },
      heal: () => network.heal(grpcPort),
      servedBy: "grpc",
      opens: "grpc",
    });
    record("gRPC", "a server of HTTP/1.1 in its place", endured.during, { on: "gRPC", ms: endured.backMs });
    expectServedBy("rest", endured.during);
    expectBackWithFirstProbe(endured);
  });
});

describe("callers who ask again at once get 503, and the process lives on", () => {
  const ROUNDS = 6;

  test.each([
    ["a network that delivers garbage for frames", (network: TcpProxy) => network.strike({ kind: "garbage" })],
    ["a server of HTTP/1.1", async (network: TcpProxy) => network.heal((await startStranger()).port)],
  ])("before %s", async (_name, strike) => {
    const { grpcPort } = await startService();
    const network = opened(await startTcpProxy(grpcPort));
    const grpcAlone = { grpc: { url: network.url }, retry: { attempts: 1 }, breaker: { failureThreshold: 1000 } };
    const caller = opened(await openCaller(grpcAlone));
    await strike(network);
    const answers: Answer[] = [];
    // The next calls come when a connection has failed their predecessors, and has not ended yet.
    for (let round = 0; round < ROUNDS; round++) {
      answers.push(...(await Promise.all(Array.from({ length: 8 }, () => askAtOnce(caller)))));
    }
    await eventually(() => network.standing === 0, "the last connection has ended");
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503));
    expect(network.connections).toBeGreaterThanOrEqual(ROUNDS);
  });
});

/** It listens where gRPC should, and speaks HTTP/1.1. */
async function startStranger(): Promise<{ port: number }> {
  const server = opened(http.createServer((_request, response) => void response.end("hello")));
  return { port: await listen(server) };
}
