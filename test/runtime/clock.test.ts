import { afterEach, expect, jest, test } from "@jest/globals";
import { systemClock } from "../../src/runtime/clock.js";

afterEach(() => {
  jest.restoreAllMocks();
});

/** Both clocks of the machine, in the hands of the test. */
function holdClocks() {
  const time = { wall: Date.UTC(2026, 0, 1), monotonic: 5000 };
  jest.spyOn(Date, "now").mockImplementation(() => time.wall);
  const monotonic = jest.spyOn(performance, "now").mockImplementation(() => time.monotonic);
  const pass = (ms: number) => {
    time.wall += ms;
    time.monotonic += ms;
  };
  const at = () => systemClock.monotonicAt?.(systemClock.now());
  return { time, pass, at, monotonic };
}

test.each([-3_600_000, -2000, -10, 10, 2000, 3_600_000])(
  "a wall clock that is set by %d ms does not move the monotonic one",
  (ms) => {
    const { time, pass, at } = holdClocks();
    expect(at()).toBe(5000);
    pass(4);
    expect(at()).toBe(5004);
    time.wall += ms;
    expect(at()).toBe(5004);
    pass(100);
    expect(at()).toBe(5104);
  },
);

test("two clocks are read once in 10 ms", () => {
  const { pass, at, monotonic } = holdClocks();
  at();
  monotonic.mockClear();
  for (let ms = 0; ms < 100; ms++) {
    pass(1);
    at();
  }
  expect(monotonic).toHaveBeenCalledTimes(10);
});
