import { describe, expect, test } from "@jest/globals";
import { GuardedStore } from "../../src/cache/guarded-store.js";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring } from "../../src/cache/keyring.js";
import type { Telling } from "../../src/cache/log-outbox.js";
import {
  anyInvalidated,
  SubjectInvalidations,
  type SubjectInvalidationsOptions,
  subjectKey,
} from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";

const LONG = "x".repeat(300);
const ANA = subjectKey("user", "ana");

/** A store that processes share, and one process after the other that opens it. */
function share() {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const open = ({ secrets = [], ...options }: { secrets?: string[] } & Partial<SubjectInvalidationsOptions> = {}) => {
    const store = new GuardedStore({ store: memory, clock, keyring: createKeyring({ identity: "shop", secrets }) });
    const timeline = new Timeline(clock);
    const subjects = new SubjectInvalidations({ store, timeline, ...options });
    const learn = (about: "user" | "organization" = "user", subject = "ana") => subjects.learn(about, subject, store);
    return { store, timeline, subjects, learn };
  };
  return { clock, memory, open };
}

test("Keys of subjects: a user's and an organization's differ, and so do those of any two.", () => {
  const ids = ["a", "b", `${LONG}a`, `${LONG}b`, "x".repeat(128), "x".repeat(129)];
  const keys = ids.flatMap((id) => [subjectKey("user", `["o","${id}"]`), subjectKey("organization", id)]);
  expect(new Set(keys).size).toBe(2 * ids.length);
  expect(Math.max(...keys.map(({ length }) => length))).toBeLessThanOrEqual("organization:".length + 128);
  expect(subjectKey("user", '["o","a"]')).toBe('["o","a"]'); // it need not be told apart by more
});

describe("A subject that is invalidated", () => {
  test("is void here up to now, and no other one, nor one of the other kind", async () => {
    const { open } = share();
    const { timeline, subjects } = open({ store: undefined });
    const before = timeline.asks().order;
    await subjects.invalidate("user", "ana");
    const after = timeline.asks().order;
    expect([before, after].map((order) => subjects.void(ANA, order))).toEqual([true, false]);
    const others = [subjectKey("user", "ben"), subjectKey("organization", "ana")];
    expect(others.map((key) => subjects.void(key, before))).toEqual([false, false]);
  });

  test("is in the store before the sign that there is any, as long as that one, and nothing is read for it", async () => {
    const { clock, memory, open } = share();
    await open().subjects.invalidate("organization", "org-1");
    const kinds = memory.log.map((line) => line.replace(/portero:1:([^:]*):.*/, "$1"));
    expect(kinds).toEqual(["set organization-invalidated", "set any-organization-invalidated"]);
    const ttls = [...memory.texts.keys()].map((key) => memory.ttlMs(key));
    expect(ttls).toEqual([86_460_000, 86_460_000]);
    const tombstone = { askedAt: clock.now(), expiresAt: clock.now() + 86_460_000, value: true };
    const texts = [...memory.texts.values()].map((text) => JSON.parse(String(text)));
    expect(texts).toMatchObject([tombstone, tombstone]);
  });

  test("is told to the caller as failed where the store is away, and is void here all the same", async () => {
    const { memory, open } = share();
    const { timeline, subjects } = open();
    const { order } = timeline.asks();
    memory.before = fail;
    await expect(subjects.invalidate("user", "ana")).rejects.toThrow("out of order");
    expect(subjects.void(ANA, order)).toBe(true);
  });

  test.each(["hearStored", "hearTold"] as const)("is no news to the process that did it (%s)", async (hear) => {
    const { clock, open } = share();
    const { timeline, subjects } = open();
    const at = clock.now();
    await subjects.invalidate("user", "ana");
    const { order } = timeline.asks();
    subjects[hear]("user", "ana", at);
    expect(subjects.void(ANA, order)).toBe(false);
    subjects.hearTold("user", "ana", at - 1);
    expect(subjects.void(ANA, order)).toBe(true);
  });

  test("is no news from the store, either, when the log has told something else meanwhile", async () => {
    const { clock, open } = share();
    const { timeline, subjects } = open();
    const at = clock.now();
    await subjects.invalidate("user", "ana");
    subjects.hearTold("user", "ana", at - 1);
    const { order } = timeline.asks();
    subjects.hearStored("user", "ana", at);
    expect(subjects.void(ANA, order)).toBe(false);
  });

  test("is told by its key, and until when, once each time that it is news", async () => {
    const { clock, open } = share();
    const told: unknown[] = [];
    const { subjects } = open({ onInvalidated: (key, until) => told.push([key, until]) });
    const now = clock.now();
    await subjects.invalidate("user", "ana");
    for (let time = 0; time < 2; time++) subjects.hearStored("organization", "org-1", now - 5);
    for (let time = 0; time < 2; time++) subjects.hearTold("user", "ben", now - 7);
    expect(told).toEqual([
      [ANA, { order: 1, wall: now }],
      ["organization:org-1", { order: 2, wall: now - 5 }],
      [subjectKey("user", "ben"), { order: 3, wall: now - 7 }],
    ]);
  });

  test("makes all void that was asked before it where so many came after it that it is forgotten", async () => {
    const { open } = share();
    const { timeline, subjects } = open({ store: undefined, maxTombstones: 2 });
    const orders: number[] = [];
    for (const user of ["ana", "ben", "eva"]) {
      orders.push(timeline.asks().order);
      await subjects.invalidate("user", user);
    }
    expect(subjects.maxTombstones).toBe(2);
    expect(orders.map((order) => subjects.void("another", order))).toEqual([true, false, false]);
  });

  test("is one of 10,000 that are remembered unless another number is given", () => {
    expect(share().open().subjects.maxTombstones).toBe(10_000);
  });
});

describe("What lies in the store of a subject", () => {
  test("is learned: what was asked before is void, what is asked later is not, and it is no news again", async () => {
    const { open } = share();
    const { timeline, subjects, learn } = open();
    const before = timeline.asks().order;
    await open().subjects.invalidate("user", "ana");
    expect(await learn()).toBe(true);
    const after = timeline.asks().order;
    expect(await learn()).toBe(true);
    expect([before, after].map((order) => subjects.void(ANA, order))).toEqual([true, false]);
  });

  test("says nothing of others, or of one of the other kind", async () => {
    const { open } = share();
    const { timeline, subjects, learn } = open();
    const { order } = timeline.asks();
    await open().subjects.invalidate("user", "ana");
    expect([await learn("user", "ben"), await learn("organization", "ana")]).toEqual([true, true]);
    const keys = [ANA, subjectKey("user", "ben"), subjectKey("organization", "ana")];
    expect(keys.map((key) => subjects.void(key, order))).toEqual([false, false, false]);
    expect(subjects.latest).toBe(0);
  });

  test("is not known where it cannot be read", async () => {
    const { memory, open } = share();
    await open().subjects.invalidate("user", "ana");
    const { timeline, subjects, learn } = open();
    const { order } = timeline.asks();
    memory.before = fail;
    expect([await learn(), subjects.void(ANA, order)]).toEqual([false, false]);
  });

  test("is believed as version 0.1.0 wrote it, without its key", async () => {
    const { memory, open } = share();
    await open().subjects.invalidate("user", "ana");
    for (const [key, text] of memory.texts) memory.texts.set(key, String(text).replace(/"key":"[^"]*",/, ""));
    const { timeline, subjects, learn } = open();
    const { order } = timeline.asks();
    expect([await learn(), subjects.void(ANA, order)]).toEqual([true, true]);
  });

  test("is the latest of two, by either secret, while one is rotated", async () => {
    const { clock, open } = share();
    const start = clock.now();
    const [before, since] = ["a secret that is to go", "the secret that takes its place"];
    await open({ secrets: [since, before] }).subjects.invalidate("user", "ana");
    await clock.advance(500);
    await open({ secrets: [before] }).subjects.invalidate("user", "ana");
    await clock.advance(500);
    const { subjects, learn } = open({ secrets: [since, before] });
    expect(await learn()).toBe(true);
    expect([start + 500, start + 501].map((at) => subjects.voidStored(ANA, at))).toEqual([true, false]);
  });

  test("is looked for only where there is any of that kind, by an entry that every process finds", () => {
    expect([anyInvalidated("user"), anyInvalidated("organization")]).toEqual([
      { kind: "any-user-invalidated", id: "" },
      { kind: "any-organization-invalidated", id: "" },
    ]);
  });
});

test("What may have been missed is unproven up to now, from the first doubt on.", () => {
  const { timeline, subjects } = share().open();
  expect(subjects.unprovenUntil).toBe(0);
  const before = timeline.next();
  subjects.doubt();
  expect(subjects.unprovenUntil).toBeGreaterThan(before);
  expect(subjects.unprovenUntil).toBeLessThan(timeline.next());
});

describe("What another process has invalidated", () => {
  /** At 1000 by both clocks; asks and hears of Ana. */
  function hearing() {
    const clock = new ManualClock(1000);
    const timeline = new Timeline(clock);
    const subjects = new SubjectInvalidations({ store: undefined, timeline });
    const key = subjectKey("user", "ana");
    return {
      clock,
      timeline,
      subjects,
      hear: (at: number) => subjects.hearStored("user", "ana", at),
      isVoid: (order: number) => subjects.void(key, order),
      isVoidStored: (askedAt: number) => subjects.voidStored(key, askedAt),
    };
  }

  test("is void here if it was asked for before it was heard of, and the same again is no news", () => {
    const { timeline, hear, isVoid } = hearing();
    const before = timeline.asks().order;
    hear(900);
    const after = timeline.asks().order;
    expect([before, after].map(isVoid)).toEqual([true, false]);
    hear(900);
    expect(isVoid(after)).toBe(false);
    hear(901);
    expect(isVoid(after)).toBe(true);
  });

  test("is void in the store up to when it was made", () => {
    const { hear, isVoidStored } = hearing();
    hear(900);
    expect([900, 901].map(isVoidStored)).toEqual([true, false]);
  });

  test("later than now is void up to now, and as time goes on up to when it was made", async () => {
    const { clock, hear, isVoidStored } = hearing();
    hear(5000);
    expect([1000, 1001].map(isVoidStored)).toEqual([true, false]);
    await clock.advance(500);
    hear(5000);
    expect([1000, 1001].map(isVoidStored)).toEqual([true, false]); // the clock is no nearer to it than it was
    clock.setWall(3000);
    hear(5000);
    expect([4000, 4001].map(isVoidStored)).toEqual([true, false]);
    clock.setWall(3000);
    hear(5000);
    expect([5000, 5001].map(isVoidStored)).toEqual([true, false]);
  });

  test("is the latest that was invalidated", () => {
    const { timeline, subjects, hear } = hearing();
    const before = timeline.next();
    hear(900);
    expect(subjects.latest).toBeGreaterThan(before);
    expect(subjects.latest).toBeLessThan(timeline.next());
  });
});

test("What is told again does not take the place of a later invalidation by another process, and is written where it is lost.", async () => {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const tellings: Telling[] = [];
  const process = () => {
    const store = new GuardedStore({ store: memory, clock, keyring: createKeyring({ identity: "shop", secrets: [] }) });
    const tell = (telling: Telling) => {
      tellings.push(telling);
      return telling.write();
    };
    const log = { tell } as unknown as InvalidationLog;
    return new SubjectInvalidations({ store, timeline: new Timeline(clock), log });
  };
  const stored = () => memory.keys("user-invalidated").map((key) => JSON.parse(String(memory.texts.get(key))).askedAt);
  const start = clock.now();
  await process().invalidate("user", "ana");
  await clock.advance(1000);
  await process().invalidate("user", "ana");
  expect(tellings.map(({ fact }) => fact.at)).toEqual([start, start + 1000]);
  const [first] = tellings as [Telling];
  memory.log.length = 0;
  await first.write();
  expect([stored(), memory.count("set")]).toEqual([[start + 1000], 1]);
  memory.texts.clear();
  await first.write();
  expect([stored(), memory.keys("any-user-invalidated").length]).toEqual([[start], 1]);
  memory.before = fail;
  await expect(first.write()).rejects.toThrow("cannot be read");
});

test("What is told again says that there are tombstones, also where another process has come no further than its own.", async () => {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const tellings: Telling[] = [];
  const log = { tell: async (telling: Telling) => void tellings.push(telling) } as unknown as InvalidationLog;
  const store = new GuardedStore({ store: memory, clock, keyring: createKeyring({ identity: "shop", secrets: [] }) });
  const subjects = new SubjectInvalidations({ store, timeline: new Timeline(clock), log });
  memory.before = (_operation, key) => key.includes("any-user-invalidated") && fail();
  for (const ms of [0, 1000]) {
    await clock.advance(ms);
    await subjects.invalidate("user", "ana");
    await expect(tellings.at(-1)?.write()).rejects.toThrow();
  }
  memory.before = () => undefined;
  await tellings[0]?.write();
  const [tombstone = "", any = ""] = ["user-invalidated", "any-user-invalidated"].flatMap((kind) => memory.keys(kind));
  expect(JSON.parse(String(memory.texts.get(tombstone))).askedAt).toBe(clock.now());
  expect(memory.texts.has(any)).toBe(true);
  expect(memory.ttlMs(any)).toBeGreaterThanOrEqual(memory.ttlMs(tombstone));
});

describe("What the log tells of a subject", () => {
  const MINUTE_MS = 60_000;

  function startTold() {
    const clock = new ManualClock();
    const timeline = new Timeline(clock);
    const told: Telling[] = [];
    const log = { tell: async (telling: Telling) => void told.push(telling) } as unknown as InvalidationLog;
    const store = new GuardedStore({
      store: new MemoryStore(clock),
      clock,
      keyring: createKeyring({ identity: "shop", secrets: [] }),
    });
    const subjects = new SubjectInvalidations({ store, timeline, log });
    const isVoid = (order: number) => subjects.void(subjectKey("user", "ana"), order);
    return { clock, timeline, told, subjects, isVoid };
  }

  test("names a long one by its key, which is as good, and short enough for an entry", async () => {
    const { clock, told, subjects } = startTold();
    const long = `["org-1","${"x".repeat(20_000)}"]`;
    await subjects.invalidate("user", long);
    const fact = told[0]?.fact as { subject: string; at: number };
    expect(fact.subject.length).toBeLessThan(100);
    const other = new SubjectInvalidations({ store: undefined, timeline: new Timeline(clock) });
    other.hearTold("user", fact.subject, fact.at);
    expect(other.void(subjectKey("user", long), 0)).toBe(true);
  });

  test.each(["the log", "the store"] as const)(
    "and what is old, played back, makes what the store says no news again, where %s said that first",
    async (first) => {
      const { clock, timeline, subjects, isVoid } = startTold();
      const old = clock.now();
      await clock.advance(5 * MINUTE_MS);
      const latest = clock.now();
      if (first === "the log") subjects.hearTold("user", "ana", latest);
      subjects.hearStored("user", "ana", latest);
      await clock.advance(5 * MINUTE_MS);
      const { order } = timeline.asks();
      for (let turn = 0; turn < 3; turn++) {
        subjects.hearTold("user", "ana", latest);
        subjects.hearTold("user", "ana", old);
        subjects.hearStored("user", "ana", latest);
      }
      expect(isVoid(order)).toBe(false);
    },
  );

  test("is news also where it is older than what was heard: by a clock that is behind", async () => {
    const { clock, timeline, subjects, isVoid } = startTold();
    await subjects.invalidate("user", "ana");
    await clock.advance(10_000);
    const { order } = timeline.asks();
    subjects.hearTold("user", "ana", clock.now() - 30_000);
    expect(isVoid(order)).toBe(true);
  });
});
