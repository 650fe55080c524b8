import { expect, test } from "@jest/globals";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { inMemoryClients } from "./in-memory-client.js";
import { unreachable } from "./two-upstreams.js";

const create = inMemoryClients();
const limit = { maxConcurrent: 1, maxQueue: 1 };

test("one more than may wait is overloaded: 503 and Retry-After: 1, nothing asked, nothing counted", async () => {
  const { client, grpc, rest, ask, turn } = create({ limit });
  grpc.behaviour = "hold";
  const calls = [ask(), ask(), ask()];
  await turn();
  expect(calls.map(({ state }) => state)).toEqual(["pending", "rejected", "pending"]);
  expect(calls[1]?.error).toMatchObject({ code: "overloaded", status: 503, headers: { "Retry-After": "1" } });
  expect([grpc.calls.length, rest.calls.length]).toEqual([1, 0]);
  expect(client.status()).toMatchObject({ upstream: { active: 1, queued: 1 }, grpc: { failures: 0 }, inFlight: 2 });
});

test("who waits until the deadline is overloaded as well", async () => {
  const { clock, rest, grpc, ask } = create({
    limit,
    grpc: { ...ONE_CONNECTION, url: "http://auth.invalid", timeoutMs: 60_000 },
  });
  grpc.behaviour = "hold";
  rest.behaviour = "hold";
  ask();
  await clock.advance(0);
  const waits = ask();
  await clock.advance(62_000 - 20 - 1);
  expect(waits.state).toBe("pending");
  await clock.advance(1);
  expect(waits.error).toMatchObject({ code: "overloaded" });
});

test("a cached user is never queued", async () => {
  const { client, grpc, ask, turn } = create({ limit });
  await client.verifyToken("token-cached");
  grpc.behaviour = "hold";
  ask();
  ask();
  await turn();
  expect(client.status().upstream).toMatchObject({ active: 1, queued: 1 });
  expect(await client.verifyToken("token-cached")).toMatchObject({ source: "process" });
});

test("what the queue took is missing from the tries, and their timeouts do not count", async () => {
  const { clock, client, grpc, rest, ask } = create({ limit });
  grpc.behaviour = "hold";
  rest.behaviour = "hold";
  ask();
  const waited = ask();
  await clock.advance(900); // of 3000
  grpc.held[0]?.answer();
  await clock.advance(0);
  expect(grpc.calls[1]?.timeoutMs).toBe(700); // a third of 2100
  await clock.advance(2100);
  expect(rest.calls[0]?.timeoutMs).toBe(1400);
  expect(waited.error).toMatchObject({ code: "auth_unavailable" });
  expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
});

test("a call that waits between two tries keeps its place", async () => {
  const { clock, client, grpc, rest, ask } = create({ limit, random: () => 0.5 });
  grpc.script.push(unreachable("grpc"));
  rest.script.push(unreachable("rest"));
  ask();
  ask();
  await clock.advance(10);
  expect(client.status().upstream).toMatchObject({ active: 1, queued: 1 });
  expect(grpc.calls).toHaveLength(1);
});
