import { afterAll, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { eventually } from "../support/eventually.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { connectAdmin } from "../support/redis-admin.js";
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
