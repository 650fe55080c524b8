import { describe, expect, test } from "@jest/globals";
import type { Clock } from "../../src/runtime/clock.js";
import { TimeLimit } from "../../src/runtime/time-limit.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const REASON = new Error("the store is out of order");
const never = () => new Promise<never>(() => undefined);

function limited() {
  const clock = new ManualClock();
  const limit = new TimeLimit(clock, 50, () => new Error("late"));
  const log: string[] = [];
  const race = (name: string, promise: Promise<unknown>) =>
    void limit.race(promise).then(
      (value) => log.push(`${name}: ${value}`),
      (error: Error) => log.push(`${name}: ${error.message}`),
    );
  return { clock, limit, log, race };
}

describe("An operation under a time limit", () => {
  test("settles as it would without one", async () => {
    const { limit } = limited();
    expect(await limit.race(Promise.resolve("answer"))).toBe("answer");
    await expect(limit.race(Promise.reject(REASON))).rejects.toBe(REASON);
  });

  test("is late when its own time is over, whoever began before it or after", async () => {
    const { clock, log, race } = limited();
    race("first", never());
    await clock.advance(20);
    race("second", never());
    await clock.advance(10);
    race("third", never());
    await clock.advance(19);
    expect(log).toEqual([]);
    await clock.advance(1);
    expect(log).toEqual(["first: late"]);
    await clock.advance(19);
    expect(log).toEqual(["first: late"]);
    await clock.advance(1);
    expect(log).toEqual(["first: late", "second: late"]);
    await clock.advance(10);
    expect(log).toEqual(["first: late", "second: late", "third: late"]);
  });

  test("is not late for another one that is", async () => {
    const { clock, log, race } = limited();
    let arrive: (answer: string) => void = () => undefined;
    race("first", never());
    await clock.advance(1);
    race(
      "second",
      new Promise<string>((resolve) => {
        arrive = resolve;
      }),
    );
    await clock.advance(49);
    arrive("answer");
    await clock.advance(100);
    expect(log).toEqual(["first: late", "second: answer"]);
  });

  test("may still end when it was late, and nobody listens", async () => {
    const { clock, limit } = limited();
    const settles: (() => void)[] = [];
    const operation = never();
    const watched = (property: string | symbol) =>
      property === "then" ? (...told: (() => void)[]) => void settles.push(...told) : undefined;
    const raced = limit.race(new Proxy(operation, { get: (_promise, property) => watched(property) }));
    const late = expect(raced).rejects.toThrow("late");
    await clock.advance(50);
    await late;
    expect(settles).toHaveLength(2);
    for (const settle of settles) expect(settle).not.toThrow();
  });

  test("takes what has come in while the process itself was busy", async () => {
    const { clock, log, race } = limited();
    let arrive: (answer: string) => void = () => undefined;
    race(
      "first",
      new Promise<string>((resolve) => {
        arrive = resolve;
      }),
    );
    // Node runs the timers that are due before it reads the sockets: the answer is there, and nobody has looked yet.
    clock.setTimeout(() => arrive("answer"), 50);
    await clock.advance(50);
    expect(log).toEqual(["first: answer"]);
  });
});

describe("The timer of a time limit", () => {
  test("is one for all, and fires once for nothing when nobody waits any more", async () => {
    const clock = new ManualClock();
    let timers = 0;
    const counted: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimeout: (callback, ms) => {
        timers++;
        return clock.setTimeout(callback, ms);
      },
    };
    const limit = new TimeLimit(counted, 50, () => new Error("late"));
    for (let operation = 0; operation < 100; operation++) await limit.race(Promise.resolve());
    expect(clock.pending).toBe(1);
    await clock.advance(50);
    expect([clock.pending, timers]).toEqual([0, 2]); // the second one is its last look at the network
  });

  test("keeps the process alive while somebody waits, and only then", async () => {
    const alive: boolean[] = [];
    const clock = new ManualClock();
    const watched: Clock = {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      setTimeout: (callback, ms, options) => {
        alive.push(!options?.background);
        return { ...clock.setTimeout(callback, ms), keepAlive: (on) => void alive.push(on) };
      },
    };
    const limit = new TimeLimit(watched, 50, () => new Error("late"));
    await limit.race(Promise.resolve());
    expect(alive).toEqual([true, false]);
    void limit.race(never()).catch(() => undefined);
    expect(alive).toEqual([true, false, true]);
    await limit.race(Promise.resolve());
    expect(alive).toEqual([true, false, true]);
  });

  test("is let go of where nobody waits for it, and only there", async () => {
    const { clock, limit, log, race } = limited();
    await limit.race(Promise.resolve());
    limit.rest();
    expect(clock.pending).toBe(0);
    race("later", never());
    limit.rest();
    await clock.advance(50);
    await settle();
    expect(log).toEqual(["later: late"]);
    expect(clock.pending).toBe(0);
  });
});
