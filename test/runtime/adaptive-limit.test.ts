import { describe, expect, test } from "@jest/globals";
import { AdaptiveLimit, knownAlone, type Lesson, strangersAlone } from "../../src/runtime/adaptive-limit.js";
import { ManualClock } from "../support/manual-clock.js";

const USUAL_MS = 40;
const MINUTES = 60_000;

/** A limit that knows what is usual, and what teaches it one lesson more. */
function create(ceiling = 256, usualMs = USUAL_MS) {
  const clock = new ManualClock();
  const limit = new AdaptiveLimit(clock, ceiling);
  const learn = (lesson: Partial<Lesson> = {}) =>
    limit.learn({
      known: true,
      sort: "VerifyToken",
      ms: usualMs,
      end: "answered",
      isQuiet: false,
      isFull: true,
      ...lesson,
    });
  for (let sample = 0; sample < 20; sample++) learn({ isQuiet: true });
  const both = () => [limit.places, limit.strangers];
  return { clock, limit, learn, both };
}

const SLOW: Partial<Lesson> = { ms: 3 * USUAL_MS };

describe("the limit", () => {
  test("begins at the ceiling; strangers have what known users do not have for themselves", () => {
    expect([1, 2, 16, 100, 256].map((ceiling) => create(ceiling).both())).toEqual([
      [1, 1],
      [2, 1],
      [16, 12],
      [100, 75],
      [256, 192],
    ]);
    expect([1, 2, 7, 8, 256].map((places) => [knownAlone(places), strangersAlone(places)])).toEqual([
      [0, 0],
      [1, 0],
      [1, 0],
      [2, 1],
      [64, 32],
    ]);
  });

  test.each<[string, Partial<Lesson>]>([
    ["an answer that took over twice the median", { ms: 2.5 * USUAL_MS }],
    ["a timeout", { end: "timed out", ms: 1000 }],
    ["a try that was cut short after over twice the median", { end: "cut short", ms: 2.5 * USUAL_MS }],
  ])("falls to seven tenths on %s", (_what, lesson) => {
    const { learn, both } = create();
    learn(lesson);
    expect(both()).toEqual([179, 135]);
  });

  test.each<[string, Partial<Lesson>]>([
    ["an answer within twice the median", { ms: 1.5 * USUAL_MS }],
    ["a slow answer while there was room", { ...SLOW, isFull: false }],
    ["a timeout while there was room", { end: "timed out", isFull: false }],
    ["a try that was cut short before", { end: "cut short", ms: USUAL_MS }],
    ["an answer of an operation that was not measured", { sort: "GetUserLocals", ms: 9000 }],
  ])("stays on %s", (_what, lesson) => {
    const { learn, both } = create();
    learn(lesson);
    expect(both()).toEqual([256, 192]);
  });

  test("falls once in such a median at most", async () => {
    const { clock, limit, learn } = create();
    for (let slow = 0; slow < 10; slow++) learn(SLOW);
    expect(limit.places).toBe(179);
    await clock.advance(USUAL_MS * 0.7);
    learn(SLOW);
    expect(limit.places).toBe(179);
    await clock.advance(USUAL_MS * 0.5);
    learn(SLOW);
    expect(limit.places).toBe(125);
  });

  test.each([
    [256, 16],
    [20, 16],
    [10, 10],
    [1, 1],
  ])("of %i never falls below %i", async (ceiling, least) => {
    const { clock, limit, learn } = create(ceiling);
    for (let slow = 0; slow < 20; slow++) {
      learn(SLOW);
      learn({ ...SLOW, known: false });
      await clock.advance(1000);
    }
    expect(limit.places).toBe(least);
    expect(limit.strangers).toBe(least - knownAlone(least));
  });

  test("rises by one with each round of answers, to the ceiling and no further", async () => {
    const { clock, limit, learn } = create(24);
    learn(SLOW);
    expect(limit.places).toBe(16);
    for (let answer = 0; answer < 15; answer++) learn();
    expect(limit.places).toBe(16);
    learn();
    expect(limit.places).toBe(17);
    for (let answer = 0; answer < 1000; answer++) learn({ isFull: false });
    expect(limit.places).toBe(24);
    await clock.advance(1);
  });

  test("of strangers falls by their questions, and the whole does not", async () => {
    const { clock, limit, learn, both } = create();
    learn({ ...SLOW, known: false });
    expect(both()).toEqual([256, 134]);
    await clock.advance(1000);
    learn({ end: "timed out", known: false });
    expect(both()).toEqual([256, 93]);
    for (let answer = 0; answer < 93; answer++) learn({ known: false });
    expect(both()).toEqual([256, 94]);
    for (let slow = 0; slow < 20; slow++) {
      await clock.advance(1000);
      learn(SLOW);
    }
    expect(both()).toEqual([16, 12]);
    expect(limit.quiet).toBe(16);
  });
});

describe("what is usual", () => {
  test("is measured while little is under way: an overload that lasts is not the new usual time", async () => {
    const { clock, limit, learn } = create();
    for (let minute = 0; minute < 30; minute++) {
      for (let answer = 0; answer < 1000; answer++) learn({ ms: 1.9 * USUAL_MS });
      await clock.advance(MINUTES);
    }
    learn({ ms: 2.5 * USUAL_MS });
    expect(limit.places).toBe(179);
  });

  test("follows a service that got slower, within five minutes", async () => {
    const { clock, limit, learn } = create();
    for (let minute = 0; minute < 7; minute++) {
      for (let answer = 0; answer < 20; answer++) learn({ ms: 3 * USUAL_MS, isQuiet: true, isFull: false });
      await clock.advance(MINUTES);
    }
    learn(SLOW);
    expect(limit.places).toBe(256);
  });

  test("is no less than 25 ms: a busy event loop takes as long", () => {
    const { limit, learn } = create(256, 1);
    learn({ ms: 45 });
    expect(limit.places).toBe(256);
    learn({ ms: 55 });
    expect(limit.places).toBe(179);
  });

  test("is another for refusals, and for each operation", () => {
    const { limit, learn } = create();
    for (let sample = 0; sample < 100; sample++) learn({ sort: "VerifyToken refused", ms: 1, isQuiet: true });
    learn({ ms: 1.5 * USUAL_MS });
    expect(limit.places).toBe(256);
    learn({ sort: "VerifyToken refused", ms: 1.5 * USUAL_MS });
    expect(limit.places).toBe(179);
  });
});
