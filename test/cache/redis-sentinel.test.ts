import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { sentinelTopology } from "../../src/cache/redis-sentinel.js";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { systemClock } from "../../src/runtime/clock.js";
import { eventually } from "../support/eventually.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { connectAdmin } from "../support/redis-admin.js";
import { type FakeRedis, startFakeRedis } from "../support/redis-fake.js";
import { type RedisSentinelServers, startRedisSentinel } from "../support/redis-sentinel.js";
import { describeWithRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";
const [USER, SENTINEL_USER] = ["portero:hunter2", "sentinel_username=reader&sentinel_password=hunter3"];

async function openTwo(cache: CacheOptions) {
  const service = await startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
  const logger = new RecordingLogger();
  const open = () => openClient(service, { logger, cache: { secret: SECRET, ...cache } });
  const [first, second] = [open(), open()];
  await Promise.all([first.ready(), second.ready()]);
  return { first, second, logger };
}

describeWithRedis("A master that sentinels watch", () => {
  let set: RedisSentinelServers;

  beforeAll(async () => {
    set = await startRedisSentinel();
    for (const server of [...set.servers, ...set.sentinels]) {
      const admin = await connectAdmin(server.url);
      const rights = set.sentinels.includes(server)
        ? "ACL SETUSER reader on >hunter3 resetchannels -@all +sentinel|get-master-addr-by-name"
        : "ACL SETUSER portero on >hunter2 resetkeys resetchannels -@all ~portero:* +mget +set +unlink +select +xadd +xread +xrange +xrevrange +pexpire";
      await admin.command(...rights.split(" "));
      admin.close();
    }
  });
  afterAll(() => set?.close());

  /** Entries are written behind, and one that a busy Redis did not take in time is written when it is asked for anew. */
  const fill = async (client: AuthClient) => {
    const admin = await connectAdmin(set.servers[0].url);
    afterwards(() => admin.close());
    await eventually(async () => {
      await client.verifyToken("token-ana", { fresh: true });
      return String(await admin.command("INFO", "keyspace")).includes(":keys=");
    }, "an entry is written");
  };

  beforeEach(async () => {
    const admin = await connectAdmin(set.servers[0].url);
    await admin.command("FLUSHALL");
    admin.close();
  });

  test.each([
    ["", ""],
    ["/3", ""],
    ["", `?${SENTINEL_USER}`],
  ])("is found, and used with the rights that the documents name: at …/mymaster%s%s", async (database, query) => {
    const redisUrl = `${set.url.replace("//", `//${USER}@`)}${database}${query}`;
    const { first, second } = await openTwo({ redisUrl });
    await fill(first);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
    await eventually(
      () =>
        second.invalidateToken("token-ana").then(
          () => true,
          () => false,
        ),
      "it is told",
    );
    expect((await first.verifyToken("token-ana", { fresh: true })).source).toBe("grpc");
    await Promise.all([first.close(), second.close()]);
    for (const server of [set.servers[0], ...set.sentinels]) {
      const admin = await connectAdmin(server.url);
      afterwards(() => admin.close());
      expect(await admin.command("ACL", "LOG")).toEqual([]);
    }
  });

  test("is found where one of three sentinels is away, and one more", async () => {
    const [sentinel] = set.sentinels;
    const redisUrl = `redis+sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:${sentinel?.port}/mymaster`;
    const { first, second } = await openTwo({ redisUrl });
    await fill(first);
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
  });

  test.each([
    ["an unknown master", "/other", "UNKNOWN_MASTER"],
    ["a wrong password of the sentinels", "/mymaster?sentinel_username=reader&sentinel_password=hunter4", "WRONGPASS"],
  ])("is unavailable with %s, and the line says so", async (_what, path, code) => {
    const { first, second, logger } = await openTwo({ redisUrl: set.url.replace("/mymaster", path) });
    await until(() => logger.lines.length === 2);
    expect((await first.verifyToken("token-ana")).source).toBe("grpc");
    expect(second.status().cache.shared).toBe("unavailable");
    expect(logger.lines[0]).toMatch(
      new RegExp(`^warn portero: the shared cache redis\\+sentinel://\\S+ cannot be reached \\(${code}\\)`),
    );
    expect(logger.lines.join()).not.toMatch(/hunter|sentinel_/);
  });
});

describe("The master that sentinels name", () => {
  /** Sentinels that name a master at such ports, or nothing at all. */
  const topologyOf = async (...ports: (number | "silent")[]) => {
    const sentinels: FakeRedis[] = [];
    for (const port of ports) {
      const sentinel = await startFakeRedis((_words, socket) => {
        if (port !== "silent") socket.write(`*2\r\n$9\r\n127.0.0.1\r\n$4\r\n${port}\r\n`);
      });
      afterwards(() => sentinel.close());
      sentinels.push(sentinel);
    }
    const hosts = sentinels.map(({ url }) => new URL(url).host).join(",");
    const closing = new AbortController();
    const target = parseRedisUrl(`redis+sentinel://${hosts}/mymaster`) as RedisTarget;
    const asking = { clock: systemClock, signal: closing.signal };
    return { topology: sentinelTopology(target, undefined, asking), sentinels, closing };
  };

  test.each([
    ["most of them name", [7000, 7001, 7001], 7001],
    ["the only one that answers names", ["silent", 7001, "silent"], 7001],
    ["most of those that answer name", [7001, "silent", 7000, 7001, "silent"], 7001],
    ["the first names, where each names another", [7002, 7000, 7001], 7002],
  ] as const)("is the one that %s", async (_which, ports, port) => {
    const { topology } = await topologyOf(...ports);
    expect(await topology.masterOf("")).toMatchObject({ id: `127.0.0.1:${port}`, host: "127.0.0.1", port });
  });

  test("is waited for no longer than its sentinels need, and no connection stays", async () => {
    const { topology, sentinels } = await topologyOf("silent", "silent", "silent");
    await expect(topology.masterOf("")).rejects.toMatchObject({ name: "NotConnectedError" });
    await until(() => sentinels.every(({ standing }) => standing === 0));
  });

  test("is asked for in vain when the client is closed", async () => {
    const { topology, sentinels, closing } = await topologyOf("silent");
    const asked = topology.masterOf("");
    asked.catch(() => undefined);
    await until(() => sentinels.every(({ standing }) => standing === 1));
    closing.abort();
    await expect(asked).rejects.toThrow();
    await until(() => sentinels.every(({ standing }) => standing === 0));
  });

  test("is none where what answers is no sentinel", async () => {
    const fake = await startFakeRedis((_words, socket) => void socket.write("*2\r\n$1\r\na\r\n$3\r\nx:y\r\n"));
    afterwards(() => fake.close());
    const target = parseRedisUrl(`redis+sentinel://${new URL(fake.url).host}/mymaster`) as RedisTarget;
    const asking = { clock: systemClock, signal: new AbortController().signal };
    await expect(sentinelTopology(target, undefined, asking).masterOf("")).rejects.toThrow();
  });
});
