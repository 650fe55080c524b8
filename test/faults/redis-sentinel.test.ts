import { expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually as tryUntil } from "../support/eventually.js";
import { connectAdmin } from "../support/redis-admin.js";
import { type RedisSentinelServers, startRedisSentinel } from "../support/redis-sentinel.js";
import { describeWithRedis } from "../support/redis-server.js";
import { openCaller, somebodyNew } from "./caller.js";
import { meetSomebody, wave } from "./endure.js";
import { expectServedBy } from "./expectations.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(90_000);

/** A failover takes its time, and on a busy machine more of it, in milliseconds. */
const FAILOVER_MS = 25_000;
const eventually = (isSo: () => boolean | Promise<boolean>, what: string) => tryUntil(isSo, what, FAILOVER_MS);

/** For a question to the auth service, in milliseconds: five servers and their failover keep a machine busy, and it is well. */
const PATIENT_MS = 5000;

async function startScene() {
  const set = opened(await startRedisSentinel());
  const service = opened(await startAuthService({ users: everybody() }));
  const options = { grpc: { ...service.upstreams.grpc, timeoutMs: PATIENT_MS }, cache: { redisUrl: set.url } };
  const [caller, second] = [opened(await openCaller(options)), opened(await openCaller(options))];
  const share = async () => {
    const person = somebodyNew();
    await caller.ask(person);
    return (await second.ask(person)).source === "shared";
  };
  await eventually(share, "entries are shared before the fault");
  return { set, caller, second, share };
}

const successorLeads = async (set: RedisSentinelServers) => (await set.masterPort()) === set.servers[1].port;

describeWithRedis("A master that sentinels watch", () => {
  test.each<[string, (set: RedisSentinelServers) => unknown]>([
    ["is killed", ({ servers }) => servers[0].kill()],
    ["is paused", ({ servers }) => servers[0].pause()],
  ])("%s: the service answers, its successor is found, and one pair of lines says so", async (fault, strike) => {
    const { set, caller, second, share } = await startScene();
    const known = await meetSomebody(caller, "grpc");
    const held = somebodyNew();
    await second.ask(held);
    await strike(set);
    await eventually(async () => {
      await caller.ask();
      return caller.logLines.some((line) => line.includes("cannot be reached"));
    }, "it is noticed");
    const during = await wave(caller, known);
    await eventually(() => successorLeads(set), "the replica is promoted");
    const start = performance.now();
    await eventually(share, "entries are shared again");
    record("Redis", `a master that sentinels watch ${fault}, its replica promoted`, during, {
      on: "the shared cache, from the promotion on",
      ms: performance.now() - start,
    });
    expectServedBy("grpc", during);
    await eventually(
      () =>
        caller.client.invalidateToken(tokenOf(held)).then(
          () => true,
          () => false,
        ),
      "an invalidation arrives",
    );
    const lines = caller.logLines.filter((line) => line.includes("shared cache redis+sentinel://"));
    expect(lines).toEqual([expect.stringContaining("cannot be reached"), expect.stringContaining("is back")]);
    await eventually(() => second.client.peekToken(tokenOf(held)) === undefined, "another process hears of it");
    record("Redis", `a master that sentinels watch ${fault}, a token invalidated as soon as that can be done`, [], {
      on: "forgotten in another process, from the promotion on",
      ms: performance.now() - start,
    });
  });

  test("hands over while it lives: nothing is read from the old one, and invalidations arrive at the new one", async () => {
    const { set, caller, share } = await startScene();
    const sentinel = opened(await connectAdmin(set.sentinels[0]?.url as string));
    await sentinel.command("SENTINEL", "FAILOVER", "mymaster");
    await eventually(() => successorLeads(set), "the replica is promoted");
    // Sentinels end the connections of one that they make a replica.
    const role = async () => {
      const old = await connectAdmin(set.servers[0].url);
      return String(await old.command("ROLE").finally(() => old.close()));
    };
    const isReplica = () =>
      role().then(
        (said) => said.startsWith("slave"),
        () => false,
      );
    await eventually(isReplica, "the old one is a replica");
    await eventually(share, "entries are shared again");
    const successor = opened(await connectAdmin(set.servers[1].url));
    await successor.command("FLUSHALL");
    await eventually(
      () =>
        caller.client.invalidateUser({ userId: "user-7", organizationId: "org-1" }).then(
          () => true,
          () => false,
        ),
      "an invalidation arrives",
    );
    expect((await successor.keys()).length).toBeGreaterThan(0);
  });
});
