import { describe, expect, test } from "@jest/globals";
import { contradicts, Invalidation, MAX_SKEW_MS } from "../../src/cache/invalidation.js";
import type { Origin } from "../../src/cache/spec.js";
import { SubjectInvalidations, subjectKey } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import type { Tombstone } from "../../src/cache/tombstones.js";
import { askingNow } from "../support/asking.js";
import { ManualClock } from "../support/manual-clock.js";

const START = 1_000_000;
const MEANING = "meaning";

/** One cache, and what happens in it: each event of the table at the head of `invalidation.ts`. */
function start({ hasDigestIds = true } = {}) {
  const timeline = new Timeline(new ManualClock(START));
  const subjects = new SubjectInvalidations({ store: undefined, timeline });
  const invalidation = new Invalidation(subjects, hasDigestIds);
  const asking = (id = "ana") => askingNow(timeline, id);
  const entryOf = (subject: string, askedAt: number, meaning?: string) => ({
    value: "",
    order: timeline.next(),
    askedAt,
    isShared: false,
    expiresAt: askedAt + 1000,
    endsAt: askedAt + 1000,
    subject: subjectKey("user", subject),
    meaning,
  });
  /** Whether what the store brings of that id and meaning, asked for at that time, is void. */
  const isVoidInStore = (askedAt: number, { id = "ana", meaning }: { id?: string; meaning?: string } = {}) =>
    invalidation.isVoidInStore(asking(id), entryOf("user", askedAt, meaning));
  return { timeline, subjects, invalidation, asking, entryOf, isVoidInStore };
}

type Started = ReturnType<typeof start>;
const at = { order: 0, wall: START };
/** Of an entry that this process asked for itself. */
const own = { subject: "", isShared: false, askedAt: START };

describe.each<[string, (on: Started) => void]>([
  ["an id was invalidated", ({ invalidation }) => invalidation.invalidated("ana", at, undefined, false)],
  ["an id was refused", ({ invalidation }) => invalidation.refused("ana", at, false)],
  ["an id was refused that was held", ({ invalidation }) => invalidation.refused("ana", at, true)],
  ["a known id could not be deleted", ({ invalidation }) => invalidation.undeleted("ana", at, true)],
  ["a strange id could not be deleted", ({ invalidation }) => invalidation.undeleted("ana", at, false)],
])("What the store brings where %s", (_what, happens) => {
  test.each([true, false])(
    "is void if it may have been asked for before that, and no other id's (digests: %p)",
    (digests) => {
      const on = start({ hasDigestIds: digests });
      happens(on);
      expect(on.isVoidInStore(START + MAX_SKEW_MS)).toBe(true);
      expect(on.isVoidInStore(START + MAX_SKEW_MS + 1)).toBe(false);
      expect(on.isVoidInStore(START - MAX_SKEW_MS)).toBe(true);
      expect(on.isVoidInStore(START, { id: "ben" })).toBe(false);
    },
  );
});

test("Strangers' refusals, deletions and invalidations make nothing of others void, however many there are.", () => {
  const on = start();
  for (let n = 0; n < 10_100; n++) {
    on.invalidation.refused(`garbage-${n}`, at, false);
    on.invalidation.undeleted(`garbage-${n}`, at, false);
    on.invalidation.invalidated(`garbage-${n}`, at, `other-${n}`, false);
  }
  expect(on.isVoidInStore(START - 1, { meaning: MEANING })).toBe(false);
  expect(on.isVoidInStore(START - 1, { id: "garbage-10099" })).toBe(true);
  expect(on.invalidation.isVoid({ ...own, order: -1, meaning: MEANING })).toBe(false);
});

test("A refusal of what was held is remembered, however many strangers are refused after it.", () => {
  const on = start();
  on.invalidation.refused("ana", at, true);
  for (let n = 0; n < 10_100; n++) on.invalidation.refused(`garbage-${n}`, at, false);
  expect(on.isVoidInStore(START)).toBe(true);
  expect(on.invalidation.isContradicted("user", { ...own, id: "ana", order: -1, meaning: undefined })).toBe(true);
});

describe("Where a meaning was invalidated, what has it is void", () => {
  test("in the store, if it may have been asked for before that, and nothing of another meaning or of none", () => {
    const on = start();
    expect(on.isVoidInStore(START, { meaning: MEANING })).toBe(false);
    on.invalidation.invalidated("ben", at, MEANING, true);
    expect(on.isVoidInStore(START + MAX_SKEW_MS, { meaning: MEANING })).toBe(true);
    expect(on.isVoidInStore(START + MAX_SKEW_MS + 1, { meaning: MEANING })).toBe(false);
    expect(on.isVoidInStore(START, { meaning: "another" })).toBe(false);
    expect(on.isVoidInStore(START)).toBe(false);
  });

  test("in the process, in the order of the process", () => {
    const { invalidation } = start();
    const isVoid = (order: number, meaning?: string) => invalidation.isVoid({ ...own, order, meaning });
    expect(isVoid(4, MEANING)).toBe(false);
    invalidation.invalidated("ben", { order: 5, wall: START }, MEANING, true);
    expect([isVoid(4, MEANING), isVoid(6, MEANING), isVoid(4, "another"), isVoid(4)]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });

  test("also where it is the floor that says so, which holds against meanings alone", () => {
    const on = start();
    for (let n = 0; n < 10_001; n++) on.invalidation.invalidated(`known-${n}`, { order: n, wall: START }, `${n}`, true);
    expect(on.invalidation.isVoid({ ...own, order: 0, meaning: "-1" })).toBe(true);
    expect(on.invalidation.isVoid({ ...own, order: 0, meaning: undefined })).toBe(false);
    expect(on.isVoidInStore(START, { meaning: "-1" })).toBe(true);
    expect(on.isVoidInStore(START)).toBe(false);
  });
});

test("What is about an invalidated user is void, in the process and in the store.", async () => {
  const { subjects, invalidation, asking, entryOf } = start();
  const [ana, ben] = [entryOf("ana", START), entryOf("ben", START)];
  await subjects.invalidate("user", "ana");
  expect([ana, ben].map((entry) => invalidation.isVoid(entry))).toEqual([true, false]);
  expect([ana, ben].map((entry) => invalidation.isVoidInStore(asking(), entry))).toEqual([true, false]);
});

test("What the store brings is void beside a newer entry of the process, or where its load is discarded.", () => {
  const { invalidation, asking, entryOf } = start();
  const entry = entryOf("ana", START);
  const isVoidBeside = (askedAt: number) => invalidation.isVoidInStore(asking(), entry, { askedAt });
  expect([START - 1, START, START + 1].map(isVoidBeside)).toEqual([false, false, true]);
  const discarded = { ...asking(), history: { invalidatedAs: Number.POSITIVE_INFINITY, newestAnswered: 0 } };
  expect(invalidation.isVoidInStore(discarded, entry)).toBe(true);
});

test("A load is discarded if it asked before its id was invalidated, or tried before what was answered.", () => {
  const { invalidation } = start();
  const isDiscarded = (order: number, triedAs: number) =>
    invalidation.isDiscarded({ order, triedAs, history: { invalidatedAs: 10, newestAnswered: 20 } });
  expect([isDiscarded(9, 21), isDiscarded(11, 19)]).toEqual([true, true]);
  expect([isDiscarded(11, 21), isDiscarded(11, 20)]).toEqual([false, false]); // its own answer is no later one
});

test("An entry is doubted that may have been asked for before its id was refused with everybody.", () => {
  const { invalidation } = start();
  const isDoubted = (askedAt: number, id = "ana") => invalidation.wasRefusedWithAll(id, { askedAt });
  expect(isDoubted(START)).toBe(false);
  invalidation.refusedWithAll("ana", at);
  expect([START, START + MAX_SKEW_MS, START + MAX_SKEW_MS + 1].map((askedAt) => isDoubted(askedAt))).toEqual([
    true,
    true,
    false,
  ]);
  expect(isDoubted(START, "ben")).toBe(false);
});

describe.each<[string, (on: Started, until: Tombstone) => void]>([
  ["its id was invalidated", ({ invalidation }, until) => invalidation.invalidated("ana", until, undefined, false)],
  ["its meaning was", ({ invalidation }, until) => invalidation.invalidated("ben", until, MEANING, true)],
  ["its id was refused", ({ invalidation }, until) => invalidation.refused("ana", until, false)],
  ["its id was refused, which was held", ({ invalidation }, until) => invalidation.refused("ana", until, true)],
  ["its user was invalidated", ({ subjects }) => subjects.hearTold("user", "ana", START)],
])("An answer that was handed out is contradicted where %s", (_what, happens) => {
  function startHanded(digests: boolean) {
    const on = start({ hasDigestIds: digests });
    const order = on.timeline.next();
    happens(on, on.timeline.placeOf(START, MAX_SKEW_MS));
    const later = on.timeline.next();
    const isContradicted = (origin: Partial<Origin>, subject = "ana") =>
      on.invalidation.isContradicted(subjectKey("user", subject), {
        ...{ id: "ana", order, askedAt: START, isShared: false, meaning: MEANING },
        ...origin,
      });
    return { later, isContradicted };
  }

  test.each([true, false])("if it had been asked for by then, and no other one (digests: %p)", (digests) => {
    const { later, isContradicted } = startHanded(digests);
    expect(isContradicted({})).toBe(true);
    expect(isContradicted({ order: later })).toBe(false);
    expect(isContradicted({ id: "eva", meaning: "another" }, "eva")).toBe(false);
  });

  test("if it came from the store, and may have been", () => {
    const { later, isContradicted } = startHanded(true);
    const isSharedContradicted = (askedAt: number) => isContradicted({ order: later, isShared: true, askedAt });
    expect([START + MAX_SKEW_MS, START + MAX_SKEW_MS + 1].map(isSharedContradicted)).toEqual([true, false]);
  });
});

describe("What another process told", () => {
  const heardAt = (on: Started, at: number) => on.timeline.placeOf(at, MAX_SKEW_MS);

  test("is heard once: the same again makes nothing void that was asked since", () => {
    const { invalidation, timeline } = start();
    const first = invalidation.heard("ana", START, () => timeline.placeOf(START, MAX_SKEW_MS));
    timeline.asks();
    expect(invalidation.heard("ana", START, () => timeline.placeOf(START, MAX_SKEW_MS))).toBe(first);
    expect(invalidation.heard("ana", START + 1, () => timeline.placeOf(START, MAX_SKEW_MS)).order).toBeGreaterThan(
      first.order,
    );
    expect(invalidation.heard("ben", START, () => timeline.placeOf(START, MAX_SKEW_MS)).order).toBeGreaterThan(
      first.order,
    );
  });

  test("contradicts what was asked before it was heard, and of what came from the store what may have been asked before it happened", () => {
    const on = start();
    const until = heardAt(on, START);
    const isContradicted = (order: number, isShared: boolean, askedAt: number) =>
      contradicts(until, { order, isShared, askedAt });
    const orders = [until.order - 1, until.order, until.order + 1];
    expect(orders.map((order) => isContradicted(order, false, 0))).toEqual([true, true, false]);
    expect(
      [START + MAX_SKEW_MS, START + MAX_SKEW_MS + 1].map((at) => isContradicted(until.order + 1, true, at)),
    ).toEqual([true, false]);
  });

  test("of a subject holds in the same way", () => {
    const on = start();
    const before = on.entryOf("ana", START);
    on.subjects.hearTold("user", "ana", START);
    const after = on.entryOf("ana", START);
    expect([before, after, { ...after, isShared: true }].map((entry) => on.invalidation.isVoid(entry))).toEqual([
      true,
      false,
      true,
    ]);
    on.subjects.hearTold("user", "ana", START);
    expect(on.invalidation.isVoid(after)).toBe(false);
    on.subjects.hearTold("user", "ana", START + 1);
    expect(on.invalidation.isVoid(after)).toBe(true);
  });

  test("and may have been missed makes nothing void, but what is kept so far must be looked up", () => {
    const on = start();
    const before = on.entryOf("ana", START);
    on.subjects.doubt();
    const after = on.entryOf("ana", START - 100_000); // asked long ago by another, and taken from the store since
    expect([before, after].map((entry) => on.invalidation.isUnproven(entry))).toEqual([true, false]);
    expect(on.invalidation.isVoid(before)).toBe(false);
    expect(on.invalidation.isVoidInStore(on.asking(), before)).toBe(false);
  });
});
