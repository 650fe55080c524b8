import { describe, expect, test } from "@jest/globals";
import type { RedisWire } from "../../src/cache/redis-connection.js";
import { RedisDialer } from "../../src/cache/redis-dialer.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const READONLY = new Error("READONLY You can't write against a read only replica.");

/** A dialer, and what each of its connections does. */
async function dial({ random = 0.5, pingIntervalMs = 10_000 } = {}) {
  const clock = new ManualClock();
  const redis = {
    /** When a connection was made, in milliseconds since the start. */
    dialled: [] as number[],
    deletes: 0,
    lastDelete: async (): Promise<unknown> => undefined,
    reach: async (): Promise<unknown> => undefined,
  };
  const start = clock.monotonic();
  const makeWire = async (): Promise<RedisWire> => {
    redis.dialled.push(clock.monotonic() - start);
    return {
      connect: () => redis.reach(),
      getAll: async () => [],
      set: async () => true,
      delete: () => {
        redis.deletes++;
        return redis.lastDelete();
      },
      send: async () => undefined,
      onError: () => undefined,
      guard: () => undefined,
      destroy: () => undefined,
    };
  };
  const dialer = new RedisDialer({ makeWire, clock, random: () => random, pingIntervalMs, onCluster: () => undefined });
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
