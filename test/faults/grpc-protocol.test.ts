import { describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { type Answer, askAtOnce, MARGIN_MS, openCaller } from "./caller.js";
import { endure } from "./endure.js";
import { expectBackWithFirstProbe, expectServedBy } from "./expectations.js";
import { startGrpcServer } from "./grpc-server.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

const startRest = async () => opened(await startAuthService({ users: everybody() })).rest;
const served = (answers: readonly Answer[]) => new Set(answers.map(({ status, source }) => `${status} ${source}`));

test("A gRPC server that says GOAWAY and is replaced costs nobody anything: what is under way is answered, new calls go to its successor", async () => {
  const rest = await startRest();
  const old = opened(await startGrpcServer());
  const grpc = { url: old.url, timeoutMs: 5000 }; // what is held back is not to time out
  const caller = opened(await openCaller({ grpc, rest: { url: rest.url } }));
  expect((await caller.ask()).source).toBe("grpc");

  old.hold();
  const underWay = Promise.all(Array.from({ length: 5 }, () => caller.ask()));
  await eventually(() => old.calls === 6, "the old server has them all");
  old.goAway();
  const start = performance.now();
  const successor = opened(await startGrpcServer({ port: old.port }));
  const later = [await caller.ask(), ...(await Promise.all(Array.from({ length: 5 }, () => caller.ask())))];
  const back = { on: "gRPC", ms: performance.now() - start };
  old.release();
  const during = [...(await underWay), ...later];
  record("gRPC", "GOAWAY with calls under way, and a successor at its address", later, back);

  expect(served(during)).toEqual(new Set(["200 grpc"]));
  expect([old.calls, successor.calls, rest.calls.total]).toEqual([6, 6, 0]);
  expect(caller.transitions).toEqual([]);
});

test("A connection that is reset with calls under way: REST answers them, long before gRPC's time is over", async () => {
  const rest = await startRest();
  const server = opened(await startGrpcServer());
  const network = opened(await startTcpProxy(server.port));
  const grpc = { url: network.url, timeoutMs: 60_000 };
  const caller = opened(await openCaller({ grpc, rest: { url: rest.url } }));
  expect((await caller.ask()).source).toBe("grpc");

  server.hold();
  const underWay = Promise.all(Array.from({ length: 4 }, () => caller.ask()));
  await eventually(() => server.calls === 5, "the server has them all");
  network.cut();
  const during = await underWay;
  const start = performance.now();
  server.release();
  expect((await caller.ask()).source).toBe("grpc");
  record("gRPC", "the connection reset with calls under way", during, { on: "gRPC", ms: performance.now() - start });

  expect(served(during)).toEqual(new Set(["200 rest"]));
  for (const { tookMs } of during) expect(tookMs).toBeLessThan(MARGIN_MS);
});

test("A gRPC server whose answers are over the limit: REST answers, and the first probe after it finds gRPC again", async () => {
  const rest = await startRest();
  const grpc = opened(await startGrpcServer());
  const maxAnswerBytes = 4096;
  const caller = opened(await openCaller({ grpc: { url: grpc.url }, rest: { url: rest.url }, maxAnswerBytes }));
  const endured = await endure(caller, {
    strike: () => {
      grpc.padding = maxAnswerBytes;
    },
    heal: () => {
      grpc.padding = 0;
    },
    servedBy: "grpc",
    opens: "grpc",
  });
  record("gRPC", "answers over the limit", endured.during, { on: "gRPC", ms: endured.backMs });
  expectServedBy("rest", endured.during);
  expectBackWithFirstProbe(endured);
});

describe("A gRPC server answers 100 callers at once", () => {
  test.each([
    { limit: 10, connection: "stands", peak: 10 },
    { limit: 10, connection: "is not made yet", peak: 10 },
    { limit: 10, connection: "was reset a moment ago", peak: 10 },
    { limit: 10, connection: "was made when the client got ready", peak: 10 },
    { limit: undefined, connection: "is not made yet", peak: 100 },
  ])("with MAX_CONCURRENT_STREAMS of $limit, on a connection that $connection", async ({ limit, connection, peak }) => {
    const rest = await startRest();
    const server = opened(await startGrpcServer(limit === undefined ? {} : { maxConcurrentStreams: limit }));
    const network = opened(await startTcpProxy(server.port));
    const grpc = { url: network.url, timeoutMs: 5000 }; // what is held back is not to time out
    const caller = opened(await openCaller({ grpc, rest: { url: rest.url } }));
    if (connection === "was made when the client got ready") {
      await caller.client.ready();
      await eventually(() => server.greeted > 0, "client and server have exchanged their settings");
    } else if (connection !== "is not made yet") await caller.ask();
    if (connection === "was reset a moment ago") {
      network.cut();
      await eventually(() => network.standing === 0, "the connection has ended");
      await new Promise<void>((resolve) => setImmediate(resolve)); // at both ends
    }
    const before = server.calls;

    server.hold();
    const asked = Promise.all(Array.from({ length: 100 }, () => askAtOnce(caller)));
    await eventually(() => server.calls - before >= peak, `${peak} have reached it`);
    server.release();
    const during = await asked;
    const fault = `MAX_CONCURRENT_STREAMS ${limit ?? "not set"}, 100 callers at once, the connection ${connection}`;
    record("gRPC", fault, during);

    expect(served(during)).toEqual(new Set(["200 grpc"]));
    expect([server.peak, server.calls - before, rest.calls.total]).toEqual([peak, 100, 0]);
    expect(caller.client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });
});
