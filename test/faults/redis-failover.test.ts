import { describe, expect, jest, test } from "@jest/globals";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { connectAdmin, type RedisAdmin } from "../support/redis-admin.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { describeWithRedis, type RedisServer, startRedisServer } from "../support/redis-server.js";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.js";
import { type Caller, openCaller, somebodyNew } from "./caller.js";
import { meetSomebody, wave } from "./endure.js";
import { expectServedBy } from "./expectations.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(30_000);

const portOf = ({ url }: RedisServer) => Number(new URL(url).port);

/** A primary and its successor behind one address, as managed Redis has it, and a process that uses it. */
interface Scene {
  readonly endpoint: TcpProxy;
  readonly service: FakeAuthService;
  readonly caller: Caller;
  readonly old: RedisAdmin;
  readonly successor: RedisAdmin;
  /** The old primary becomes a replica; connections to it stay. */
  demote(): Promise<void>;
  /** From now on the address leads to the successor. */
  move(): void;
}

async function startScene(): Promise<Scene> {
  const servers = [await startRedisServer(), await startRedisServer()] as const;
  for (const server of servers) opened({ close: () => server.kill() });
  const [old, successor] = [
    opened(await connectAdmin(servers[0].url)),
    opened(await connectAdmin(servers[1].url)),
  ] as const;
  const endpoint = opened(await startTcpProxy(portOf(servers[0]), "redis"));
  const service = opened(await startAuthService({ users: everybody() }));
  const caller = opened(await openCaller({ ...service.upstreams, cache: { redisUrl: endpoint.url } }));
  await caller.client.ready(); // what is asked before the log begins is kept nowhere
  await eventually(() => caller.client.status().cache.shared === "available", "it is connected");
  return {
    endpoint,
    service,
    caller,
    old,
    successor,
    demote: async () => void (await old.command("REPLICAOF", "127.0.0.1", String(portOf(servers[1])))),
    move: () => endpoint.heal(portOf(servers[1])),
  };
}

/** One at once, and one a second. */
const attemptsSince = (start: number) => 1 + Math.floor((performance.now() - start) / 1000);

const forget = ({ caller }: Scene) =>
  caller.client.invalidateToken(tokenOf(somebodyNew())).then(
    () => true,
    () => false,
  );

describeWithRedis(
  "A primary that has become a replica, while its address leads to another and connections stay:",
  () => {
    test("invalidations arrive at the new one, and one pair of lines says so at most", async () => {
      const scene = await startScene();
      const { caller, successor } = scene;
      const known = await meetSomebody(caller, "grpc");
      await scene.demote();
      scene.move();
      const start = performance.now();
      const during = await wave(caller, known);
      await eventually(() => forget(scene), "an invalidation arrives");
      record("Redis", "a failover behind one address", during, {
        on: "the shared cache",
        ms: performance.now() - start,
      });
      expectServedBy("grpc", during);
      await caller.client.invalidateUser({ userId: "user-7", organizationId: "org-1" });
      const keys = (await successor.command("KEYS", "portero:*")) as string[];
      expect(keys.length).toBeGreaterThan(0);
      expect(caller.client.status().cache.shared).toBe("available");
      expect(caller.logLines.filter((line) => line.includes("cannot be reached")).length).toBeLessThanOrEqual(1);
    });

    test("an address that moves later is found by itself, and the log names the reason", async () => {
      const scene = await startScene();
      const { caller, endpoint } = scene;
      await scene.demote();
      const [before, start] = [endpoint.connections, performance.now()];
      await eventually(async () => {
        await forget(scene);
        return caller.client.status().cache.shared === "unavailable";
      }, "it is noticed");
      for (let n = 0; n < 20; n++) expect(await forget(scene)).toBe(false);
      expect(endpoint.connections - before).toBeLessThanOrEqual(attemptsSince(start)); // however many errors there are
      expect(caller.logLines.filter((line) => line.includes("(READONLY)"))).toHaveLength(1);
      scene.move();
      await eventually(() => forget(scene), "it is found again");
      expect(caller.client.status().cache.shared).toBe("available");
      expect(caller.logLines.at(-1)).toContain("is back");
    });

    test("nothing is read from the replica, whose entries may be stale", async () => {
      const scene = await startScene();
      const person = somebodyNew();
      await scene.caller.ask(person);
      await eventually(async () => (await scene.old.keys()).length > 0, "the entry is written");
      await scene.demote();
      await eventually(async () => {
        await forget(scene);
        return scene.caller.client.status().cache.shared === "unavailable";
      }, "it is noticed");
      const other = opened(await openCaller({ ...scene.service.upstreams, cache: { redisUrl: scene.endpoint.url } }));
      expect((await other.ask(person)).source).toBe("grpc");
      expect(other.client.status().cache.shared).toBe("unavailable");
    });

    test("a process that asks nothing notices it by its ping", async () => {
      const scene = await startScene();
      const cache = { redis: { url: scene.endpoint.url, pingIntervalMs: 20 } };
      const idle = opened(await openCaller({ ...scene.service.upstreams, cache }));
      await eventually(() => idle.client.status().cache.shared === "available", "it is connected");
      const before = scene.endpoint.connections;
      await scene.demote();
      scene.move();
      await eventually(() => scene.endpoint.connections > before, "it connects anew");
    });
  },
);

/** A process on something that refuses every look, deletion and write so. */
async function onRefusal(refusal: string) {
  const fake = opened(await startFakeRedis((_words, socket) => void socket.write(`-${refusal}\r\n`)));
  const service = opened(await startAuthService({ users: everybody() }));
  const caller = opened(await openCaller({ ...service.upstreams, cache: { redisUrl: fake.url } }));
  await caller.client.ready();
  return { fake, caller };
}

/** By which each connection of the store proves itself; those that would follow the log do so by another command. */
function proofs({ commands }: { commands: readonly string[] }): number {
  return commands.filter((command) => command === "UNLINK").length;
}

describe("A Redis that answers", () => {
  test.each([
    "MOVED 3999 127.0.0.1:6381",
    "ASK 3999 127.0.0.1:6381",
    "CROSSSLOT Keys in request don't hash to the same slot",
  ])("%s is named a cluster in one line, and the connection stays", async (refusal) => {
    const { fake, caller } = await onRefusal(refusal);
    for (let n = 0; n < 10; n++) expect((await caller.ask()).source).toBe("grpc");
    expect(caller.logLines.filter((line) => line.includes("this is a cluster"))).toHaveLength(1);
    expect(proofs(fake)).toBe(1);
  });

  test("LOADING is unavailable, and the connection stays", async () => {
    const { fake, caller } = await onRefusal("LOADING Redis is loading the dataset in memory");
    for (let n = 0; n < 10; n++) expect((await caller.ask()).source).toBe("grpc");
    expect(caller.client.status().cache.shared).toBe("unavailable");
    expect(caller.logLines.filter((line) => line.includes("cannot be reached (LOADING)"))).toHaveLength(1);
    expect(proofs(fake)).toBe(1);
  });

  test.each([
    "READONLY You can't write against a read only replica.",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "CLUSTERDOWN The cluster is down",
    "NOAUTH Authentication required.",
  ])("%s is left, and not connected to again within a second", async (refusal) => {
    const start = performance.now();
    const { fake, caller } = await onRefusal(refusal);
    await Promise.all(Array.from({ length: 20 }, () => caller.ask()));
    expect(fake.connections).toBeLessThanOrEqual(attemptsSince(start));
    await eventually(() => fake.standing === 0, "the connection ends");
    expect(caller.client.status().cache.shared).toBe("unavailable");
    const [code] = refusal.split(" ");
    expect(caller.logLines.filter((line) => line.includes(`cannot be reached (${code})`))).toHaveLength(1);
    expect(caller.logLines.join()).not.toContain("cluster,");
  });
});
