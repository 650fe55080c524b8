import { describe, expect, test } from "@jest/globals";
import type { AuthClient, Clock } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, hang, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const benRef = { userId: "ben", organizationId: "org-1" };
const byToken = (client: AuthClient) => client.invalidateToken("token-ana");
const byUser = (client: AuthClient) => client.invalidateUser(anaRef);
const untold = {
  name: "AuthError",
  code: "auth_unavailable",
  message: "The shared cache could not be told; this process has forgotten all the same.",
};

async function onOneStore() {
  const service = await startService({ users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const gate = new AnswerGate();
  const open = () =>
    openClient(service, { clock, cache: { store, namespace: "shop" }, grpc: { interceptors: [gate.interceptor] } });
  return { service, clock, store, gate, open, client: open() };
}

/** The same time, told by a clock that goes before or after. */
function skewed(clock: ManualClock, ms: number): Clock {
  return {
    now: () => clock.now() + ms,
    monotonic: () => clock.monotonic(),
    setTimeout: (callback, after) => clock.setTimeout(callback, after),
  };
}

describe("On a shared cache", () => {
  test("the invalidation of a token deletes it there", async () => {
    const { store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await client.verifyToken("token-ben");
    await settle();
    expect(store.keys("token")).toHaveLength(2);
    await client.invalidateToken("token-ana");
    expect(store.keys("token")).toHaveLength(1);
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
    expect((await open().verifyToken("token-ben")).source).toBe("shared");
  });

  test("an invalidated token lives on in other processes for processTtlMs at most", async () => {
    const { clock, open, client } = await onOneStore();
    const other = open();
    await client.verifyToken("token-ana");
    await other.verifyToken("token-ana");
    await client.invalidateToken("token-ana");
    await clock.advance(29_999);
    expect((await other.verifyToken("token-ana")).source).toBe("process");
    await clock.advance(1);
    expect((await other.verifyToken("token-ana")).source).toBe("grpc");
  });

  test("the invalidation of a user makes entries that were asked for before it misses, for every process", async () => {
    const { service, clock, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await client.getUserLocals(anaRef);
    await client.getUserPermissions(anaRef);
    await client.verifyToken("token-ben");
    await clock.advance(1);
    await client.invalidateUser(anaRef);
    await clock.advance(1);
    service.resetCalls();
    const other = open();
    expect((await other.verifyToken("token-ana")).source).toBe("grpc");
    await other.getUserLocals(anaRef);
    await other.getUserPermissions(anaRef);
    expect(service.calls).toMatchObject({ GetUserLocals: 1, GetUserPermissions: 1, VerifyToken: 1 });
    expect((await other.verifyToken("token-ben")).source).toBe("shared");
  });

  test("what is asked after the invalidation is shared again, once no difference of clocks can make it seem older", async () => {
    const { clock, open, client } = await onOneStore();
    await client.invalidateUser(anaRef);
    for (const [ms, sources] of [
      [60_000, ["grpc", "grpc"]],
      [1, ["grpc", "shared"]],
    ] as const) {
      await clock.advance(ms);
      const others = [open(), open()];
      for (const [at, other] of others.entries())
        expect((await other.verifyToken("token-ana")).source).toBe(sources[at]);
    }
  });

  describe.each([
    [50, 0, 0],
    [-50, 0, 0],
    [0, 50, 0],
    [0, -60, 0],
    [50, 50, 0],
    [0, 0, 50],
    [30, -30, 0],
    [60, 0, 60],
  ])("with clocks that differ – %d s for who asked, %d s for who invalidates, %d s for who looks –", (...seconds) => {
    async function startAna() {
      const service = await startService({ users: { "token-ana": { id: "ana" } } });
      return async () => {
        const clock = new ManualClock();
        const store = new MemoryStore(clock);
        const [asker, invalidator, looker] = seconds.map((each) =>
          openClient(service, { clock: skewed(clock, each * 1000), cache: { store, namespace: "shop" } }),
        ) as [AuthClient, AuthClient, AuthClient];
        await asker.verifyToken("token-ana");
        await clock.advance(1000);
        return { service, clock, store, invalidator, looker };
      };
    }

    test("nobody is let in by what was asked before, however long ago", async () => {
      const onThreeClocks = await startAna();
      for (const ms of [0, 30_000, 100_000, 230_000]) {
        const { clock, invalidator, looker } = await onThreeClocks();
        await invalidator.invalidateUser(anaRef);
        await clock.advance(ms);
        expect((await looker.verifyToken("token-ana")).source).toBe("grpc");
      }
    });

    test("who invalidates forgets at once what it took from there", async () => {
      const onThreeClocks = await startAna();
      for (const invalidate of [byToken, byUser]) {
        const { invalidator } = await onThreeClocks();
        expect((await invalidator.verifyToken("token-ana")).source).toBe("shared");
        await invalidate(invalidator);
        expect(invalidator.peekToken("token-ana")).toBeUndefined();
      }
    });

    test("who could not delete what it invalidated, or heard refused, does not take it back", async () => {
      const { service, clock, store, invalidator, looker } = await (await startAna())();
      store.before = (operation) => operation === "delete" && fail();
      await expect(byToken(invalidator)).rejects.toMatchObject(untold);
      await clock.advance(1000);
      expect((await invalidator.verifyToken("token-ana")).source).toBe("grpc");
      service.refuse("token-ana");
      const refused = { code: "invalid_token" };
      await expect(looker.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject(refused);
      await clock.advance(10_001); // the refusal itself is forgotten
      await expect(looker.verifyToken("token-ana")).rejects.toMatchObject(refused);
    });
  });

  test("the invalidation of a user holds for as long as the oldest entry can live", async () => {
    const { service, clock, open, client } = await onOneStore();
    await client.getUserLocals(anaRef);
    await clock.advance(1);
    await client.invalidateUser(anaRef);
    await clock.advance(3_600_000 - 2);
    await open().getUserLocals(anaRef);
    expect(service.calls.GetUserLocals).toBe(2);
  });

  test("also where another process, whose own entries live less long, invalidates that user or another", async () => {
    const { service, clock, store, open, client } = await onOneStore();
    const ttls = { ttlMs: 60_000, localsTtlMs: 60_000, permissionsTtlMs: 60_000 };
    const other = openClient(service, { clock, cache: { store, namespace: "shop", ...ttls } });
    for (const ref of [anaRef, benRef]) await client.getUserLocals(ref);
    await clock.advance(1);
    await client.invalidateUser(anaRef);
    await other.invalidateUser(benRef);
    await clock.advance(60_001);
    for (const ref of [anaRef, benRef]) await open().getUserLocals(ref);
    expect(service.calls.GetUserLocals).toBe(4);
  });

  test.each([1_000, 3_600_000, 172_800_000])(
    "and is kept for a day and the skew of clocks (TTL %d ms)",
    async (ttlMs) => {
      const { clock, service, store } = await onOneStore();
      const ttls = { ttlMs, localsTtlMs: ttlMs, permissionsTtlMs: ttlMs, staleIfErrorMs: ttlMs };
      await openClient(service, { clock, cache: { store, namespace: "shop", ...ttls } }).invalidateUser(anaRef);
      const keys = [...store.keys("user-invalidated"), ...store.keys("any-user-invalidated")];
      expect(keys.map((key) => store.ttlMs(key))).toEqual([86_460_000, 86_460_000]);
    },
  );

  describe("where some processes have TTLs of days, and others have not,", () => {
    const DAY = 86_400_000;
    const [days, staleFor] = [{ ttlMs: 2 * DAY, localsTtlMs: 2 * DAY, permissionsTtlMs: 2 * DAY }, 2 * DAY];

    async function onStoreForDays() {
      const { service, clock, store, client } = await onOneStore();
      const open = (staleIfErrorMs = 0) =>
        openClient(service, { clock, cache: { store, namespace: "shop", ...days, staleIfErrorMs } });
      return { service, clock, store, brief: client, open };
    }

    test.each([
      ["long", 1],
      ["brief", 1],
      ["long", 25],
      ["brief", 25],
    ] as const)(
      "nobody takes what was asked before an invalidation by one with %s TTLs, %d hours later",
      async (by, hours) => {
        const { clock, brief, open } = await onStoreForDays();
        const long = open();
        await long.verifyToken("token-ana");
        await clock.advance(1);
        await (by === "long" ? long : brief).invalidateUser(anaRef);
        await brief.invalidateUser(benRef); // what it leaves must not take the place of what holds for longer
        await clock.advance(hours * 3_600_000);
        expect((await open().verifyToken("token-ana")).source).toBe("grpc");
      },
    );

    test("an answer about an organization is shared for a day at most", async () => {
      const service = await startService({ organizations: { "org-1": {} } });
      const clock = new ManualClock();
      const cache = { store: new MemoryStore(clock), organizationTtlMs: 2 * DAY };
      await openClient(service, { clock, cache }).getOrganization("org-1");
      await clock.advance(DAY - 1);
      await openClient(service, { clock, cache }).getOrganization("org-1");
      expect(service.calls.GetOrganization).toBe(1);
      await clock.advance(1);
      await openClient(service, { clock, cache }).getOrganization("org-1");
      expect(service.calls.GetOrganization).toBe(2);
    });

    test("an answer about a user is shared for a day at most", async () => {
      const { service, clock, store, open } = await onStoreForDays();
      await open(staleFor).verifyToken("token-ana");
      await settle();
      expect(store.keys("token").map((key) => store.ttlMs(key))).toEqual([DAY]);
      const [key = ""] = store.keys("token");
      await store.set(key, store.texts.get(key) as string, 2 * DAY); // a store that does not forget
      await clock.advance(DAY - 1);
      expect((await open().verifyToken("token-ana")).source).toBe("shared");
      await clock.advance(1);
      service.grpc.fail();
      service.rest.fail();
      await expect(open(staleFor).verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    });
  });

  test("one from the far future voids what was asked so far, but not for ever what this process asks from then on", async () => {
    const { clock, store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await client.invalidateUser(anaRef);
    const [key = ""] = store.keys("user-invalidated");
    const future = clock.now() + 10 * 31_536_000_000;
    await store.set(key, JSON.stringify({ askedAt: future, expiresAt: future, value: true }), 86_400_000);
    const other = open();
    expect((await other.verifyToken("token-ana")).source).toBe("grpc");
    expect(other.peekToken("token-ana")?.user.id).toBe("ana"); // asked after it was heard of
    await clock.advance(30_000);
    await other.verifyToken("token-ana"); // hears of it again: that is no news
    await other.getUserLocals(anaRef);
    expect(other.peekToken("token-ana")?.user.id).toBe("ana");
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
  });

  test("no organization's own invalidation is looked for before any at all was invalidated", async () => {
    const service = await startService({ organizations: { "org-1": {} } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    for (let client = 0; client < 2; client++) {
      await openClient(service, { clock, cache: { store, namespace: "shop" } }).getOrganization("org-1");
      await settle();
    }
    expect(service.calls.GetOrganization).toBe(1);
    expect(store.log.filter((line) => line.startsWith("get ")).map((line) => line.split(":")[2])).toEqual([
      "organization",
      "any-organization-invalidated",
      "organization",
      "any-organization-invalidated",
    ]);
  });

  test("nor a user's own", async () => {
    const { store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    store.log.length = 0;
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
    expect(store.log.map((line) => line.split(":")[2])).toEqual(["token", "any-user-invalidated"]);
  });

  test("an entry is a miss while nobody can say whether its user was invalidated", async () => {
    const { store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    store.before = (operation, key) => operation === "get" && key.includes("invalidated") && fail();
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
  });
});

describe.each([
  ["of a token", byToken],
  ["of a user", byUser],
])("The invalidation %s", (_whose, invalidate) => {
  test.each([
    ["fails", fail],
    ["hangs", hang],
  ])("rejects when the store %s, and this process has forgotten all the same", async (_how, before) => {
    const { clock, store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    await clock.advance(1);
    store.before = (operation) => operation !== "get" && before();
    const invalidation = expect(invalidate(client)).rejects.toMatchObject(untold);
    await clock.advance(50);
    await invalidation;
    expect(client.peekToken("token-ana")).toBeUndefined();
    store.before = () => undefined;
    expect((await open().verifyToken("token-ana")).source).toBe("shared"); // nobody could tell the others
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  });

  test("that could not be told is not undone here by others that could not be told either", async () => {
    const { clock, store, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    await clock.advance(1);
    store.before = (operation) => operation !== "get" && fail();
    await expect(invalidate(client)).rejects.toMatchObject(untold);
    for (let n = 0; n < 10_001; n++) {
      await client.invalidateToken(`token-${n}`).catch(() => undefined);
      await client.invalidateUser({ userId: `user-${n}`, organizationId: "org-1" }).catch(() => undefined);
    }
    store.before = () => undefined;
    await clock.advance(1000);
    expect(store.keys("token")).toHaveLength(1);
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  }, 60_000);

  test("wins over a flight that reads the shared cache meanwhile", async () => {
    const { clock, store, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    await clock.advance(1);
    const letGo: (() => void)[] = [];
    store.before = (operation) => operation !== "get" && new Promise<void>((resolve) => letGo.push(resolve));
    const invalidation = invalidate(client);
    await until(() => letGo.length > 0);
    await clock.advance(1);
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    store.before = () => undefined;
    for (const go of letGo) go();
    await invalidation;
  });

  test("during a flight keeps its answer out of the store", async () => {
    const { clock, gate, store, client } = await onOneStore();
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    await clock.advance(1);
    await invalidate(client);
    gate.release();
    await early;
    await settle();
    expect(store.keys("token")).toEqual([]);
  });

  test("during a read of the store makes what was read a miss", async () => {
    const { clock, store, open, client } = await onOneStore();
    await client.verifyToken("token-ana");
    await settle();
    const other = open();
    const letGo = store.hold("get", "token");
    const reading = other.verifyToken("token-ana");
    await until(() => store.log.at(-1)?.startsWith("get ") ?? false);
    await clock.advance(1);
    // The read has begun: what it brings was true before.
    await invalidate(other);
    await clock.advance(1);
    store.before = () => undefined;
    letGo();
    expect((await reading).source).toBe("grpc");
    expect((await other.verifyToken("token-ana")).source).toBe("process"); // asked after it, so it holds
  });
});

test("A write on its way does not arrive after the deletion.", async () => {
  const { store, client } = await onOneStore();
  const letGo = store.hold("set");
  await client.verifyToken("token-ana");
  await until(() => store.count("set") === 1);
  const invalidation = client.invalidateToken("token-ana");
  await settle();
  letGo();
  await invalidation;
  await settle();
  expect(store.keys("token")).toEqual([]);
});

test("Nor does either of two writes.", async () => {
  for (const [first, second] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const { store, client } = await onOneStore();
    const letGo: (() => void)[] = [];
    store.before = (operation) => operation === "set" && new Promise<void>((resolve) => letGo.push(resolve));
    await client.verifyToken("token-ana");
    await client.verifyToken("token-ana", { fresh: true });
    await until(() => letGo.length === 2);
    letGo[first]?.();
    await settle();
    const invalidation = client.invalidateToken("token-ana");
    await settle();
    letGo[second]?.();
    await invalidation;
    await settle();
    expect(store.keys("token")).toEqual([]);
  }
});

test("Many users who are invalidated at once are all told, though the store takes its time.", async () => {
  const { store, client, clock } = await onOneStore();
  store.before = (operation) => operation === "set" && new Promise<void>((resolve) => clock.setTimeout(resolve, 30));
  const all = Array.from({ length: 300 }, (_, n) =>
    client.invalidateUser({ userId: `user-${n}`, organizationId: "org-1" }),
  );
  await clock.advance(60);
  await Promise.all(all);
});

test("After close() a store is not asked any more.", async () => {
  const { store, client, clock } = await onOneStore();
  const letGo = store.hold("set");
  await client.verifyToken("token-ana");
  await until(() => store.count("set") === 1);
  const invalidation = expect(client.invalidateToken("token-ana")).rejects.toMatchObject(untold);
  const closing = client.close();
  await clock.advance(50);
  await Promise.all([invalidation, closing]);
  const asked = store.log.length;
  letGo();
  await settle();
  expect(store.log.length).toBe(asked);
});

describe("A write that takes longer than anybody waits", () => {
  async function withSlowWrite() {
    const { store, client, clock, service, open } = await onOneStore();
    const letGo = store.hold("set");
    await client.verifyToken("token-ana");
    await clock.advance(50);
    return { store, client, clock, service, open, arrive: letGo };
  }

  test("is deleted when it arrives after an invalidation, which says that it could not be told", async () => {
    const { store, client, clock, service, open, arrive } = await withSlowWrite();
    const invalidation = expect(client.invalidateToken("token-ana")).rejects.toMatchObject(untold);
    await clock.advance(50);
    await invalidation;
    service.refuse("token-ana");
    store.before = () => undefined;
    arrive();
    await settle();
    expect(store.keys("token")).toEqual([]);
    await expect(open().verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("is waited for where it may still arrive in time", async () => {
    const { store, client, clock, arrive } = await withSlowWrite();
    const invalidation = client.invalidateToken("token-ana");
    await clock.advance(49);
    arrive();
    await invalidation;
    expect(store.keys("token")).toEqual([]);
  });

  test("does not hold up close() for longer than that", async () => {
    const { client, clock } = await withSlowWrite();
    let isClosed = false;
    const closing = client.close().then(() => {
      isClosed = true;
    });
    await clock.advance(49);
    expect(isClosed).toBe(false);
    await clock.advance(1);
    await closing;
  });
});

test("A store of one's own keeps no listener of a client that is closed.", async () => {
  const { service, clock } = await onOneStore();
  const listeners = new Set<unknown>();
  const store = Object.assign(new MemoryStore(clock), {
    on: (_event: string, listener: unknown) => void listeners.add(listener),
    off: (_event: string, listener: unknown) => void listeners.delete(listener),
  });
  const client = openClient(service, { clock, cache: { store, namespace: "shop" } });
  expect(listeners.size).toBe(1);
  await client.close();
  expect(listeners.size).toBe(0);
});
