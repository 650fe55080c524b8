import { describe, expect, test } from "@jest/globals";
import { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring, type Slot } from "../../src/cache/keyring.js";
import { encodeFact, type Fact } from "../../src/cache/log-facts.js";
import { FakeLog } from "../support/fake-log.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";

const userFact = (subject: string): Fact => ({ kind: "user", subject, at: 1 });
const told = (fact: Fact) => ({ fact, write: async () => undefined });

/** Processes on one log. */
async function start() {
  const clock = new ManualClock();
  const wire = new FakeLog(clock);
  const [slot] = createKeyring({ identity: "shop", secrets: [] }).slots({ kind: "log", id: "" }) as [Slot];
  const open = async () => {
    const heard: Fact[] = [];
    const usable: unknown[] = [];
    const transitions: boolean[] = [];
    const counts = { doubts: 0 };
    const log = new InvalidationLog({
      ...{ wire, slot, clock, socketClock: clock, random: () => 0 },
      onTransition: (available) => transitions.push(available),
      onUsable: (error) => usable.push(error),
    });
    log.start({ hear: (fact) => heard.push(fact), doubt: () => void counts.doubts++ });
    afterwards(() => log.close());
    return { log, heard, usable, transitions, counts };
  };
  const processes = [await open(), await open()] as const;
  wire.connected();
  await settle();
  return { clock, wire, slot, open, processes };
}

test("A log is behind, and not ready, until it has read, and behind again where it cannot.", async () => {
  const { wire, open } = await start();
  const { log } = await open();
  let isReady = false;
  void log.ready().then(() => {
    isReady = true;
  });
  await settle();
  expect([isReady, log.status().log]).toEqual([false, "behind"]);
  wire.connected();
  await settle();
  expect([isReady, log.status().log]).toEqual([true, "live"]);
  wire.cut();
  await settle();
  expect(log.status().log).toBe("behind");
});

test("A refusal is heard elsewhere, and not where it is from.", async () => {
  const { processes } = await start();
  const [one, other] = processes;
  const refusal: Fact = { kind: "refusal", id: "x".repeat(43), meaning: undefined, at: 1 };
  one.log.tellRefusal(told(refusal));
  await settle();
  expect([one.heard, other.heard]).toEqual([[], [refusal]]);
});

test("A process that may not tell hears all the same, says once that there is no log, and tells again when it may.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  const refusal = new Error("NOPERM no");
  wire.appendRefusal = refusal;
  for (let n = 0; n < 3; n++) await one.log.tell(told(userFact("ana")));
  expect([one.usable, one.log.status().log]).toEqual([[refusal], "none"]);
  wire.appendRefusal = undefined;
  await other.log.tell(told(userFact("ben")));
  await settle();
  expect(one.heard).toEqual([userFact("ben")]);
  await clock.advance(300_000);
  await one.log.tell(told(userFact("ana")));
  await settle();
  expect([one.usable, one.log.status().log]).toStrictEqual([[refusal, undefined], "live"]);
  expect(other.heard).toEqual([userFact("ana")]);
});

test("A minute from when the log was read last is told again, however long it took to notice that it was lost.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await one.log.tell(told(userFact("ana")));
  await clock.advance(30_000);
  wire.refusal = new Error("out of reach");
  wire.restart();
  await clock.advance(600_000);
  wire.refusal = undefined;
  await clock.advance(10_000);
  expect([one, other].map(({ log }) => log.status())).toMatchObject([
    { log: "live", told: 2 },
    { log: "live", told: 0 },
  ]);
});

test("What a failover lost is told again, though the same process has told the new master something else before it looked.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await other.log.tell(told(userFact("zoe")));
  await clock.advance(10_000); // it is there still, and nothing is missing before it
  wire.cut();
  await one.log.tell(told(userFact("ana"))); // and nobody has read it
  wire.records = wire.records.filter(({ text }) => !text?.includes("ana"));
  await one.log.tell(told(userFact("ben")));
  await clock.advance(5000);
  expect(other.heard.map((fact) => "subject" in fact && fact.subject)).toEqual(["ben", "ana", "ben"]);
  expect([one, other].map(({ log }) => log.status())).toMatchObject([
    { log: "live", told: 4, gaps: 0 },
    { log: "live", heard: 3, gaps: 0 },
  ]);
});

test("What a process has read of what it told is not asked for again, whether that was added before it was read or not.", async () => {
  const { clock, wire, processes } = await start();
  const [one] = processes;
  const add = wire.append.bind(wire);
  wire.append = async (text) => {
    const id = await add(text);
    await settle(); // it is read meanwhile
    return id;
  };
  await one.log.tell(told(userFact("ana")));
  wire.append = add;
  await one.log.tell(told(userFact("ben")));
  await clock.advance(10_000);
  const [first, second] = wire.records.slice(-2).map(({ id }) => id);
  wire.commands.length = 0;
  wire.cut();
  await clock.advance(1000);
  expect(wire.commands.filter((command) => command.includes(`has ${first}`))).toEqual([]);
  expect(wire.commands.filter((command) => command.includes(`has ${second}`))).not.toEqual([]); // the place of the readers
});

test("A minute from when a master was lost that another one replaced is told again, however long that took.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await one.log.tell(told(userFact("ana")));
  await clock.advance(30_000);
  wire.lostAt = clock.monotonic();
  await clock.advance(600_000);
  wire.takenOver();
  await settle();
  expect([one, other].map(({ log }) => log.status().told)).toEqual([2, 0]);
  expect(other.heard).toEqual([userFact("ana"), userFact("ana")]);
});

test.each([
  ["a cluster, where the store tells of it as well", true, false],
  ["a cluster, and entries are missing there", true, true],
  ["a Redis whose connections alone tell of it", false, false],
  ["a Redis whose connections alone tell of it, and entries are missing there", false, true],
])(
  "One failover tells everything again once, 200 in a second; the next one once more: of %s",
  async (_, isTold, hasGap) => {
    const { clock, wire, processes } = await start();
    const [one, other] = processes;
    for (let n = 0; n < 100; n++) await one.log.tell(told(userFact(`${n}`)));
    await settle();
    const failOver = async (master: string) => {
      await clock.advance(1000);
      wire.master = master;
      if (hasGap) wire.records = wire.records.slice(0, -10);
      wire.cut();
      if (isTold) wire.takenOver();
      await clock.advance(90);
      expect(one.log.status().told % 100).toBeLessThanOrEqual(40);
      await clock.advance(10_000);
    };
    await failOver("two");
    expect([one.log.status().told, one.log.status().gaps]).toEqual([200, hasGap ? 1 : 0]);
    await failOver("three");
    expect([one.log.status().told, other.log.status().heard]).toEqual([300, 300]);
  },
);

test("What is told to a new master, and lost there before the log is read, is told again.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await one.log.tell(told(userFact("ana")));
  await settle();
  wire.refusal = new Error("out of reach");
  wire.master = "two";
  wire.cut();
  wire.takenOver();
  await settle();
  expect(one.log.status().told).toBe(2);
  wire.records = wire.records.slice(0, -1);
  wire.refusal = undefined;
  await clock.advance(10_000);
  expect([one.log.status().told, other.log.status().heard]).toEqual([3, 2]);
});

test("A failover is not made good by one before it, after which all was read, though in the same millisecond.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await one.log.tell(told(userFact("ana")));
  await settle();
  wire.takenOver();
  await settle();
  expect([one.log.status().told, other.log.status().heard]).toEqual([2, 2]);
  wire.master = "two";
  wire.cut();
  await clock.advance(10_000);
  expect([one.log.status().told, other.log.status().heard]).toEqual([3, 3]);
});

test("What one master has lost is told again, also where another one was replaced since the log was read last.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  await one.log.tell(told(userFact("ana")));
  await settle();
  wire.refusal = new Error("out of reach");
  wire.cut();
  await clock.advance(1000);
  wire.takenOver();
  await settle();
  expect(one.log.status().told).toBe(2);
  wire.records = wire.records.slice(-1);
  wire.refusal = undefined;
  await clock.advance(10_000);
  expect([one, other].map(({ log }) => log.status())).toMatchObject([
    { log: "live", told: 3, gaps: 1 },
    { log: "live", heard: 3, gaps: 1 },
  ]);
});

test("A new connection of the store has the log connect anew, where its own connection is 3 s old.", async () => {
  const { clock, wire, processes } = await start();
  const connections = () => wire.commands.filter((command) => command === "connect").length;
  expect(connections()).toBe(2);
  await clock.advance(2999);
  wire.connected();
  await clock.advance(0);
  expect(processes.map(({ log }) => log.status().log)).toEqual(["live", "live"]);
  await clock.advance(1);
  wire.connected();
  await clock.advance(1000);
  expect(connections()).toBe(4);
  expect(processes.map(({ log }) => log.status())).toMatchObject([
    { log: "live", gaps: 0 },
    { log: "live", gaps: 0 },
  ]);
});

test("A stream that takes no more is a gap for the process that deletes it at once, and within 2.4 s for the others.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  const gaps = () => processes.map(({ log, counts }) => [log.status().gaps, counts.doubts]);
  expect(gaps()).toEqual([
    [0, 1],
    [0, 1],
  ]);
  const add = wire.append.bind(wire);
  wire.append = async (text) => {
    const id = await add(text);
    await settle(); // it is read meanwhile
    return id;
  };
  wire.appendRefusal = new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
  await one.log.tell(told(userFact("ana")));
  expect(other.heard).toEqual([userFact("ana")]);
  expect(gaps()).toEqual([
    [1, 2],
    [0, 1],
  ]);
  await clock.advance(2400);
  expect(gaps()).toEqual([
    [1, 3], // each has begun anew
    [1, 3],
  ]);
  expect(processes.map(({ log }) => log.status().log)).toEqual(["live", "live"]);
});

test("A process that may not read says once that there is no log, tells the store alone, and hears and tells again when it may.", async () => {
  const { clock, wire, processes } = await start();
  const [one, other] = processes;
  const written: string[] = [];
  const tell = (subject: string) => one.log.tell({ fact: userFact(subject), write: async () => written.push(subject) });
  await tell("ana");
  await settle();
  expect(one.transitions).toEqual([]); // that it hears was to be expected
  const refusal = new Error("NOPERM no");
  wire.refusal = refusal;
  wire.cut();
  await clock.advance(10_000);
  expect([one.usable, one.transitions, one.log.status().log]).toEqual([[refusal], [false], "none"]);
  wire.records = []; // a gap, after which nothing is told again that was told before there was no log
  await tell("ben");
  expect([written, wire.records, one.log.status()]).toMatchObject([["ana", "ben"], [], { told: 1, outbox: 0 }]);
  wire.refusal = undefined;
  await clock.advance(300_000);
  expect([one.usable, one.transitions, one.log.status()]).toMatchObject([
    [refusal, undefined],
    [false, true],
    { log: "live", told: 1, gaps: 1 },
  ]);
  expect(written).toEqual(["ana", "ben"]);
  await tell("carl");
  await other.log.tell(told(userFact("dave")));
  await settle();
  expect([one.heard, other.heard]).toEqual([[userFact("dave")], [userFact("ana"), userFact("carl")]]);
});

describe("A record in the log that", () => {
  const MAX_LENGTH = 16_384;
  const [strange] = createKeyring({ identity: "another", secrets: [] }).slots({ kind: "log", id: "" }) as [Slot];
  const forged = encodeFact({ kind: "user", subject: "ana", at: 9e15 }, "x");

  /** A user's, and so long. */
  function long(slot: Slot, length: number): string {
    const text = (subject: string) => slot.seal(encodeFact({ kind: "user", subject, at: 1 }, "x"));
    return text("x".repeat(length - text("").length));
  }

  test.each<[string, (slot: Slot) => string | undefined]>([
    ["says nothing", () => ""],
    ["is garbage", () => "garbage"],
    ["is not sealed", () => forged],
    ["is sealed for another key", () => strange.seal(forged)],
    ["has another form", () => undefined],
    ["is cut off", (slot) => slot.seal(forged).slice(0, -1)],
    ["has no end", (slot) => slot.seal(forged.replace("9000000000000000", "1e999"))],
    ["is too long", (slot) => long(slot, MAX_LENGTH + 1)],
  ])("%s is passed over: it is not heard, and no gap", async (_what, textFor) => {
    const { wire, slot, processes } = await start();
    const id = wire.add("");
    const text = textFor(slot);
    wire.records = wire.records.map((record) => (record.id === id ? { id, text } : record));
    await settle();
    for (const { log, heard, counts } of processes) {
      expect([heard, counts.doubts]).toEqual([[], 1]);
      expect(log.status()).toMatchObject({ log: "live", heard: 0, gaps: 0 });
    }
    const [one, other] = processes;
    await one.log.tell(told(userFact("ana")));
    await settle();
    expect(other.heard).toEqual([userFact("ana")]);
  });

  test("is as long as may be is heard", async () => {
    const { wire, slot, processes } = await start();
    const text = long(slot, MAX_LENGTH);
    expect(text).toHaveLength(MAX_LENGTH);
    wire.add(text);
    await settle();
    expect(processes.map(({ heard }) => heard.length)).toEqual([1, 1]);
  });

  test.each([{ v: 2 }, { v: 1, kind: "group", at: 1 }])(
    "another version of this package tells may have made anything void so far, and nothing from then on: %j",
    async (record) => {
      const { clock, wire, slot, processes } = await start();
      const [one, other] = processes;
      wire.add(slot.seal(JSON.stringify({ ...record, by: "x" })));
      await settle();
      expect(processes.map(({ heard, counts }) => [heard, counts.doubts])).toEqual([
        [[], 2],
        [[], 2],
      ]);
      await one.log.tell(told(userFact("ana")));
      await clock.advance(10_000);
      expect([other.heard, other.counts.doubts]).toEqual([[userFact("ana")], 2]);
      expect(other.log.status()).toMatchObject({ log: "live", heard: 1, gaps: 0 });
    },
  );
});

describe("A log that is closed", () => {
  test("tells its listener nothing of what it has just read", async () => {
    const { clock, wire, slot, processes } = await start();
    const [one, other] = processes;
    await one.log.close();
    const connect = wire.connect.bind(wire);
    wire.connect = async () => {
      const connection = await connect();
      const read = connection.read.bind(connection);
      connection.read = async (...question) => {
        const records = await read(...question);
        if (records.length > 0) void other.log.close();
        return records;
      };
      return connection;
    };
    wire.cut();
    await clock.advance(1000);
    wire.add(slot.seal(encodeFact(userFact("ana"), "x")));
    await settle();
    expect([other.heard, other.log.status().heard]).toEqual([[], 1]);
  });

  test("ends what it is telling, and tells its listener nothing of it", async () => {
    const { wire, processes } = await start();
    const [one] = processes;
    const deleteLog = wire.delete.bind(wire);
    wire.delete = async () => {
      void one.log.close();
      await deleteLog();
    };
    wire.appendRefusal = new Error("WRONGTYPE Operation against a key holding the wrong kind of value");
    await one.log.tell(told(userFact("ana")));
    await settle();
    expect([wire.records.length, one.counts.doubts]).toEqual([1, 1]);
  });
});
