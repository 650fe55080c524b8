import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import type { AuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";

const refused = { code: "invalid_token" };
/** More than are remembered. */
const FLOOD = 10_500;
/** For as many, on a busy machine. */
const PATIENCE_MS = 60_000;

describe("A refusal is remembered for 10 s:", () => {
  test.each([
    ["of a bad token", "garbage", "invalid_token"],
    ["of an inactive user", "token-ben", "inactive_user"],
  ])("that %s", async (_what, token, code) => {
    const service = await startService({ users: { "token-ben": { id: "ben", isActive: false } } });
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    await expect(client.verifyToken(token)).rejects.toMatchObject({ code });
    await clock.advance(9999);
    await expect(client.verifyToken(token)).rejects.toMatchObject({ code });
    expect(service.calls.VerifyToken).toBe(1);
    await clock.advance(1);
    await expect(client.verifyToken(token)).rejects.toMatchObject({ code });
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("up to 10 % shorter", async () => {
    const service = await startService();
    const clock = new ManualClock();
    const client = openClient(service, { clock, random: () => 0.5 });
    await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
    await clock.advance(9499);
    await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
    expect(service.calls.VerifyToken).toBe(1);
    await clock.advance(1);
    await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("for as long as refusalTtlMs says, and with 0 not at all", async () => {
    const service = await startService();
    const client = openClient(service, { cache: { refusalTtlMs: 0 } });
    await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
    await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("and then a token that became good is let in", async () => {
    const service = await startService();
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    service.allow("token-ana", { id: "ana" });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    await clock.advance(10_000);
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
  });
});

test("A refusal of a look-up is asked again every time.", async () => {
  const service = await startService();
  const client = openClient(service);
  const nobody = { userId: "nobody", organizationId: "org-1" };
  for (let time = 0; time < 2; time++) {
    await expect(client.getUserLocals(nobody)).rejects.toMatchObject({ code: "lookup_refused" });
    await expect(client.getUserPermissions(nobody)).rejects.toMatchObject({ code: "lookup_refused" });
    await expect(client.getOrganization("none")).rejects.toMatchObject({ code: "lookup_refused" });
  }
  expect(service.calls).toMatchObject({ GetUserLocals: 2, GetUserPermissions: 2, GetOrganization: 2 });
});

test("A refusal is never written to the shared cache.", async () => {
  const service = await startService({ users: { "token-ben": { id: "ben", isActive: false } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
  await expect(client.verifyToken("token-ben")).rejects.toMatchObject({ code: "inactive_user" });
  await expect(client.getOrganization("none")).rejects.toMatchObject({ code: "lookup_refused" });
  await settle();
  expect(store.count("set")).toBe(0);
});

test("A refusal takes the good entry out of the shared cache.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const [first, second] = [
    openClient(service, { clock, cache: { store } }),
    openClient(service, { clock, cache: { store } }),
  ];
  await first.verifyToken("token-ana");
  service.refuse("token-ana");
  await expect(first.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
  await settle();
  await expect(second.verifyToken("token-ana")).rejects.toMatchObject(refused);
  expect(store.keys("token")).toEqual([]);
});

test("A refusal deletes also what nobody could look for in the shared cache.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  await openClient(service, { clock, cache: { store } }).verifyToken("token-ana");
  await settle();
  service.refuse("token-ana");
  store.before = (operation) => operation === "get" && fail();
  const client = openClient(service, { clock, cache: { store } });
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  await settle();
  expect(store.keys("token")).toEqual([]);
});

test("A refusal deletes what was found in the shared cache, expired though it is: it could stand in for an outage.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store, staleIfErrorMs: 60_000 } });
  await open().verifyToken("token-ana");
  await clock.advance(300_000);
  expect(store.keys("token")).toHaveLength(1);
  service.refuse("token-ana");
  await expect(open().verifyToken("token-ana")).rejects.toMatchObject(refused);
  await settle();
  expect(store.keys("token")).toEqual([]);
});

test("A refusal deletes also what is still on its way to the shared cache.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store, processTtlMs: 1 } });
  const letGo = store.hold("set");
  await client.verifyToken("token-ana");
  await clock.advance(1);
  service.refuse("token-ana");
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  letGo();
  await settle();
  expect(store.keys("token")).toEqual([]);
});

test("A refusal of what the shared cache does not hold deletes nothing there.", async () => {
  const service = await startService();
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  await expect(client.verifyToken("garbage")).rejects.toMatchObject(refused);
  await settle();
  expect(store.count("delete")).toBe(0);
});

test.each([10_000, 0])(
  "A refusal overrules the good entry that the shared cache would not delete (refusalTtlMs %d).",
  async (refusalTtlMs) => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, cache: { store, refusalTtlMs } });
    await client.verifyToken("token-ana");
    service.refuse("token-ana");
    store.before = (operation) => operation === "delete" && fail();
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
    await settle();
    expect(store.keys("token")).toHaveLength(1);
    await clock.advance(refusalTtlMs);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  },
);

test("What a refusal overruled stays overruled when the token is good again.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["old"] } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store, processTtlMs: 0 } });
  const old = await client.verifyToken("token-ana");
  await settle();
  const [[key, text] = []] = store.texts;
  service.refuse("token-ana");
  await clock.advance(1);
  await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
  service.allow("token-ana", { id: "ana", permissions: ["new"] });
  await clock.advance(1);
  await client.verifyToken("token-ana", { fresh: true });
  await settle();
  store.texts.set(String(key), text); // somebody plays the old entry back
  const now = await client.verifyToken("token-ana");
  expect([old.user.permissions, now.user.permissions]).toEqual([["old"], ["new"]]);
});

test("A flood of garbage evicts no good entry.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const client = openClient(service, { cache: { maxEntries: 1 } });
  await client.verifyToken("token-ana");
  const flood = Array.from({ length: 200 }, (_, n) => client.verifyToken(`garbage-${n}`));
  const outcomes = await Promise.allSettled(flood);
  expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  expect(client.status().cache.entries).toBe(1);
});

test(
  "A flood of garbage does not fill the memory: what is refused is forgotten at last, oldest first.",
  async () => {
    const { transport, calls } = refusingService();
    const client = openBareClient({ grpc: { transport } });
    await floodWithGarbage(client);
    expect(calls()).toBe(FLOOD);
    await client.verifyToken(`garbage-${FLOOD - 1}`).catch(() => undefined);
    expect(calls()).toBe(FLOOD);
    await client.verifyToken("garbage-0").catch(() => undefined);
    expect(calls()).toBe(FLOOD + 1);
  },
  PATIENCE_MS,
);

test.each(["fails", "is skipped"])(
  "What a refusal overruled stays overruled after a flood of garbage, also when its deletion %s.",
  async (how) => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const shared = { store, namespace: "shop" };
    await openClient(service, { clock, cache: shared }).verifyToken("token-ana");
    await settle();
    const { transport } = refusingService();
    const client = openBareClient({ grpc: { transport }, clock, cache: shared });
    store.before = (operation) => (operation === "delete" || how === "is skipped") && fail();
    for (let time = 0; time < 3; time++) {
      await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
      await settle();
    }
    store.before = () => undefined;
    await clock.advance(1000); // a store that was skipped is asked again
    await floodWithGarbage(client);
    expect(store.keys("token")).toHaveLength(1);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  },
  PATIENCE_MS,
);

test("That nobody could tell is never remembered.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  service.grpc.fail();
  service.rest.fail();
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
  service.grpc.allow();
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  expect(service.grpc.calls.VerifyToken).toBe(2);
  expect(client.status().cache.refusals).toBe(0);
});

async function floodWithGarbage(client: AuthClient): Promise<void> {
  for (let n = 0; n < FLOOD; n++) await client.verifyToken(`garbage-${n}`).catch(() => undefined);
}

/** An auth service in memory that knows nobody. */
function refusingService(): { transport: Transport; calls: () => number } {
  let calls = 0;
  const transport: Transport = {
    unary: () => {
      calls++;
      return Promise.reject(new ConnectError("no", Code.Unauthenticated));
    },
    stream: () => Promise.reject(new ConnectError("no", Code.Unimplemented)),
  };
  return { transport, calls: () => calls };
}
