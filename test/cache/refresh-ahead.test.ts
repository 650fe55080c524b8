import { describe, expect, test } from "@jest/globals";
import type { CacheOptions } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

/** Four fifths of 300 s: the latest point, which is drawn with 0. */
const OLD_MS = 240_000;

async function withKeptToken(cache: CacheOptions = {}) {
  const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["read"] } } });
  const gate = new AnswerGate();
  const clock = new ManualClock();
  const client = openClient(service, {
    clock,
    cache: { namespace: "shop", ...cache },
    grpc: { interceptors: [gate.interceptor] },
  });
  await client.verifyToken("token-ana");
  const landed = () => until(() => client.status().inFlight === 0);
  const fail = () => {
    service.grpc.fail();
    service.rest.fail();
  };
  return { service, gate, clock, client, landed, fail };
}

describe("An entry that is past its point of refreshing", () => {
  test("is not refreshed a millisecond before", async () => {
    const { service, clock, client } = await withKeptToken();
    await clock.advance(OLD_MS - 1);
    await client.verifyToken("token-ana");
    expect([client.status().inFlight, service.calls.total]).toEqual([0, 1]);
  });

  test("is served at once and refreshed once, in the background", async () => {
    const { service, gate, clock, client, landed } = await withKeptToken();
    await clock.advance(OLD_MS);
    gate.close();
    for (let time = 0; time < 10; time++) {
      expect((await client.verifyToken("token-ana")).source).toBe("process");
    }
    await until(() => gate.held === 1);
    expect(client.status().inFlight).toBe(1);
    gate.release();
    await landed();
    expect([service.calls.total, client.status().cache.renewals]).toEqual([2, 1]);
    await clock.advance(OLD_MS - 1);
    expect((await client.verifyToken("token-ana")).source).toBe("process");
    expect(service.calls.total).toBe(2);
  });

  test("is not refreshed beside a flight that is under way already", async () => {
    const { service, gate, clock, client, landed } = await withKeptToken();
    await clock.advance(OLD_MS);
    gate.close();
    const fresh = client.verifyToken("token-ana", { fresh: true });
    await until(() => gate.held === 1);
    expect((await client.verifyToken("token-ana")).source).toBe("process");
    await settle();
    expect(service.calls.total).toBe(2);
    gate.release();
    await fresh;
    await landed();
    await clock.advance(OLD_MS - 1);
    expect((await client.verifyToken("token-ana")).source).toBe("process");
    expect(service.calls.total).toBe(2);
  });

  test("is refreshed after all when that flight could not tell, half-way to its end", async () => {
    const { service, gate, clock, client, landed, fail } = await withKeptToken();
    await clock.advance(OLD_MS);
    gate.close();
    fail();
    const fresh = client.verifyToken("token-ana", { fresh: true }).catch(() => "failed");
    await until(() => gate.held === 1);
    await client.verifyToken("token-ana");
    gate.release();
    gate.open();
    expect(await fresh).toBe("failed");
    await landed();
    service.grpc.allow();
    const before = service.calls.total;
    await clock.advance(29_999);
    client.peekToken("token-ana");
    expect(client.status().inFlight).toBe(0);
    await clock.advance(1);
    client.peekToken("token-ana");
    await landed();
    expect(service.calls.total).toBe(before + 1);
  });

  test("is refreshed by peekToken as well", async () => {
    const { service, clock, client, landed } = await withKeptToken();
    await clock.advance(OLD_MS);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    await landed();
    expect(service.calls.total).toBe(2);
  });

  test.each([
    [0, 300_000 * 0.8],
    [0.5, 285_000 * 0.7],
    [0.999, 270_030 * 0.6002],
  ])("counts a share of the TTL that it drew, which is drawn too (%d)", async (drawn, oldMs) => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const client = openClient(service, { clock, random: () => drawn });
    await client.verifyToken("token-ana");
    await clock.advance(oldMs - 1);
    client.peekToken("token-ana");
    expect(client.status().inFlight).toBe(0);
    await clock.advance(1);
    client.peekToken("token-ana");
    expect(client.status().inFlight).toBe(1);
  });

  test("brings what has changed to the next request", async () => {
    const { service, clock, client, landed } = await withKeptToken();
    service.allow("token-ana", { id: "ana", permissions: ["read", "write"] });
    await clock.advance(OLD_MS);
    expect((await client.verifyToken("token-ana")).user.permissions).toEqual(["read"]);
    await landed();
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["read", "write"]);
  });

  test("is evicted when the refresh is refused", async () => {
    const { service, clock, client, landed } = await withKeptToken();
    service.refuse("token-ana");
    await clock.advance(OLD_MS);
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
    await landed();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
    expect(service.calls.total).toBe(2);
  });

  test("is evicted when the refresh says that the user is not active any more", async () => {
    const { service, clock, client, landed } = await withKeptToken({ staleIfErrorMs: 60_000 });
    service.allow("token-ana", { id: "ana", isActive: false });
    await clock.advance(OLD_MS);
    await client.verifyToken("token-ana");
    await landed();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "inactive_user" });
  });
});

describe.each([
  ["", {}],
  [" with staleIfErrorMs", { staleIfErrorMs: 60_000 }],
])("A refresh that fails%s", (_how, cache) => {
  test("keeps the entry until its end", async () => {
    const { clock, client, landed, fail } = await withKeptToken(cache);
    fail();
    await clock.advance(OLD_MS);
    await client.verifyToken("token-ana");
    await landed();
    await clock.advance(59_999);
    expect((await client.verifyToken("token-ana")).source).toBe("process");
    await landed();
    await clock.advance(1);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("is not repeated on every request, but before the end", async () => {
    const { service, clock, client, landed, fail } = await withKeptToken(cache);
    fail();
    await clock.advance(OLD_MS);
    for (let time = 0; time < 5; time++) {
      await client.verifyToken("token-ana");
      await landed();
    }
    expect(service.grpc.calls.VerifyToken).toBe(2);
    service.grpc.allow();
    await clock.advance(59_000);
    await client.verifyToken("token-ana");
    await landed();
    expect(service.grpc.calls.VerifyToken).toBe(3);
    await clock.advance(1000);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  });

  test("counts as no answer from an expired entry", async () => {
    const { clock, client, landed, fail } = await withKeptToken(cache);
    fail();
    await clock.advance(OLD_MS);
    await client.verifyToken("token-ana");
    await landed();
    expect(client.status().cache.stale).toBe(0);
  });
});

describe("With a shared cache", () => {
  async function twoClients() {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const open = () => openClient(service, { clock, cache: { store } });
    return { service, clock, store, open, first: open(), second: open() };
  }

  test("an old entry that is found there is served at once and refreshed for all", async () => {
    const { service, clock, open, first, second } = await twoClients();
    await first.verifyToken("token-ana");
    await clock.advance(OLD_MS);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
    await until(() => second.status().inFlight === 0);
    expect(service.calls.total).toBe(2);
    await settle(); // it is written behind
    await clock.advance(OLD_MS - 1);
    const third = open();
    expect((await third.verifyToken("token-ana")).source).toBe("shared");
    expect([third.status().inFlight, service.calls.total]).toEqual([0, 2]);
  });

  test("an old entry is not refreshed a second time when another process did it", async () => {
    const { service, clock, first, second } = await twoClients();
    await first.verifyToken("token-ana");
    await clock.advance(OLD_MS - 10_000);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
    await clock.advance(10_000);
    await first.verifyToken("token-ana");
    await until(() => first.status().inFlight === 0);
    expect(service.calls.total).toBe(2);
    await settle();
    expect((await second.verifyToken("token-ana")).source).toBe("process");
    await until(() => second.status().inFlight === 0);
    expect(service.calls.total).toBe(2);
    await clock.advance(OLD_MS);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
  });

  test("a refusal on refreshing what was found there evicts it from the process cache and the shared one", async () => {
    const { service, clock, store, first, second } = await twoClients();
    await first.verifyToken("token-ana");
    service.refuse("token-ana");
    await clock.advance(OLD_MS);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
    await until(() => second.status().inFlight === 0);
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
    await settle();
    expect(store.keys("token")).toEqual([]);
  });
});
