import { createHash } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../src/auth/config/config.js";
import { GuardedStore } from "../../src/cache/guarded-store.js";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring } from "../../src/cache/keyring.js";
import type { Telling } from "../../src/cache/log-outbox.js";
import { SubjectInvalidations, subjectKey } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import type { AuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const LONG = "x".repeat(300);

async function start(users: Record<string, { id: string; organizationId?: string }>) {
  const service = await startService({ users });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store } });
  for (const token of Object.keys(users)) await client.verifyToken(token);
  await settle();
  const held = (by: AuthClient = client) => Object.keys(users).filter((token) => by.peekToken(token));
  return { service, clock, store, client, held };
}

describe("The invalidation of", () => {
  test("a user whose id is long forgets that one, and none whose id is as long", async () => {
    const users = { "token-ana": { id: `${LONG}a` }, "token-ben": { id: `${LONG}b` } };
    const { client, held } = await start(users);
    await client.invalidateUser({ userId: `${LONG}a`, organizationId: "org-1" });
    expect(held()).toEqual(["token-ben"]);
  });

  test.each(['["org-1","ana"]', 'user:["org-1","ana"]', "ana"])(
    "the organization %s forgets no user",
    async (organizationId) => {
      const { client, held } = await start({ "token-ana": { id: "ana" } });
      await client.invalidateOrganization(organizationId);
      expect(held()).toEqual(["token-ana"]);
    },
  );
});

test("Keys of subjects: a user's and an organization's differ, and so do those of any two.", () => {
  const ids = ["a", "b", `${LONG}a`, `${LONG}b`, "x".repeat(128), "x".repeat(129)];
  const keys = ids.flatMap((id) => [subjectKey("user", `["o","${id}"]`), subjectKey("organization", id)]);
  expect(new Set(keys).size).toBe(2 * ids.length);
  expect(Math.max(...keys.map(({ length }) => length))).toBeLessThanOrEqual("organization:".length + 128);
});

test("A tombstone lies in the store as version 0.1.0 reads it: from when it holds, until when, and nothing else.", async () => {
  const { service, clock, store, client } = await start({ "token-ana": { id: "ana" } });
  await client.invalidateUser({ userId: "ana", organizationId: "org-1" });
  const { identity } = readConfig({ ...service.upstreams, cache: { store } }).cache;
  for (const [kind, id] of [
    ["user-invalidated", '["org-1","ana"]'],
    ["any-user-invalidated", ""],
  ] as const) {
    const [key] = store.keys(kind);
    const digest = createHash("sha256")
      .update(JSON.stringify([identity, kind, id]))
      .digest("base64url");
    expect(key).toBe(`portero:1:${kind}:${digest}`);
    const { askedAt, expiresAt, value } = JSON.parse(String(store.texts.get(key as string)));
    expect(value).toBe(true);
    expect(askedAt - clock.now()).toBeCloseTo(0, 1);
    expect(expiresAt - askedAt).toBe(24 * 3_600_000 + 60_000);
  }
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
  await first.write();
  expect(stored()).toEqual([start + 1000]);
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
