import type { Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { connectRedis, type RedisStore } from "../../src/cache/redis.js";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";
import { type FakeRedis, startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

type Answers = Record<string, string | ((socket: Socket) => void)>;

/** A Redis that is alone, a cluster of one, and a sentinel that names itself: it answers commands by their names, and the rest with OK. */
async function startRedis(answers: Answers = {}) {
  const commands: string[][] = [];
  const redis: FakeRedis = await startFakeRedis((words, socket) => {
    commands.push(words);
    const { port } = new URL(redis.url);
    const known: Answers = {
      CLUSTER: `*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`,
      SENTINEL: `*2\r\n$9\r\n127.0.0.1\r\n$${port.length}\r\n${port}\r\n`,
      UNLINK: ":0\r\n",
      ...answers,
    };
    const answer = known[words[0] ?? ""] ?? "+OK\r\n";
    if (typeof answer === "string") socket.write(answer);
    else answer(socket);
  });
  afterwards(() => redis.close());
  return { redis, commands, host: new URL(redis.url).host };
}

/** A store at that URL, and all that it tells. */
function connect(url: string) {
  const clock = new ManualClock();
  const told: string[] = [];
  const address = { target: parseRedisUrl(url) as RedisTarget, pingIntervalMs: 10_000 };
  const redis: RedisStore = connectRedis(address, {
    clock,
    random: () => 0.5,
    onCluster: () => void told.push("cluster"),
    onNoCluster: () => void told.push("no cluster"),
  });
  afterwards(() => redis.close());
  redis.store.onConnected?.(() => void told.push("connected"));
  redis.store.onPong?.(() => void told.push("pong"));
  return { clock, told, redis, store: redis.store };
}

const URLS = [
  ["a Redis that is alone", (host: string) => `redis://${host}`],
  ["a cluster", (host: string) => `redis+cluster://${host}`],
  ["the master that a sentinel names", (host: string) => `redis+sentinel://${host}/mymaster`],
] as const;

describe.each(URLS)("On %s", (_what, urlOf) => {
  test("each operation is one command, and brings what Redis answers", async () => {
    const { commands, host } = await startRedis({ MGET: "*1\r\n$1\r\na\r\n", TTL: ":5\r\n" });
    const { store, redis, told } = connect(urlOf(host));
    await store.ready;
    commands.splice(0);
    expect(await store.get("one")).toBe("a");
    expect(await store.getAll?.(["two"])).toEqual(["a"]);
    expect(await store.set("three", "text", 60_000)).toBe(true);
    expect(await store.delete("four")).toBe(false);
    expect(await redis.send("five", ["TTL", "five"])).toBe(5);
    expect(commands).toEqual([
      ["MGET", "one"],
      ["MGET", "two"],
      ["SET", "three", "text", "PX", "60000"],
      ["UNLINK", "four"],
      ["TTL", "five"],
    ]);
    expect(told).toEqual(["connected"]);
  });

  test("the master of a key can be asked over other connections, too", async () => {
    const { host } = await startRedis();
    const { store, redis } = connect(urlOf(host).replace("//", "//portero:hunter2@"));
    await store.ready;
    expect(await redis.topology.masterOf("key")).toMatchObject({ id: host, username: "portero", password: "hunter2" });
  });

  test("it is told when there is another connection", async () => {
    const { host } = await startRedis({ MGET: (socket) => void socket.destroy() });
    const { clock, store, told } = connect(urlOf(host));
    await store.ready;
    await clock.advance(5000); // it was well: the next one is made at once
    await expect(store.get("key")).rejects.toThrow();
    await clock.advance(0);
    await until(() => told.length === 2);
    expect(told).toEqual(["connected", "connected"]);
  });

  test("closing leaves no connection, and no operation is taken any more", async () => {
    const { redis: server, host } = await startRedis();
    const { clock, store, redis } = connect(urlOf(host));
    await store.ready;
    await redis.close();
    await until(() => server.standing === 0);
    await expect(store.get("key")).rejects.toMatchObject({ name: "NotConnectedError" });
    await clock.advance(60_000);
    expect([server.standing, clock.pending]).toEqual([0, 0]);
  });
});

describe.each([
  ["a cluster", "CLUSTER", (host: string) => `redis+cluster://${host}`],
  ["sentinels", "SENTINEL", (host: string) => `redis+sentinel://${host}/mymaster`],
] as const)("Where %s must be asked first,", (_what, question, urlOf) => {
  test("closing ends that question, which was not answered", async () => {
    const { redis: server, commands, host } = await startRedis({ [question]: "" });
    const { redis, store } = connect(urlOf(host));
    await until(() => commands.length === 1);
    const closing = redis.close();
    await until(() => server.standing === 0);
    await closing;
    await expect(store.ready).rejects.toThrow();
    expect(commands.map(([name]) => name)).toEqual([question]);
  });
});

describe("A store on one Redis", () => {
  test.each([URLS[0], URLS[2]])("tells of each ping that is answered: %s", async (_what, urlOf) => {
    const { commands, host } = await startRedis();
    const { clock, store, told } = connect(urlOf(host));
    await store.ready;
    await clock.advance(9999);
    expect(told).toEqual(["connected"]);
    await clock.advance(1);
    await until(() => told.length === 2);
    expect(told).toEqual(["connected", "pong"]);
    expect(commands.filter(([name]) => name === "UNLINK")).toHaveLength(2);
  });

  test.each([URLS[0], URLS[2]])("has no masters that others could replace: %s", async (_what, urlOf) => {
    const { host } = await startRedis();
    expect(connect(urlOf(host)).redis.masters).toBeUndefined();
  });

  test("tells that it is a cluster, as soon as Redis says so", async () => {
    const { host } = await startRedis({ UNLINK: "-MOVED 7 127.0.0.1:7001\r\n" });
    const { store, told } = connect(`redis://${host}`);
    await store.ready;
    expect(told).toEqual(["cluster", "connected"]);
  });

  test("reads keys that hold nothing as missing", async () => {
    const { host } = await startRedis({ MGET: "*1\r\n$-1\r\n" });
    const { store } = connect(`redis://${host}`);
    await store.ready;
    expect(await store.get("key")).toBeNull();
  });

  test.each(["/3", ""])("speaks to its database: at redis://…%s", async (path) => {
    const { commands, host } = await startRedis();
    await connect(`redis://${host}${path}`).store.ready;
    expect(commands).toEqual([...(path === "" ? [] : [["SELECT", "3"]]), ["UNLINK", "portero:1:none"]]);
  });
});

describe("A store on a cluster", () => {
  test("tells when its masters were lost, and that none is", async () => {
    const { host } = await startRedis();
    const { clock, store, redis } = connect(`redis+cluster://${host}`);
    await store.ready;
    expect(redis.masters?.lostAt).toBe(Number.POSITIVE_INFINITY);
    await redis.close();
    expect(redis.masters?.lostAt).toBe(clock.monotonic());
  });

  test("tells that it is none, where Redis says so", async () => {
    const { host } = await startRedis({ CLUSTER: "-ERR This instance has cluster support disabled\r\n" });
    const { store, told } = connect(`redis+cluster://${host}`);
    await expect(store.ready).rejects.toThrow();
    await settle();
    expect(told).toEqual(["no cluster"]);
  });
});
