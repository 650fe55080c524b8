import { describe, expect, test } from "@jest/globals";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const HOUR = 3_600_000;
const refused = { code: "invalid_token" };

async function start(cache: CacheOptions = {}) {
  const service = await startService({
    users: { "token-ana": { id: "ana" } },
    organizations: { "org-1": { modules: ["inventory"] } },
  });
  const clock = new ManualClock();
  const gate = new AnswerGate();
  const open = (own: CacheOptions = {}) =>
    openClient(service, {
      clock,
      cache: { namespace: "shop", ...cache, ...own },
      grpc: { interceptors: [gate.interceptor] },
    });
  return { service, clock, gate, open, client: open() };
}

/** The wall clock of one process of several is set, and the store, which has a clock of its own, goes on. */
async function onOneStore() {
  const time = new ManualClock();
  const store = new MemoryStore(time);
  const started = await start({ store });
  const openAt = () => {
    const clock = new SetClock(time);
    return { clock, client: openClient(started.service, { clock, cache: { namespace: "shop", store } }) };
  };
  return { ...started, time, store, openAt };
}

/** The same time, by a wall clock that can be set. */
class SetClock {
  readonly #time: ManualClock;
  #aheadMs = 0;
  constructor(time: ManualClock) {
    this.#time = time;
  }
  setWall(ms: number): void {
    this.#aheadMs += ms;
  }
  now = () => this.#time.now() + this.#aheadMs;
  monotonic = () => this.#time.monotonic();
  setTimeout = (callback: () => void, ms: number) => this.#time.setTimeout(callback, ms);
}

const invalidations: readonly (readonly [string, (client: AuthClient) => Promise<void>])[] = [
  ["the user", (client) => client.invalidateUser(anaRef)],
  ["the token", (client) => client.invalidateToken("token-ana")],
];

describe.each([-2000, -61_000, -HOUR, 1])("Where the wall clock is set by %d ms", (ms) => {
  test.each(invalidations)(
    "between a verification and the invalidation of %s, it is asked anew",
    async (_what, invalidate) => {
      const { service, clock, client } = await start();
      await client.verifyToken("token-ana");
      clock.setWall(ms);
      await invalidate(client);
      expect(client.peekToken("token-ana")).toBeUndefined();
      service.refuse("token-ana");
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    },
  );

  test.each(invalidations)(
    "while it is being asked about, the invalidation of %s holds against the answer",
    async (_what, invalidate) => {
      const { service, clock, gate, client } = await start();
      gate.close();
      const early = client.verifyToken("token-ana");
      await until(() => gate.held === 1);
      clock.setWall(ms);
      await invalidate(client);
      service.refuse("token-ana");
      gate.open();
      const late = expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
      gate.release();
      await early;
      await late;
      expect(client.peekToken("token-ana")).toBeUndefined();
    },
  );

  test.each(invalidations)(
    "what this process shared before the invalidation of %s does not come back",
    async (_what, invalidate) => {
      const { service, store, openAt } = await onOneStore();
      const { clock, client } = openAt();
      await client.verifyToken("token-ana");
      await settle();
      clock.setWall(ms);
      store.before = (operation) => operation === "delete" && fail();
      await invalidate(client).catch(() => undefined);
      store.before = () => undefined;
      service.refuse("token-ana");
      clock.setWall(-ms); // its entry is not from the future any more
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    },
  );

  test("and a token is refused while the store cannot be told, its entry does not come back", async () => {
    const { service, time, store, openAt } = await onOneStore();
    const { clock, client } = openAt();
    await client.verifyToken("token-ana");
    await settle();
    clock.setWall(ms);
    store.before = (operation) => operation === "delete" && fail();
    service.refuse("token-ana");
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
    await settle();
    store.before = () => undefined;
    clock.setWall(-ms);
    await time.advance(10_001);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });
});

describe("An entry ends when its TTL is over by the monotonic clock, though the wall clock was set back:", () => {
  test("a token's, which is then asked about again", async () => {
    const { service, clock, client } = await start();
    await client.verifyToken("token-ana");
    service.refuse("token-ana");
    clock.setWall(-HOUR);
    await clock.advance(299_999);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    await clock.advance(1);
    expect(client.peekToken("token-ana")).toBeUndefined();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });

  test("also set back while it was being asked for", async () => {
    const { clock, gate, client } = await start();
    gate.close();
    const verifying = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    clock.setWall(-HOUR);
    gate.release();
    await verifying;
    await clock.advance(300_000);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("a look-up's, and an organization's", async () => {
    const { service, clock, client } = await start();
    const ask = async () => {
      await client.getUserLocals(anaRef);
      await client.getUserPermissions(anaRef);
      await client.getOrganization("org-1");
    };
    await ask();
    clock.setWall(-10 * HOUR);
    await clock.advance(HOUR);
    await ask();
    expect(service.calls).toMatchObject({ GetUserLocals: 2, GetUserPermissions: 2, GetOrganization: 2 });
  });

  test("one that was found in the shared cache", async () => {
    const { service, time, openAt } = await onOneStore();
    await openAt().client.verifyToken("token-ana");
    await settle();
    const { clock, client } = openAt();
    expect((await client.verifyToken("token-ana")).source).toBe("shared");
    clock.setWall(-HOUR);
    service.refuse("token-ana");
    await time.advance(30_000);
    expect(client.peekToken("token-ana")).toBeUndefined();
    await time.advance(270_000);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });

  test("one that stands in for an outage", async () => {
    const { service, clock, client } = await start({ staleIfErrorMs: 60_000 });
    await client.verifyToken("token-ana");
    service.grpc.fail();
    service.rest.fail();
    clock.setWall(-HOUR);
    await clock.advance(359_999);
    expect((await client.verifyToken("token-ana")).source).toBe("stale");
    await clock.advance(1);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("a refusal", async () => {
    const { service, clock, client } = await start();
    await expect(client.verifyToken("token-ben")).rejects.toMatchObject(refused);
    service.allow("token-ben", { id: "ben" });
    clock.setWall(-HOUR);
    await clock.advance(10_000);
    expect((await client.verifyToken("token-ben")).user.id).toBe("ben");
  });

  test("an old one is refreshed in time, once", async () => {
    const { service, clock, client } = await start();
    await client.verifyToken("token-ana");
    clock.setWall(-HOUR);
    await clock.advance(240_000);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    await until(() => service.calls.VerifyToken === 2);
    await clock.advance(239_999);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    expect(service.calls.VerifyToken).toBe(2);
  });
});

describe("An entry ends when its time is over by the wall clock, though that was set forward:", () => {
  test("its TTL: the machine may have slept", async () => {
    const { service, clock, client } = await start();
    await client.verifyToken("token-ana");
    service.refuse("token-ana");
    clock.setWall(299_999);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    clock.setWall(1);
    expect(client.peekToken("token-ana")).toBeUndefined();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });

  test("the `exp` of its token", async () => {
    const { clock, service, client } = await start();
    const token = unsignedJwt({ exp: clock.now() / 1000 + 60 });
    service.allow(token, { id: "ana" });
    await client.verifyToken(token);
    clock.setWall(60_000);
    expect(client.peekToken(token)).toBeUndefined();
  });

  test("what stands in for an outage", async () => {
    const { service, clock, client } = await start({ staleIfErrorMs: 60_000 });
    await client.verifyToken("token-ana");
    service.grpc.fail();
    service.rest.fail();
    clock.setWall(360_000);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("and one whose clock was set back since the token ended is not kept past that by either clock", async () => {
    const { clock, service, client } = await start();
    const token = unsignedJwt({ exp: clock.now() / 1000 + 60 });
    service.allow(token, { id: "ana" });
    await client.verifyToken(token);
    clock.setWall(-HOUR);
    await clock.advance(60_000);
    expect(client.peekToken(token)).toBeUndefined();
  });
});

test("Of two invalidations within one millisecond each holds.", async () => {
  const { service, client } = await start();
  await client.invalidateUser(anaRef);
  await client.verifyToken("token-ana");
  expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  await client.invalidateUser(anaRef);
  expect(client.peekToken("token-ana")).toBeUndefined();
  await client.verifyToken("token-ana");
  expect(service.calls.VerifyToken).toBe(2);
});

test("What was asked for last is not replaced by an older entry that the store still holds.", async () => {
  const { service, time, store, openAt } = await onOneStore();
  const { client: other } = openAt();
  const { client } = openAt();
  await other.verifyToken("token-ana");
  await settle();
  await time.advance(1000);
  service.allow("token-ana", { id: "ana", permissions: ["new"] });
  store.before = (operation) => operation === "set" && fail();
  await client.verifyToken("token-ana", { fresh: true });
  await settle();
  store.before = () => undefined;
  await time.advance(30_000); // its own entry has left the process, the older one lies in the store
  const { user, source } = await client.verifyToken("token-ana");
  expect([user.permissions, source]).toEqual([["new"], "grpc"]);
});

test("An invalidation that is heard of again is no news: what was asked since then is kept.", async () => {
  const { time, openAt } = await onOneStore();
  const { client: other } = openAt();
  const { client } = openAt();
  await other.getUserLocals(anaRef);
  await settle();
  await other.invalidateUser(anaRef);
  await client.getUserLocals(anaRef); // finds the other's entry, and hears of the invalidation
  await client.verifyToken("token-ana");
  await time.advance(20_000);
  const { client: third } = openAt();
  await third.getUserPermissions(anaRef);
  await settle();
  await client.getUserPermissions(anaRef); // finds an entry, and hears of it again
  expect(client.peekToken("token-ana")?.user.id).toBe("ana");
});

test("A second invalidation is heard of by others, also where the clock that tells of it was set back before the first.", async () => {
  const { time, openAt } = await onOneStore();
  const { clock, client } = openAt();
  const { client: other } = openAt();
  await client.verifyToken("token-ana");
  await client.getUserLocals(anaRef);
  await settle();
  clock.setWall(-50_000);
  await client.invalidateUser(anaRef);
  await other.verifyToken("token-ana"); // finds an entry, and hears of the first
  await time.advance(20_000);
  await client.invalidateUser(anaRef);
  expect(other.peekToken("token-ana")?.user.id).toBe("ana");
  await other.getUserLocals(anaRef); // finds an entry, and hears of the second
  expect(other.peekToken("token-ana")).toBeUndefined();
});

describe("Where the wall clock was set back, and is right again,", () => {
  test("a token that was refused meanwhile is not taken from the shared cache", async () => {
    const { service, time, store, openAt } = await onOneStore();
    await openAt().client.verifyToken("token-ana");
    await settle();
    const { clock, client } = openAt();
    clock.setWall(-HOUR);
    service.refuse("token-ana");
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    await settle();
    expect(store.keys("token")).toEqual([]);
    clock.setWall(HOUR);
    await time.advance(10_000); // the refusal is forgotten by now
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });

  test.each(invalidations)(
    "what was taken from the shared cache before the invalidation of %s does not come back",
    async (_what, invalidate) => {
      const { service, store, openAt } = await onOneStore();
      await openAt().client.verifyToken("token-ana");
      await settle();
      const { clock, client } = openAt();
      expect((await client.verifyToken("token-ana")).source).toBe("shared");
      clock.setWall(-HOUR);
      store.before = (operation) => operation === "delete" && fail();
      await invalidate(client).catch(() => undefined);
      store.before = () => undefined;
      service.refuse("token-ana");
      clock.setWall(HOUR);
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
    },
  );

  test("the invalidation of a user by another process, of which this one heard meanwhile, holds", async () => {
    const { service, time, openAt } = await onOneStore();
    const other = openAt().client;
    await other.verifyToken("token-ana");
    const { clock, client } = openAt();
    clock.setWall(-HOUR);
    await client.getUserLocals(anaRef);
    await settle();
    await time.advance(30_000); // over in the process: what it shared is read, and the invalidation with it
    await other.invalidateUser(anaRef);
    await client.getUserLocals(anaRef);
    clock.setWall(HOUR);
    service.refuse("token-ana");
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(refused);
  });
});

test("An invalidation by a clock that is a day ahead holds for what was asked before it was heard of, and no longer.", async () => {
  const { time, openAt } = await onOneStore();
  const { client } = openAt();
  const ahead = openAt();
  ahead.clock.setWall(24 * HOUR);
  await client.verifyToken("token-ana");
  await ahead.client.invalidateUser(anaRef);
  const sources: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    await time.advance(61_000); // over in the process, and more than clocks may differ by
    sources.push((await client.verifyToken("token-ana")).source);
  }
  expect(sources).toEqual(["grpc", "grpc", "shared", "shared"]); // the second was asked as it was heard of
});

test("What a process whose clock is ahead has shared ends when its TTL is over, though the wall clock was set back.", async () => {
  const { time, store, service, openAt } = await onOneStore();
  const ahead = openAt();
  ahead.clock.setWall(50_000);
  await ahead.client.verifyToken("token-ana");
  await settle();
  const clock = new SetClock(time);
  const client = openClient(service, { clock, cache: { namespace: "shop", store, processTtlMs: HOUR } });
  expect((await client.verifyToken("token-ana")).source).toBe("shared");
  clock.setWall(-HOUR);
  await time.advance(300_000);
  expect(client.peekToken("token-ana")).toBeUndefined();
});
