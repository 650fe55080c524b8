import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { createKeyring, type EntryName } from "../../src/cache/keyring.js";
import { anyInvalidated } from "../../src/cache/subject-invalidations.js";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually as tryUntil } from "../support/eventually.js";
import { type ClusterNode, type RedisClusterServers, startRedisCluster } from "../support/redis-cluster.js";
import { describeWithRedis } from "../support/redis-server.js";
import { type Answer, type Caller, openCaller, somebodyNew } from "./caller.js";
import { meetSomebody, wave } from "./endure.js";
import { expectServedBy } from "./expectations.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody, tokenOf } from "./people.js";

jest.setTimeout(90_000);

/** A failover takes its time, and on a busy machine more of it, in milliseconds. */
const FAILOVER_MS = 25_000;
const eventually = (isSo: () => boolean | Promise<boolean>, what: string) => tryUntil(isSo, what, FAILOVER_MS);

/** For a question to the auth service, in milliseconds: six servers and their failover keep a machine busy, and it is well. */
const PATIENT_MS = 5000;
/** More than one is on each master. */
const ORGANIZATIONS = Array.from({ length: 60 }, (_, n) => `org-${n}`);
const NAMESPACE = "fleet";
const keyring = createKeyring({ identity: NAMESPACE, secrets: [] });
const keyOf = (name: EntryName) => keyring.slots(name)[0]?.key as string;
const entryOf = (id: string) => keyOf({ kind: "organization", id });
const LOG_KEY = keyOf({ kind: "log", id: "" });
const tokenKeyOf = (person: number) =>
  keyOf({ kind: "token", id: createHash("sha256").update(tokenOf(person)).digest("base64url"), isDigest: true });

describeWithRedis("A Redis Cluster with replicas, of which a master", () => {
  let cluster: RedisClusterServers;
  let service: FakeAuthService;

  beforeAll(async () => {
    cluster = await startRedisCluster();
    const organizations = Object.fromEntries(ORGANIZATIONS.map((id) => [id, {}]));
    service = await startAuthService({ users: everybody(), organizations });
  });
  afterAll(async () => {
    await service?.close();
    await cluster?.close();
  });

  /** Two processes that remember nothing by themselves, all organizations in the cluster, and the master to be struck. */
  async function startScene({ hasLog }: { hasLog: boolean }) {
    const cache = { redisUrl: cluster.url, namespace: NAMESPACE };
    const grpc = { ...service.upstreams.grpc, timeoutMs: PATIENT_MS };
    const caller = opened(await openCaller({ grpc, cache }));
    const second = opened(await openCaller({ grpc, cache: { ...cache, processTtlMs: 0 } }));
    await usesAll(caller);
    // Where the tombstones of all organizations are spoken of nothing is struck: they would be in doubt.
    const spared = await cluster.masterOf(keyOf(anyInvalidated("organization")));
    const holdsLog = await cluster.masterOf(LOG_KEY);
    const struck = (await cluster.masters()).find(
      (node) => node !== spared && (node === holdsLog) === hasLog,
    ) as ClusterNode;
    const isStruck = new Map<string, boolean>();
    for (const id of ORGANIZATIONS) isStruck.set(id, (await cluster.masterOf(entryOf(id))) === struck);
    const others = ORGANIZATIONS.filter((id) => !isStruck.get(id));
    const lost = ORGANIZATIONS.filter((id) => isStruck.get(id));
    const asked = async (ids: readonly string[]) => {
      const before = service.calls.GetOrganization ?? 0;
      for (const id of ids) await second.client.getOrganization(id);
      return (service.calls.GetOrganization ?? 0) - before;
    };
    await eventually(async () => (await asked(ORGANIZATIONS)) === 0, "all entries are in the cluster");
    return { caller, second, struck, others, lost, asked };
  }

  const mastersOf = ({ client }: Caller) => {
    const { available, total } = client.status().cache.sharedMasters ?? {};
    return `${available} of ${total}`;
  };

  /** Whether a master can be used shows with what is asked of it. */
  const usesAll = (caller: Caller) =>
    eventually(async () => {
      await caller.ask();
      return mastersOf(caller) === "3 of 3";
    }, "all masters are used");

  const linesAbout = ({ logLines }: Caller, said: string) => logLines.filter((line) => line.includes(said));

  /** Goes on asking until the keys of the struck master are served again. */
  async function comesBack({ asked, lost }: Awaited<ReturnType<typeof startScene>>): Promise<void> {
    await eventually(async () => (await asked(lost)) === 0, "its keys are served again");
  }

  /** One pair of lines, and nothing of the store as a whole. */
  function expectOnePair(caller: Caller): void {
    expect(linesAbout(caller, "cannot be reached").length).toBeLessThanOrEqual(1);
    expect(linesAbout(caller, "can be reached again").length).toBe(linesAbout(caller, "cannot be reached").length);
    expect(caller.client.status().cache).toMatchObject({
      shared: "available",
      sharedMasters: { available: 3, total: 3 },
    });
  }

  type Scene = Awaited<ReturnType<typeof startScene>>;

  interface Ordeal {
    readonly hasLog: boolean;
    strike(node: ClusterNode): unknown;
    heal(node: ClusterNode): unknown;
    /** Before it is struck. */
    prepare?(scene: Scene): Promise<unknown>;
    /** While it is away. */
    meanwhile?(scene: Scene): Promise<unknown>;
    /** When its replica was promoted. */
    after(scene: Scene, promotedAt: number): Promise<unknown>;
  }

  /** What another process hears of what could not be told. */
  const withLog: Ordeal = {
    hasLog: true,
    strike: (node) => node.kill(),
    heal: (node) => node.start(),
    async meanwhile({ caller }) {
      await caller.client.invalidateToken(tokenOf(somebodyNew())).catch(() => undefined); // it is told later
    },
    async after({ caller, second }, promotedAt) {
      await eventually(() => second.client.status().cache.heard > 0, "the other process hears what could not be told");
      record(
        "Redis",
        "a master that is killed with the log of invalidations on it, a token invalidated meanwhile",
        [],
        {
          on: "heard, from the promotion on",
          ms: performance.now() - promotedAt,
        },
      );
      await eventually(() => caller.client.status().cache.outbox === 0, "nothing waits");
    },
  };

  /** A deletion that the replica did not have yet, when its master was lost: the log lies elsewhere, and lost nothing. */
  function withLostDeletion(): Ordeal {
    let key = "";
    return {
      hasLog: false,
      strike: (node) => node.pause(),
      async heal(node) {
        node.resume();
        await node.admin.command("CONFIG", "SET", "requirepass", "");
      },
      async prepare({ caller, struck }) {
        let person = somebodyNew();
        while ((await cluster.masterOf(tokenKeyOf(person))) !== struck) person = somebodyNew();
        key = tokenKeyOf(person);
        const isThere = async () => (await struck.admin.keys()).includes(key);
        await caller.ask(person);
        await eventually(isThere, "the entry is written");
        await struck.admin.command("WAIT", "1", "5000");
        await struck.admin.command("CONFIG", "SET", "requirepass", "only for new connections");
        await struck.admin.command("CLIENT", "KILL", "TYPE", "replica");
        await caller.client.invalidateToken(tokenOf(person));
        expect(await isThere()).toBe(false);
      },
      async after(_scene, promotedAt) {
        const isThere = async () => (await (await cluster.masterOf(key)).admin.keys()).includes(key);
        await eventually(async () => !(await isThere()), "the deletion is made again");
        record("Redis", "a master that is lost with the deletion of a token", [], {
          on: "deleted again, from the promotion on",
          ms: performance.now() - promotedAt,
        });
      },
    };
  }

  test.each<[string, () => Ordeal]>([
    ["is killed", () => withLog],
    ["is paused", withLostDeletion],
  ])(
    "%s: the keys of the others stay, its own are back with its replica, and what was invalidated is forgotten",
    async (fault, ordealOf) => {
      const ordeal = ordealOf();
      const scene = await startScene(ordeal);
      const { caller, second, struck, others, asked } = scene;
      const known = await meetSomebody(caller, "grpc");
      await ordeal.prepare?.(scene);
      await ordeal.strike(struck);
      await eventually(async () => {
        await asked(scene.lost);
        return linesAbout(second, "cannot be reached").length > 0;
      }, "it is noticed");
      const during: Answer[] = [...(await wave(caller, known))];
      expect(await asked(others)).toBe(0);
      await ordeal.meanwhile?.(scene);
      await eventually(async () => !(await cluster.masters()).includes(struck), "the replica is promoted");
      const start = performance.now();
      await ordeal.after(scene, start);
      await comesBack(scene);
      record("Redis", `a master of three ${fault}, its replica promoted`, during, {
        on: "its keys, from the promotion on",
        ms: performance.now() - start,
      });
      expectServedBy("grpc", during);
      await usesAll(caller);
      await ordeal.heal(struck);
      await eventually(
        async () => String(await struck.admin.command("ROLE").catch(() => "")).startsWith("slave"),
        "it is a replica",
      );
      await eventually(async () => (await asked(others)) === 0, "all entries are served");
      for (const each of [caller, second]) expectOnePair(each);
    },
  );

  test("is dead, and its replica with it: the keys of the others stay, and no line is written twice", async () => {
    const scene = await startScene({ hasLog: false });
    const { caller, second, struck, others, lost, asked } = scene;
    const id = String(await struck.admin.command("CLUSTER", "MYID"));
    const nodes = String(await struck.admin.command("CLUSTER", "NODES")).split("\n");
    const replicaLine = nodes.find((line) => line.includes(`slave ${id}`)) ?? "";
    const replica = cluster.nodes.find(({ port }) => replicaLine.includes(`127.0.0.1:${port}@`)) as ClusterNode;
    await replica.kill();
    await struck.kill();
    const known = await meetSomebody(caller, "grpc");
    const during: Answer[] = [];
    for (let round = 0; round < 8; round++) {
      await asked(lost.slice(0, 5));
      during.push(...(await wave(caller, known)));
      expect(await asked(others)).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    expect(mastersOf(second)).toBe("2 of 3");
    expect(second.client.status().cache.shared).toBe("available");
    await Promise.all([struck.start(), replica.start()]);
    const start = performance.now();
    await comesBack(scene);
    record("Redis", "a master of three and its replica killed, then started again", during, {
      on: "its keys",
      ms: performance.now() - start,
    });
    expectServedBy("grpc", during);
    await usesAll(caller);
    for (const each of [caller, second]) expectOnePair(each);
  });
});
