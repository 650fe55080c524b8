import { EventEmitter } from "node:events";
import { describe, expect, test } from "@jest/globals";
import { Keyv } from "keyv";
import type { AuthClientEvents, SharedStore } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, hang, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";
const GONE = "warn portero: the shared cache cannot be reached: going on without it";
const BACK = "info portero: the shared cache is back";

async function onStore(makeStore: (clock: ManualClock) => SharedStore) {
  const tokens = Array.from({ length: 20 }, (_, n) => `token-${n}`);
  const service = await startService({ users: Object.fromEntries(tokens.map((token) => [token, { id: token }])) });
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const client = openClient(service, { clock, logger, cache: { store: makeStore(clock), secret: SECRET } });
  const events: AuthClientEvents["cache"][] = [];
  client.on("cache", (event) => events.push(event));
  return { service, clock, client, logger, events };
}

async function onMemory() {
  let store: MemoryStore | undefined;
  const rest = await onStore((clock) => {
    store = new MemoryStore(clock);
    return store;
  });
  return { ...rest, store: store as unknown as MemoryStore };
}

/** Keyv over a map that is out of order: it swallows what that throws. */
function keyvOverBrokenMap(): Keyv {
  return new Keyv({ store: { get: fail, set: fail, delete: fail, clear: fail } as never });
}

/** Keyv over an adapter of its own kind, which reports errors as events and resolves. */
function keyvOverBrokenAdapter(): Keyv {
  const adapter = new EventEmitter();
  const report = async () => {
    adapter.emit("error", new Error("the store is out of order"));
  };
  return new Keyv({
    store: Object.assign(adapter, { get: report, set: report, delete: report, clear: report }) as never,
  });
}

describe("A request does not fail with its store, when that", () => {
  test.each<[string, (clock: ManualClock) => SharedStore]>([
    ["rejects", (clock) => Object.assign(new MemoryStore(clock), { before: async () => fail() })],
    ["throws", () => ({ get: fail, set: fail, delete: fail })],
    ["is a Keyv over something that throws", keyvOverBrokenMap],
    ["is a Keyv whose adapter reports errors as events", keyvOverBrokenAdapter],
    ["returns no promise", () => ({ get: () => undefined, set: () => true, delete: () => true }) as never],
    [
      "takes no entry, and says so with false",
      () => ({
        get: async () => undefined,
        set: async () => false,
        delete: async () => false,
      }),
    ],
  ])("%s", async (_how, makeStore) => {
    const { service, client } = await onStore(makeStore);
    expect((await client.verifyToken("token-0")).source).toBe("grpc");
    expect((await client.verifyToken("token-0")).source).toBe("process");
    await expect(client.verifyToken("garbage")).rejects.toMatchObject({ code: "invalid_token" });
    await settle();
    expect(service.calls.total).toBe(2);
  });
});

describe("A store that hangs", () => {
  test("holds a request up for 50 ms, and not longer", async () => {
    const { service, clock, client, store } = await onMemory();
    store.before = hang;
    const answer = client.verifyToken("token-0");
    await clock.advance(49);
    expect(service.calls.total).toBe(0);
    await clock.advance(1);
    expect((await answer).source).toBe("grpc");
  });

  test("holds nobody up on writing", async () => {
    const { client, store } = await onMemory();
    store.before = (operation) => operation === "set" && hang();
    expect((await client.verifyToken("token-0")).source).toBe("grpc");
    expect((await client.verifyToken("token-0")).source).toBe("process");
  });

  test("may answer too late: nobody listens, nothing breaks", async () => {
    const { service, clock, client, store } = await onMemory();
    const late: (() => void)[] = [];
    store.before = () => new Promise((_resolve, reject) => late.push(() => reject(new Error("too late"))));
    const answer = client.verifyToken("token-0");
    await clock.advance(50);
    await answer;
    for (const reject of late) reject();
    await settle();
    expect((await client.verifyToken("token-0")).source).toBe("process");
    expect(service.calls.total).toBe(1);
  });

  test("is skipped after that, so that further requests wait for nothing", async () => {
    const { clock, client, store } = await onMemory();
    store.before = hang;
    for (const token of ["token-0", "token-1", "token-2"]) {
      const answer = client.verifyToken(token);
      await clock.advance(50);
      await answer;
    }
    const asked = store.log.length;
    expect((await client.verifyToken("token-3")).source).toBe("grpc");
    expect(store.log.length).toBe(asked);
  });
});

describe("A dead store", () => {
  async function dead() {
    const all = await onMemory();
    all.store.before = fail;
    for (let n = 0; n < 5; n++) await all.client.verifyToken(`token-${n}`);
    await settle();
    return all;
  }

  test("is skipped after three failures in a row, and said to be gone once", async () => {
    const { client, store, logger, events } = await dead();
    const asked = store.log.length;
    expect(asked).toBeLessThanOrEqual(5); // two at a time, the entry and whether anybody was invalidated; and a write
    for (let n = 5; n < 15; n++) await client.verifyToken(`token-${n}`);
    await settle();
    expect(store.log.length).toBe(asked);
    expect(logger.lines).toEqual([GONE]);
    expect(events).toEqual([{ tier: "shared", available: false }]);
    expect(client.status().cache.shared).toBe("unavailable");
  });

  test("is tried once a second, one operation at a time, without a word", async () => {
    const { clock, client, store, logger } = await dead();
    const asked = store.log.length;
    await clock.advance(999);
    await client.verifyToken("token-5");
    expect(store.log.length).toBe(asked);
    await clock.advance(1);
    await client.verifyToken("token-6");
    await settle();
    expect(store.log.length).toBe(asked + 1);
    expect(logger.lines).toEqual([GONE]);
  });

  test("that is back is used again, and said to be back once", async () => {
    const { clock, client, store, logger, events } = await dead();
    store.before = () => undefined;
    await clock.advance(1000);
    for (let n = 5; n < 10; n++) await client.verifyToken(`token-${n}`);
    await settle();
    expect(store.keys("token").length).toBeGreaterThanOrEqual(4);
    expect(logger.lines).toEqual([GONE, BACK]);
    expect(events.map(({ available }) => available)).toEqual([false, true]);
    expect(client.status().cache.shared).toBe("available");
  });

  test("that comes and goes without failing three times in a row is not worth a line", async () => {
    const { client, store, logger } = await onMemory();
    let operations = 0;
    store.before = () => ++operations % 3 === 0 && fail();
    for (let n = 0; n < 15; n++) await client.verifyToken(`token-${n}`);
    await settle();
    expect(logger.lines).toEqual([]);
  });
});

test("A store that tells nothing of connecting is not waited for.", async () => {
  const { client } = await onMemory();
  await client.ready();
  expect(client.status().cache.shared).toBe("available");
});

test("A store that reports errors as events, as Keyv does, is found out as dead, too.", async () => {
  const { client, logger } = await onStore(keyvOverBrokenAdapter);
  for (let n = 0; n < 5; n++) await client.verifyToken(`token-${n}`);
  await settle();
  expect(logger.lines).toEqual([GONE]);
  expect(client.status().cache.shared).toBe("unavailable");
});

test.each<[string, () => SharedStore]>([
  ["answers false", () => ({ get: async () => undefined, set: async () => false, delete: async () => true })],
  ["is a Keyv over something that throws", keyvOverBrokenMap],
  ["is a Keyv whose adapter reports errors as events", keyvOverBrokenAdapter],
])("An invalidation is not kept quiet when the store %s.", async (_how, makeStore) => {
  const { client } = await onStore(makeStore);
  const ana = { userId: "token-0", organizationId: "org-1" };
  await expect(client.invalidateUser(ana)).rejects.toMatchObject({ code: "auth_unavailable" });
});

describe("An invalidation that nobody could tell the store says why:", () => {
  const ana = { userId: "token-0", organizationId: "org-1" };

  test.each<[string, SharedStore, string]>([
    [
      "the store's own reason",
      { get: async () => undefined, set: async () => fail(), delete: async () => true },
      "the store is out of order",
    ],
    [
      "the entry was not taken",
      { get: async () => undefined, set: async () => false, delete: async () => true },
      "the store did not take the entry",
    ],
    ["an error was reported", keyvOverBrokenAdapter(), "the shared cache reported an error"],
  ])("%s", async (_why, store, message) => {
    const { client } = await onStore(() => store);
    await expect(client.invalidateUser(ana)).rejects.toMatchObject({ cause: { message } });
  });

  test("it is slow", async () => {
    const { clock, client, store } = await onMemory();
    store.before = hang;
    const invalidation = expect(client.invalidateUser(ana)).rejects.toMatchObject({
      cause: { message: "the shared cache is slow" },
    });
    await clock.advance(50);
    await invalidation;
  });

  test("it is being skipped", async () => {
    const { client, store } = await onMemory();
    store.before = fail;
    for (let n = 0; n < 3; n++) await client.verifyToken(`token-${n}`);
    await expect(client.invalidateUser(ana)).rejects.toMatchObject({
      cause: { message: "the shared cache is being skipped" },
    });
  });
});

describe("A store that is full still reads and deletes:", () => {
  test("after three entries that it did not take none is offered for a second, and nobody calls it gone", async () => {
    const { clock, client, store, logger } = await onMemory();
    store.before = (operation) => operation === "set" && fail();
    for (let n = 0; n < 6; n++) {
      await client.verifyToken(`token-${n}`);
      await settle();
    }
    expect(store.count("set")).toBe(3);
    expect(store.count("get")).toBe(12); // the entry, and whether anybody was invalidated
    await client.invalidateToken("token-0");
    expect(store.count("delete")).toBe(1);
    expect([logger.lines, client.status().cache.shared]).toEqual([[], "available"]);
    store.before = () => undefined;
    await clock.advance(1000);
    await client.verifyToken("token-6");
    await settle();
    expect(store.keys("token")).toHaveLength(1);
  });
});

describe("A store that is still connecting", () => {
  async function connecting() {
    let connected: () => void = () => undefined;
    let gaveUp: (reason: Error) => void = () => undefined;
    const ready = new Promise<void>((resolve, reject) => {
      connected = resolve;
      gaveUp = reject;
    });
    ready.catch(() => undefined);
    let store: MemoryStore | undefined;
    const all = await onStore((clock) => {
      store = Object.assign(new MemoryStore(clock), { ready });
      return store;
    });
    return { ...all, store: store as unknown as MemoryStore, connected, gaveUp };
  }

  test("is not available yet, and what fails meanwhile is no sign of a dead one", async () => {
    const { client, store, logger, connected } = await connecting();
    expect(client.status().cache.shared).toBe("unavailable");
    store.before = fail;
    for (let n = 0; n < 10; n++) expect((await client.verifyToken(`token-${n}`)).source).toBe("grpc");
    await settle();
    connected();
    await settle();
    expect(client.status().cache.shared).toBe("available");
    expect(logger.lines).toEqual([]);
    store.before = () => undefined;
    await client.verifyToken("token-10");
    await settle();
    expect(store.keys("token")).toHaveLength(1);
  });

  test.each([
    ["connected", "available"],
    ["gaveUp", "unavailable"],
  ] as const)("is waited for by ready(), however that ends: %s, and is %s then", async (end, shared) => {
    const { client, ...all } = await connecting();
    let isReady = false;
    const ready = client.ready().then(() => {
      isReady = true;
    });
    await settle();
    expect(isReady).toBe(false);
    all[end](new Error("nobody listens"));
    await ready;
    expect(client.status().cache.shared).toBe(shared);
  });

  test("and has given up is said to be gone before anybody asks, left alone, and used again when it is there", async () => {
    const { client, clock, store, logger, gaveUp } = await connecting();
    gaveUp(Object.assign(new Error("nobody listens to s3cret"), { code: "ECONNREFUSED" }));
    await settle();
    const hint = "nothing listens there: are host and port right? Redis' own is 6379";
    const gone = `${GONE.replace("reached", "reached (ECONNREFUSED)")}; ${hint}`;
    expect(logger.lines).toEqual([gone]);
    await client.verifyToken("token-0");
    await settle();
    expect(store.log).toEqual([]);
    await clock.advance(1000);
    await client.verifyToken("token-1");
    await settle();
    expect(logger.lines).toEqual([gone, BACK]);
    expect(client.status().cache.shared).toBe("available");
  });
});

describe("A store that reads several at once", () => {
  /** What was asked for at once, kind by kind, and what is said to it. */
  async function atOnce(answer?: (texts: readonly unknown[]) => unknown) {
    const service = await startService({ users: { "token-0": { id: "ana" } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const asked: string[][] = [];
    const getAll = async (keys: readonly string[]) => {
      asked.push(keys.map((key) => key.split(":")[2] ?? ""));
      const texts = keys.map((key) => store.texts.get(key));
      return (answer ? answer(texts) : texts) as unknown[];
    };
    const logger = new RecordingLogger();
    const open = (secret: string | string[] = SECRET) =>
      openClient(service, { clock, logger, cache: { store: Object.assign(store, { getAll }), secret } });
    await open().verifyToken("token-0");
    await settle();
    asked.length = 0;
    store.log.length = 0;
    return { service, clock, store, asked, logger, open };
  }

  test("is asked once for the entry and whether anybody was invalidated", async () => {
    const { store, asked, open } = await atOnce();
    expect((await open().verifyToken("token-0")).source).toBe("shared");
    expect([asked, store.log]).toEqual([[["token", "any-user-invalidated"]], []]);
  });

  test("is asked once while a secret is rotated, too, and each entry is told from the others", async () => {
    const { clock, asked, open } = await atOnce();
    const secrets = ["a newer secret of the whole fleet, just as long", SECRET];
    expect((await open(secrets).verifyToken("token-0")).source).toBe("shared");
    expect(asked).toEqual([["token", "token", "any-user-invalidated", "any-user-invalidated"]]);
    await clock.advance(1);
    await open().invalidateUser({ userId: "ana", organizationId: "org-1" });
    expect((await open(secrets).verifyToken("token-0")).source).toBe("grpc");
  });

  test("is asked for one thing as any other store", async () => {
    const { clock, store, asked, open } = await atOnce();
    await clock.advance(1);
    await open().invalidateUser({ userId: "ana", organizationId: "org-1" });
    store.log.length = 0;
    await open().verifyToken("token-0");
    expect(asked).toHaveLength(1);
    expect(store.log.filter((line) => line.startsWith("get ")).map((line) => line.split(":")[2])).toEqual([
      "user-invalidated",
    ]);
  });

  test.each<[string, (texts: readonly unknown[]) => unknown]>([
    ["too little", ([text]) => [text].slice(1)],
    ["nothing", () => undefined],
    ["everything in another order", (texts) => [...texts].reverse()],
  ])("and answers %s has no entry", async (_what, answer) => {
    let spoilt = false;
    const { open } = await atOnce((texts) => (spoilt ? answer(texts) : texts));
    spoilt = true;
    expect((await open().verifyToken("token-0")).source).toBe("grpc");
  });

  test("and cannot is skipped after three failures in a row, as any other", async () => {
    let failing = false;
    const { service, logger, asked, open } = await atOnce((texts) => (failing ? fail() : texts));
    failing = true;
    const client = open();
    for (let n = 0; n < 5; n++) {
      service.allow(`token-${n}`, { id: "ana" });
      expect((await client.verifyToken(`token-${n}`)).source).toBe("grpc");
      await settle();
    }
    expect(asked).toHaveLength(3);
    expect(logger.lines).toEqual([GONE]);
  });
});
