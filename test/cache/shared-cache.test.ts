import { describe, expect, test } from "@jest/globals";
import { GuardedStore } from "../../src/cache/guarded-store.js";
import { Invalidation, MAX_SKEW_MS, SHARED_LIFE_MS } from "../../src/cache/invalidation.js";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import { createKeyring } from "../../src/cache/keyring.js";
import type { TokenFact } from "../../src/cache/log-facts.js";
import { SharedCache } from "../../src/cache/shared-cache.js";
import type { CacheSpec } from "../../src/cache/spec.js";
import { SubjectInvalidations, subjectKey } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { askingNow } from "../support/asking.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";

const START = 1_000_000_000;
const TTL_MS = 300_000;
/** So many are remembered one by one. */
const MAX_TOMBSTONES = 20;
const NEVER = Number.POSITIVE_INFINITY;
const NOT_READ = { wasRead: false, mayBeThere: undefined, entry: undefined };
const NO_ENTRY = { wasRead: true, mayBeThere: false, entry: undefined };
const IN_DOUBT = { wasRead: true, mayBeThere: true, entry: undefined };

interface Put {
  /** By age … */
  livesMs?: number;
  /** … and by the wall clock; default: as by age. */
  wallMs?: number;
  /** How long ago it was asked for. */
  agedMs?: number;
  hardExpiry?: number;
}

/** What the log was given to tell, and how to write it to the store. */
interface Told {
  fact: TokenFact;
  write: () => Promise<void>;
}

/** Processes on one store, with clocks of their own. What is asked is a name, and about the user of that name. */
function start({
  staleIfErrorMs = 0,
  memory = new MemoryStore(new ManualClock(START)),
  secrets = [] as string[],
  hasLog = false,
  isTold = true,
} = {}) {
  const clock = new ManualClock(START);
  const timeline = new Timeline(clock);
  const store = new GuardedStore({ store: memory, clock, keyring: createKeyring({ identity: "shop", secrets }) });
  const subjects = new SubjectInvalidations({ store, timeline, maxTombstones: MAX_TOMBSTONES });
  const invalidation = new Invalidation(subjects, false);
  const spec = {
    name: "locals",
    ttlMs: TTL_MS,
    isTold,
    about: "user",
    subjectOf: (question: string) => question,
    encode: (value: string) => ({ value }),
    decode: (stored: { value?: string } | undefined) => stored?.value,
  } as unknown as CacheSpec<string, string, unknown, unknown>;
  const [told, toldRefusals]: [Told[], Told[]] = [[], []];
  const log = {
    tell: async (telling: Told) => void told.push(telling),
    tellRefusal: (telling: Told) => void toldRefusals.push(telling),
  } as unknown as InvalidationLog;
  const shared = new SharedCache(spec, store, {
    subjects,
    invalidation,
    timeline,
    clock,
    log: hasLog ? log : undefined,
    staleIfErrorMs,
  });
  const asking = (id: string) => ({
    id,
    order: timeline.next(),
    triedAs: 0,
    history: { invalidatedAs: 0, newestAnswered: 0 },
    meaning: "7",
  });
  const find = (id: string, isKnown = true) => shared.find(id, asking(id), isKnown);
  /** Something that was asked for now, by this clock. */
  const put = async (id: string, { livesMs = TTL_MS, agedMs = 0, wallMs = livesMs, hardExpiry = NEVER }: Put = {}) => {
    const now = clock.now();
    const entry = {
      value: `of ${id}`,
      order: timeline.next(),
      askedAt: now - agedMs,
      isShared: false,
      expiresAt: now + wallMs,
      endsAt: clock.monotonic() + livesMs,
      subject: subjectKey("user", id),
      meaning: "7",
    };
    shared.put(id, entry, hardExpiry);
    await settle();
  };
  const process = (its = secrets) => start({ staleIfErrorMs, memory, secrets: its });
  const kept = () => memory.keys("locals").map((key) => memory.ttlMs(key));
  return { clock, timeline, memory, subjects, invalidation, shared, find, put, process, kept, told, toldRefusals };
}

/** Whether what the store brings of that id is void. */
const isVoid = ({ invalidation, timeline }: ReturnType<typeof start>, id: string) =>
  invalidation.isVoidInStore(askingNow(timeline, id), {
    value: "",
    order: 0,
    askedAt: START,
    isShared: true,
    expiresAt: NEVER,
    endsAt: NEVER,
    subject: "",
    meaning: undefined,
  });

describe("What one process has shared", () => {
  test("another one finds, with when it was asked for and when it ends, and as asked for when it was accepted", async () => {
    const { put, process } = start();
    await put("ana");
    const other = process();
    const before = other.timeline.next();
    expect(await other.find("ana")).toEqual({
      wasRead: true,
      mayBeThere: true,
      entry: {
        value: "of ana",
        order: expect.any(Number),
        askedAt: START,
        expiresAt: START + TTL_MS,
        endsAt: START + TTL_MS,
        subject: "ana",
        isShared: true,
        meaning: "7",
      },
    });
    const { entry } = await other.find("ana");
    expect(entry?.order).toBeGreaterThan(before);
    expect(await other.find("ben")).toEqual(NO_ENTRY);
  });

  test("is found by strangers, too, though not when too many of them look", async () => {
    const { memory, put, process } = start();
    await put("ana");
    const other = process();
    expect((await other.find("ana", false)).entry?.value).toBe("of ana");
    const letGo = memory.hold("get");
    const crowd = Array.from({ length: 64 }, () => other.find("ana", false));
    expect(await other.find("ana", false)).toEqual(NOT_READ);
    const known = other.find("ana", true);
    letGo();
    expect((await known).entry?.value).toBe("of ana");
    await Promise.all(crowd);
  });

  test("ends for each with its own TTL, which may be shorter", async () => {
    const { put, find } = start();
    await put("ana", { livesMs: 2 * TTL_MS });
    const { entry } = await find("ana");
    expect([entry?.expiresAt, entry?.endsAt]).toEqual([START + TTL_MS, START + TTL_MS]);
    await put("ben", { livesMs: TTL_MS - 1 });
    expect((await find("ben")).entry?.expiresAt).toBe(START + TTL_MS - 1);
  });

  test("ends as late by the monotonic clock as is left of it, and of one from the future no later than from now", async () => {
    const { put, process } = start();
    await put("ana");
    const [late, early] = [process(), process()];
    late.clock.setWall(1000);
    early.clock.setWall(-1000);
    expect((await late.find("ana")).entry?.endsAt).toBe(START + TTL_MS - 1000);
    expect((await early.find("ana")).entry?.endsAt).toBe(START + TTL_MS);
  });

  test.each([
    ["from the future, as far as clocks may differ", -MAX_SKEW_MS, true],
    ["from further in the future", -MAX_SKEW_MS - 1, false],
    ["as old as anything may be", SHARED_LIFE_MS - 1, true],
    ["older than that", SHARED_LIFE_MS, false],
  ])("%s, is found or in doubt", async (_what, ms, isFound) => {
    const { put, process } = start({ staleIfErrorMs: SHARED_LIFE_MS });
    await put("ana");
    const other = process();
    other.clock.setWall(ms);
    const found = await other.find("ana");
    if (isFound) expect(found.entry?.value).toBe("of ana");
    else expect(found).toEqual(IN_DOUBT);
  });

  test("is in doubt where it does not decode", async () => {
    const { memory, put, find } = start();
    await put("ana");
    const [key = ""] = memory.keys("locals");
    memory.texts.set(key, JSON.stringify({ key, askedAt: START, expiresAt: START + TTL_MS, value: 5 }));
    expect(await find("ana")).toEqual(IN_DOUBT);
  });

  test("is found under one of two secrets, also where it is not known whether it lies under the other", async () => {
    const [older, newer] = ["the secret of the store", "the one that comes after it"] as const;
    const { memory, put, process } = start({ secrets: [older] });
    await put("ana");
    const [key] = memory.keys("locals");
    memory.before = (operation, other) => operation === "get" && other.includes(":locals:") && other !== key && fail();
    expect((await process([newer, older]).find("ana")).entry?.value).toBe("of ana");
    expect(await process([newer]).find("ana")).toEqual(NOT_READ);
  });

  test("is not known where the store cannot be asked, or has mixed up its replies", async () => {
    const { memory, put, find } = start();
    await put("ana");
    const [ana = ""] = memory.keys("locals");
    await put("ben");
    const ben = memory.keys("locals").find((key) => key !== ana) ?? "";
    memory.texts.set(ana, memory.texts.get(ben));
    expect(await find("ana")).toEqual(NOT_READ);
    memory.before = fail;
    expect(await find("ben")).toEqual(NOT_READ);
  });
});

describe("Of a subject's tombstone", () => {
  test("one look more is needed, where there is any; then the process knows of it", async () => {
    const { memory, subjects, put, process } = start();
    await put("ana");
    await put("ben");
    const other = process();
    await other.find("ana");
    expect(memory.count("get")).toBe(2);
    await subjects.invalidate("user", "ana");
    const { entry } = await other.find("ana");
    expect(memory.count("get")).toBe(2 + 3);
    expect(entry && other.subjects.voidStored(entry.subject, entry.askedAt)).toBe(true);
    const { entry: bens } = await other.find("ben");
    expect(bens && other.subjects.voidStored(bens.subject, bens.askedAt)).toBe(false);
  });

  test.each(["any-user-invalidated", "user-invalidated"])(
    "nothing is known where %s cannot be read: the entry is in doubt, or its tombstone is looked for",
    async (kind) => {
      const { memory, subjects, put, process } = start();
      await put("ana");
      await subjects.invalidate("user", "ben");
      const other = process();
      memory.before = (_operation, key) => key.includes(`:${kind}:`) && fail();
      const { entry } = await other.find("ana");
      expect(entry?.value).toBe(kind === "user-invalidated" ? undefined : "of ana");
      if (kind === "user-invalidated") expect(await other.find("ana")).toEqual(IN_DOUBT);
    },
  );
});

describe("An entry is kept in the store", () => {
  test.each<[string, Put, number, number[]]>([
    ["to its end", {}, 0, [TTL_MS]],
    ["to its end by the wall clock, where that is sooner", { wallMs: 1000 }, 0, [1000]],
    ["to its end by age, where that is sooner", { livesMs: 1000, wallMs: 2000 }, 0, [1000]],
    ["for as long as it may be stale", {}, 5000, [TTL_MS + 5000]],
    ["to its hard expiry", { hardExpiry: START + 1000 }, 5000, [1000]],
    ["for a day after it was asked for", { agedMs: 1000 }, SHARED_LIFE_MS, [SHARED_LIFE_MS - 1000]],
    ["not at all, where it has ended by the wall clock", { wallMs: 0 }, 5000, []],
    ["not at all, where it has ended by age", { livesMs: 0, wallMs: 1000 }, 5000, []],
    ["for a millisecond", { livesMs: 1 }, 0, [1]],
    ["not at all, where its question has", { hardExpiry: START }, 5000, []],
    ["not at all, a day after it was asked for", { agedMs: SHARED_LIFE_MS }, 5000, []],
  ])("%s", async (_how, options, staleIfErrorMs, expected) => {
    const { put, kept, shared } = start({ staleIfErrorMs });
    await put("ana", options);
    expect(kept()).toEqual(expected);
    expect([shared.hasWritten("ana"), shared.hasWritten("7")]).toEqual(
      expected.length > 0 ? [true, true] : [false, false],
    );
  });
});

describe("A deletion", () => {
  test("deletes, and leaves nothing behind", async () => {
    const made = start();
    await made.put("ana");
    await made.shared.invalidate("ana", undefined, made.timeline.stamp());
    expect([made.kept(), isVoid(made, "ana")]).toEqual([[], false]);
    await made.put("ana");
    made.shared.drop("ana", made.timeline.stamp(), true);
    await settle();
    expect(made.kept()).toEqual([]);
  });

  test.each<[string, (made: ReturnType<typeof start>) => Promise<unknown>]>([
    [
      "that is waited for rejects, and",
      ({ shared, timeline }) => shared.invalidate("ana", undefined, timeline.stamp()),
    ],
    [
      "behind rejects nowhere, and",
      async ({ shared, timeline }) => {
        shared.drop("ana", timeline.stamp(), true);
        await settle();
        throw new Error("the store is out of order");
      },
    ],
  ])("%s leaves a tombstone where the store cannot be told", async (_how, deletes) => {
    const made = start();
    await made.put("ana");
    made.memory.before = fail;
    await expect(deletes(made)).rejects.toThrow("the store is out of order");
    expect([isVoid(made, "ana"), isVoid(made, "ben")]).toEqual([true, false]);
  });

  test("of what was known costs nothing that is known: with too many that could not be told, all older is void", async () => {
    const made = start();
    made.memory.before = fail;
    for (let n = 1; n <= 2 * MAX_TOMBSTONES; n++) {
      await expect(made.shared.invalidate(`known-${n}`, undefined, made.timeline.stamp())).rejects.toThrow();
    }
    expect([isVoid(made, "known-1"), isVoid(made, "ben")]).toEqual([true, true]);
  });

  test("of what strangers bring costs no others a tombstone, however many there are", async () => {
    const made = start();
    made.memory.before = fail;
    made.shared.drop("ana", made.timeline.stamp(), true);
    await settle();
    for (let n = 1; n <= 2 * MAX_TOMBSTONES; n++) made.shared.drop(`garbage-${n}`, made.timeline.stamp(), false);
    await settle();
    expect([isVoid(made, "ana"), isVoid(made, `garbage-${2 * MAX_TOMBSTONES}`), isVoid(made, "ben")]).toEqual([
      true,
      true,
      false,
    ]);
  });
});

test("What was read before something was missed is read again: what that contradicts may be deleted by now.", async () => {
  const made = start();
  await made.put("ana");
  const other = made.process();
  let reads = 0;
  other.memory.before = async (operation) => {
    if (operation === "get" && ++reads <= 2) other.subjects.doubt(); // the entry, and whether any user was invalidated
  };
  const { entry } = await other.find("ana");
  expect([reads, entry?.value]).toEqual([4, "of ana"]);
  expect(other.invalidation.isUnproven(entry as { order: number })).toBe(false);
});

test("What was missed in each of two looks is not looked for again: the entry is in doubt.", async () => {
  const made = start();
  await made.put("ana");
  let reads = 0;
  made.memory.before = (operation) => {
    if (operation === "get" && ++reads <= 8) made.subjects.doubt(); // the entry, and whether any user was invalidated
  };
  expect([await made.find("ana"), reads]).toEqual([IN_DOUBT, 4]);
});

describe("An invalidation", () => {
  test("is told, with its meaning and its time, and written to the store as often as the log says", async () => {
    const { shared, timeline, told, put, kept } = start({ hasLog: true });
    const at = timeline.stamp();
    for (let times = 1; times <= 2; times++) {
      await put("ana");
      if (times === 1) await shared.invalidate("ana", "digest", at);
      expect(kept()).toHaveLength(1);
      await told[0]?.write();
      expect(kept()).toEqual([]);
    }
    expect(told.map(({ fact }) => fact)).toStrictEqual([{ kind: "token", id: "ana", meaning: "digest", at: at.wall }]);
  });

  test("of a kind that is not told is written alone", async () => {
    const { shared, timeline, told, put, kept } = start({ hasLog: true, isTold: false });
    await put("ana");
    await shared.invalidate("ana", "digest", timeline.stamp());
    expect([kept(), told]).toEqual([[], []]);
  });
});

describe("What is deleted behind a refusal", () => {
  test("is told where it is news, with its time, and deleted as the log says", async () => {
    const { shared, timeline, told, toldRefusals, put, kept } = start({ hasLog: true });
    await put("ana");
    const at = timeline.stamp();
    shared.refuse("ana", at, true, true);
    await settle();
    expect([kept().length, told]).toEqual([1, []]);
    expect(toldRefusals.map(({ fact }) => fact)).toStrictEqual([
      { kind: "refusal", id: "ana", meaning: undefined, at: at.wall },
    ]);
    await toldRefusals[0]?.write();
    expect(kept()).toEqual([]);
  });

  test.each([
    ["is no news", true, false],
    ["cannot be told for want of a log", false, true],
  ])("and %s is deleted at once", async (_why, hasLog, isNews) => {
    const { shared, timeline, toldRefusals, put, kept } = start({ hasLog });
    await put("ana");
    shared.refuse("ana", timeline.stamp(), true, isNews);
    await settle();
    expect([kept(), toldRefusals]).toEqual([[], []]);
  });

  test.each([
    ["if that was known", true],
    ["but not of what strangers bring", false],
  ])(
    "leaves a tombstone where the store cannot be told; once there are too many all older is void, %s",
    async (_whose, isOurs) => {
      const made = start({ hasLog: true });
      made.memory.before = fail;
      for (let n = 1; n <= 2 * MAX_TOMBSTONES; n++) made.shared.refuse(`id-${n}`, made.timeline.stamp(), isOurs, true);
      for (const { write } of made.toldRefusals) await expect(write()).rejects.toThrow();
      expect([isVoid(made, `id-${2 * MAX_TOMBSTONES}`), isVoid(made, "id-1")]).toEqual([true, isOurs]);
    },
  );
});

describe("What this process has put into the store", () => {
  test("is deleted again where it was asked for before something happened, and stays where it was asked for later", async () => {
    const { shared, timeline, put, process, kept } = start();
    const before = timeline.stamp();
    await put("ana");
    const [after, other] = [timeline.stamp(), process()];
    shared.dropIfBefore("ana", before);
    other.shared.dropIfBefore("ana", other.timeline.placeOf(after.wall, 0)); // which has put nothing there
    await settle();
    expect(kept()).toHaveLength(1);
    shared.dropIfBefore("ana", after);
    await settle();
    expect(kept()).toEqual([]);
  });

  test("is void where it could not be deleted again, and all that is older with it once there are too many", async () => {
    const made = start();
    const ids = Array.from({ length: 2 * MAX_TOMBSTONES }, (_, n) => `known-${n + 1}`);
    for (const id of ids) await made.put(id);
    made.memory.before = fail;
    for (const id of ids) made.shared.dropIfBefore(id, made.timeline.stamp());
    await settle();
    expect([isVoid(made, "known-1"), isVoid(made, "ben")]).toEqual([true, true]);
  });
});
