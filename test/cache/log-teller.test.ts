import { describe, expect, test } from "@jest/globals";
import { SHARED_LIFE_MS } from "../../src/cache/invalidation.js";
import { type Fact, factKey } from "../../src/cache/log-facts.js";
import { LogTeller } from "../../src/cache/log-teller.js";
import { FakeLog } from "../support/fake-log.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const userFact = (subject: string, at = 1): Fact => ({ kind: "user", subject, at });
const down = new Error("there is no connection");

function start() {
  const clock = new ManualClock();
  const log = new FakeLog(clock);
  /** What the store and the log were told, in order. */
  const told: string[] = [];
  const append = log.append.bind(log);
  log.append = async (text) => {
    const id = await append(text);
    told.push(`log ${JSON.parse(text).subject ?? JSON.parse(text).kind}`);
    return id;
  };
  const happened = { deleted: 0, usable: [] as unknown[] };
  /** When the log was well last; default: now. Whether it can be read; default: it can. */
  const well: { at?: number; isReadable?: boolean } = {};
  const teller = new LogTeller({
    wire: log,
    by: "me",
    seal: (text) => text,
    socketClock: clock,
    wellAt: () => well.at ?? clock.monotonic(),
    isReadable: () => well.isReadable ?? true,
    onDeleted: () => void happened.deleted++,
    onUsable: (error) => happened.usable.push(error),
  });
  const store = { refusal: undefined as unknown };
  const telling = (fact: Fact) => ({
    fact,
    write: async () => {
      if (store.refusal !== undefined) throw store.refusal;
      told.push(`store ${"subject" in fact ? fact.subject : fact.kind}`);
    },
  });
  const tell = (subject: string, at?: number) => teller.tell(telling(userFact(subject, at)));
  return { clock, log, told, happened, well, teller, store, telling, tell };
}

describe("What is told", () => {
  test("is told to the store, and when that has said so to the log; then the promise resolves", async () => {
    const { clock, log, happened, told, teller, tell } = start();
    await tell("ana");
    expect([told, teller.told, teller.waiting]).toEqual([["store ana", "log ana"], 1, 0]);
    expect(happened).toStrictEqual({ deleted: 0, usable: [] });
    expect(log.records.map(({ text }) => JSON.parse(text as string))).toEqual([
      { v: 1, kind: "user", subject: "ana", at: 1, by: "me" },
    ]);
    expect(clock.pending).toBeLessThanOrEqual(1); // of the time limit
  });

  test("is not told to the log where the store could not be told", async () => {
    const { log, store, teller, tell } = start();
    store.refusal = down;
    await expect(tell("ana")).rejects.toBe(down);
    expect([log.records, teller.told, teller.waiting]).toEqual([[], 0, 1]);
  });

  test.each(["store", "log"])(
    "waits while the %s cannot be told, and is told when it is back: the newest of each subject",
    async (which) => {
      const { clock, log, told, store, teller, tell } = start();
      const fail = (error: unknown) => {
        if (which === "store") store.refusal = error;
        else log.appendRefusal = error;
      };
      fail(down);
      for (const subject of ["ana", "ben", "ana"]) await expect(tell(subject)).rejects.toBe(down);
      expect(teller.waiting).toBe(2);
      await clock.advance(10_000);
      expect(teller.waiting).toBe(2);
      told.length = 0;
      fail(undefined);
      log.connected();
      await clock.advance(10);
      expect([teller.waiting, teller.told]).toEqual([0, 2]);
      expect(told.filter((each) => each.startsWith("log"))).toEqual(["log ben", "log ana"]);
      await clock.advance(10_000);
      expect(teller.told).toBe(2);
    },
  );

  test("is tried again once in a second, where nothing says that Redis is back", async () => {
    const { clock, store, teller, tell } = start();
    store.refusal = down;
    await expect(tell("ana")).rejects.toBe(down);
    store.refusal = undefined;
    await clock.advance(999);
    expect(teller.waiting).toBe(1);
    await clock.advance(1);
    expect([teller.waiting, teller.told]).toEqual([0, 1]);
  });

  test("later, makes an older telling of it needless", async () => {
    const { clock, store, teller, tell } = start();
    store.refusal = down;
    await expect(tell("ana", 1)).rejects.toBe(down);
    store.refusal = undefined;
    await tell("ana", 2);
    expect(teller.waiting).toBe(0);
    await clock.advance(2000);
    expect(teller.told).toBe(1);
  });

  test("makes nothing needless that is newer, and waits", async () => {
    const { clock, log, teller, telling, tell } = start();
    let letGo = () => undefined as unknown;
    const slow = teller.tell({
      ...telling(userFact("ana", 1)),
      write: () => new Promise((done) => (letGo = () => done(0))),
    });
    log.appendRefusal = down;
    await expect(tell("ana", 2)).rejects.toBe(down);
    log.appendRefusal = undefined;
    letGo();
    await slow;
    expect(teller.waiting).toBe(1);
    await clock.advance(1000);
    expect(log.records.map(({ text }) => JSON.parse(text as string).at)).toEqual([1, 2]);
  });

  test("does not give way to an older telling that fails later", async () => {
    const { clock, log, store, teller, telling, tell } = start();
    let fail = () => undefined as unknown;
    const slow = teller.tell({
      ...telling(userFact("ana", 1)),
      write: () => new Promise((_, reject) => (fail = () => reject(down))),
    });
    store.refusal = down;
    await expect(tell("ana", 2)).rejects.toBe(down);
    fail();
    await expect(slow).rejects.toBe(down);
    store.refusal = undefined;
    await clock.advance(1000);
    expect(log.records.map(({ text }) => JSON.parse(text as string).at)).toEqual([2]);
  });

  test("of a token is not replaced by its refusal, which says less; nor is it pushed out by refusals, of which 1000 wait", async () => {
    const { clock, log, store, teller, telling } = start();
    const refusal = (id: string): Fact => ({ kind: "refusal", id, meaning: undefined, at: 2 });
    store.refusal = down;
    await expect(teller.tell(telling({ kind: "token", id: "x", meaning: "m", at: 1 }))).rejects.toBe(down);
    for (const id of ["x", ...Array.from({ length: 10_000 }, (_, n) => `${n}`)])
      await teller.tell(telling(refusal(id))).catch(() => undefined);
    expect(teller.waiting).toBe(1001);
    store.refusal = undefined;
    await teller.tell(telling(refusal("x")));
    expect(teller.waiting).toBe(1001);
    log.connected();
    await clock.advance(5100);
    const told = log.records.map(({ text }) => JSON.parse(text as string));
    expect(told.slice(0, 2)).toMatchObject([
      { kind: "refusal", id: "x" },
      { kind: "token", id: "x", meaning: "m" },
    ]);
    expect([told.length, told.at(-1).id, teller.waiting]).toEqual([1002, "9999", 0]);
  });

  test("is bounded while it waits: the oldest of 10,000 leaves", async () => {
    const { clock, log, store, teller, telling, tell } = start();
    store.refusal = down;
    for (let n = 0; n < 10_010; n++) await teller.tell(telling(userFact(`${n}`))).catch(() => undefined);
    expect(teller.waiting).toBe(10_000);
    store.refusal = undefined;
    log.connected();
    await tell("last");
    await clock.advance(51_000);
    const subjects = log.records.map(({ text }) => JSON.parse(text as string).subject);
    expect(new Set(subjects).size).toBe(10_001);
    expect(subjects).not.toContain("9");
  });

  test("takes 100 ms at most", async () => {
    const { clock, log, teller, tell } = start();
    log.append = () => new Promise(() => undefined);
    const telling = expect(tell("ana")).rejects.toThrow("the log is slow");
    await clock.advance(100);
    await telling;
    expect(teller.waiting).toBe(1);
  });

  test.each([
    "NOPERM no",
    "ERR unknown command 'XADD'",
    "ERR unsupported command",
    "unsupported command",
    "ERR command not allowed",
    "ERR 'xadd' is disabled here",
  ])("counts as told where there can be no log, and is tried again after five minutes: %s", async (message) => {
    const { clock, log, happened, told, teller, tell } = start();
    const refusal = new Error(message);
    log.appendRefusal = refusal;
    await tell("ana");
    expect([happened.usable, teller.told, teller.waiting]).toStrictEqual([[refusal], 0, 0]);
    log.appendRefusal = undefined;
    await clock.advance(299_999);
    await tell("ana");
    expect([told, teller.told]).toEqual([["store ana", "store ana"], 0]);
    await clock.advance(1);
    await tell("ben");
    expect([happened.usable, teller.told, teller.waiting]).toStrictEqual([[refusal, undefined], 1, 0]);
  });

  test.each([
    "ERR Connection timed out",
    "ERR max number of clients reached",
    "OOM command not allowed when",
    "MISCONF",
  ])("is told later where Redis, or a proxy, has trouble: %s", async (message) => {
    const { log, happened, teller, tell } = start();
    log.appendRefusal = new Error(message);
    await expect(tell("ana")).rejects.toBe(log.appendRefusal);
    expect([happened.usable, teller.waiting]).toEqual([[], 1]);
  });

  test.each([
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "ERR The stream has exhausted the last possible ID, unable to add more items",
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
  ])("makes way for a new stream where the old one takes no more: %s", async (message) => {
    const { log, happened, teller, tell } = start();
    log.appendRefusal = new Error(message);
    await tell("ana");
    expect([happened.deleted, teller.told, log.records.length]).toEqual([1, 1, 1]);
  });
});

describe("What was told within the last minute is told again", () => {
  test("when the newest entry of this process is gone, or another master answers", async () => {
    const { clock, log, teller, tell, told } = start();
    const connection = await log.connect();
    await teller.check(connection, true); // nothing was told
    await tell("ana");
    await clock.advance(60_001);
    await tell("ben");
    await tell("carl");
    told.length = 0;
    await teller.check(connection, false);
    expect(told).toEqual([]);
    await teller.check(connection, true);
    await settle();
    expect(told.filter((each) => each.startsWith("log"))).toEqual(["log ben", "log carl"]);
    expect(told.filter((each) => each.startsWith("store"))).toEqual(["store ben", "store carl"]);
    told.length = 0;
    log.records = [];
    await teller.check(connection, false);
    await clock.advance(10);
    expect(told.filter((each) => each.startsWith("log"))).toEqual(["log ben", "log carl"]);
  });

  test("when another master took over a part of the store, though the log lies elsewhere", async () => {
    const { log, tell, told } = start();
    await tell("ana");
    told.length = 0;
    log.takenOver();
    await settle();
    expect(told).toEqual(["store ana", "log ana"]);
  });

  test("where more is not read yet than is asked about one by one", async () => {
    const { clock, log, teller, tell } = start();
    const connection = await log.connect();
    const asked = () => log.commands.filter((command) => command.startsWith("has")).length;
    for (let n = 0; n < 100; n++) await tell(`user ${n}`);
    await teller.check(connection, false);
    expect([asked(), log.records.length]).toEqual([100, 100]);
    await tell("one more");
    await teller.check(connection, false);
    await clock.advance(1000);
    expect([asked(), log.records.length]).toEqual([100, 202]);
  });

  test("counted from when the log was well last: it may take long until it is noticed that something was lost", async () => {
    const { clock, log, well, teller, tell } = start();
    await tell("long ago");
    await clock.advance(60_001);
    await tell("before");
    well.at = clock.monotonic();
    await clock.advance(50_000);
    await tell("meanwhile");
    await clock.advance(600_000);
    await tell("lately");
    log.records = [];
    teller.tellAgain();
    await settle();
    expect(log.records.map(({ text }) => JSON.parse(text as string).subject)).toEqual([
      "before",
      "meanwhile",
      "lately",
    ]);
  });

  test("up to the last millisecond of it", async () => {
    const { clock, teller, tell, told } = start();
    await tell("ana");
    await clock.advance(60_000);
    await tell("ben");
    told.length = 0;
    teller.tellAgain();
    await settle();
    expect(told.filter((each) => each.startsWith("log"))).toEqual(["log ana", "log ben"]);
  });

  test("and then once more where that took so long that it was forgotten meanwhile", async () => {
    const { clock, teller, telling, tell, told } = start();
    const { fact, write } = telling(userFact("ana"));
    let isAway = false;
    await teller.tell({ fact, write: () => (isAway ? Promise.reject(down) : write()) });
    isAway = true;
    teller.tellAgain();
    await clock.advance(60_001);
    await tell("ben");
    isAway = false;
    await clock.advance(1000);
    told.length = 0;
    teller.tellAgain();
    await clock.advance(1000);
    expect(told.filter((each) => each.startsWith("log"))).toEqual(["log ben", "log ana"]);
  });

  test("and then once more also where nothing else was told meanwhile", async () => {
    const { clock, store, teller, tell, told } = start();
    await tell("ana");
    store.refusal = down;
    teller.tellAgain();
    await clock.advance(60_001);
    store.refusal = undefined;
    await clock.advance(1000);
    told.length = 0;
    teller.tellAgain();
    await clock.advance(1000);
    expect(told).toEqual(["store ana", "log ana"]);
  });

  test("counted from the latest invalidation of a user, and not replaced by an older one", async () => {
    const { clock, log, teller, tell } = start();
    await tell("ana", 1);
    await clock.advance(50_000);
    await tell("ana", 3);
    await tell("ana", 2);
    await clock.advance(50_000);
    log.records = [];
    teller.tellAgain();
    await settle();
    expect(log.records.map(({ text }) => JSON.parse(text as string).at)).toEqual([3]);
  });

  test("of 10,000 users, the latest", async () => {
    /** Of a process that has told of so many, and again of the first of them. */
    const tellAgain = async (count: number) => {
      const { log, teller, tell, told } = start();
      let last = 0;
      log.append = async () => `${++last}-0`;
      for (let n = 0; n < count; n++) await tell(`${n}`);
      await tell("0");
      told.length = 0;
      teller.tellAgain();
      const { waiting } = teller;
      await settle();
      teller.close();
      return [waiting, told[0]];
    };
    expect(await tellAgain(10_000)).toEqual([10_000, "store 0"]);
    expect(await tellAgain(10_001)).toEqual([10_000, "store 2"]); // the first was forgotten, and came back in the place of the second
  });

  test("and no longer, however often it is told again; refusals are not", async () => {
    const { clock, log, teller, telling, tell } = start();
    await tell("ana");
    await teller.tell(telling({ kind: "refusal", id: "x", meaning: undefined, at: 1 }));
    for (let gap = 0; gap < 10; gap++) {
      await clock.advance(50_000);
      teller.tellAgain();
      await settle();
    }
    expect(log.records.map(({ text }) => JSON.parse(text as string).kind)).toEqual(["user", "refusal", "user"]);
  });

  test("after a gap, and not when the process is closed", async () => {
    const { clock, log, teller, tell } = start();
    await tell("ana");
    teller.tellAgain();
    await settle();
    expect(log.records).toHaveLength(2);
    teller.close();
    teller.tellAgain();
    await clock.advance(1000);
    expect(log.records).toHaveLength(2);
  });
});

test("Where the log is refused, the store is told all the same of what waits, and nothing else is told then.", async () => {
  const { clock, log, told, store, teller, telling, tell } = start();
  log.appendRefusal = down;
  await expect(tell("told to the store")).rejects.toBe(down);
  store.refusal = down;
  await expect(tell("told to nobody")).rejects.toBe(down);
  store.refusal = undefined;
  log.appendRefusal = new Error("NOPERM no");
  await teller.tell({ ...telling(userFact("ana")), write: async () => undefined });
  expect(teller.waiting).toBe(1);
  told.length = 0;
  await clock.advance(1000);
  expect([told, teller.waiting, teller.told]).toEqual([["store told to nobody"], 0, 0]);
});

test("Where the log cannot be read, the store alone is told, and again until it is.", async () => {
  const { clock, log, told, store, teller, well, tell } = start();
  well.isReadable = false;
  store.refusal = down;
  await expect(tell("ana")).rejects.toBe(down);
  expect(teller.waiting).toBe(1);
  store.refusal = undefined;
  await clock.advance(1000);
  await tell("ben");
  expect([told, teller.waiting, teller.told, log.records]).toEqual([["store ana", "store ben"], 0, 0, []]);
});

test("What no entry can be as old as is not told any more.", async () => {
  const { clock, store, teller, tell } = start();
  store.refusal = down;
  await expect(tell("ana")).rejects.toBe(down);
  await clock.advance(10_000);
  expect(teller.waiting).toBe(1);
  const { monotonic } = clock;
  clock.monotonic = () => monotonic.call(clock) + 24 * 3_600_000;
  await clock.advance(1000);
  expect(teller.waiting).toBe(0);
});

test.each([
  ["not a millisecond before", -1, 1],
  ["exactly then", 0, 0],
])("That is given up 24 hours after it could not be told first: %s.", async (_when, ms, waiting) => {
  const { clock, store, teller, tell } = start();
  store.refusal = down;
  await expect(tell("ana")).rejects.toBe(down);
  const { monotonic } = clock;
  clock.monotonic = () => monotonic.call(clock) + SHARED_LIFE_MS - 1000 + ms;
  await clock.advance(1000);
  expect(teller.waiting).toBe(waiting);
});

test("What a failover may have lost is told to the store again also where the log is refused by then.", async () => {
  const { clock, log, told, tell } = start();
  const users = Array.from({ length: 50 }, (_, n) => `user-${n}`);
  for (const user of users) await tell(user);
  told.length = 0;
  log.appendRefusal = new Error("NOPERM no");
  log.takenOver();
  await clock.advance(2000);
  expect(told).toEqual(users.map((user) => `store ${user}`));
});

test("20 refusals in a second are told, and all are told to the store.", async () => {
  const { clock, log, told, teller, telling } = start();
  const refusal = (n: number): Fact => ({ kind: "refusal", id: `${n}`, meaning: undefined, at: 1 });
  for (let n = 0; n < 30; n++) teller.tellRefusal(telling(refusal(n)));
  await settle();
  expect([log.records.length, told.filter((each) => each.startsWith("store")).length]).toEqual([20, 30]);
  await clock.advance(1000);
  for (let n = 0; n < 30; n++) teller.tellRefusal(telling(refusal(n)));
  await settle();
  expect(log.records).toHaveLength(40);
});

describe("A teller that is closed", () => {
  test("keeps nothing that waits, and no timer", async () => {
    const { clock, store, teller, tell } = start();
    await tell("ana");
    store.refusal = down;
    await expect(tell("ben")).rejects.toBe(down);
    teller.close();
    expect([teller.waiting, clock.pending]).toEqual([0, 0]);
  });

  test("tells the log of nothing that the store has forgotten by then", async () => {
    const { log, teller } = start();
    let letGo = () => undefined as unknown;
    const slow = teller.tell({
      fact: userFact("ana"),
      write: () => new Promise((done) => (letGo = () => done(0))),
    });
    teller.close();
    letGo();
    await slow;
    expect([log.records, teller.told]).toEqual([[], 0]);
  });

  test("keeps nothing that could not be told by then", async () => {
    const { clock, teller } = start();
    let fail = () => undefined as unknown;
    const slow = teller.tell({
      fact: userFact("ana"),
      write: () => new Promise((_, reject) => (fail = () => reject(down))),
    });
    teller.close();
    fail();
    await expect(slow).rejects.toBe(down);
    expect([teller.waiting, clock.pending]).toEqual([0, 0]);
  });
});

test("Facts about the same subject, or the same id, have one key.", () => {
  const token = { kind: "token", id: "x", meaning: "m", at: 1 } as const;
  expect(factKey(token)).toBe(factKey({ ...token, kind: "refusal", meaning: undefined, at: 2 }));
  expect(factKey(userFact("a"))).not.toBe(factKey({ ...userFact("a"), kind: "organization" } as Fact));
});
