import { describe, expect, test } from "@jest/globals";
import { Timeline } from "../../src/cache/timeline.js";
import { ManualClock } from "../support/manual-clock.js";

/** At the time 1000, by both clocks. */
function start() {
  const clock = new ManualClock(1000);
  return { clock, timeline: new Timeline(clock) };
}

describe("The wall time of what makes others void", () => {
  test("is the clock's where nothing was asked at that time or later", () => {
    const { timeline } = start();
    expect(timeline.stamp().wall).toBe(1000);
  });

  test("is after that of a question asked within the same millisecond, by less than one", () => {
    const { timeline } = start();
    const asked = timeline.asks();
    const { wall } = timeline.stamp();
    expect(wall).toBeGreaterThan(asked.wall);
    expect(wall).toBeLessThan(asked.wall + 1);
  });

  test("is another one each time, also while the clock stands still: the same again would be no news elsewhere", () => {
    const { timeline } = start();
    const walls = [1, 2, 3].map(() => timeline.stamp().wall);
    expect(new Set(walls).size).toBe(3);
    expect(walls).toEqual([...walls].sort((a, b) => a - b));
  });

  test("is after that of a question asked before the clock was set back", () => {
    const { clock, timeline } = start();
    const asked = timeline.asks();
    clock.setWall(-500);
    expect(timeline.stamp().wall).toBeGreaterThan(asked.wall);
  });

  test("is after that of an answer of a process whose clock is ahead, once it was accepted", () => {
    const { timeline } = start();
    timeline.accepts(1500);
    timeline.accepts(1200);
    expect(timeline.stamp().wall).toBeGreaterThan(1500);
  });

  test("is after that of any question asked since, when the clock was set forward", () => {
    const { clock, timeline } = start();
    timeline.stamp();
    clock.setWall(500);
    timeline.asks();
    clock.setWall(-100);
    timeline.asks();
    expect(timeline.stamp().wall).toBeGreaterThan(1500);
  });
});

test("All that happens has a place of its own in the order of the process.", () => {
  const { timeline } = start();
  const orders = [
    timeline.next(),
    timeline.asks().order,
    timeline.accepts(900),
    timeline.stamp().order,
    timeline.next(),
  ];
  expect(orders).toEqual([...new Set(orders)].sort((a, b) => a - b));
});

test("A question is asked at a time of each clock, and a moment has the wall time that the clock is set to now.", async () => {
  const { clock, timeline } = start();
  clock.setWall(500);
  const { wall, monotonic } = timeline.asks();
  expect([wall, monotonic]).toEqual([1500, 1000]);
  await clock.advance(40);
  expect(timeline.monotonic).toBe(1040);
  expect(timeline.wallOf(1000)).toBe(1500);
  clock.setWall(-100);
  expect(timeline.wallOf(1000)).toBe(1400);
});

describe("What another process dates", () => {
  const SKEW_MS = 60_000;

  /** Asks once in each of so many seconds. */
  async function askFor(seconds: number) {
    const clock = new ManualClock();
    const timeline = new Timeline(clock);
    const start = clock.now();
    const orders: number[] = [];
    for (let n = 0; n < seconds; n++) {
      orders.push(timeline.asks().order);
      await clock.advance(1000);
    }
    /** How many of them are void by what happened so many milliseconds after the start. */
    const voided = (ms: number) => {
      const { order } = timeline.placeOf(start + ms, SKEW_MS);
      return orders.filter((asked) => asked <= order).length;
    };
    return { clock, timeline, start, voided };
  }

  test("holds against what was asked until then, as far as clocks may differ, in steps of a second", async () => {
    const { voided } = await askFor(200);
    expect([-70_000, -60_000, 0, 500, 100_000, 139_999, 140_000, 1e12].map(voided)).toEqual([
      ...[0, 1, 61, 61, 161, 200, 200, 200],
    ]);
  });

  test("holds by the clock as it is set now, and as it was: against what is later by one of them alone, too", async () => {
    const behind = await askFor(100);
    behind.clock.setWall(100_000); // it was behind
    expect([-60_000, 40_000, 100_000].map(behind.voided)).toEqual([1, 100, 100]);
    const ahead = await askFor(100);
    ahead.clock.setWall(-10_000); // it was ahead
    expect([-60_000, -20_000].map(ahead.voided)).toEqual([11, 51]);
  });

  test("holds against what was asked before a machine was suspended, while the monotonic clock stood still", async () => {
    const { clock, voided } = await askFor(1);
    clock.setWall(120_000);
    expect(voided(10_000)).toBe(1);
  });

  test("is not later than now, also in the store", async () => {
    const { clock, timeline, start } = await askFor(1);
    expect(timeline.placeOf(start + 1e9, SKEW_MS).wall).toBe(clock.now());
    expect(timeline.placeOf(start - 5, SKEW_MS).wall).toBe(start - 5);
  });

  test("holds against too much rather than too little where it is too long ago to be known", async () => {
    const { voided } = await askFor(1100);
    expect(voided(-60_000)).toBe(76);
  });

  test("holds in steps of a second, however many questions are asked in one", async () => {
    const { clock, timeline, voided } = await askFor(4);
    for (let n = 0; n < 2000; n++) timeline.asks();
    await clock.advance(60_000);
    timeline.asks();
    expect([-60_000, -59_000, -58_000, -57_000].map(voided)).toEqual([1, 2, 3, 4]);
  });
});
