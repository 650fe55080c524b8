import { expect, test } from "@jest/globals";
import { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring, type Slot } from "../../src/cache/keyring.js";
import type { Fact } from "../../src/cache/log-facts.js";
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
    const log = new InvalidationLog({
      ...{ wire, slot, clock, socketClock: clock, random: () => 0 },
      onTransition: () => undefined,
      onUsable: (error) => usable.push(error),
    });
    log.start({ hear: (fact) => heard.push(fact), doubt: () => undefined });
    afterwards(() => log.close());
    return { log, heard, usable };
  };
  const processes = [await open(), await open()] as const;
  wire.connected();
  await settle();
  return { clock, wire, processes };
}

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
  expect([one.usable, one.log.status().log]).toEqual([[refusal, undefined], "live"]);
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
