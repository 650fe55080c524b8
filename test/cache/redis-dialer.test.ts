import { AsyncLocalStorage, createHook } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "@jest/globals";
import type { ClusterSide, RedisWire } from "../../src/cache/redis-connection.js";
import { RedisDialer } from "../../src/cache/redis-dialer.js";
import { LostError, NotConnectedError } from "../../src/cache/store-error.js";
import { FakeWire } from "../support/fake-wire.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { rejectionOf } from "../support/rejection.js";

const READONLY = new Error("READONLY You can't write against a read only replica.");

const REFUSED = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
const LOADING = new Error("LOADING Redis is loading the dataset in memory");
const RESET = new Error("read ECONNRESET");
const never = () => new Promise<never>(() => undefined);

/** A dialer, and what each of its connections does. */
async function dial({
  random = 0.5,
  pingIntervalMs = 10_000,
  cluster,
  onDelete,
  ...answers
}: {
  random?: number;
  pingIntervalMs?: number;
  cluster?: ClusterSide;
  onDelete?: (key: string) => void;
  make?: () => Promise<unknown>;
  reach?: () => Promise<unknown>;
  lastDelete?: () => Promise<unknown>;
} = {}) {
  const clock = new ManualClock();
  const redis = {
    /** When a connection was made, in milliseconds since the start. */
    dialled: [] as number[],
    wires: [] as FakeWire[],
    deletes: 0,
    get destroyed(): number {
      return redis.wires.reduce((sum, wire) => sum + wire.destroyed, 0);
    },
    make: async (): Promise<unknown> => undefined,
    reach: async (): Promise<unknown> => undefined,
    lastDelete: async (): Promise<unknown> => undefined,
    ...answers,
  };
  const start = clock.monotonic();
  const answer = (command: string): Promise<unknown> => {
    if (command === "connect") return redis.reach();
    if (!command.startsWith("delete ")) return Promise.resolve([]);
    onDelete?.(command.replace("delete ", ""));
    redis.deletes++;
    return redis.lastDelete();
  };
  const makeWire = async (): Promise<RedisWire> => {
    redis.dialled.push(clock.monotonic() - start);
    await redis.make();
    const wire = new FakeWire(answer);
    redis.wires.push(wire);
    return wire;
  };
  const dialer = new RedisDialer({
    makeWire,
    clock,
    random: () => random,
    pingIntervalMs,
    ...(cluster && { cluster }),
  });
  await settle();
  /** Between one attempt and the next. */
  const gaps = () => redis.dialled.slice(1).map((at, n) => Math.round(at - (redis.dialled[n] as number)));
  return { clock, redis, dialer, gaps, remove: () => dialer.run((wire) => wire.delete("key")) };
}

/** Something that is answered when the test says so. */
function held() {
  let answer: (value?: unknown) => void = () => undefined;
  const answered = new Promise((resolve) => {
    answer = resolve;
  });
  return { answered, answer };
}

describe("Behind an address that leads to a replica", () => {
  test.each([
    [0, 1000],
    [0.999_999, 1700],
  ])("a connection is made at once and then once in a while: by chance %d, in %d ms", async (random, paceMs) => {
    const { clock, redis, dialer, gaps, remove } = await dial({ random });
    await clock.advance(60_000);
    redis.lastDelete = () => Promise.reject(READONLY);
    const errors = await Promise.all(Array.from({ length: 50 }, () => remove().catch((error) => error.code)));
    expect(new Set(errors)).toEqual(new Set(["READONLY"]));
    await clock.advance(4 * paceMs);
    expect(gaps()).toEqual([60_000, paceMs, paceMs, paceMs, paceMs]);
    await dialer.close();
  });

  test("the time that an attempt takes is part of the pace", async () => {
    const { clock, redis, dialer, gaps } = await dial({ random: 0, lastDelete: () => Promise.reject(READONLY) });
    redis.reach = () => new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 400));
    await clock.advance(3000);
    expect(gaps()).toEqual([1000, 1000, 1000]);
    void dialer.close();
  });

  test("it is found within 2 s that the address leads elsewhere", async () => {
    const { clock, redis, dialer, remove } = await dial({ random: 0.999_999 });
    redis.lastDelete = () => Promise.reject(READONLY);
    await expect(remove()).rejects.toThrow();
    await clock.advance(10_000);
    redis.lastDelete = async () => true;
    await clock.advance(2000);
    await expect(remove()).resolves.toBe(true);
    await dialer.close();
  });
});

test("An address that nobody answers at is tried less and less often, up to once in two seconds", async () => {
  const { clock, redis, dialer, gaps, remove } = await dial({ random: 0.999_999 });
  redis.reach = () => Promise.reject(REFUSED);
  redis.lastDelete = () => Promise.reject(READONLY);
  await expect(remove()).rejects.toThrow();
  await clock.advance(20_000);
  expect(gaps().slice(0, 9)).toEqual([1700, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
  await expect(remove()).rejects.toMatchObject({ code: "ECONNREFUSED" });
  await dialer.close();
});

test.each([
  [0, [25, 50, 100, 200, 400, 800, 1000, 1000]],
  [0.5, [38, 75, 150, 300, 600, 1200, 1500, 1500]],
])("As much as half of a wait is left to chance: at %d", async (random, expected) => {
  const { clock, redis, dialer, gaps } = await dial({ random, make: () => Promise.reject(REFUSED) });
  await clock.advance(10_000);
  expect(gaps().slice(0, 8)).toEqual(expected);
  expect(redis.wires).toEqual([]);
  await dialer.close();
});

test.each([
  [4999, 50],
  [5000, 0],
])("After a connection that lived for %d ms the next one is made in %d ms", async (lifeMs, waitMs) => {
  const { clock, redis, dialer, gaps } = await dial({ random: 0.999_999, reach: () => Promise.reject(REFUSED) });
  await clock.advance(1); // the first wait is under way
  redis.reach = async () => undefined;
  await clock.advance(49);
  await clock.advance(lifeMs);
  redis.reach = () => Promise.reject(REFUSED);
  redis.wires.at(-1)?.fail(RESET);
  await clock.advance(400);
  const first = waitMs === 0 ? [0, 50, 100, 200] : [100, 200];
  expect(gaps()).toEqual([50, ...first.map((ms, n) => (n === 0 ? lifeMs + ms : ms))]);
  await dialer.close();
});

test("Connecting is upkeep, and what is told of a connection is not.", async () => {
  const upkeep = new AsyncLocalStorage<true>();
  const onMessage = (message: unknown) =>
    (message as { runIn(around: (run: () => void) => void): void }).runIn((run) => upkeep.run(true, run));
  subscribe("portero:background", onMessage);
  try {
    const { clock, redis, dialer } = await dial();
    const seen: (string | true | undefined)[] = [];
    redis.reach = async () => void seen.push("connects", upkeep.getStore());
    dialer.onConnected(() => seen.push("told", upkeep.getStore()));
    dialer.redial();
    await clock.advance(1);
    expect(seen).toEqual(["connects", true, "told", undefined]);
    await dialer.close();
  } finally {
    unsubscribe("portero:background", onMessage);
  }
});

describe("An idle process", () => {
  test("sends one command in 10 s", async () => {
    const { clock, redis, dialer } = await dial();
    const before = redis.deletes;
    await clock.advance(3_600_000);
    expect(redis.deletes - before).toBe(360);
    await dialer.close();
  });

  test("sends none for 10 s after it has heard something", async () => {
    const { clock, redis, dialer } = await dial();
    const before = redis.deletes;
    for (let n = 0; n < 10; n++) {
      await clock.advance(9000);
      await dialer.run((wire) => wire.getAll([]));
    }
    expect(redis.deletes).toBe(before);
    await dialer.close();
  });

  test("waits as long as it was told", async () => {
    const { clock, redis, dialer } = await dial({ pingIntervalMs: 60_000 });
    const before = redis.deletes;
    await clock.advance(600_000);
    expect(redis.deletes - before).toBe(10);
    await dialer.close();
  });
});

describe("A ping", () => {
  test.each<[string, number, unknown, number]>([
    ["is told of", 0, undefined, 1],
    ["is told of when it was answered in the last moment", 49, undefined, 1],
    ["is not told of when an operation would have been given up meanwhile", 50, undefined, 0],
    ["is not told of when Redis is loading", 0, new Error("LOADING Redis is loading the dataset in memory"), 0],
    ["is not told of when it came upon a replica", 0, READONLY, 0],
  ])("%s (after %d ms)", async (_, ms, refusal, times) => {
    const { clock, redis, dialer } = await dial();
    let pongs = 0;
    dialer.onPong(() => void pongs++);
    redis.lastDelete = () =>
      new Promise((resolve, reject) => clock.setTimeout(() => (refusal ? reject(refusal) : resolve(true)), ms));
    await clock.advance(10_000);
    await clock.advance(ms);
    expect(pongs).toBe(times);
    await dialer.close();
  });
});

test("A Redis that is silent for 600 ms, though it was asked, is connected to anew", async () => {
  const { clock, redis, dialer, remove } = await dial();
  redis.lastDelete = () => new Promise(() => undefined);
  void remove();
  await clock.advance(599);
  expect(redis.dialled).toHaveLength(1);
  redis.lastDelete = async () => true;
  await clock.advance(200);
  expect(redis.dialled).toHaveLength(2);
  await expect(remove()).resolves.toBe(true);
  await dialer.close();
});

test("An operation that was under way when its connection ended is lost; one that finds none, or was refused, is not.", async () => {
  const { clock, redis, dialer, remove } = await dial();
  let end: (error: Error) => void = () => undefined;
  redis.lastDelete = () =>
    new Promise((_resolve, reject) => {
      end = reject;
    });
  const writing = remove();
  redis.reach = () => new Promise(() => undefined);
  await clock.advance(600);
  end(new Error("Socket closed unexpectedly"));
  await expect(writing).rejects.toBeInstanceOf(LostError);
  const later = await remove().catch((error: unknown) => error);
  expect([later instanceof NotConnectedError, later instanceof LostError]).toEqual([true, false]);
  await dialer.close();
  const other = await dial();
  other.redis.lastDelete = () => Promise.reject(READONLY);
  expect(await other.remove().catch((error: unknown) => error instanceof LostError)).toBe(false);
  await other.dialer.close();
});

describe("A dialer whose master is another one", () => {
  test("leaves a connection that stands, and makes a new one at once", async () => {
    const { clock, redis, dialer } = await dial();
    await clock.advance(1000);
    dialer.redial();
    await clock.advance(0);
    expect(redis.dialled).toEqual([0, 1000]);
    await expect(dialer.run((wire) => wire.getAll([]))).resolves.toEqual([]);
    await dialer.close();
  });

  test("does not wait for the next attempt at the old one, and begins with short waits again", async () => {
    const { clock, redis, dialer, remove } = await dial({ random: 0.999_999 });
    redis.reach = () => Promise.reject(REFUSED);
    redis.lastDelete = () => Promise.reject(READONLY);
    await expect(remove()).rejects.toThrow();
    await clock.advance(10_000);
    const before = redis.dialled.length;
    dialer.redial();
    await clock.advance(160);
    expect(redis.dialled.slice(before).map((at) => Math.round(at) - 10_000)).toEqual([0, 50, 150]);
    await dialer.close();
  });

  test.each([
    ["had a connection", {}],
    ["waited for its next attempt", { reach: () => Promise.reject(REFUSED) }],
  ])("makes none when it is closed, where it %s", async (_what, answers) => {
    const { clock, redis, dialer } = await dial(answers);
    await dialer.close();
    dialer.redial();
    await clock.advance(10_000);
    expect(redis.dialled).toHaveLength(1);
  });
});

describe("A master of a cluster", () => {
  const start = async (answer: () => Promise<unknown>) => {
    const moved: number[] = [];
    const keys: string[] = [];
    const cluster = { proofKey: () => "portero:1:none{7}", onMoved: () => void moved.push(1) };
    const opened = await dial({ cluster, onDelete: (key) => keys.push(key), lastDelete: answer });
    return { ...opened, moved, keys };
  };

  test("is pinged with a key of its own", async () => {
    const { clock, keys, moved, dialer } = await start(async () => false);
    await clock.advance(20_000);
    expect(keys).toEqual(Array.from({ length: 3 }, () => "portero:1:none{7}"));
    expect(moved).toEqual([]);
    await dialer.close();
  });

  test("is no master where it says that another one has its slots: it is left, and its slots are asked for", async () => {
    const { redis, moved, remove, dialer } = await start(() => Promise.reject(new Error("MOVED 7 127.0.0.1:7001")));
    await expect(dialer.ready).rejects.toThrow("MOVED");
    await expect(remove()).rejects.toMatchObject({ name: "NotConnectedError", code: "MOVED" });
    expect([redis.destroyed, moved.length]).toEqual([1, 1]);
    await dialer.close();
  });

  test("that says so later keeps its connection: slots are moved one by one", async () => {
    const { redis, moved, dialer } = await start(async () => true);
    redis.lastDelete = () => Promise.reject(new Error("MOVED 9 127.0.0.1:7001"));
    await expect(dialer.run((wire) => wire.delete("key"))).rejects.toThrow(/^MOVED/);
    expect([redis.destroyed, moved.length]).toEqual([0, 1]);
    await dialer.close();
  });

  test.each(["CLUSTERDOWN The cluster is down", "LOADING Redis is loading the dataset in memory"])(
    "keeps its connection while it says %s",
    async (refusal) => {
      const { clock, redis, dialer, remove } = await start(() => Promise.reject(new Error(refusal)));
      await expect(dialer.ready).rejects.toThrow(refusal);
      await expect(remove()).rejects.toThrow(refusal);
      await clock.advance(30_000);
      expect([redis.destroyed, redis.dialled]).toEqual([0, [0]]);
      redis.lastDelete = async () => true;
      await expect(remove()).resolves.toBe(true);
      await dialer.close();
    },
  );

  test.each(["CLUSTERDOWN The cluster is down", "LOADING Redis is loading the dataset in memory"])(
    "that says %s is lost still, until something is done, or a ping is answered",
    async (message) => {
      for (const isIdle of [true, false]) {
        const { clock, redis, dialer, remove } = await start(async () => true);
        await clock.advance(1000);
        redis.lastDelete = () => Promise.reject(new Error(message));
        const lostAt = clock.monotonic();
        dialer.redial();
        await clock.advance(5000);
        await expect(remove()).rejects.toThrow(message);
        expect(dialer.lostAt).toBe(lostAt);
        redis.lastDelete = async () => true;
        if (isIdle) await clock.advance(10_000);
        else await remove();
        expect(dialer.lostAt).toBeUndefined();
        await dialer.close();
      }
    },
  );
});

describe("Whether a dialer is ready", () => {
  test("is known when the first attempt has ended well, and stays known", async () => {
    const gate = held();
    const { clock, redis, dialer } = await dial({ lastDelete: () => gate.answered });
    let isReady = false;
    void dialer.ready.then(() => {
      isReady = true;
    });
    await settle();
    expect(isReady).toBe(false);
    gate.answer();
    await settle();
    expect(isReady).toBe(true);
    redis.reach = () => Promise.reject(REFUSED);
    redis.wires[0]?.fail(RESET);
    await clock.advance(1000);
    await expect(dialer.ready).resolves.toBeUndefined();
    await dialer.close();
  });

  test.each([
    ["no client could be made", { make: () => Promise.reject(REFUSED) }, REFUSED],
    ["nobody could be reached", { reach: () => Promise.reject(REFUSED) }, REFUSED],
    ["it was a replica", { lastDelete: () => Promise.reject(READONLY) }, READONLY],
    ["it was loading", { lastDelete: () => Promise.reject(LOADING) }, LOADING],
  ])("is denied when %s, though the next attempt may end well", async (_what, answers, failure) => {
    const { clock, redis, dialer, remove } = await dial(answers);
    await expect(dialer.ready).rejects.toBe(failure);
    Object.assign(redis, { make: async () => undefined, reach: async () => undefined, lastDelete: async () => true });
    await clock.advance(2000);
    await expect(remove()).resolves.toBe(true);
    await expect(dialer.ready).rejects.toBe(failure);
    await dialer.close();
  });
});

describe("An operation that finds no connection", () => {
  test("is refused with the failure of the last attempt", async () => {
    const { clock, redis, dialer, remove } = await dial({ make: () => Promise.reject(REFUSED) });
    expect(await rejectionOf(remove())).toMatchObject({
      name: "NotConnectedError",
      code: "ECONNREFUSED",
      cause: REFUSED,
    });
    redis.make = async () => undefined;
    redis.lastDelete = () => Promise.reject(READONLY);
    await clock.advance(50);
    expect(await rejectionOf(remove())).toMatchObject({ name: "NotConnectedError", code: "READONLY", cause: READONLY });
    await dialer.close();
  });

  test("is refused with nothing, while there was no attempt", async () => {
    const { dialer, remove } = await dial({ make: never });
    const error = (await rejectionOf(remove())) as NotConnectedError;
    expect(error).toBeInstanceOf(NotConnectedError);
    expect(error.cause).toBeUndefined();
    void dialer.close();
  });

  test("is refused once the dialer is closed, and says so where it had not connected", async () => {
    const { dialer, remove } = await dial({ reach: never });
    void dialer.close();
    expect(await rejectionOf(remove())).toMatchObject({ cause: new Error("the client is closed") });
  });
});

describe("When a connection was lost", () => {
  test("is when the first attempt failed, or the connection ended, until there is another one", async () => {
    const { clock, redis, dialer } = await dial({ make: () => Promise.reject(REFUSED) });
    const start = clock.monotonic();
    expect(dialer.lostAt).toBe(start);
    await clock.advance(1000);
    expect(dialer.lostAt).toBe(start); // whatever failed since
    redis.make = async () => undefined;
    await clock.advance(1000);
    expect(dialer.lostAt).toBeUndefined();
    redis.reach = () => Promise.reject(REFUSED);
    redis.wires.at(-1)?.fail(RESET);
    const lostAt = clock.monotonic();
    await clock.advance(500);
    expect(dialer.lostAt).toBe(lostAt);
    await dialer.close();
  });

  test("is not known while the first attempt is under way", async () => {
    const { dialer } = await dial({ make: never });
    expect(dialer.lostAt).toBeUndefined();
    void dialer.close();
  });

  test.each([
    ["an operation", false],
    ["a ping", true],
  ])("is not forgotten for the late answer to %s on a connection that is left", async (_what, isPing) => {
    const { clock, redis, dialer, remove } = await dial({ lastDelete: () => Promise.reject(LOADING) });
    redis.wires[0]?.fail(RESET);
    await clock.advance(50); // another one, lost still
    const gate = held();
    redis.lastDelete = () => gate.answered;
    let pongs = 0;
    dialer.onPong(() => void pongs++);
    const removing = isPing ? clock.advance(10_000) : remove();
    await settle();
    redis.lastDelete = () => Promise.reject(LOADING);
    dialer.redial();
    await settle();
    const { lostAt } = dialer;
    expect(lostAt).toBeDefined();
    gate.answer(true);
    await removing;
    await settle();
    expect([dialer.lostAt, pongs]).toEqual([lostAt, isPing ? 1 : 0]);
    await dialer.close();
  });

  test("is not forgotten for an operation that failed", async () => {
    const { dialer, clock, remove } = await dial({ lastDelete: () => Promise.reject(LOADING) });
    expect(await rejectionOf(remove())).toBe(LOADING);
    expect(dialer.lostAt).toBeUndefined(); // nothing ever was
    dialer.redial();
    await settle();
    const lostAt = clock.monotonic();
    expect(await rejectionOf(remove())).toBe(LOADING);
    expect(dialer.lostAt).toBe(lostAt);
    await dialer.close();
  });
});

describe("A dialer tells", () => {
  test("of each connection that can be used, when operations can be tried", async () => {
    const { clock, redis, dialer, remove } = await dial({ make: () => Promise.reject(REFUSED) });
    const told: Promise<unknown>[] = [];
    dialer.onConnected(() => told.push(remove()));
    dialer.onConnected(() => told.push(remove()));
    await clock.advance(50);
    expect(told).toEqual([]);
    redis.make = async () => undefined;
    redis.lastDelete = () => Promise.reject(LOADING);
    await clock.advance(500);
    expect(told).toEqual([]); // operations are tried, and refused
    redis.lastDelete = async () => true;
    dialer.redial();
    await settle();
    expect(await Promise.all(told)).toEqual([true, true]);
    redis.wires.at(-1)?.fail(RESET);
    await clock.advance(1000);
    expect(told).toHaveLength(4);
    await dialer.close();
  });

  test("in the context in which it was made", async () => {
    const context = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const { dialer } = await context.run("of the client", () => dial());
    dialer.onConnected(() => void seen.push(context.getStore()));
    await context.run("of a request", async () => {
      dialer.redial();
      await settle();
    });
    expect(seen).toEqual(["of the client"]);
    await dialer.close();
  });

  test("those that watch asynchronous work its name", async () => {
    const types: string[] = [];
    const hook = createHook({ init: (_id, type) => void types.push(type) }).enable();
    const { dialer } = await dial();
    hook.disable();
    expect(types).toContain("portero.redis");
    await dialer.close();
  });
});

describe("A dialer whose master is another one while it is connecting", () => {
  test("waits for the attempt that has no client yet, and makes the next one at once when it fails", async () => {
    let fail: (error: Error) => void = () => undefined;
    const { clock, redis, dialer, gaps } = await dial({
      make: () =>
        new Promise((_resolve, reject) => {
          fail = reject;
        }),
    });
    dialer.redial();
    await clock.advance(300);
    expect(redis.dialled).toEqual([0]);
    redis.make = () => Promise.reject(REFUSED);
    fail(REFUSED);
    await clock.advance(100);
    expect(gaps()).toEqual([300, 38]); // then it waits as ever
    await dialer.close();
  });

  test("does not connect the client that comes, which is one for the old address", async () => {
    const gate = held();
    const { clock, redis, dialer, remove } = await dial({ make: () => gate.answered });
    dialer.redial();
    await clock.advance(300);
    redis.make = async () => undefined;
    gate.answer();
    await settle();
    expect(await rejectionOf(remove())).toMatchObject({ cause: new Error("the master is another one") });
    await clock.advance(0);
    await expect(dialer.ready).resolves.toBeUndefined();
    expect(redis.wires.map(({ asked, destroyed }) => [asked, destroyed])).toEqual([
      [[], 1],
      [["connect", "delete portero:1:none"], 0],
    ]);
    expect(redis.dialled).toEqual([0, 300]);
    await dialer.close();
  });

  test("leaves one that has begun", async () => {
    const { clock, redis, dialer, remove } = await dial({ reach: never });
    redis.reach = async () => undefined;
    dialer.redial();
    expect(await rejectionOf(remove())).toMatchObject({ cause: new Error("the master is another one") });
    await clock.advance(0);
    expect([redis.dialled, redis.wires.map((wire) => wire.destroyed)]).toEqual([
      [0, 0],
      [1, 0],
    ]);
    await expect(remove()).resolves.toBeUndefined();
    await dialer.close();
  });
});

describe("Closing a dialer leaves nothing behind", () => {
  test.each<[string, Parameters<typeof dial>[0], number]>([
    ["that is connected", {}, 1],
    ["that is being let in", { reach: never }, 1],
    ["that proves itself", { lastDelete: never }, 1],
    ["that waits for its next attempt", { reach: () => Promise.reject(REFUSED) }, 1],
    ["that could make no client", { make: () => Promise.reject(REFUSED) }, 0],
  ])("of one %s", async (_what, answers, wires) => {
    const { clock, redis, dialer } = await dial(answers);
    void dialer.close();
    expect([clock.pending, redis.wires.map(({ destroyed }) => destroyed)]).toEqual([0, Array(wires).fill(1)]);
    await clock.advance(60_000);
    expect(redis.dialled).toEqual([0]);
  });

  test("of one that has no client yet: it ends what comes, and then resolves", async () => {
    const gate = held();
    const { clock, redis, dialer, remove } = await dial({ make: () => gate.answered });
    let isClosed = false;
    const closing = dialer.close().then(() => {
      isClosed = true;
    });
    await expect(dialer.ready).rejects.toThrow("the client is closed");
    await settle();
    expect(isClosed).toBe(false);
    gate.answer();
    await closing;
    expect(redis.wires.map(({ asked, destroyed }) => [asked, destroyed])).toEqual([[[], 1]]);
    expect([clock.pending, redis.dialled]).toEqual([0, [0]]);
    expect(await rejectionOf(remove())).toMatchObject({ cause: new Error("the client is closed") });
  });

  test("and tells those that wait for its first connection", async () => {
    const { dialer } = await dial({ reach: never });
    void dialer.close();
    await expect(dialer.ready).rejects.toThrow("the client is closed");
  });
});
