import { describe, expect, jest, test } from "@jest/globals";
import { eventually } from "../support/eventually.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { askAtOnce, openCaller } from "./caller.js";
import { startGrpcServer } from "./grpc-server.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";

jest.setTimeout(30_000);

describe("gRPC alone, its connection reset", () => {
  // Five failures open the breaker: what one event did must not count as five.
  test.each([5, 32, 200])("with %i calls on it: they are lost at most, and the next one is answered", async (calls) => {
    const server = opened(await startGrpcServer());
    const network = opened(await startTcpProxy(server.port));
    const limit = { maxConcurrent: 2 * calls + 1 }; // a quarter is for known users
    const grpc = { url: network.url, timeoutMs: 60_000 };
    const caller = opened(await openCaller({ grpc, limit, retry: { attempts: 1 } }));
    await caller.ask();

    server.hold();
    const underWay = Promise.all(Array.from({ length: calls }, () => askAtOnce(caller)));
    await eventually(() => server.calls === calls + 1, "the server has them all");
    network.cut();
    const during = await underWay;
    const start = performance.now();
    server.release();
    const next = await caller.ask();
    const back = { on: "gRPC", ms: performance.now() - start };
    record("gRPC", `gRPC alone, the connection reset with ${calls} calls under way`, during, back);

    expect(new Set(during.map(({ status }) => status))).toEqual(new Set([503]));
    expect(next).toMatchObject({ status: 200, source: "grpc" });
    expect(caller.transitions).toEqual([]);
  });

  test("again and again: each time counts, until nobody believes in it any more", async () => {
    const server = opened(await startGrpcServer());
    const network = opened(await startTcpProxy(server.port));
    const caller = opened(await openCaller({ grpc: { url: network.url, timeoutMs: 60_000 }, retry: { attempts: 1 } }));
    await caller.ask();
    server.hold();
    for (let event = 1; event <= 5; event++) {
      const before = server.calls;
      const underWay = Promise.all(Array.from({ length: 8 }, () => askAtOnce(caller)));
      await eventually(() => server.calls === before + 8, "the server has them all");
      network.cut();
      await underWay;
      expect(caller.client.status().grpc?.failures).toBe(event < 5 ? event : 0);
    }
    expect(caller.transitions.map(({ to }) => to)).toEqual(["open"]);
  });
});

test("Calls that wait for room on a connection that is reset were never sent: they are answered on the next one", async () => {
  const server = opened(await startGrpcServer({ maxConcurrentStreams: 4 }));
  const network = opened(await startTcpProxy(server.port));
  const caller = opened(await openCaller({ grpc: { url: network.url, timeoutMs: 60_000 }, retry: { attempts: 1 } }));
  await caller.ask();

  server.hold();
  const asked = Promise.all(Array.from({ length: 20 }, () => askAtOnce(caller)));
  await eventually(() => server.calls === 1 + 4, "the server has as many as it takes");
  network.cut();
  server.release();
  const outcomes = (await asked).map(({ status }) => status);
  expect(outcomes.filter((status) => status === 503)).toHaveLength(4);
  expect(outcomes.filter((status) => status === 200)).toHaveLength(16);
  expect(caller.client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
});
