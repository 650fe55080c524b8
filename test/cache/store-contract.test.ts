import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { Keyv } from "keyv";
import { connectRedis } from "../../src/cache/redis.js";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import type { CacheOptions, SharedStore } from "../../src/client.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { connectAdmin, type RedisAdmin } from "../support/redis-admin.js";
import { type RedisClusterServers, startRedisCluster } from "../support/redis-cluster.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const LONG_MS = 3_600_000;
/** The largest entry that is looked at, in characters. */
const LARGEST = 2 ** 23;
const ANA = { userId: "ana", organizationId: "org-1" };

/** A store, and a way to make time pass for it. */
interface Subject {
  readonly store: SharedStore;
  /** How a client is given it. */
  readonly cache: CacheOptions;
  /** What the client counts time by. */
  readonly clock: Clock;
  pass(ms: number): Promise<void>;
}

async function openMap(): Promise<Subject> {
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  return { store, cache: { store }, clock, pass: (ms) => clock.advance(ms) };
}

async function openKeyv(): Promise<Subject> {
  const store = new Keyv();
  const start = Date.now();
  let passed = 0;
  jest.spyOn(Date, "now").mockImplementation(() => start + passed);
  const pass = async (ms: number) => {
    passed += ms;
  };
  return { store, cache: { store }, clock: new ManualClock(), pass };
}

/** Real time, but patient: on a busy machine eight million characters can take longer than the bound of an operation. */
const patientClock: Clock = {
  ...systemClock,
  setTimeout: (callback, ms, options) => systemClock.setTimeout(callback, ms * 10, options),
};

async function openRedis(): Promise<Subject> {
  const server = await startRedisServer();
  afterwards(() => server.kill());
  const admin = await connectAdmin(server.url);
  afterwards(() => admin.close());
  return openAt(server.url, [admin]);
}

async function openAt(url: string, admins: readonly RedisAdmin[]): Promise<Subject> {
  const address = { target: parseRedisUrl(url) as RedisTarget, pingIntervalMs: LONG_MS };
  const redis = connectRedis(address, {
    clock: patientClock,
    random: () => 0,
    onCluster: () => undefined,
    onNoCluster: () => undefined,
  });
  afterwards(() => redis.close());
  await redis.store.ready;
  /** Moves the end of each key nearer, as time would. A key without an end keeps having none. */
  const pass = async (ms: number) => {
    for (const admin of admins) {
      for (const key of await admin.keys()) {
        const left = Number(await admin.command("PTTL", key));
        if (left >= 0) await admin.command("PEXPIRE", key, String(left - ms)); // what ends in the past is deleted
      }
    }
  };
  return { store: redis.store, cache: { redisUrl: url }, clock: patientClock, pass };
}

afterEach(() => void jest.restoreAllMocks());

describe("A shared store in a Map", () => keepsTheContract(openMap));
describe("A shared store in a Keyv", () => keepsTheContract(openKeyv));
describeWithRedis("A shared store in Redis", () => keepsTheContract(openRedis));
describeWithRedis("A shared store in a Redis Cluster", () => {
  let cluster: RedisClusterServers;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: false });
  });
  afterAll(() => cluster?.close());
  keepsTheContract(async () => {
    await cluster.onAll("FLUSHALL");
    return openAt(
      cluster.url,
      cluster.nodes.map(({ admin }) => admin),
    );
  });
});

function keepsTheContract(open: () => Promise<Subject>): void {
  test("has nothing under a key that was never set", async () => {
    const { store } = await open();
    expect(await read(store, "portero:absent")).toBeUndefined();
  });

  test("gives back what was set, as it was", async () => {
    const { store } = await open();
    await store.set("portero:key", '{"value":1}', LONG_MS);
    expect(await read(store, "portero:key")).toBe('{"value":1}');
    expect(await read(store, "portero:key")).toBe('{"value":1}'); // reading takes nothing away
  });

  test("does not say that it did not take what it took", async () => {
    const { store } = await open();
    expect(await store.set("portero:key", "value", LONG_MS)).not.toBe(false);
  });

  test("keeps the latest of several values", async () => {
    const { store } = await open();
    await store.set("portero:key", "a longer value than the next", LONG_MS);
    await store.set("portero:key", "short", LONG_MS);
    expect(await read(store, "portero:key")).toBe("short");
  });

  test("forgets what was deleted, and that alone", async () => {
    const { store } = await open();
    await store.set("portero:key", "one", LONG_MS);
    await store.set("portero:key:2", "two", LONG_MS);
    await store.delete("portero:key");
    expect(await read(store, "portero:key")).toBeUndefined();
    expect(await read(store, "portero:key:2")).toBe("two");
  });

  test("takes a value after a deletion", async () => {
    const { store } = await open();
    await store.set("portero:key", "one", LONG_MS);
    await store.delete("portero:key");
    await store.set("portero:key", "two", LONG_MS);
    expect(await read(store, "portero:key")).toBe("two");
  });

  test("deletes what is not there without an error", async () => {
    const { store } = await open();
    await store.delete("portero:absent");
    await store.delete("portero:absent");
    expect(await read(store, "portero:absent")).toBeUndefined();
  });

  test("keeps an entry until its TTL has passed, and no longer", async () => {
    const { store, pass } = await open();
    await store.set("portero:short", "value", 60_000);
    await store.set("portero:long", "value", LONG_MS);
    await pass(30_000);
    expect(await read(store, "portero:short")).toBe("value");
    await pass(30_001);
    expect(await read(store, "portero:short")).toBeUndefined();
    expect(await read(store, "portero:long")).toBe("value");
  });

  test("counts the TTL from the latest value on, be it longer or shorter", async () => {
    const { store, pass } = await open();
    await store.set("portero:longer", "one", 60_000);
    await store.set("portero:longer", "two", LONG_MS);
    await store.set("portero:shorter", "one", LONG_MS);
    await store.set("portero:shorter", "two", 60_000);
    await pass(60_001);
    expect(await read(store, "portero:longer")).toBe("two");
    expect(await read(store, "portero:shorter")).toBeUndefined();
  });

  test("reads several at once, in the order of the keys, with gaps where nothing is", async () => {
    const { store, pass } = await open();
    await store.set("portero:1", "one", LONG_MS);
    await store.set("portero:3", "three", LONG_MS);
    await store.set("portero:4", "four", 60_000);
    await pass(60_001);
    const keys = ["portero:3", "portero:2", "portero:1", "portero:4", "portero:3"];
    expect(await readAll(store, keys)).toStrictEqual(["three", undefined, "one", undefined, "three"]);
  });

  test("sets many keys at the same time, and mixes up none", async () => {
    const { store } = await open();
    const keys = Array.from({ length: 200 }, (_, n) => `portero:${n}`);
    await Promise.all(keys.map((key) => store.set(key, `the value of ${key}`, LONG_MS)));
    expect(await Promise.all(keys.map((key) => read(store, key)))).toEqual(keys.map((key) => `the value of ${key}`));
  });

  test("of values that are set for one key at the same time, holds one, whole", async () => {
    const { store } = await open();
    const values = Array.from({ length: 50 }, (_, n) => String.fromCharCode(97 + (n % 26)).repeat(1000 + n));
    await Promise.all(values.map((value) => store.set("portero:key", value, LONG_MS)));
    const held = await read(store, "portero:key");
    expect(values).toContain(held);
    expect(await read(store, "portero:key")).toBe(held);
  });

  test("takes the largest entry that a client writes", async () => {
    const { store } = await open();
    const value = "0123456789abcdef".repeat(LARGEST / 16);
    await store.set("portero:key", value, LONG_MS);
    expect((await read(store, "portero:key")) === value).toBe(true); // a difference would fill the screen
  });

  test.each([
    ["letters of several bytes", "ñandú, Straße, 東京"],
    ["characters beyond the first plane", "𝔘𝔫𝔦 👩‍👩‍👧"],
    ["blanks and line ends", " \r\n\t*3\r\n$-1\r\n "],
    ["a NUL", "before\0after"],
    ["what looks like JSON", '{"value":null,"expires":1}'],
  ])("keeps %s, in keys and in values", async (_what, text) => {
    const { store } = await open();
    await store.set(`portero:${text}`, text, LONG_MS);
    expect(await read(store, `portero:${text}`)).toBe(text);
    expect(await readAll(store, [`portero:${text}`, "portero:"])).toStrictEqual([text, undefined]);
  });

  test("tells keys with colons apart by their whole text", async () => {
    const { store } = await open();
    const keys = ["a:b:c", "a:b", "a", "a:", ":a", "a::b", "b:c", "a:b:c:"];
    for (const key of keys) await store.set(key, `under ${key}`, LONG_MS);
    expect(await readAll(store, keys)).toEqual(keys.map((key) => `under ${key}`));
    await store.delete("a:b");
    const left = keys.filter((key) => key !== "a:b");
    expect(await readAll(store, left)).toEqual(left.map((key) => `under ${key}`));
    expect(await read(store, "a:b")).toBeUndefined();
  });

  test("brings one client's answers to another, and its invalidations", async () => {
    const { cache, clock } = await open();
    const service = await startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
    const connect = async () => {
      const client = openClient(service, { clock, cache });
      await client.ready(); // what is asked before the log begins is kept nowhere
      await until(() => client.status().cache.shared === "available");
      return client;
    };
    const [first, second, third, fourth] = [await connect(), await connect(), await connect(), await connect()];
    await first.verifyToken("token-ana");
    await first.getUserLocals(ANA);
    await first.close(); // what is written behind has arrived
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
    expect(await second.getUserLocals(ANA)).toEqual(["madrid"]);
    expect(service.calls.total).toBe(2);
    await second.invalidateToken("token-ana");
    expect((await third.verifyToken("token-ana")).source).toBe("grpc");
    await third.invalidateUser(ANA);
    expect((await fourth.verifyToken("token-ana")).source).toBe("grpc");
  });
}

/** What lies there; stores say `null` or `undefined` where nothing does. */
async function read(store: SharedStore, key: string): Promise<unknown> {
  return (await store.get(key)) ?? undefined;
}

/** As the shared cache reads: in one go where the store can do that. */
async function readAll(store: SharedStore, keys: readonly string[]): Promise<unknown[]> {
  const values = store.getAll ? await store.getAll(keys) : await Promise.all(keys.map((key) => store.get(key)));
  return values.map((value) => value ?? undefined);
}
