import { describe, expect, test } from "@jest/globals";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

/** Processes on one store. The first one has asked, and the answer waits: it has the permissions of that time. */
async function withAnswerUnderWay() {
  const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["old"] } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const gate = new AnswerGate();
  const client = openClient(service, {
    clock,
    cache: { store, namespace: "shop" },
    grpc: { interceptors: [gate.interceptor] },
  });
  const open = () => openClient(service, { clock, cache: { store, namespace: "shop" } });
  gate.close();
  const underWay = client.verifyToken("token-ana", { fresh: true });
  await until(() => gate.held === 1);
  await clock.advance(1000);
  service.allow("token-ana", { id: "ana", permissions: ["new"] });
  const permissions = async (of = client) => (await of.verifyToken("token-ana")).user.permissions;
  return { client, open, gate, underWay, permissions };
}

describe("An answer that was under way", () => {
  test("takes the place of none that was asked for later by another process, here and in the shared cache", async () => {
    const { client, open, gate, underWay, permissions } = await withAnswerUnderWay();
    const other = open();
    await permissions(other);
    await settle();
    expect((await client.verifyToken("token-ana")).source).toBe("shared");
    gate.release();
    expect((await underWay).user.permissions).toEqual(["old"]);
    await settle();
    expect([await permissions(), await permissions(open())]).toEqual([["new"], ["new"]]);
  });

  test("takes the place of one that was asked for before, though that was found meanwhile", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["old"] } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const gate = new AnswerGate();
    const cache = { store, namespace: "shop" };
    await openClient(service, { clock, cache }).verifyToken("token-ana");
    await settle();
    await clock.advance(1000);
    service.allow("token-ana", { id: "ana", permissions: ["new"] });
    const client = openClient(service, { clock, cache, grpc: { interceptors: [gate.interceptor] } });
    gate.close();
    const underWay = client.verifyToken("token-ana", { fresh: true });
    await until(() => gate.held === 1);
    expect((await client.verifyToken("token-ana")).user.permissions).toEqual(["old"]);
    gate.release();
    await underWay;
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["new"]);
  });

  test("is kept where the shared cache had nothing", async () => {
    const { client, gate, underWay, permissions } = await withAnswerUnderWay();
    gate.release();
    await underWay;
    expect([await permissions(), (await client.verifyToken("token-ana")).source]).toEqual([["old"], "process"]);
  });

  test("takes the place of one that was found before it was asked for, also where that is from a clock ahead", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["old"] } } });
    const clock = new ManualClock();
    const ahead = new ManualClock(clock.now() + 30_000);
    const store = new MemoryStore(clock);
    await openClient(service, { clock: ahead, cache: { store, namespace: "shop" } }).verifyToken("token-ana");
    await settle();
    const client = openClient(service, { clock, cache: { store, namespace: "shop" } });
    expect((await client.verifyToken("token-ana")).source).toBe("shared");
    service.allow("token-ana", { id: "ana", permissions: ["new"] });
    expect((await client.verifyToken("token-ana", { fresh: true })).user.permissions).toEqual(["new"]);
    expect((await client.verifyToken("token-ana")).user.permissions).toEqual(["new"]);
  });
});
