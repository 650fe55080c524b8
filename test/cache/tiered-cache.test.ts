import { describe, expect, test } from "@jest/globals";
import { MAX_SKEW_MS } from "../../src/cache/invalidation.js";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import type { QuestionTraits, QuestionWatch } from "../../src/cache/question-watch.js";
import type { Origin } from "../../src/cache/spec.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { type TextSpec, textSpec } from "../support/text-spec.js";
import { openCache, startPatientService, unavailable } from "../support/tiered-cache.js";

const START = 1_000_000_000;
const TTL_MS = 300_000;
/** So many are remembered one by one. */
const MAX_TOMBSTONES = 3;

interface Options {
  isShared?: boolean;
  staleIfErrorMs?: number;
  maxEntries?: number;
  /** Whether questions say what their spellings have in common. */
  isRead?: boolean;
  more?: Partial<TextSpec>;
  clock?: ManualClock;
  memory?: MemoryStore;
}

/** What all spellings of a question have in common: `7/a` is one of those of 7. */
function digestOf(question: string): string | undefined {
  return question.includes("/") ? `${question.split("/")[0]}-as-a-digest-in-base64url` : undefined;
}

/** A process, with the questions that reach the service, and the origins of what is handed out. */
function start({
  isShared = true,
  staleIfErrorMs = 0,
  maxEntries = 10,
  isRead = true,
  more = {},
  clock = new ManualClock(START),
  memory = new MemoryStore(clock),
}: Options = {}) {
  const { ask, asked } = startPatientService();
  const origins: Origin[] = [];
  const spec = textSpec(ask, {
    name: "locals",
    ttlMs: TTL_MS,
    ...(isRead && { read: (question) => ({ hardExpiry: undefined, meaning: digestOf(question) }) }),
    present: (value, _source, _hardExpiry, origin) => {
      origins.push(origin);
      return value;
    },
    ...more,
  });
  const told: unknown[] = [];
  const log = {
    tell: async ({ fact, write }: { fact: unknown; write: () => Promise<void> }) => {
      told.push(fact);
      await write();
    },
  } as unknown as InvalidationLog;
  const watched: QuestionTraits[] = [];
  const joined: unknown[] = [];
  const watch: QuestionWatch = {
    asks: async (traits, asks) => {
      watched.push(traits);
      const question = { joined: undefined, queuedMs: undefined };
      const ending = await asks(question);
      joined.push(question.joined);
      return ending;
    },
  };
  const contradicted: unknown[][] = [];
  const opened = openCache({
    clock,
    spec,
    memory: isShared ? memory : undefined,
    log,
    maxEntries,
    maxTombstones: MAX_TOMBSTONES,
    staleIfErrorMs,
    watch,
    onContradicted: (...details) => void contradicted.push(details),
  });
  const { cache } = opened;
  /** Asks, and has the service answer where it is asked. */
  const answered = async (question: string, value = question, fresh = false) => {
    const got = cache.get(question, { fresh });
    await settle();
    asked.at(-1)?.answer(value);
    const outcome = await got;
    await settle();
    return outcome;
  };
  const process = () => start({ isShared, staleIfErrorMs, maxEntries, isRead, more, clock, memory });
  return { ...opened, clock, memory, asked, origins, told, watched, joined, contradicted, answered, process };
}

const answer = (value: string, source: string) => ({ kind: "answer", answer: value, source });

describe("What the process holds", () => {
  test("is had without waiting, and counts as a hit", async () => {
    const { cache, answered } = start();
    expect([cache.peek("ana"), cache.holds("ana")]).toStrictEqual([undefined, false]);
    await answered("ana");
    expect([cache.peek("ana"), cache.holds("ana"), cache.holds("ben")]).toEqual(["ana", true, false]);
    expect(cache.counts).toEqual({ hits: 1, sharedHits: 0, refusals: 0, misses: 1, stale: 0, renewals: 0 });
  });

  test("is held, though it has ended", async () => {
    const { cache, clock, answered } = start();
    await answered("ana");
    await clock.advance(TTL_MS);
    expect([cache.peek("ana"), cache.holds("ana")]).toStrictEqual([undefined, true]);
  });

  test("is refreshed in the background from its time on, and serves meanwhile", async () => {
    const { cache, clock, asked, answered } = start({ isShared: false });
    await answered("ana", "old");
    await clock.advance(0.8 * TTL_MS - 1);
    expect(cache.peek("ana")).toBe("old");
    await settle();
    expect([asked.length, cache.counts.renewals]).toEqual([1, 0]);
    await clock.advance(1);
    expect([cache.peek("ana"), cache.peek("ana")]).toEqual(["old", "old"]);
    await settle();
    expect([asked.length, cache.counts.renewals]).toEqual([2, 1]);
    asked[1]?.answer("new");
    await settle();
    expect(cache.peek("ana")).toBe("new");
  });

  test("has its age by one reading of the clock, where the clock can tell one time by the other", async () => {
    const clock = new ManualClock(START);
    clock.setWall(5);
    const read = { walls: [] as number[], monotonic: START };
    const monotonicAt = (wall: number) => {
      read.walls.push(wall);
      return read.monotonic;
    };
    const { cache, answered } = start({ isShared: false, clock: Object.assign(clock, { monotonicAt }) });
    await answered("ana");
    read.walls = [];
    read.monotonic = START + TTL_MS - 1;
    expect(cache.peek("ana")).toBe("ana");
    read.monotonic = START + TTL_MS;
    expect(cache.peek("ana")).toBeUndefined();
    expect(read.walls).toEqual([START + 5, START + 5]);
  });
});

describe("An answer comes", () => {
  test("from the nearest that has it: the process, the shared cache, the service", async () => {
    const one = start();
    const other = one.process();
    expect(await one.answered("ana")).toEqual(answer("ana", "grpc"));
    expect(await one.cache.get("ana")).toEqual(answer("ana", "process"));
    expect(await other.cache.get("ana")).toEqual(answer("ana", "shared"));
    expect(await other.cache.get("ana")).toEqual(answer("ana", "process"));
    expect([one.asked.length, other.asked.length]).toEqual([1, 0]);
    const none = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0, renewals: 0 };
    expect([one.cache.counts, other.cache.counts]).toEqual([
      { ...none, hits: 1, misses: 1 },
      { ...none, hits: 1, sharedHits: 1 },
    ]);
  });

  test("of the service, where it is to be fresh", async () => {
    const { cache, asked, answered } = start();
    await answered("ana", "old");
    expect(await answered("ana", "new", true)).toEqual(answer("new", "grpc"));
    expect(asked.map(({ options }) => options.fresh)).toEqual([false, true]);
    expect(cache.peek("ana")).toBe("new");
  });

  test("as a refusal while that is remembered", async () => {
    const { cache, asked, clock } = start({ more: { refusalTtlMs: 1000 } });
    const refused = cache.get("ana");
    await settle();
    asked[0]?.refuse("unknown");
    const refusal = { kind: "refusal", reason: "unknown" };
    expect(await refused).toMatchObject(refusal);
    expect(await cache.get("ana")).toEqual(refusal);
    expect([asked.length, cache.counts.refusals, cache.counts.hits]).toEqual([1, 1, 0]);
    await clock.advance(1000);
    const again = cache.get("ana");
    await settle();
    asked[1]?.answer("ana");
    expect(await again).toEqual(answer("ana", "grpc"));
  });

  test("from what has ended, while the service is unavailable, and counts as stale; not where it is to be fresh", async () => {
    const { cache, asked, clock, answered } = start({ isShared: false, staleIfErrorMs: TTL_MS });
    await answered("ana");
    await clock.advance(TTL_MS);
    const [stale, fresh] = [cache.get("ana"), cache.get("ana", { fresh: true })];
    await settle();
    for (const { fail } of asked) fail();
    expect(await stale).toEqual(answer("ana", "stale"));
    await expect(fresh).rejects.toBe(unavailable);
    expect(cache.counts.stale).toBe(1);
  });

  test("from nowhere while the service is unavailable, where nothing may be stale", async () => {
    const { cache, asked, clock, answered } = start({ isShared: false });
    await answered("ana");
    await clock.advance(TTL_MS);
    const got = cache.get("ana");
    await settle();
    asked[1]?.fail();
    await expect(got).rejects.toBe(unavailable);
    expect(cache.counts.stale).toBe(0);
  });
});

test("One question is under way for all that ask the same.", async () => {
  const { cache, asked } = start();
  const got = [cache.get("ana"), cache.get("ana"), cache.get("ben")];
  await settle();
  expect([asked.map(({ question }) => question), cache.inFlight]).toEqual([["ana", "ben"], 2]);
  for (const { answer, question } of asked) answer(question);
  expect(await Promise.all(got)).toEqual(["ana", "ana", "ben"].map((value) => answer(value, "grpc")));
  expect(cache.inFlight).toBe(0);
});

describe("Of a question that the process cannot answer", () => {
  test("it is seen how it is put, and of no other", async () => {
    const { cache, watched, answered } = start();
    await answered("ana");
    await cache.get("ana");
    await answered("ana", "new", true);
    const { signal } = new AbortController();
    const last = cache.get("ben", { signal });
    const traits = { kind: "locals", fresh: false, isRefresh: false, signal: undefined };
    expect(watched).toStrictEqual([traits, { ...traits, fresh: true }, { ...traits, signal }]);
    await answered("ben");
    await last;
  });

  test("it is seen for whose answer it waits", async () => {
    const { cache, asked, joined } = start();
    const got = [cache.get("ana"), cache.get("ana")];
    await settle();
    asked[0]?.answer("ana");
    await Promise.all(got);
    expect(joined).toStrictEqual([undefined, { joined: undefined, queuedMs: undefined }]);
  });
});

describe("A caller that has left", () => {
  const reason = new Error("the browser is gone");

  test("gets nothing, not even what is held", async () => {
    const { cache, watched, answered } = start();
    await answered("ana");
    await expect(cache.get("ana", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect([watched.length, cache.counts.hits]).toEqual([1, 0]);
  });

  test("leaves its question to the others", async () => {
    const { cache, asked } = start();
    const leaving = new AbortController();
    const [left, stays] = [cache.get("ana", { signal: leaving.signal }), cache.get("ana")];
    await settle();
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
    asked[0]?.answer("ana");
    expect(await stays).toEqual(answer("ana", "grpc"));
  });
});

describe("A gate", () => {
  const turnedAway = new Error("turned away");

  /** One that is closed until it is said which way it goes. */
  class HeldGate {
    /** How many have come to it. */
    met = 0;
    open: () => void = () => undefined;
    turnAway: (error: Error) => void = () => undefined;
    readonly #way = new Promise<void>((resolve, reject) => {
      this.open = resolve;
      this.turnAway = reject;
    });
    readonly gate = () => {
      this.met++;
      return this.#way;
    };
  }

  /** Callers who ask the same, of whom the first one is turned away. */
  async function withJoined(made: ReturnType<typeof start>, calls: Parameters<typeof made.cache.get>[1][]) {
    const first = new HeldGate();
    const turned = made.cache.get("ana", first);
    const got = calls.map((call) => made.cache.get("ana", call));
    await settle();
    expect([first.met, made.cache.inFlight, made.asked]).toEqual([1, 1, []]);
    first.turnAway(turnedAway);
    await expect(turned).rejects.toBe(turnedAway);
    await settle();
    return got;
  }

  test("keeps a question from the service where it turns away, and lets it through else", async () => {
    const { cache, asked } = start();
    const [closed, open] = [new HeldGate(), new HeldGate()];
    const turned = cache.get("ana", closed);
    await settle();
    closed.turnAway(turnedAway);
    await expect(turned).rejects.toBe(turnedAway);
    const letIn = cache.get("ana", open);
    await settle();
    expect(asked).toEqual([]);
    open.open();
    await settle();
    asked[0]?.answer("ana");
    expect(await letIn).toEqual(answer("ana", "grpc"));
  });

  test("that turns away leaves those that joined to their own gates, all at once, and once each", async () => {
    const made = start();
    const own = [new HeldGate(), new HeldGate(), new HeldGate()] as const;
    const [second, third, fourth] = await withJoined(made, [...own]);
    expect(own.map(({ met }) => met)).toEqual([1, 1, 1]);
    const other = new Error("turned away, too");
    own[0].turnAway(other);
    await expect(second).rejects.toBe(other);
    expect(made.asked).toEqual([]);
    own[1].open();
    own[2].open();
    await settle();
    expect(made.asked).toHaveLength(1);
    made.asked[0]?.answer("ana");
    expect(await Promise.all([third, fourth])).toEqual([answer("ana", "grpc"), answer("ana", "grpc")]);
    expect(own.map(({ met }) => met)).toEqual([1, 1, 1]);
  });

  test("of another holds none that has none", async () => {
    const made = start();
    const [second] = await withJoined(made, [{}]);
    expect(made.asked).toHaveLength(1);
    made.asked[0]?.answer("ana");
    expect(await second).toEqual(answer("ana", "grpc"));
  });

  test("is left by a caller that leaves", async () => {
    const made = start();
    const [own, leaving, reason] = [new HeldGate(), new AbortController(), new Error("the browser is gone")];
    const [second] = await withJoined(made, [{ gate: own.gate, signal: leaving.signal }]);
    leaving.abort(reason);
    await expect(second).rejects.toBe(reason);
    own.open();
    await settle();
    expect(made.asked).toEqual([]);
  });

  test.each([
    ["and is answered by that", 0, "process"],
    ["though that has ended, and is asked of the service", TTL_MS, "grpc"],
  ])("is not for what came in meanwhile %s", async (_how, ms, source) => {
    const made = start({ isShared: false });
    const [first, own] = [new HeldGate(), new HeldGate()];
    const [turned, second] = [made.cache.get("ana", first), made.cache.get("ana", own)];
    await settle();
    await made.answered("ana", "ana", true);
    await made.clock.advance(ms);
    first.turnAway(turnedAway);
    await expect(turned).rejects.toBe(turnedAway);
    await settle();
    made.asked[1]?.answer("ana");
    expect(await second).toEqual(answer("ana", source));
    expect([own.met, made.asked.length]).toEqual([0, source === "grpc" ? 2 : 1]);
  });

  test("of another, before a fresh answer, leaves it to the service, whatever is held", async () => {
    const made = start({ isShared: false });
    await made.answered("ana", "old");
    const gates = [new HeldGate(), new HeldGate(), new HeldGate()] as const;
    const [first, second, third] = gates.map(({ gate }) => made.cache.get("ana", { gate, fresh: true }));
    await settle();
    for (const [at, turned] of [first, second].entries()) {
      gates[at]?.turnAway(turnedAway);
      await expect(turned).rejects.toBe(turnedAway);
      await settle();
    }
    expect([made.asked.length, made.asked[1]?.options.fresh]).toEqual([2, true]);
    made.asked[1]?.answer("new");
    expect(await third).toEqual(answer("new", "grpc"));
  });
});

/** The two ways in which a process learns that a question's answer is void: here, and from another process. */
const WAYS = [
  ["that is invalidated", ({ cache }: ReturnType<typeof start>, question: string) => cache.invalidate(question)],
  [
    "that another process has invalidated",
    async ({ cache, clock }: ReturnType<typeof start>, id: string) => {
      cache.hear({ kind: "token", id, meaning: digestOf(id), at: clock.now() });
      await settle();
    },
  ],
] as const;

describe.each(WAYS)("An answer %s", (_how, contradict) => {
  test("is held no more, neither here nor in the shared cache, where this process has put it", async () => {
    const made = start();
    await made.answered("ana");
    await made.answered("ben");
    await contradict(made, "ana");
    expect([made.cache.peek("ana"), made.cache.holds("ana"), made.cache.peek("ben")]).toStrictEqual([
      undefined,
      false,
      "ben",
    ]);
    expect(made.memory.keys("locals")).toHaveLength(1);
    expect(await made.answered("ana", "new")).toEqual(answer("new", "grpc"));
  });

  test("is held no more where there is no shared cache", async () => {
    const made = start({ isShared: false });
    await made.answered("ana");
    await contradict(made, "ana");
    expect(made.cache.holds("ana")).toBe(false);
  });

  test("is no refusal any more", async () => {
    const made = start({ more: { refusalTtlMs: 1000 } });
    const refused = made.cache.get("ana");
    await settle();
    made.asked[0]?.refuse("unknown");
    await refused;
    await contradict(made, "ana");
    expect(await made.answered("ana")).toEqual(answer("ana", "grpc"));
  });

  test("is given to those that had asked for it, in whatever spelling, and is neither kept nor joined", async () => {
    const made = start();
    const got = [made.cache.get("7/a"), made.cache.get("7/b"), made.cache.get("8/a")];
    await settle();
    await contradict(made, "7/a");
    const late = made.cache.get("7/b");
    await settle();
    expect(made.asked.map(({ question }) => question)).toEqual(["7/a", "7/b", "8/a", "7/b"]);
    for (const { answer, question } of made.asked.slice(0, 3)) answer(question);
    expect(await Promise.all(got)).toEqual(["7/a", "7/b", "8/a"].map((value) => answer(value, "grpc")));
    await settle();
    expect(["7/a", "7/b", "8/a"].map((id) => made.cache.peek(id))).toStrictEqual([undefined, undefined, "8/a"]);
    expect(made.memory.keys("locals")).toHaveLength(1);
    made.asked[3]?.answer("new");
    expect(await late).toEqual(answer("new", "grpc"));
  });

  test("is void in all its spellings", async () => {
    const made = start();
    for (const id of ["7/a", "7/b", "8/a"]) await made.answered(id);
    await contradict(made, "7/a");
    expect([made.cache.peek("7/b"), made.cache.peek("8/a")]).toStrictEqual([undefined, "8/a"]);
  });

  test.each([
    ["that were held", { isShared: false, maxEntries: 10 }],
    ["that this process has put into the shared cache", { isShared: true, maxEntries: 1 }],
  ])(
    "is forgotten as such for no flood of strangers' where it has spellings %s, and voids no others",
    async (_where, options) => {
      const made = start(options);
      for (const id of ["7/a", "7/b", "ben/a"]) await made.answered(id);
      await contradict(made, options.isShared ? "7/c" : "7/a");
      for (let n = 1; n <= 2 * MAX_TOMBSTONES; n++) await contradict(made, `stranger-${n}/a`);
      expect(await made.answered("ben/a", "new")).toEqual(answer("ben/a", "process"));
      expect(await made.answered("7/b", "new")).toEqual(answer("new", "grpc"));
    },
  );

  test("is made known, with its meaning and until when it is void", async () => {
    const made = start();
    await made.answered("ana");
    await made.answered("7/a");
    const before = made.timeline.next();
    await contradict(made, "ana");
    await contradict(made, "7/a");
    const until = { order: expect.any(Number), wall: expect.any(Number) };
    expect(made.contradicted).toStrictEqual([
      ["ana", undefined, until],
      ["7/a", digestOf("7/a")?.slice(0, 11), until],
    ]);
    for (const [, , { order }] of made.contradicted as [string, string, { order: number }][])
      expect(order).toBeGreaterThan(before);
  });
});

describe("An invalidation", () => {
  test("is told to other processes, with its whole meaning, of a kind of which they are told", async () => {
    const made = start({ more: { isTold: true } });
    await made.cache.invalidate("7/a");
    await made.cache.invalidate("ana");
    const fact = { kind: "token", at: expect.any(Number) };
    expect(made.told).toStrictEqual([
      { ...fact, id: "7/a", meaning: digestOf("7/a") },
      { ...fact, id: "ana", meaning: undefined },
    ]);
  });

  test("needs no question that says anything of itself", async () => {
    const made = start({ isRead: false });
    await made.answered("7/a");
    await made.answered("7/b");
    await made.cache.invalidate("7/a");
    expect([made.cache.holds("7/a"), made.cache.peek("7/b")]).toEqual([false, "7/b"]);
  });

  test("rejects where the store cannot be told; this process has forgotten all the same", async () => {
    const made = start();
    await made.answered("ana");
    made.memory.before = fail;
    await expect(made.cache.invalidate("ana")).rejects.toThrow("the store is out of order");
    expect(made.cache.holds("ana")).toBe(false);
  });
});

describe("What is heard of another process", () => {
  const heard = (id: string, at: number) => ({ kind: "token", id, meaning: undefined, at }) as const;

  test("makes nothing void that was asked for later, as far as clocks may differ, here or in the shared cache", async () => {
    const made = start();
    await made.answered("ana");
    made.cache.hear(heard("ana", START - 2 * MAX_SKEW_MS));
    await settle();
    expect([made.cache.peek("ana"), made.memory.keys("locals").length]).toEqual(["ana", 1]);
  });

  test("makes nothing void that was asked for since it was heard first", async () => {
    const made = start();
    await made.answered("ana", "old");
    made.cache.hear(heard("ana", START));
    await made.answered("ana", "new");
    made.cache.hear(heard("ana", START));
    await settle();
    expect([made.cache.peek("ana"), made.memory.keys("locals").length]).toEqual(["new", 1]);
  });

  test("deletes nothing in the shared cache that this process has not put there", async () => {
    const made = start();
    const other = made.process();
    await made.answered("ana");
    await other.answered("ana");
    other.cache.hear(heard("ana", START));
    await settle();
    expect([other.cache.holds("ana"), made.memory.keys("locals").length]).toEqual([false, 1]);
  });
});

describe("An answer that was handed out is contradicted", () => {
  const lastOf = ({ origins }: ReturnType<typeof start>) => origins.at(-1) as Origin;

  test.each(["user", "organization"] as const)(
    "once its %s is invalidated, whether it is held or not",
    async (about) => {
      const made = start({ maxEntries: 1, more: { about } });
      await made.answered("ana");
      const ana = lastOf(made);
      await made.answered("ben");
      const ben = lastOf(made);
      const contradicted = () => [made.cache.isContradicted("ana", ana), made.cache.isContradicted("ben", ben)];
      expect([made.cache.holds("ana"), ...contradicted()]).toEqual([false, false, false]);
      await made.subjects.invalidate(about, "ana");
      expect(contradicted()).toEqual([true, false]);
      await made.subjects.invalidate(about, "ben");
      expect([made.cache.holds("ben"), ...contradicted()]).toEqual([true, true, true]);
    },
  );

  test("once it is invalidated itself, also when it has been asked for again, and the new one is not", async () => {
    const made = start();
    await made.answered("ana", "old");
    const old = lastOf(made);
    expect(made.cache.isContradicted("ana", old)).toBe(false);
    await made.cache.invalidate("ana");
    expect(made.cache.isContradicted("ana", old)).toBe(true);
    await made.answered("ana", "new");
    expect([made.cache.isContradicted("ana", old), made.cache.isContradicted("ana", lastOf(made))]).toEqual([
      true,
      false,
    ]);
  });

  test("not by what was refused before its second try, as long as it is held", async () => {
    const made = start({ isShared: false });
    const got = made.cache.get("ana");
    await settle();
    const refused = made.cache.get("ana", { fresh: true });
    await settle();
    const [first, second] = made.asked;
    second?.options.onTry(false);
    second?.refuse("unknown");
    await refused;
    first?.options.onTry(false);
    first?.answer("ana");
    expect(await got).toEqual(answer("ana", "grpc"));
    expect([made.cache.peek("ana"), made.cache.isContradicted("ana", lastOf(made))]).toEqual(["ana", false]);
  });

  test("in doubt, once something may have been missed", async () => {
    const made = start();
    await made.answered("ana");
    const origin = lastOf(made);
    expect(made.cache.isUnproven(origin)).toBe(false);
    made.subjects.doubt();
    expect(made.cache.isUnproven(origin)).toBe(true);
  });
});
