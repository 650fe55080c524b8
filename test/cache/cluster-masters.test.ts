import { describe, expect, test } from "@jest/globals";
import { keyInSlot, slotOf } from "../../src/cache/cluster-slots.js";
import { eventually } from "../support/eventually.js";
import { type FakeNode, keyWhere, slotEntry } from "../support/fake-cluster.js";
import { type OpenClusterOptions, openCluster } from "../support/open-cluster.js";
import { until } from "../support/until.js";

const [LOW, HIGH] = [keyWhere((slot) => slot < 4096), keyWhere((slot) => slot >= 8192)];
const keyIn = (slot: number) => keyInSlot("key", (candidate) => candidate === slot);

/** A cluster whose masters are connected to. */
async function openReady(options?: OpenClusterOptions) {
  const opened = await openCluster(options);
  const { cluster, fake } = opened;
  await cluster.store.ready;
  const parts = () => cluster.store.parts?.all() ?? [];
  /** Nothing more is under way. */
  const isStill = (...standing: number[]) =>
    until(() => `${fake.nodes.map(({ redis }) => redis.standing)}` === `${standing}`);
  await isStill(...fake.nodes.map(({ id }) => (parts().some(({ name }) => name === id) ? 1 : 0)));
  return { ...opened, parts, isStill };
}

const proofsOf = ({ asked }: FakeNode) => asked.filter(([name]) => name === "UNLINK").map(([, key]) => key as string);

describe("The masters of a cluster", () => {
  test("are connected to once each, and prove themselves with a key of their own; replicas are left alone", async () => {
    const { fake, first, second, third, parts } = await openReady();
    expect(fake.looks).toBe(1);
    expect(parts().map(({ name }) => name)).toEqual([first.id, second.id]);
    expect(proofsOf(first).map((key) => slotOf(key) < 8192)).toEqual([true]);
    expect(proofsOf(second).map((key) => slotOf(key) >= 8192)).toEqual([true]);
    expect([second.redis.connections, third.redis.connections]).toEqual([1, 0]);
  });

  test("are one each, however their slots lie", async () => {
    const { cluster, first, second, parts } = await openReady({
      slots: (a, b) => [
        slotEntry(0, 99, b),
        slotEntry(100, 8191, a),
        slotEntry(8192, 16_000, b),
        slotEntry(16_001, 16_383, a),
      ],
    });
    expect(parts().map(({ name }) => name)).toEqual([second.id, first.id]);
    for (const slot of [0, 99, 100, 8191, 8192, 16_000, 16_001, 16_383]) {
      expect([slot, cluster.store.parts?.of(keyIn(slot))?.name]).toEqual([
        slot,
        slot <= 99 || (slot >= 8192 && slot <= 16_000) ? second.id : first.id,
      ]);
    }
  });

  test("hold the keys of their slots", async () => {
    const { cluster, first, second } = await openReady();
    const { store } = cluster;
    const keys = [keyIn(16_383), keyIn(8191), keyIn(8192), keyIn(0)];
    for (const key of keys) expect(await store.set(key, `of ${key}`, 1000)).toBe(true);
    expect([[...first.texts.keys()], [...second.texts.keys()]]).toEqual([
      [keys[1], keys[3]],
      [keys[0], keys[2]],
    ]);
    expect(await store.getAll?.([...keys, LOW])).toEqual([...keys.map((key) => `of ${key}`), null]);
    expect(await store.get(keyIn(8192))).toBe(`of ${keyIn(8192)}`);
    expect([await store.delete(keyIn(0)), await store.delete(keyIn(0))]).toEqual([true, false]);
    expect(first.texts.size).toBe(1);
    expect(await cluster.send(keyIn(8191), ["MGET", keyIn(8191)])).toEqual([`of ${keyIn(8191)}`]);
  });

  test("are waited for, all of them, before it is ready", async () => {
    const { cluster, second, told } = await openCluster({
      prepare: (_first, second) => {
        second.refuse = ([name]) => (name === "UNLINK" ? "silence" : undefined);
      },
    });
    let isReady = false;
    const ready = cluster.store.ready?.then(() => {
      isReady = true;
    });
    await until(() => second.asked.length === 1 && told.connected === 1);
    await cluster.store.get(LOW);
    expect(isReady).toBe(false);
    await cluster.close();
    await ready;
  });

  test("are not waited for where one cannot be reached: the others serve", async () => {
    const { cluster } = await openCluster({
      slots: (first) => [slotEntry(0, 8191, first), slotEntry(8192, 16_383, { host: "127.0.0.1", port: 1 })],
    });
    await cluster.store.ready;
    expect(await cluster.store.get(LOW)).toBeNull();
    await expect(cluster.store.get(HIGH)).rejects.toMatchObject({ name: "NotConnectedError", code: "ECONNREFUSED" });
  });

  test("are pinged when nothing was heard of them for an interval", async () => {
    const { clock, first, second } = await openReady();
    await clock.advance(9999);
    expect([proofsOf(first).length, proofsOf(second).length]).toEqual([1, 1]);
    await clock.advance(1);
    await until(() => proofsOf(first).length === 2 && proofsOf(second).length === 2);
  });

  test("are told of as they are connected to", async () => {
    const { told } = await openReady();
    expect(told).toEqual({ noCluster: 0, changed: 1, connected: 2, takenOver: 0 });
  });

  test("are left when it is closed, and its slots are asked for no more", async () => {
    const { clock, fake, cluster, close, isStill } = await openReady();
    await close();
    await isStill(0, 0, 0);
    cluster.topology.doubt();
    await expect(cluster.topology.masterOf(LOW)).rejects.toMatchObject({ name: "NotConnectedError" });
    await clock.advance(60_000);
    expect([fake.looks, fake.nodes.map(({ redis }) => redis.standing), clock.pending]).toEqual([1, [0, 0, 0], 0]);
  });
});

describe("Slots that no master has", () => {
  test("cannot be used, and the others can", async () => {
    const { cluster } = await openReady({
      slots: (first, second) => [slotEntry(0, 8191, first), slotEntry(8193, 16_383, second)],
    });
    const key = keyIn(8192);
    await expect(cluster.store.get(key)).rejects.toMatchObject({ name: "NotConnectedError" });
    await expect(cluster.store.getAll?.([LOW, key])).rejects.toMatchObject({ name: "NotConnectedError" });
    await expect(cluster.topology.masterOf(key)).rejects.toMatchObject({ name: "NotConnectedError" });
    expect(cluster.store.parts?.of(key)).toBeUndefined();
    expect(await cluster.store.getAll?.([keyIn(8191), keyIn(8193)])).toEqual([null, null]);
  });
});

describe("A replica that takes the slots of its master over", () => {
  test("is the same part, at once, and is told of once, before it can be used", async () => {
    const { cluster, first, second, third, told, parts, isStill, renew } = await openReady();
    const [part, other] = parts();
    const seen: unknown[] = [];
    cluster.onTakenOver(() => {
      seen.push(told.changed, third.redis.connections, part?.name);
      cluster.store.get(LOW).catch(({ name }) => seen.push(name));
    });
    await renew([slotEntry(8192, 16_383, second), slotEntry(0, 8191, third)]);
    await isStill(0, 1, 1);
    expect(parts()).toEqual([other, part]);
    expect([part?.name, other?.name]).toEqual([third.id, second.id]);
    expect(seen).toEqual([2, 0, third.id, "NotConnectedError"]);
    await until(() => told.connected === 3);
    expect(told).toMatchObject({ changed: 2, connected: 3, takenOver: 1 });
    expect(await cluster.store.get(LOW)).toBeNull();
    expect(proofsOf(third).map((key) => slotOf(key) < 8192)).toEqual([true]);
    expect(first.redis.standing).toBe(0);
  });

  test("is told of no more when the slots stay there", async () => {
    const { second, third, told, isStill, renew } = await openReady();
    const slots = [slotEntry(0, 8191, third), slotEntry(8192, 16_383, second)];
    await renew(slots);
    await renew(slots);
    await isStill(0, 1, 1);
    expect(told).toMatchObject({ changed: 3, takenOver: 1 });
    expect(proofsOf(third)).toHaveLength(1);
  });

  test("is that part alone where another new master has the rest of its slots", async () => {
    const { first, second, third, told, parts, fake, isStill, renew } = await openReady({ count: 4 });
    const fourth = fake.nodes[3] as FakeNode;
    const [part, other] = parts();
    await renew([slotEntry(0, 99, fourth), slotEntry(100, 8191, third), slotEntry(8192, 16_383, second)]);
    await isStill(0, 1, 1, 1);
    expect(parts().map(({ name }) => name)).toEqual([fourth.id, third.id, second.id]);
    expect(parts().indexOf(part as never)).toBe(0);
    expect(parts().indexOf(other as never)).toBe(2);
    expect(told.takenOver).toBe(1);
    expect(first.redis.standing).toBe(0);
  });

  test("of two masters is one part, and the other part is closed", async () => {
    const { third, told, parts, isStill, renew } = await openReady();
    const [part] = parts();
    await renew([slotEntry(0, 8191, third), slotEntry(8192, 16_383, third)]);
    await isStill(0, 0, 1);
    expect(parts()).toEqual([part]);
    expect(told.takenOver).toBe(1);
    expect(third.redis.connections).toBe(1);
  });
});

describe("A master that gains slots", () => {
  test("keeps its connection, and the one that has none left is closed", async () => {
    const { clock, cluster, first, second, told, parts, isStill, renew } = await openReady();
    const [, other] = parts();
    const connections = second.redis.connections;
    await renew([slotEntry(0, 8191, second), slotEntry(8192, 16_383, second)]);
    await isStill(0, 1, 0);
    expect(parts()).toEqual([other]);
    expect(await cluster.store.getAll?.([LOW, HIGH])).toEqual([null, null]);
    await clock.advance(5000);
    expect([first.redis.standing, second.redis.connections]).toEqual([0, connections]);
    expect(told).toMatchObject({ changed: 2, takenOver: 0 });
  });

  test("leaves the one that had them to prove itself with a slot that it has still", async () => {
    const { clock, first, second, told, isStill, renew } = await openReady();
    const kept = slotOf(proofsOf(second)[0] as string);
    await renew([slotEntry(0, kept, first), slotEntry(kept + 1, 16_383, second)]);
    await isStill(1, 1, 0);
    await clock.advance(9000);
    await until(() => proofsOf(second).length === 2);
    expect(slotOf(proofsOf(second)[1] as string)).toBeGreaterThan(kept);
    expect(told.takenOver).toBe(0);
  });

  test("and had none before is a new part", async () => {
    const { cluster, first, second, third, told, parts, isStill, renew } = await openReady();
    const before = parts();
    await renew([slotEntry(0, 99, third), slotEntry(100, 8191, first), slotEntry(8192, 16_383, second)]);
    await isStill(1, 1, 1);
    expect(parts().map((part) => before.indexOf(part))).toEqual([-1, 0, 1]);
    expect(parts()[0]?.name).toBe(third.id);
    expect(await cluster.store.get(keyIn(0))).toBeNull();
    expect(third.asked.at(-1)).toEqual(["MGET", keyIn(0)]);
    expect(told).toMatchObject({ changed: 2, takenOver: 0 });
  });

  test("that were nowhere is a new part", async () => {
    const { first, third, told, parts, isStill, renew } = await openReady({
      slots: (first) => [slotEntry(0, 8191, first)],
    });
    await renew([slotEntry(0, 8191, first), slotEntry(8192, 16_383, third)]);
    await isStill(1, 0, 1);
    expect(parts().map(({ name }) => name)).toEqual([first.id, third.id]);
    expect(told.takenOver).toBe(0);
  });
});

describe("A master that is away", () => {
  test("is lost since it went, and of several it is the first that counts", async () => {
    const { clock, cluster, first, second, told } = await openReady();
    expect(cluster.lostAt).toBe(Number.POSITIVE_INFINITY);
    await clock.advance(100);
    const lostAt = clock.monotonic();
    await second.redis.close();
    await until(() => cluster.lostAt < Number.POSITIVE_INFINITY);
    await clock.advance(100);
    await first.redis.close();
    const isLost = () =>
      cluster.store.get(LOW).then(
        () => false,
        ({ name }) => name === "NotConnectedError",
      );
    await eventually(isLost, "the first one is lost, too");
    expect(cluster.lostAt).toBe(lostAt);
    expect(told.takenOver).toBe(0);
  });
});

describe("The master that the topology of a cluster names", () => {
  const credentials = { username: "portero", password: "hunter2" };

  test("is the one of the slot, with what a connection to it is made with", async () => {
    const { cluster, fake, first, second } = await openReady({ target: { credentials } });
    const endpoint = { ...credentials, host: "127.0.0.1", database: 0, secure: false, tls: undefined };
    expect(await cluster.topology.masterOf(LOW)).toStrictEqual({ ...endpoint, id: first.id, port: first.port });
    expect(await cluster.topology.masterOf(HIGH)).toStrictEqual({ ...endpoint, id: second.id, port: second.port });
    expect(fake.looks).toBe(1);
    expect(first.asked.filter(([name]) => name === "AUTH")).toEqual([
      ["AUTH", "portero", "hunter2"], // to ask for the slots
      ["AUTH", "portero", "hunter2"],
    ]);
  });

  test("is waited for where the slots are not known yet", async () => {
    const { cluster, fake, first } = await openCluster();
    expect([fake.looks, cluster.store.parts?.of(keyIn(0))]).toEqual([0, undefined]);
    expect(await cluster.topology.masterOf(LOW)).toMatchObject({ id: first.id });
    expect(fake.looks).toBe(1);
  });

  test("is looked for anew after a doubt, and only then", async () => {
    const { clock, cluster, fake, second, third } = await openReady();
    fake.slots = [slotEntry(0, 8191, third), slotEntry(8192, 16_383, second)];
    cluster.topology.doubt();
    await clock.advance(1000);
    expect(fake.looks).toBe(1);
    expect(await cluster.topology.masterOf(LOW)).toMatchObject({ id: third.id });
    expect(fake.looks).toBe(2);
    expect(await cluster.topology.masterOf(HIGH)).toMatchObject({ id: second.id });
    expect(fake.looks).toBe(2);
  });

  test("is doubted until an answer has come", async () => {
    const { clock, cluster, fake, first } = await openReady();
    const { slots } = fake;
    fake.slots = [];
    cluster.topology.doubt();
    await clock.advance(1000);
    await expect(cluster.topology.masterOf(LOW)).rejects.toMatchObject({
      name: "NotConnectedError",
      code: "CLUSTERDOWN",
    });
    fake.slots = slots;
    const looked = cluster.topology.masterOf(LOW);
    await clock.advance(1000);
    expect(await looked).toMatchObject({ id: first.id });
    expect(fake.looks).toBe(fake.nodes.length + 2);
  });
});

describe("What a node answers to the question for its slots", () => {
  test.each<[string, unknown, string | undefined, number]>([
    ["that it is no cluster", new Error("ERR This instance has cluster support disabled"), "ERR", 3],
    ["that it is none, in other words", new Error("ERR Cluster Support Disabled"), "ERR", 3],
    ["that it does not know it", new Error("ERR unknown command"), "ERR", 0],
    ["that it may not be asked", new Error("NOPERM this user has no permissions"), "NOPERM", 0],
    ["that it knows of none", [], "CLUSTERDOWN", 0],
    ["what makes no sense", [["garbage"]], "CLUSTERDOWN", 0],
    ["lists that are too deep", [[0, 16_383, ["a", 1, "id", [["deep", ["deeper"]]]]]], undefined, 0],
    ["more than any cluster has", Buffer.from("*524289\r\n"), undefined, 0],
  ])("is told with its code, and named where it is no cluster: %s", async (_what, slots, code, noCluster) => {
    const { cluster, told } = await openCluster({ slots: () => slots });
    const failed = await cluster.store.ready?.then(
      () => undefined,
      (error) => error,
    );
    expect(failed).toMatchObject({ name: "NotConnectedError", code });
    expect([told.noCluster, cluster.store.parts?.all()]).toEqual([noCluster, []]);
    await expect(cluster.store.get(LOW)).rejects.toMatchObject({ name: "NotConnectedError" });
    if (code === "CLUSTERDOWN") expect(failed.cause.message).toBe("CLUSTERDOWN the node knows of no slots");
  });

  test("may leave its own name out", async () => {
    const { cluster, first } = await openCluster({
      slots: ({ port }) => [slotEntry(0, 16_383, { host: "", port })],
    });
    await cluster.store.ready;
    expect(cluster.store.parts?.all().map(({ name }) => name)).toEqual([first.id]);
    expect(await cluster.store.get(HIGH)).toBeNull();
  });

  test("may be thousands of ranges, with replicas, and lists of what is said of a node", async () => {
    const replica = ["127.0.0.1", 1, "replica", ["hostnames", ["a", "b"]]];
    const { cluster, first, second } = await openCluster({
      slots: (...nodes) =>
        Array.from({ length: 2048 }, (_, n) => slotEntry(8 * n, 8 * n + 7, nodes[n % 2] as FakeNode, replica)),
    });
    await cluster.store.ready;
    const nameOf = (slot: number) => cluster.store.parts?.of(keyIn(slot))?.name;
    expect([nameOf(7), nameOf(8), nameOf(16_375), nameOf(16_376)]).toEqual([first.id, second.id, first.id, second.id]);
  });
});
