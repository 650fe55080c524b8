import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { slotOf } from "../../src/cache/cluster-slots.js";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import type { FakeAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { type ClusterNode, type RedisClusterServers, startRedisCluster } from "../support/redis-cluster.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";
/** The names of entries depend on it alone, so that it is known which of them lie where. */
const NAMESPACE = "fleet";
const USERS = Array.from({ length: 12 }, (_, n) => [`token-${n}`, { id: `user-${n}`, locals: ["madrid"] }] as const);

const TOKENS = USERS.map(([token]) => token);

const startUsers = () => startService({ users: Object.fromEntries(USERS) });

function open(service: FakeAuthService, cache: CacheOptions) {
  const logger = new RecordingLogger();
  const client = openClient(service, { logger, cache: { secret: SECRET, namespace: NAMESPACE, ...cache } });
  return { client, logger };
}

/** What Redis counted, of a name that begins so. */
async function statOf({ admin }: ClusterNode, section: string, name: string): Promise<string> {
  const lines = String(await admin.command("INFO", section)).split("\r\n");
  return lines.find((line) => line.startsWith(`${name}:`)) ?? "";
}

describeWithRedis("A Redis Cluster", () => {
  let cluster: RedisClusterServers;

  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: false });
  });
  afterAll(() => cluster?.close());

  /** Entries are written behind, and one that a busy Redis did not take in time is written when it is asked for anew. */
  const fill = (client: AuthClient, tokens: readonly string[]) =>
    eventually(
      async () => {
        for (const token of tokens) await client.verifyToken(token, { fresh: true });
        return (await cluster.keys()).filter((key) => key.includes(":token:")).length === tokens.length;
      },
      "all entries are written",
      20_000,
    );

  /** Until Redis was told in time, which a busy one is not always. */
  const forget = (client: AuthClient, token: string) =>
    eventually(
      () =>
        client.invalidateToken(token).then(
          () => true,
          () => false,
        ),
      "it is told",
      20_000,
    );

  const begin = async (cache: CacheOptions = {}) => {
    await cluster.onAll("FLUSHALL");
    await cluster.onAll("CONFIG", "RESETSTAT");
    const service = await startUsers();
    const opened = [
      open(service, { redisUrl: cluster.url, ...cache }),
      open(service, { redisUrl: cluster.url, ...cache }),
    ];
    await Promise.all(opened.map(({ client }) => client.ready()));
    const [first, second] = opened as [(typeof opened)[0], (typeof opened)[0]];
    return {
      service,
      first: first.client,
      second: second.client,
      lines: () => opened.flatMap(({ logger }) => logger.lines),
    };
  };

  test("shares entries between processes, on all of its masters, and forgets what is invalidated", async () => {
    const { service, first, second } = await begin();
    await fill(first, TOKENS);
    service.resetCalls();
    for (const token of TOKENS) expect((await second.verifyToken(token)).source).toBe("shared");
    expect(service.calls.total).toBe(0);
    for (const { admin } of cluster.nodes) expect((await admin.keys()).length).toBeGreaterThan(0);
    await forget(second, "token-7");
    await second.invalidateUser({ userId: "user-8", organizationId: "org-1" });
    const third = open(service, { redisUrl: cluster.url });
    await third.client.ready();
    for (const [token] of USERS) {
      const expected = token === "token-7" || token === "token-8" ? "grpc" : "shared";
      expect([token, (await third.client.verifyToken(token)).source]).toEqual([token, expected]);
    }
    expect(first.status().cache).toMatchObject({ shared: "available", sharedMasters: { available: 3, total: 3 } });
  });

  test("is found where one of its addresses is", async () => {
    const [node] = cluster.nodes as [ClusterNode];
    const { first, second } = await begin({ redisUrl: `redis+cluster://127.0.0.1:1,127.0.0.1:${node.port}` });
    await fill(first, ["token-1"]);
    expect((await second.verifyToken("token-1")).source).toBe("shared");
  });

  test("serves a user with the rights that the documents name, who tries nothing else", async () => {
    const rights =
      "on >hunter2 resetkeys resetchannels -@all ~portero:* +mget +set +unlink +asking +cluster|slots +xadd +xread +xrange +xrevrange +pexpire";
    await cluster.onAll("ACL", "SETUSER", "portero", ...rights.split(" "));
    await cluster.onAll("ACL", "LOG", "RESET");
    const redisUrl = cluster.url.replace("//", "//portero:hunter2@");
    const { first, second } = await begin({ redisUrl });
    await fill(first, TOKENS);
    await first.getUserLocals({ userId: "user-1", organizationId: "org-1" });
    await first.invalidateUser({ userId: "user-2", organizationId: "org-1" });
    for (const [token] of USERS.slice(8)) expect((await second.verifyToken(token)).source).toBe("shared");
    await second.invalidateToken("token-1");
    for (const { admin } of cluster.nodes) expect(await admin.command("ACL", "LOG")).toEqual([]);
  });

  test("without the right password is unavailable, and no line shows one", async () => {
    await cluster.onAll("ACL", "SETUSER", "portero", "on", ">hunter2");
    const redisUrl = cluster.url.replace("//", "//portero:hunter3@");
    const { first, lines } = await begin({ redisUrl });
    await until(() => lines().length === 2);
    expect(first.status().cache).toMatchObject({ shared: "unavailable" });
    expect(lines()[0]).toMatch(/^warn portero: the shared cache redis\+cluster:\/\/127\S+ cannot be reached/);
    expect(lines().join()).not.toMatch(/hunter/);
    expect((await first.verifyToken("token-1")).source).toBe("grpc");
  });

  test("is pinged with a key of each master's own slots, once in an interval", async () => {
    await begin({ redisUrl: undefined as never, redis: { url: cluster.url, pingIntervalMs: 20 } });
    for (const node of cluster.nodes) {
      await eventually(
        async () => Number(/calls=(\d+)/.exec(await statOf(node, "commandstats", "cmdstat_unlink"))?.[1]) > 3,
        "it is pinged",
      );
      expect(await statOf(node, "errorstats", "errorstat_MOVED")).toBe("");
    }
  });

  test("leaves no connection behind when the client is closed, and close() waits for none", async () => {
    const { first, second } = await begin();
    await Promise.all([first.close(), second.close()]);
    for (const { admin } of cluster.nodes) {
      const others = () =>
        admin.command("CLIENT", "LIST", "TYPE", "NORMAL").then((list) => String(list).trim().split("\n").length - 1);
      await eventually(async () => (await others()) === 0, "the connections end");
    }
  });

  test("that moves a slot keeps serving what lies in it: on its way, and when it has arrived", async () => {
    const { service, first, second } = await begin();
    await fill(first, ["token-3"]);
    const key = (await cluster.keys()).find((each) => each.includes(":token:")) as string;
    const slot = String(slotOf(key));
    const source = await cluster.masterOf(key);
    const target = cluster.nodes.find((node) => node !== source) as ClusterNode;
    const [sourceId, targetId] = await Promise.all(
      [source, target].map((node) => node.admin.command("CLUSTER", "MYID")),
    );
    await target.admin.command("CLUSTER", "SETSLOT", slot, "IMPORTING", String(sourceId));
    await source.admin.command("CLUSTER", "SETSLOT", slot, "MIGRATING", String(targetId));
    await source.admin.command("MIGRATE", "127.0.0.1", String(target.port), key, "0", "5000");

    expect((await second.verifyToken("token-3")).source).toBe("shared"); // ASK
    await forget(second, "token-3");
    expect(await target.admin.keys()).not.toContain(key);
    expect((await first.verifyToken("token-3", { fresh: true })).source).toBe("grpc");
    await eventually(async () => (await target.admin.keys()).includes(key), "it is written");
    for (const node of [target, source]) await node.admin.command("CLUSTER", "SETSLOT", slot, "NODE", String(targetId));
    const late = open(service, { redisUrl: cluster.url, processTtlMs: 0 });
    await late.client.ready();
    expect((await late.client.verifyToken("token-3")).source).toBe("shared");
    await forget(second, "token-3"); // MOVED
    expect(await target.admin.keys()).not.toContain(key);
  });

  test("at a URL for one Redis is named in one line, with the URL to write", async () => {
    const { first, lines } = await begin({ redisUrl: (cluster.nodes[0] as ClusterNode).url });
    for (const [token] of USERS) await first.verifyToken(token);
    const said = lines().filter((line) => line.includes("this is a cluster"));
    expect(said.length).toBeGreaterThanOrEqual(1);
    expect(new Set(said).size).toBe(1);
    expect(said[0]).toMatch(/^error .*write redis\+cluster:\/\//);
  });
});

describeWithRedis("A URL for a cluster", () => {
  test("that leads to one Redis is named in one line, with the URL to write", async () => {
    const redis = await startRedisServer();
    afterwards(() => redis.kill());
    const { client, logger } = open(await startUsers(), { redisUrl: redis.url.replace("redis:", "redis+cluster:") });
    await client.ready();
    expect((await client.verifyToken("token-1")).source).toBe("grpc");
    expect(client.status().cache.shared).toBe("unavailable");
    const said = logger.lines.filter((line) => line.includes("no cluster support"));
    expect(said).toEqual([expect.stringMatching(/^error .*write redis:\/\//)]);
  });

  test("at which nothing is there yet is unavailable, and the client closes all the same", async () => {
    const redisUrl = "redis+cluster://127.0.0.1:1,127.0.0.1:2";
    const { client, logger } = open(await startUsers(), { redisUrl });
    await client.ready();
    await until(() => client.status().cache.shared === "unavailable");
    const gone = `warn portero: the shared cache ${redisUrl} cannot be reached (ECONNREFUSED): going on without it`;
    expect(logger.lines).toEqual([expect.stringContaining(gone)]);
    await client.close();
  });
});
