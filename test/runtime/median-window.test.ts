import { describe, expect, test } from "@jest/globals";
import { MedianWindow } from "../../src/runtime/median-window.js";
import { ManualClock } from "../support/manual-clock.js";

const WINDOW_MS = 300_000;

function create() {
  const clock = new ManualClock();
  const window = new MedianWindow(clock, WINDOW_MS);
  const add = (times: number, ms: number) => {
    for (let sample = 0; sample < times; sample++) window.add(ms);
  };
  return { clock, window, add };
}

describe("the median of a window", () => {
  test("is not known from a few samples", () => {
    const { window, add } = create();
    add(9, 20);
    expect(window.median).toBeUndefined();
    add(1, 20);
    expect(window.median).toBeDefined();
  });

  test.each([0.2, 1, 3, 20, 77, 480, 2000, 60_000])("of %d ms is right to within a fifth", (ms) => {
    const { window, add } = create();
    add(50, ms);
    expect((window.median as number) / ms).toBeGreaterThan(0.8);
    expect((window.median as number) / ms).toBeLessThan(1.2);
  });

  test("takes anything for a time", () => {
    const { window, add } = create();
    add(20, 0);
    expect(window.median).toBeLessThan(0.2);
    add(100, 1e12);
    expect(window.median).toBeGreaterThan(1e6);
  });

  test("is that of the middle sample, not of the average", () => {
    const { window, add } = create();
    add(60, 10);
    add(40, 10_000);
    expect(window.median).toBeLessThan(12);
  });

  test("lets go of what is older than the window, and stays what it was when nothing comes", async () => {
    const { clock, window, add } = create();
    add(1000, 10);
    await clock.advance(WINDOW_MS / 2);
    add(100, 100);
    expect(window.median).toBeLessThan(12);
    await clock.advance(WINDOW_MS);
    expect(window.median).toBeLessThan(12);
    add(50, 100);
    expect(window.median).toBeGreaterThan(80);
    await clock.advance(100 * WINDOW_MS);
    expect(window.median).toBeGreaterThan(80);
    add(20, 5);
    expect(window.median).toBeLessThan(6);
  });
});
