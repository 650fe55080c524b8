import { describe, expect, test } from "@jest/globals";
import { Invalidation } from "../../src/cache/invalidation.js";
import { LoadResults } from "../../src/cache/load-results.js";
import { LoadTask, MISS } from "../../src/cache/load-task.js";
import { NegativeCache } from "../../src/cache/negative-cache.js";
import { ProcessCache } from "../../src/cache/process-cache.js";
import type { SharedCache, SharedLookup } from "../../src/cache/shared-cache.js";
import type { Entry, Subject } from "../../src/cache/spec.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { Standing } from "../../src/runtime/standing.js";
import { askingNow } from "../support/asking.js";
import { ManualClock } from "../support/manual-clock.js";
import { textSpec } from "../support/text-spec.js";

const START = 1_000_000;
/** So much is the wall clock ahead of the monotonic one. */
const AHEAD = 5000;
const TTL_MS = 10_000;
const PROCESS_TTL_MS = 1000;
const REFUSAL_TTL_MS = 2000;
/** So many are remembered one by one. */
const MAX_TOMBSTONES = 3;
const NEVER = Number.POSITIVE_INFINITY;

interface Options {
  random?: number;
  about?: Subject;
  /** Whether there is a shared cache, and which ids this process has written there. */
  isShared?: boolean;
  written?: string[];
}

function start({ random = 0, about = "user", isShared = true, written = [] }: Options = {}) {
  const clock = new ManualClock(START);
  clock.setWall(AHEAD);
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store: undefined, timeline, maxTombstones: MAX_TOMBSTONES });
  const contradicted: unknown[] = [];
  const invalidation = new Invalidation(subjects, false, (...details) => void contradicted.push(details));
  const spec = textSpec(async () => ({ kind: "answer", value: "", source: "grpc" }), {
    name: "locals",
    ttlMs: TTL_MS,
    refusalTtlMs: REFUSAL_TTL_MS,
    about,
    subjectOf: (question, value) => `${question} in ${value}`,
  });
  const process = new ProcessCache({
    maxEntries: 100,
    maxBytes: 1_000_000,
    maxPerSubject: 100,
    clock,
    random: () => 0,
    staleIfErrorMs: 0,
  }).view(spec, invalidation);
  const negative = new NegativeCache<string>(clock);
  /** What the shared cache was told to do. */
  const told: unknown[] = [];
  const shared = {
    put: (...details: unknown[]) => void told.push(["put", ...details]),
    refuse: (...details: unknown[]) => void told.push(["refuse", ...details]),
    hasWritten: (id: string) => written.includes(id),
  } as unknown as SharedCache<string, string>;
  const results = new LoadResults(
    spec,
    { process, negative, shared: isShared ? shared : undefined, invalidation },
    { clock, random: () => random, processTtlMs: PROCESS_TTL_MS },
  );
  const entry: Entry<string> = {
    value: "madrid",
    order: timeline.next(),
    askedAt: START + AHEAD,
    isShared: false,
    expiresAt: START + AHEAD + TTL_MS,
    endsAt: START + TTL_MS,
    subject: "ana",
    meaning: undefined,
  };
  return { clock, timeline, invalidation, contradicted, process, negative, told, results, entry };
}

describe("An answer of the service", () => {
  test("is an entry that was asked for when the service was asked, about the user that the answer names", () => {
    const { results } = start();
    const reader = { read: () => ({ hardExpiry: undefined, meaning: "7" }) };
    const task = new LoadTask("ana", MISS, new Standing(), reader);
    expect(results.entryOf(task, "madrid", { order: 3, wall: 7000, monotonic: 400 })).toStrictEqual({
      value: "madrid",
      order: 3,
      askedAt: 7000,
      isShared: false,
      expiresAt: 7000 + TTL_MS,
      endsAt: 400 + TTL_MS,
      subject: "ana in madrid",
      meaning: "7",
    });
  });

  test("is about an organization where its spec is", () => {
    const { results } = start({ about: "organization" });
    const task = new LoadTask("org-1", MISS, new Standing(), {});
    const { subject, meaning } = results.entryOf(task, "stock", { order: 3, wall: 7000, monotonic: 400 });
    expect([subject, meaning]).toStrictEqual(["organization:org-1 in stock", undefined]);
  });

  test.each([
    [0, TTL_MS],
    [0.5, 0.95 * TTL_MS],
    [0.99, 0.901 * TTL_MS],
  ])("lives up to a tenth shorter than its TTL, by either clock: by chance %d, for %d ms", (random, ms) => {
    const { results } = start({ random });
    const task = new LoadTask("ana", MISS, new Standing(), {});
    const { expiresAt, endsAt } = results.entryOf(task, "madrid", { order: 3, wall: 7000, monotonic: 400 });
    expect(expiresAt - 7000).toBeCloseTo(ms, 6);
    expect(endsAt - 400).toBeCloseTo(ms, 6);
  });

  test("is stored in both tiers", () => {
    const { results, process, told, entry } = start();
    results.store("ana", entry, START + AHEAD + 500);
    expect(process.findHit("ana")?.hit).toBe("madrid");
    expect(told).toEqual([["put", "ana", entry, START + AHEAD + 500]]);
  });

  test("is stored in the process where that is all there is", () => {
    const { results, process, told, entry } = start({ isShared: false });
    results.store("ana", entry, NEVER);
    expect(process.findHit("ana")?.hit).toBe("madrid");
    expect(told).toEqual([]);
  });
});

describe("An entry stays in the process", () => {
  test.each<[string, Options, number, number]>([
    ["for the TTL of the process, where there is a shared cache", {}, NEVER, PROCESS_TTL_MS],
    ["up to a tenth shorter, by chance", { random: 0.5 }, NEVER, 0.95 * PROCESS_TTL_MS],
    ["to its own end, where there is none", { isShared: false, random: 0.5 }, NEVER, TTL_MS],
    ["to the hard expiry of its question", {}, START + AHEAD + 500, 500],
  ])("%s", async (_how, options, hardExpiry, ms) => {
    const { clock, results, process, told, entry } = start(options);
    expect(results.keep("ana", entry, hardExpiry)).toBe(process.peek("ana"));
    await clock.advance(ms - 1);
    expect(process.findHit("ana")?.hit).toBe("madrid");
    await clock.advance(1);
    expect(process.findHit("ana")).toBeUndefined();
    expect(told).toEqual([]);
  });

  test("not at all where its question has ended", () => {
    const { results, process, entry } = start();
    expect(results.keep("ana", entry, START + AHEAD)).toBeUndefined();
    expect(process.peek("ana")).toBeUndefined();
  });

  test("in the place of a refusal", () => {
    const { results, negative, entry } = start();
    for (const id of ["ana", "ben"]) negative.remember(id, "no such user", 10_000);
    results.keep("ana", entry, NEVER);
    expect([negative.reason("ana"), negative.reason("ben")]).toEqual([undefined, "no such user"]);
  });
});

describe("A refusal", () => {
  const NOT_READ = { wasRead: false, mayBeThere: undefined, entry: undefined };
  const NO_ENTRY = { wasRead: true, mayBeThere: false, entry: undefined };
  const FOUND = { wasRead: true, mayBeThere: true, entry: undefined };
  type Started = ReturnType<typeof start>;

  const refuse = ({ results, timeline }: Started, id: string, lookup?: SharedLookup<string>, isNews = false) => {
    const tried = timeline.stamp();
    results.refuse(id, "no such user", tried, lookup, isNews);
    return tried;
  };

  /** Whether what the store brings of an id, asked for before, is void. */
  const isVoid = ({ invalidation, timeline, entry }: Started, id: string) =>
    invalidation.isVoidInStore(askingNow(timeline, id), entry);

  test("is remembered for its TTL, and up to a tenth shorter", async () => {
    const started = start({ random: 0.5 });
    refuse(started, "ana");
    const { clock, negative } = started;
    await clock.advance(0.95 * REFUSAL_TTL_MS - 1);
    expect([negative.reason("ana"), negative.reason("ben")]).toEqual(["no such user", undefined]);
    await clock.advance(1);
    expect(negative.reason("ana")).toBeUndefined();
  });

  test("takes the entry from the process, and holds against all that was asked for before", () => {
    const started = start();
    const { process, results, entry, contradicted } = started;
    for (const id of ["ana", "ben"]) results.keep(id, entry, NEVER);
    const tried = refuse(started, "ana", NO_ENTRY);
    expect([process.peek("ana"), process.peek("ben")?.hit]).toEqual([undefined, "madrid"]);
    expect(contradicted).toEqual([["ana", undefined, tried]]);
    expect([isVoid(started, "ana"), isVoid(started, "ben")]).toEqual([true, false]);
  });

  test.each<[string, boolean, boolean, { isHeld?: boolean; written?: string[] }, SharedLookup<string> | undefined]>([
    ["was held, and not looked for", true, true, { isHeld: true }, undefined],
    ["was held, and not found", true, true, { isHeld: true }, NO_ENTRY],
    ["was found", true, true, {}, FOUND],
    ["was written here, and not found any more", true, true, { written: ["ana"] }, NO_ENTRY],
    ["was not looked for", true, false, {}, undefined],
    ["could not be read", true, false, { written: ["ben"] }, NOT_READ],
    ["was not found", false, false, { written: ["ben"] }, NO_ENTRY],
  ])("of an id that %s: it is deleted (%s), and no stranger's (%s)", (_what, isDeleted, isOurs, before, lookup) => {
    const { isHeld, written } = before;
    for (const isNews of [true, false]) {
      const started = start(written ? { written } : {});
      const { results, entry, told } = started;
      if (isHeld) results.keep("ana", entry, NEVER);
      const tried = refuse(started, "ana", lookup, isNews);
      expect(told).toEqual(isDeleted ? [["refuse", "ana", tried, isOurs, isNews]] : []);
      // A flood of strangers' refusals takes the room of theirs alone.
      for (let n = 0; n < MAX_TOMBSTONES; n++) refuse(started, `garbage-${n}`, NO_ENTRY);
      expect(isVoid(started, "ana")).toBe(isOurs);
      for (let n = 0; n < MAX_TOMBSTONES; n++) refuse(started, `found-${n}`, FOUND);
      expect([isVoid(started, "ana"), isVoid(started, "garbage-0")]).toEqual([false, true]);
    }
  });

  test("is remembered in the process where that is all there is", () => {
    const started = start({ isShared: false });
    const { results, entry, negative, process, told, contradicted } = started;
    results.keep("ana", entry, NEVER);
    for (const id of ["ana", "ben"]) refuse(started, id);
    expect([process.peek("ana"), negative.reason("ana"), negative.reason("ben")]).toEqual([
      undefined,
      "no such user",
      "no such user",
    ]);
    expect([told, contradicted.length]).toEqual([[], 2]);
    for (let n = 0; n < MAX_TOMBSTONES; n++) refuse(started, `garbage-${n}`);
    expect([isVoid(started, "ana"), isVoid(started, "ben")]).toEqual([true, false]); // it was never held
  });
});
