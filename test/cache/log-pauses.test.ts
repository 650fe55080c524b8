import { describe, expect, test } from "@jest/globals";
import { LogPauses } from "../../src/cache/log-pauses.js";
import type { Clock } from "../../src/runtime/clock.js";
import { ManualClock } from "../support/manual-clock.js";

/** Pauses, and the timers that they start. */
function start(random = 0) {
  const clock = new ManualClock();
  const timers: { ms: number; background: boolean | undefined }[] = [];
  const watched: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    setTimeout: (callback, ms, options) => {
      timers.push({ ms, background: options?.background });
      return clock.setTimeout(callback, ms);
    },
  };
  const pauses = new LogPauses(watched, () => random);
  /** How long it pauses after each of so many failures, in milliseconds. */
  const pausesMs = async (failures: number) => {
    timers.length = 0;
    for (let n = 0; n < failures; n++) {
      const waiting = pauses.wait();
      await clock.advance(timers.at(-1)?.ms ?? 0);
      await waiting;
    }
    return timers.map(({ ms }) => ms);
  };
  return { clock, timers, pauses, pausesMs };
}

describe("A pause", () => {
  test.each([
    [0, [25, 50, 100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000, 1000]],
    [0.5, [37.5, 75, 150, 300, 600, 1200, 1500, 1500, 1500, 1500, 1500, 1500]],
    [0.75, [43.75, 87.5, 175, 350, 700, 1400, 1750, 1750, 1750, 1750, 1750, 1750]],
  ])("is twice as long after each failure, up to 2 s, and half of it by chance: %d", async (random, expected) => {
    const { pausesMs } = start(random);
    expect(await pausesMs(12)).toEqual(expected);
  });

  test("is the shortest again when all was well", async () => {
    const { pauses, pausesMs } = start();
    await pausesMs(5);
    pauses.reset();
    expect(await pausesMs(2)).toEqual([25, 50]);
  });

  test("of a given length is that long, and counts as no failure", async () => {
    const { clock, pauses, pausesMs } = start();
    let isOver = false;
    const waiting = pauses.wait(300_000).then(() => {
      isOver = true;
    });
    await clock.advance(299_999);
    expect(isOver).toBe(false);
    await clock.advance(1);
    await waiting;
    expect(isOver).toBe(true);
    expect(await pausesMs(1)).toEqual([25]);
  });

  test("keeps no process alive", () => {
    const { timers, pauses } = start();
    void pauses.wait();
    void pauses.wait(1000);
    expect(timers.map(({ background }) => background)).toEqual([true, true]);
  });

  test("ends at once where nothing is waited for any more, and leaves no timer", async () => {
    const { clock, pauses } = start();
    pauses.end(); // there is none
    const waiting = pauses.wait(300_000);
    expect(clock.pending).toBe(1);
    pauses.end();
    await waiting;
    expect(clock.pending).toBe(0);
    pauses.end();
  });
});
