import { describe, expect, test } from "@jest/globals";
import { Invalidation } from "../../src/cache/invalidation.js";
import { type Load, SingleFlight } from "../../src/cache/single-flight.js";
import { SubjectInvalidations } from "../../src/cache/subject-invalidations.js";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock, settle } from "../support/manual-clock.js";

type Task = { readonly meaning: string | undefined };

function start() {
  const timeline = new Timeline(new ManualClock());
  const subjects = new SubjectInvalidations({ store: undefined, timeline });
  const invalidation = new Invalidation(subjects, true);
  const flights = new SingleFlight<Task, string>(timeline, invalidation);
  const ends = new Map<Load<Task, string>, (landing: string) => void>();
  const begin = (id: string, meaning?: string) => {
    const load = flights.begin(id, { meaning }, (own) => new Promise((resolve) => void ends.set(own, resolve)));
    return load;
  };
  const end = async (load: Load<Task, string>) => {
    await settle();
    ends.get(load)?.("landed");
    await settle();
  };
  const joinable = (id: string) => flights.joinable(id, () => true);
  const isDiscarded = (load: Load<Task, string>) => invalidation.isDiscarded(load);
  const invalidate = (id: string, meaning?: string) => flights.invalidated(id, meaning, timeline.next());
  return { timeline, subjects, flights, begin, end, joinable, isDiscarded, invalidate };
}

describe("The latest load of an id is joined", () => {
  test("until it has landed; then the one that is still under way is", async () => {
    const { flights, begin, end, joinable } = start();
    const [first, second] = [begin("ana"), begin("ana")];
    expect(joinable("ana")).toBe(second);
    await end(second);
    expect(joinable("ana")).toBe(first);
    expect(flights.size).toBe(1);
    await end(first);
    expect(joinable("ana")).toBeUndefined();
    expect(flights.size).toBe(0);
  });

  test("also when hundreds of others have landed since", async () => {
    const { flights, begin, end, joinable } = start();
    const first = begin("ana");
    const others = Array.from({ length: 300 }, (_, n) => begin(`other-${n}`));
    await settle();
    await Promise.all(others.map(end));
    expect(flights.size).toBe(1);
    expect(joinable("ana")).toBe(first);
  });

  test("unless a user was invalidated since it was asked", async () => {
    const { timeline, subjects, begin, joinable } = start();
    const load = begin("ana");
    await subjects.invalidate("user", "ben");
    expect(joinable("ana")).toBeUndefined();
    load.asks(timeline.next());
    expect(joinable("ana")).toBe(load);
  });
});

describe("A load is discarded", () => {
  test("when its id is invalidated, until it asks the service, and not when it asks again", () => {
    const { timeline, begin, isDiscarded, invalidate } = start();
    const load = begin("ana");
    invalidate("ana");
    expect(isDiscarded(load)).toBe(true);
    load.asks(timeline.next());
    expect(isDiscarded(load)).toBe(false);
    invalidate("ana");
    load.tries(timeline.next(), false);
    expect(isDiscarded(load)).toBe(true);
  });

  test("when what means the same is invalidated, and nothing else", () => {
    const { begin, isDiscarded, invalidate } = start();
    const loads = [
      begin("ana", "1"),
      begin("ana's other", "1"),
      begin("ben", "2"),
      begin("opaque"),
      begin("opaque too"),
    ];
    invalidate("ana", "1");
    expect(loads.map(isDiscarded)).toEqual([true, true, false, false, false]);
    invalidate("opaque");
    expect(loads.map(isDiscarded)).toEqual([true, true, false, true, false]);
  });

  test("when one that asked later was answered, until it asks again", () => {
    const { timeline, begin, isDiscarded } = start();
    const [early, late] = [begin("ana"), begin("ana")];
    early.asks(timeline.next());
    late.asks(timeline.next());
    late.answered(late.triedAs);
    early.answered(early.triedAs); // which was overtaken, and moves nothing back
    expect([early, late].map(isDiscarded)).toEqual([true, false]);
    early.tries(timeline.next(), true);
    expect(isDiscarded(early)).toBe(true); // the answer may be to the try beside which it was asked again
    early.tries(timeline.next(), false);
    expect(isDiscarded(early)).toBe(false);
  });
});
