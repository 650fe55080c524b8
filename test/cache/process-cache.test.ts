import { describe, expect, test } from "@jest/globals";
import { Invalidation } from "../../src/cache/invalidation.js";
import { ProcessCache, SHARE_OF_SUBJECT } from "../../src/cache/process-cache.js";
import type { CacheSpec } from "../../src/cache/spec.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock } from "../support/manual-clock.js";

const START = 1_000_000;
const TTL_MS = 1000;

interface Kept {
  bytes?: number;
  subject?: string;
  meaning?: string;
  /** By age … */
  livesMs?: number;
  /** … and by the wall clock; default: as by age. */
  wallMs?: number;
  tierEnd?: number;
  hardExpiry?: number;
}

/** A view of a process cache in which an entry takes as many bytes as its value says, and some of its own. */
function start({
  maxEntries = 100,
  maxBytes = 1_000_000,
  maxPerSubject = 100,
  staleIfErrorMs = 0,
  random = 0,
  name = "",
} = {}) {
  const clock = new ManualClock(START);
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store: undefined, timeline });
  const invalidation = new Invalidation(subjects, true);
  const process = new ProcessCache({
    maxEntries,
    maxBytes,
    maxPerSubject,
    clock,
    random: () => random,
    staleIfErrorMs,
  });
  const spec = {
    name,
    hasDigestIds: name === "",
    hasManyPerSubject: name === "",
    present: (value: number, source: string) => (source === "process" ? value : Number.NaN),
    bytesOf: (value: number) => value,
  } as unknown as CacheSpec<string, number, number, never>;
  const view = process.view(spec, invalidation);
  const never = Number.POSITIVE_INFINITY;
  const keep = (
    id: string,
    {
      bytes = 1,
      subject = "ana",
      meaning,
      livesMs = TTL_MS,
      wallMs = livesMs,
      tierEnd = never,
      hardExpiry = never,
    }: Kept = {},
  ) =>
    view.keep(
      id,
      {
        value: bytes,
        order: timeline.next(),
        askedAt: START,
        expiresAt: START + wallMs,
        endsAt: START + livesMs,
        subject,
        meaning,
        isShared: false,
      },
      { tierEnd, hardExpiry },
    );
  const held = (ids: string) => [...ids].filter((id) => view.peek(id)).join("");
  return { clock, timeline, subjects, invalidation, process, view, keep, held };
}

describe("An entry serves", () => {
  const LATER = 10 * TTL_MS;

  test.each<[string, Kept]>([
    ["its own end", {}],
    ["the end of its stay in the process", { livesMs: LATER, tierEnd: START + TTL_MS }],
    ["the hard expiry of its question", { livesMs: LATER, hardExpiry: START + TTL_MS }],
  ])("until %s", async (_end, options) => {
    const { clock, keep, view } = start();
    keep("a", options);
    await clock.advance(TTL_MS - 1);
    expect(view.findHit("a")?.hit).toBe(1);
    await clock.advance(1);
    expect(view.findHit("a")).toBeUndefined();
    expect(view.peek("a")?.hit).toBe(1);
  });

  test.each<[string, Kept]>([
    ["its own end", { livesMs: LATER, wallMs: TTL_MS }],
    ["the hard expiry of its question", { livesMs: LATER, hardExpiry: START + TTL_MS }],
  ])("until %s by the wall clock, which is set forward", (_end, options) => {
    const { clock, keep, view } = start();
    keep("a", options);
    clock.setWall(TTL_MS - 1);
    expect(view.findHit("a")?.hit).toBe(1);
    clock.setWall(1);
    expect(view.findHit("a")).toBeUndefined();
  });

  test("no longer though the wall clock is set back", async () => {
    const { clock, keep, view } = start();
    keep("a");
    clock.setWall(-LATER);
    await clock.advance(TTL_MS);
    expect(view.findHit("a")).toBeUndefined();
  });

  test("while the service is unavailable, up to the hard expiry of its question by either clock", async () => {
    const keptUntil = () => {
      const started = start({ staleIfErrorMs: LATER });
      started.keep("a", { hardExpiry: START + 2 * TTL_MS });
      return started;
    };
    const [passed, set] = [keptUntil(), keptUntil()];
    await passed.clock.advance(2 * TTL_MS - 1);
    set.clock.setWall(2 * TTL_MS - 1);
    expect([passed, set].map(({ view }) => view.findStale("a")?.hit)).toEqual([1, 1]);
    passed.clock.setWall(-LATER);
    await passed.clock.advance(1);
    set.clock.setWall(1);
    expect([passed, set].map(({ view }) => view.findStale("a"))).toStrictEqual([undefined, undefined]);
  });

  test("not if it was void when it came in, or has become it", () => {
    const { invalidation, timeline, keep, view } = start();
    keep("a", { meaning: "7" });
    invalidation.invalidated("b", timeline.stamp(), "7", true);
    expect(view.findHit("a")).toBeUndefined();
    keep("a", { meaning: "7" });
    expect(view.findHit("a")?.hit).toBe(1);
  });
});

describe("An entry that has ended when it comes in", () => {
  test.each<[string, Kept]>([
    ["by its age", { livesMs: 0, wallMs: TTL_MS }],
    ["by the wall clock", { livesMs: TTL_MS, wallMs: 0 }],
    ["as its stay has", { tierEnd: START }],
    ["as its question has", { hardExpiry: START }],
    ["but for a part of a millisecond", { livesMs: 0.5, wallMs: TTL_MS }],
  ])("%s, is not kept, and nor is the one before", (_how, options) => {
    const { keep, view, process } = start();
    keep("a");
    expect(keep("a", options)).toBeUndefined();
    expect(view.peek("a")).toBeUndefined();
    expect(process.size).toBe(0);
  });

  test("in a millisecond, is kept", () => {
    const { keep, view } = start();
    expect(keep("a", { livesMs: 1 })?.hit).toBe(1);
    expect(view.findHit("a")?.hit).toBe(1);
  });
});

test.each([
  [0, 800],
  [0.5, 700],
  [0.99, 602],
])(
  "An entry is refreshed from a random point between 60 and 80 %% of its TTL on: with %d, from %d ms.",
  (random, ms) => {
    const { keep } = start({ random });
    const refreshedAfter = (options = {}) => (keep("a", options)?.refreshAt ?? 0) - START; // rounded down
    expect([ms - 1, ms]).toContain(refreshedAfter());
    // Of one that comes from the shared cache a part of the TTL is over.
    expect([ms - 301, ms - 300]).toContain(refreshedAfter({ livesMs: TTL_MS - 300, wallMs: TTL_MS }));
  },
);

test("What is not held is not found.", () => {
  const { keep, view } = start();
  keep("a");
  expect([view.findHit("b"), view.findStale("b"), view.peek("b"), view.forget("b")]).toEqual([
    undefined,
    undefined,
    undefined,
    false,
  ]);
  expect(view.forget("a")).toBe(true);
});

test("An entry counts as what its value takes, and two bytes for each character of its key, its subject and its meaning, and 480 more.", () => {
  const { keep, process } = start({ name: "locals" });
  keep("a", { bytes: 100 });
  const bytes = process.bytes;
  expect(bytes).toBe(100 + 2 * ("locals:a".length + "ana".length) + 480);
  keep("a-longer-id", { bytes: 1000, subject: "ben-jamin" });
  expect(process.bytes - bytes).toBe(1000 + 2 * ("locals:a-longer-id".length + "ben-jamin".length) + 480);
  expect(process.size).toBe(2);
  const digests = start(); // their ids alone are keys
  digests.keep("a", { bytes: 100 });
  expect(digests.process.bytes).toBe(100 + 2 * ("a".length + "ana".length) + 480);
  digests.keep("a", { bytes: 100, meaning: "seven" });
  expect(digests.process.bytes).toBe(100 + 2 * ("a".length + "ana".length + "seven".length) + 480);
});

test.each<[string, Parameters<typeof start>[0]]>([
  ["for want of room for their number", { maxEntries: 2 }],
  ["for want of room for their bytes", { maxBytes: 12_000 }],
  ["for want of room of their subject", { maxPerSubject: 2 }],
])("Entries that had to make room %s are counted, and no others.", (_why, options) => {
  const { process, keep, held, view } = start(options);
  for (const id of "abcd") keep(id, { bytes: 4000, subject: options?.maxPerSubject ? "ana" : id });
  expect([held("abcd"), process.evictions]).toEqual(["cd", 2]);
  keep("c", { bytes: 4000, subject: options?.maxPerSubject ? "ana" : "c" }); // in the place of the one before
  keep("c", { livesMs: 0 }); // which has ended
  view.forget("d");
  expect([held("abcd"), process.evictions, process.size]).toEqual(["", 2, 0]);
});

describe("The entries of one subject", () => {
  test("take no more than an eighth of the bytes together, and those of others stay", () => {
    const { keep, held, process } = start({ maxBytes: SHARE_OF_SUBJECT * 10_000 });
    keep("x", { bytes: 4000, subject: "ben" });
    for (const id of "abc") keep(id, { bytes: 4000 });
    expect(held("abcx")).toBe("bcx");
    expect(process.bytes).toBeLessThan(3 * 5000);
  });

  test("are as many as there are of a spec that has one for each question", () => {
    const { keep, held } = start({ name: "locals", maxPerSubject: 2 });
    for (const id of "abc") keep(id);
    expect(held("abc")).toBe("abc");
  });

  test("are no more than may be; those that are forgotten make room", () => {
    const { keep, held, view } = start({ maxPerSubject: 2 });
    for (const id of "abc") keep(id);
    expect(held("abc")).toBe("bc");
    view.forget("b");
    keep("d");
    expect(held("abcd")).toBe("cd");
  });
});

describe("A meaning is held", () => {
  test("as long as there is an entry that has it", () => {
    const { keep, view } = start();
    expect(view.holdsMeaning("7")).toBe(false);
    keep("a", { meaning: "7" });
    keep("b", { meaning: "7" });
    keep("b", { meaning: "7" }); // in the place of the one before
    keep("c");
    expect([view.holdsMeaning("7"), view.holdsMeaning("8")]).toEqual([true, false]);
    view.forget("a");
    view.forget("c");
    expect(view.holdsMeaning("7")).toBe(true);
    view.forget("b");
    expect(view.holdsMeaning("7")).toBe(false);
  });

  test("not by an entry that made room, nor by one that is larger than all of it", () => {
    const { keep, view } = start({ maxPerSubject: 1, maxBytes: 100_000 });
    keep("a", { meaning: "7" });
    keep("b", { meaning: "8" });
    expect([view.holdsMeaning("7"), view.holdsMeaning("8")]).toEqual([false, true]);
    keep("c", { meaning: "9", bytes: 200_000 });
    expect(view.holdsMeaning("9")).toBe(false);
  });
});

describe("An entry that has ended serves while the service is unavailable", () => {
  const stale = (options: Parameters<typeof start>[0]) => {
    const started = start(options);
    started.keep("a", { meaning: "7" });
    return { ...started, findStale: () => started.view.findStale("a")?.hit };
  };

  test("for as long as it may, and not at all where it may not", async () => {
    const [never, some] = [stale({ staleIfErrorMs: 0 }), stale({ staleIfErrorMs: 500 })];
    expect([never.findStale(), some.findStale()]).toStrictEqual([undefined, 1]);
    await some.clock.advance(TTL_MS + 499);
    expect(some.findStale()).toBe(1);
    await some.clock.advance(1);
    expect(some.findStale()).toBeUndefined();
    expect(some.view.findStale("never held")).toBeUndefined();
  });

  test("by both clocks", () => {
    const { clock, findStale } = stale({ staleIfErrorMs: 500 });
    clock.setWall(TTL_MS + 499);
    expect(findStale()).toBe(1);
    clock.setWall(1);
    expect(findStale()).toBeUndefined();
  });

  test("unless it is void, or doubted", () => {
    const [voided, doubted] = [stale({ staleIfErrorMs: 500 }), stale({ staleIfErrorMs: 500 })];
    voided.invalidation.invalidated("other", voided.timeline.stamp(), "7", true);
    doubted.invalidation.refusedWithAll("a", doubted.timeline.stamp());
    expect([voided.findStale(), doubted.findStale()]).toStrictEqual([undefined, undefined]);
    expect(doubted.view.findHit("a")?.hit).toBe(1);
  });
});

test("An entry from before something may have been missed is neither fresh nor stale; one that is kept since, both.", async () => {
  const { clock, subjects, keep, view } = start({ staleIfErrorMs: 500 });
  const found = () => [view.findHit("a")?.hit, view.findStale("a")?.hit];
  keep("a", { livesMs: 10 });
  expect(found()).toEqual([1, 1]);
  subjects.doubt();
  expect([...found(), view.peek("a")?.hit]).toStrictEqual([undefined, undefined, 1]);
  keep("a", { livesMs: 10 });
  expect(found()).toEqual([1, 1]);
  await clock.advance(11);
  expect(found()).toStrictEqual([undefined, 1]);
  subjects.doubt();
  expect(found()).toStrictEqual([undefined, undefined]);
});
