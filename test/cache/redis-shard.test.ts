import { describe, expect, test } from "@jest/globals";
import { slotOf } from "../../src/cache/cluster-slots.js";
import type { RedisWire } from "../../src/cache/redis-connection.js";
import { RedisShard } from "../../src/cache/redis-shard.js";
import type { RedisHost } from "../../src/cache/redis-target.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";

const [A, B] = ["a", "b"].map((host) => ({ host, port: 7000 })) as [RedisHost, RedisHost];
const PING_MS = 10_000;

/** A shard, and what the servers do that it connects to. */
async function openShard({ host = A, random = 0.5 } = {}) {
  const clock = new ManualClock();
  const servers = {
    /** What became of it, in order. */
    told: [] as string[],
    /** Keys that were deleted. */
    keys: [] as string[],
    doubts: 0,
    /** How often it was asked which slots it has. */
    lookedUp: 0,
    holds: (_slot: number) => true,
    reach: async (): Promise<unknown> => undefined,
    answer: async (): Promise<unknown> => false,
  };
  const openWire = async ({ host }: RedisHost): Promise<RedisWire> => {
    servers.told.push(`dials ${host}`);
    return {
      connect: () => servers.reach(),
      getAll: async () => [],
      set: async () => true,
      delete: (key) => {
        servers.keys.push(key);
        return servers.answer();
      },
      send: async () => undefined,
      sendAsking: async () => undefined,
      onError: () => undefined,
      guard: () => undefined,
      destroy: () => void servers.told.push(`leaves ${host}`),
    };
  };
  const shard = new RedisShard({
    host,
    holds: (slot) => {
      servers.lookedUp++;
      return servers.holds(slot);
    },
    openWire,
    onDoubt: () => {
      servers.doubts++;
      servers.told.push("doubts");
    },
    clock,
    random: () => random,
    pingIntervalMs: PING_MS,
  });
  afterwards(() => shard.close());
  await settle();
  return { clock, servers, shard, remove: () => shard.run((wire) => wire.delete("key")) };
}

const refuse = () => Promise.reject(Object.assign(new Error(), { code: "ECONNREFUSED" }));

describe("A shard", () => {
  test("is its master's, and bears its name", async () => {
    const { servers, shard, remove } = await openShard();
    await expect(shard.ready).resolves.toBeUndefined();
    await expect(remove()).resolves.toBe(false);
    expect([shard.host, shard.name, servers.told]).toEqual([A, "a:7000", ["dials a"]]);
  });

  test("that is connected to at once gives no reason to doubt the map", async () => {
    const { servers } = await openShard();
    expect(servers.doubts).toBe(0);
  });

  test("that is connected to anew gives one each time, before it is", async () => {
    const { clock, servers, shard } = await openShard();
    servers.reach = refuse;
    shard.follow(B);
    await settle();
    expect(servers.told).toEqual(["dials a", "leaves a", "doubts", "dials b", "leaves b"]);
    await clock.advance(37); // half of the first wait, and half of the rest by chance
    expect(servers.doubts).toBe(1);
    await clock.advance(1);
    expect(servers.doubts).toBe(2);
  });

  test("that says that another one has a slot gives one too", async () => {
    const { servers, remove } = await openShard();
    servers.answer = () => Promise.reject(new Error("MOVED 7 b:7000"));
    await expect(remove()).rejects.toThrow(/^MOVED/);
    expect([servers.doubts, servers.told]).toEqual([1, ["dials a", "doubts"]]);
  });

  test("tells of connections and of answered pings", async () => {
    const { clock, shard } = await openShard();
    const told: string[] = [];
    shard.onConnected(() => told.push("connected"));
    shard.onPong(() => told.push("pong"));
    await clock.advance(PING_MS - 1);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(["pong"]);
    shard.follow(B);
    await settle();
    expect(told).toEqual(["pong", "connected"]);
  });

  test("is lost from when its master went until another one is there", async () => {
    const { clock, servers, shard } = await openShard();
    expect(shard.lostAt).toBeUndefined();
    await clock.advance(1000);
    servers.reach = refuse;
    const lostAt = clock.monotonic();
    shard.follow(B);
    await clock.advance(1000);
    expect(shard.lostAt).toBe(lostAt);
    servers.reach = async () => undefined;
    await clock.advance(2000);
    expect(shard.lostAt).toBeUndefined();
  });

  test("is not ready where its master cannot be reached, and does nothing then", async () => {
    const clock = new ManualClock();
    const shard = new RedisShard({
      host: A,
      holds: () => true,
      openWire: refuse,
      onDoubt: () => undefined,
      clock,
      random: () => 0,
      pingIntervalMs: PING_MS,
    });
    afterwards(() => shard.close());
    await expect(shard.ready).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await expect(shard.run((wire) => wire.send([]))).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test("that is closed leaves its master, and is connected to no more", async () => {
    const { clock, servers, shard } = await openShard();
    await shard.close();
    shard.follow(B);
    await clock.advance(60_000);
    expect(servers.told).toEqual(["dials a", "leaves a"]);
    expect(clock.pending).toBe(0);
  });
});

describe("The key that a shard proves itself with", () => {
  test("lies in the first slot found that it has, and begins with the name of what is nowhere", async () => {
    const { servers, shard } = await openShard();
    servers.holds = (slot) => slot > 16_000;
    shard.follow(B);
    await settle();
    const key = servers.keys.at(-1) as string;
    expect(key).toMatch(/^portero:1:none\{\d+\}$/);
    expect(slotOf(key)).toBeGreaterThan(16_000);
  });

  test("is looked for once, and anew when its slots have changed", async () => {
    const { clock, servers, shard } = await openShard();
    await clock.advance(3 * PING_MS);
    expect([servers.keys.length, new Set(servers.keys).size, servers.lookedUp]).toEqual([4, 1, 1]);
    servers.holds = (slot) => slot > 8000;
    expect(shard.follow({ ...A })).toBe(false);
    await clock.advance(2 * PING_MS);
    const [first, second] = servers.keys.slice(4) as [string, string];
    expect(first).toBe(second);
    expect(slotOf(first)).toBeGreaterThan(8000);
    expect(servers.told).toEqual(["dials a"]);
  });
});

describe("A shard whose slots", () => {
  test("stay with its master keeps its connection, however its name is written", async () => {
    const host = { host: "::1", port: 7000 };
    const { servers, shard } = await openShard({ host });
    expect(shard.name).toBe("[::1]:7000");
    expect(shard.follow({ ...host })).toBe(false);
    await settle();
    expect(servers.told).toEqual(["dials ::1"]);
  });

  test.each([
    ["another server has", B],
    ["a server at another port has", { ...A, port: 7001 }],
  ])("%s follows to that at once", async (_which, host) => {
    const { servers, shard, remove } = await openShard();
    expect(shard.follow(host)).toBe(true);
    await expect(remove()).rejects.toThrow("there is no connection");
    await settle();
    expect([shard.host, shard.name]).toEqual([host, `${host.host}:${host.port}`]);
    expect(servers.told).toEqual(["dials a", "leaves a", "doubts", `dials ${host.host}`]);
    await expect(remove()).resolves.toBe(false);
  });
});
