import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "@jest/globals";
import type { ClusterSide, RedisWire } from "../../src/cache/redis-connection.js";
import { RedisDialer } from "../../src/cache/redis-dialer.js";
import { LostError, NotConnectedError } from "../../src/cache/store-error.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const READONLY = new Error("READONLY You can't write against a read only replica.");

/** A dialer, and what each of its connections does. */
async function dial({
  random = 0.5,
  pingIntervalMs = 10_000,
  cluster,
  onDelete,
  lastDelete = async () => undefined,
}: {
  random?: number;
  pingIntervalMs?: number;
  cluster?: ClusterSide;
  onDelete?: (key: string) => void;
  lastDelete?: () => Promise<unknown>;
} = {}) {
  const clock = new ManualClock();
  const redis = {
    /** When a connection was made, in milliseconds since the start. */
    dialled: [] as number[],
    deletes: 0,
    destroyed: 0,
    lastDelete,
    reach: async (): Promise<unknown> => undefined,
  };
  const start = clock.monotonic();
  const makeWire = async (): Promise<RedisWire> => {
    redis.dialled.push(clock.monotonic() - start);
    return {
      connect: () => redis.reach(),
      getAll: async () => [],
      set: async () => true,
      delete: (key) => {
        onDelete?.(key);
        redis.deletes++;
        return redis.lastDelete();
      },
      send: async () => undefined,
      sendAsking: async () => undefined,
      onError: () => undefined,
      guard: () => undefined,
      destroy: () => void redis.destroyed++,
    };
  };
  const dialer = new RedisDialer({
    makeWire,
    clock,
    random: () => random,
    pingIntervalMs,
    ...(cluster && { cluster }),
  });
  await settle();
  return { clock, redis, dialer, remove: () => dialer.run((wire) => wire.delete("key")) };
}

describe("Behind an address that leads to a replica", () => {
  test.each([
    [0, 1000],
    [0.999_999, 1700],
  ])("a connection is made at once and then once in a while: by chance %d, in %d ms", async (random, paceMs) => {
    const { clock, redis, dialer, remove } = await dial({ random });
    await clock.advance(60_000);
    redis.lastDelete = () => Promise.reject(READONLY);
    const errors = await Promise.all(Array.from({ length: 50 }, () => remove().catch((error) => error.code)));
    expect(new Set(errors)).toEqual(new Set(["READONLY"]));
    await clock.advance(4 * paceMs);
    const gaps = redis.dialled.slice(1).map((at, n) => Math.round(at - (redis.dialled[n] as number)));
    expect(gaps).toEqual([60_000, paceMs, paceMs, paceMs, paceMs]);
    await dialer.close();
  });

  test("it is found within 2 s that the address leads elsewhere", async () => {
    const { clock, redis, dialer, remove } = await dial({ random: 0.999_999 });
    redis.lastDelete = () => Promise.reject(READONLY);
    await expect(remove()).rejects.toThrow();
    await clock.advance(10_000);
    redis.lastDelete = async () => true;
    await clock.advance(2000);
    await expect(remove()).resolves.toBe(true);
    await dialer.close();
  });
});

test("An address that nobody answers at is tried less and less often, up to once in two seconds", async () => {
  const { clock, redis, dialer, remove } = await dial({ random: 0.999_999 });
  redis.reach = () => Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }));
  redis.lastDelete = () => Promise.reject(READONLY);
  await expect(remove()).rejects.toThrow();
  await clock.advance(20_000);
  const gaps = redis.dialled.slice(1).map((at, n) => Math.round(at - (redis.dialled[n] as number)));
  expect(gaps.slice(0, 9)).toEqual([1700, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
  await expect(remove()).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await dialer.close();
});

test("Connecting is upkeep, and what is told of a connection is not.", async () => {
  const upkeep = new AsyncLocalStorage<true>();
  const onMessage = (message: unknown) =>
    (message as { runIn(around: (run: () => void) => void): void }).runIn((run) => upkeep.run(true, run));
  subscribe("portero:background", onMessage);
  try {
    const { clock, redis, dialer } = await dial();
    const seen: (string | true | undefined)[] = [];
    redis.reach = async () => void seen.push("connects", upkeep.getStore());
    dialer.onConnected(() => seen.push("told", upkeep.getStore()));
    dialer.redial();
    await clock.advance(1);
    expect(seen).toEqual(["connects", true, "told", undefined]);
    await dialer.close();
  } finally {
    unsubscribe("portero:background", onMessage);
  }
});

describe("An idle process", () => {
  test("sends one command in 10 s", async () => {
    const { clock, redis, dialer } = await dial();
    const before = redis.deletes;
    await clock.advance(3_600_000);
    expect(redis.deletes - before).toBe(360);
    await dialer.close();
  });

  test("sends none for 10 s after it has heard something", async () => {
    const { clock, redis, dialer } = await dial();
    const before = redis.deletes;
    for (let n = 0; n < 10; n++) {
      await clock.advance(9000);
      await dialer.run((wire) => wire.getAll([]));
    }
    expect(redis.deletes).toBe(before);
    await dialer.close();
  });

  test("waits as long as it was told", async () => {
    const { clock, redis, dialer } = await dial({ pingIntervalMs: 60_000 });
    const before = redis.deletes;
    await clock.advance(600_000);
    expect(redis.deletes - before).toBe(10);
    await dialer.close();
  });
});

describe("A ping", () => {
  test.each<[string, number, unknown, number]>([
    ["is told of", 0, undefined, 1],
    ["is told of when it was answered in the last moment", 49, undefined, 1],
    ["is not told of when an operation would have been given up meanwhile", 50, undefined, 0],
    ["is not told of when Redis is loading", 0, new Error("LOADING Redis is loading the dataset in memory"), 0],
    ["is not told of when it came upon a replica", 0, READONLY, 0],
  ])("%s (after %d ms)", async (_, ms, refusal, times) => {
    const { clock, redis, dialer } = await dial();
    let pongs = 0;
    dialer.onPong(() => void pongs++);
    redis.lastDelete = () =>
      new Promise((resolve, reject) => clock.setTimeout(() => (refusal ? reject(refusal) : resolve(true)), ms));
    await clock.advance(10_000);
    await clock.advance(ms);
    expect(pongs).toBe(times);
    await dialer.close();
  });
});

test("A Redis that is silent for 600 ms, though it was asked, is connected to anew", async () => {
  const { clock, redis, dialer, remove } = await dial();
  redis.lastDelete = () => new Promise(() => undefined);
  void remove();
  await clock.advance(599);
  expect(redis.dialled).toHaveLength(1);
  redis.lastDelete = async () => true;
  await clock.advance(200);
  expect(redis.dialled).toHaveLength(2);
  await expect(remove()).resolves.toBe(true);
  await dialer.close();
});

test("An operation that was under way when its connection ended is lost; one that finds none, or was refused, is not.", async () => {
  const { clock, redis, dialer, remove } = await dial();
  let end: (error: Error) => void = () => undefined;
  redis.lastDelete = () =>
    new Promise((_resolve, reject) => {
      end = reject;
    });
  const writing = remove();
  redis.reach = () => new Promise(() => undefined);
  await clock.advance(600);
  end(new Error("Socket closed unexpectedly"));
  await expect(writing).rejects.toBeInstanceOf(LostError);
  const later = await remove().catch((error: unknown) => error);
  expect([later instanceof NotConnectedError, later instanceof LostError]).toEqual([true, false]);
  await dialer.close();
  const other = await dial();
  other.redis.lastDelete = () => Promise.reject(READONLY);
  expect(await other.remove().catch((error: unknown) => error instanceof LostError)).toBe(false);
  await other.dialer.close();
});

describe("A dialer whose master is another one", () => {
  test("leaves a connection that stands, and makes a new one at once", async () => {
    const { clock, redis, dialer } = await dial();
    await clock.advance(1000);
    dialer.redial();
    await clock.advance(0);
    expect(redis.dialled).toEqual([0, 1000]);
    await expect(dialer.run((wire) => wire.getAll([]))).resolves.toEqual([]);
    await dialer.close();
  });

  test("does not wait for the next attempt at the old one, and begins with short waits again", async () => {
    const { clock, redis, dialer, remove } = await dial({ random: 0.999_999 });
    redis.reach = () => Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }));
    redis.lastDelete = () => Promise.reject(READONLY);
    await expect(remove()).rejects.toThrow();
    await clock.advance(10_000);
    const before = redis.dialled.length;
    dialer.redial();
    await clock.advance(160);
    const gaps = redis.dialled.slice(before).map((at) => Math.round(at) - 10_000);
    expect(gaps).toEqual([0, 50, 150]);
    await dialer.close();
  });

  test("makes none when it is closed", async () => {
    const { clock, redis, dialer } = await dial();
    await dialer.close();
    dialer.redial();
    await clock.advance(10_000);
    expect(redis.dialled).toHaveLength(1);
  });
});

describe("A master of a cluster", () => {
  const start = async (answer: () => Promise<unknown>) => {
    const moved: number[] = [];
    const keys: string[] = [];
    const cluster = { proofKey: () => "portero:1:none{7}", onMoved: () => void moved.push(1) };
    const opened = await dial({ cluster, onDelete: (key) => keys.push(key), lastDelete: answer });
    return { ...opened, moved, keys };
  };

  test("is pinged with a key of its own", async () => {
    const { clock, keys, moved, dialer } = await start(async () => false);
    await clock.advance(20_000);
    expect(keys).toEqual(Array.from({ length: 3 }, () => "portero:1:none{7}"));
    expect(moved).toEqual([]);
    await dialer.close();
  });

  test("is no master where it says that another one has its slots: it is left, and its slots are asked for", async () => {
    const { redis, moved, remove, dialer } = await start(() => Promise.reject(new Error("MOVED 7 127.0.0.1:7001")));
    await expect(dialer.ready).rejects.toThrow("MOVED");
    await expect(remove()).rejects.toMatchObject({ name: "NotConnectedError", code: "MOVED" });
    expect([redis.destroyed, moved.length]).toEqual([1, 1]);
    await dialer.close();
  });

  test("that says so later keeps its connection: slots are moved one by one", async () => {
    const { redis, moved, dialer } = await start(async () => true);
    redis.lastDelete = () => Promise.reject(new Error("MOVED 9 127.0.0.1:7001"));
    await expect(dialer.run((wire) => wire.delete("key"))).rejects.toThrow(/^MOVED/);
    expect([redis.destroyed, moved.length]).toEqual([0, 1]);
    await dialer.close();
  });

  test.each(["CLUSTERDOWN The cluster is down", "LOADING Redis is loading the dataset in memory"])(
    "keeps its connection while it says %s",
    async (refusal) => {
      const { clock, redis, dialer, remove } = await start(() => Promise.reject(new Error(refusal)));
      await expect(dialer.ready).rejects.toThrow(refusal);
      await expect(remove()).rejects.toThrow(refusal);
      await clock.advance(30_000);
      expect([redis.destroyed, redis.dialled]).toEqual([0, [0]]);
      redis.lastDelete = async () => true;
      await expect(remove()).resolves.toBe(true);
      await dialer.close();
    },
  );

  test.each(["CLUSTERDOWN The cluster is down", "LOADING Redis is loading the dataset in memory"])(
    "that says %s is lost still, until something is done, or a ping is answered",
    async (message) => {
      for (const isIdle of [true, false]) {
        const { clock, redis, dialer, remove } = await start(async () => true);
        await clock.advance(1000);
        redis.lastDelete = () => Promise.reject(new Error(message));
        const lostAt = clock.monotonic();
        dialer.redial();
        await clock.advance(5000);
        await expect(remove()).rejects.toThrow(message);
        expect(dialer.lostAt).toBe(lostAt);
        redis.lastDelete = async () => true;
        if (isIdle) await clock.advance(10_000);
        else await remove();
        expect(dialer.lostAt).toBeUndefined();
        await dialer.close();
      }
    },
  );
});
