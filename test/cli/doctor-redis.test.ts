import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { afterwards } from "../support/open-client.js";
import { connectAdmin } from "../support/redis-admin.js";
import { type RedisClusterServers, startRedisCluster } from "../support/redis-cluster.js";
import { type RedisSentinelServers, startRedisSentinel } from "../support/redis-sentinel.js";
import { describeWithRedis, type RedisServer, startRedisServer } from "../support/redis-server.js";
import { RIGHTS, redisRows, refusingRows, type SuiteRedis } from "./redis-rows.js";
import { runMain } from "./run-main.js";
import { SECRET, startPair, TOKEN } from "./set-up.js";
import { expectBroken, expectWell } from "./verdicts.js";

describeWithRedis("portero doctor, at one Redis,", () => {
  let server: RedisServer;
  let suite: SuiteRedis;
  beforeAll(async () => {
    server = await startRedisServer();
    suite = { port: server.port, admin: await connectAdmin(server.url) };
  });
  afterAll(async () => {
    suite.admin.close();
    await server.kill();
  });

  test("has nothing to say against all rights, and leaves nothing behind", async () => {
    const { env } = await startPair();
    const { stdout } = await expectWell({ env: { ...env, ...SECRET, REDIS_URL: server.url }, token: TOKEN });
    expect(stdout).toMatch(/✓ one Redis \d/);
    for (const part of ["entries can be written", "the log of", "it evicts nothing (noeviction)", "its clock is right"])
      expect(stdout).toContain(`✓ ${part}`);
    expect(await suite.admin.keys()).toEqual([]);
  });

  test("has nothing to say against the rights that the docs name, and tells what it may not look at", async () => {
    await suite.admin.command(
      "ACL",
      "SETUSER",
      "portero",
      "reset",
      "on",
      ">hunter2",
      ...`${RIGHTS} +select`.split(" "),
    );
    const { env } = await startPair();
    const url = `redis://portero:hunter2@127.0.0.1:${server.port}/2`;
    const { stdout } = await expectWell({ env: { ...env, ...SECRET, REDIS_URL: url } });
    expect(stdout).toContain("– not allowed to look at its memory (INFO)");
    expect(stdout).toContain("– not allowed to look at its clock (TIME)");
  });

  describe("names", () => {
    test.each(redisRows(() => suite))("$is", async (row) => {
      await expectBroken(row);
      await suite.admin.command("CONFIG", "SET", "maxmemory", "0", "min-replicas-to-write", "0");
    });
  });

  test.each(refusingRows)("names $is", expectBroken);

  test("names a Redis that wants a password, and one without the command that deletes", async () => {
    const started = await Promise.all([
      startRedisServer({ password: "hunter2" }),
      startRedisServer({ settings: ["--rename-command", "UNLINK", ""] }),
    ]);
    afterwards(() => Promise.all(started.map((each) => each.kill())));
    const [locked, renamed] = started;
    const at = async (url: string) => ({ env: { ...(await startPair()).env, ...SECRET, REDIS_URL: url } });
    await expectBroken({
      is: "no password",
      make: () => at(locked.url.replace(":hunter2@", "")),
      fails: ["redis.entries"],
      says: ["(NOAUTH)", "→ it wants a password: write redis://:…@host:port, or redis://user:…@host:port where"],
    });
    await expectBroken({
      is: "a user that is not there",
      make: () => at(locked.url.replace(":hunter2@", "ana:hunter2@")),
      fails: ["redis.connection"],
      says: ["(WRONGPASS)", "Where it has a password alone, write redis://:…@host:port"],
    });
    await expectBroken({
      is: "a wrong password alone",
      make: () => at(locked.url.replace("hunter2", "hunter3")),
      fails: ["redis.connection"],
      says: ["(WRONGPASS)", "→ the password is wrong: is it encoded, # as %23? Where it is a user's, write"],
    });
    await expectBroken({
      is: "no UNLINK",
      make: () => at(renamed.url),
      fails: ["redis.entries"],
      says: [
        "it refuses UNLINK (ERR)",
        "→ is it renamed (rename-command), does a proxy refuse it? UNLINK came with Redis 4",
      ],
    });
  });
});

describeWithRedis("portero doctor, at a Redis Cluster,", () => {
  let cluster: RedisClusterServers;
  beforeAll(async () => {
    cluster = await startRedisCluster({ replicas: false });
  });
  afterAll(() => cluster.close());
  const at = async (url: string) => ({ env: { ...(await startPair()).env, ...SECRET, REDIS_URL: url } });

  test("has nothing to say against it, writes to each master, and leaves nothing behind", async () => {
    const [node] = cluster.nodes;
    const { stdout } = await expectWell(await at(`redis+cluster://127.0.0.1:${node?.port}`));
    expect(stdout).toContain("✓ a cluster of 3 masters: ");
    expect(await cluster.keys()).toEqual([]);
  });

  test("names redis:// as wrong", () =>
    expectBroken({
      is: "a cluster behind redis://",
      make: () => at(`redis://127.0.0.1:${cluster.nodes[1]?.port}`),
      fails: ["redis.topology"],
      says: ["is a node of a cluster", "→ write redis+cluster:// for redis://"],
    }));

  test("names the rights that one master lacks, and slots that are with none", async () => {
    const rights = `${RIGHTS} +cluster|slots +asking`;
    await cluster.onAll("ACL", "SETUSER", "portero", "reset", "on", ">hunter2", ...rights.split(" "));
    const url = cluster.url.replace("//", "//portero:hunter2@");
    await expectWell(await at(url));
    const [first] = await cluster.masters();
    await first?.admin.command("ACL", "SETUSER", "portero", "-asking", "-unlink");
    await expectBroken({
      is: "a master without rights",
      make: () => at(url),
      fails: ["redis.entries"],
      says: [`127.0.0.1:${first?.port}: its user may not UNLINK, ASKING (NOPERM)`, "→ ACL SETUSER … +unlink +asking"],
    });
    await cluster.onAll("CLUSTER", "DELSLOTS", "0");
    await expectBroken({
      is: "a slot that no master has",
      make: () => at(cluster.url),
      fails: ["redis.topology"],
      says: ["1 of 16384 slots are with no master"],
    });
  });
});

describeWithRedis("portero doctor, at a Redis that sentinels watch,", () => {
  let redis: RedisSentinelServers;
  beforeAll(async () => {
    redis = await startRedisSentinel();
  });
  afterAll(() => redis.close());
  const at = async (url: string) => ({ env: { ...(await startPair()).env, ...SECRET, REDIS_URL: url } });

  test("has nothing to say against it", async () => {
    const { stdout } = await expectWell(await at(redis.url));
    expect(stdout).toContain(`✓ the master mymaster: 3 of 3 sentinels name 127.0.0.1:${redis.servers[0].port}`);
  });

  test.each([
    [
      "another name of the master",
      () => redis.url.replace("mymaster", "other"),
      ["redis.topology", "redis.topology", "redis.topology"],
      "watches no master of that name",
    ],
    [
      "redis:// at a sentinel",
      () => `redis://127.0.0.1:${redis.sentinels[0]?.port}`,
      ["redis.topology"],
      "is a sentinel, and keeps no entries",
    ],
    [
      "redis:// at the replica",
      () => `redis://127.0.0.1:${redis.servers[1].port}`,
      ["redis.topology"],
      "is a replica, and takes no writes",
    ],
  ])("names %s", async (is, url, fails, says) => {
    await expectBroken({ is, make: () => at(url()), fails, says: [says, "→ "] });
  });

  test("says which sentinel is away, and goes on with the others", async () => {
    await redis.sentinels[2]?.kill();
    const { code, stdout } = await runMain(["doctor"], await at(redis.url));
    expect(code).toBe(0);
    expect(stdout).toContain(`! 127.0.0.1:${redis.sentinels[2]?.port} cannot be connected to (ECONNREFUSED)`);
    expect(stdout).toContain("✓ entries can be written, read and deleted");
  });
});
