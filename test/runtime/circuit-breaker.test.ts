import { describe, expect, test } from "@jest/globals";
import { ManualClock } from "../support/manual-clock.js";
import { createBreaker, RECOVERY_MS, THRESHOLD, WINDOW_MS } from "./breaker.js";

const CLOSED = { state: "closed", refuses: false, failures: 0, retryAfterMs: 0 };
const OPEN = { state: "open", refuses: true, failures: 0, retryAfterMs: RECOVERY_MS };
/** Its recovery time is over, and nobody probes. */
const RECOVERED = { state: "half-open", refuses: false, failures: 0, retryAfterMs: 0 };
const PROBING = { state: "half-open", refuses: true, failures: 0, retryAfterMs: 0 };
const OPENED = "closed → open";
const HALF_OPENED = "open → half-open";
const CLOSED_AGAIN = "half-open → closed";
const OPENED_AGAIN = "half-open → open";

async function open() {
  const opened = createBreaker();
  opened.fail(THRESHOLD);
  return opened;
}

async function recovered() {
  const opened = await open();
  await opened.clock.advance(RECOVERY_MS);
  return opened;
}

describe("closed", () => {
  test("it begins so, and lets everyone through, none of them a probe", () => {
    const { admitted, seen } = createBreaker();
    const admissions = Array.from({ length: 10 }, admitted);
    expect(admissions.some(({ probe }) => probe)).toBe(false);
    expect(seen()).toEqual({ ...CLOSED, moves: [] });
  });

  test("it counts failures in a row and opens at the threshold, not before", () => {
    const { fail, seen } = createBreaker();
    fail(THRESHOLD - 1);
    expect(seen()).toEqual({ ...CLOSED, failures: THRESHOLD - 1, moves: [] });
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("a success (so is the refusal of what is known) in between starts the count again", () => {
    const { admitted, fail, seen } = createBreaker();
    for (let round = 0; round < 5; round++) {
      fail(THRESHOLD - 1);
      admitted().succeeded();
      expect(seen()).toEqual({ ...CLOSED, moves: [] });
    }
  });

  test("an inconclusive call changes nothing: neither counts nor starts again", () => {
    const { admitted, fail, seen } = createBreaker();
    fail(THRESHOLD - 1);
    for (let call = 0; call < 5; call++) admitted().inconclusive();
    expect(seen()).toEqual({ ...CLOSED, failures: THRESHOLD - 1, moves: [] });
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("a sign of life changes nothing either, however many there are", () => {
    const { admitted, fail, seen } = createBreaker();
    for (let failures = 1; failures < THRESHOLD; failures++) {
      fail(1);
      for (let call = 0; call < 5; call++) admitted().alive();
    }
    expect(seen()).toEqual({ ...CLOSED, failures: THRESHOLD - 1, moves: [] });
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("failures that lie further apart than the window do not add up", async () => {
    const { clock, fail, seen } = createBreaker();
    fail(THRESHOLD - 1);
    await clock.advance(WINDOW_MS);
    expect(seen().failures).toBe(0);
    fail(1);
    expect(seen()).toEqual({ ...CLOSED, failures: 1, moves: [] });
  });

  test("the window slides: the oldest failure leaves it, the others stay", async () => {
    const { clock, fail, seen } = createBreaker();
    fail(1);
    await clock.advance(WINDOW_MS - 1);
    fail(1);
    expect(seen().failures).toBe(2);
    await clock.advance(1);
    expect(seen().failures).toBe(1);
    fail(1);
    expect(seen()).toEqual({ ...CLOSED, failures: 2, moves: [] });
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("failures just within the window open it", async () => {
    const { clock, fail, seen } = createBreaker();
    fail(THRESHOLD - 1);
    await clock.advance(WINDOW_MS - 1);
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("concurrent calls that all fail open it once", () => {
    const { admitted, seen } = createBreaker();
    const admissions = Array.from({ length: THRESHOLD * 2 }, admitted);
    for (const admission of admissions) admission.failed();
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("what falls with others counts once for all that had begun before the failure was known", () => {
    const { admitted, seen } = createBreaker();
    const admissions = Array.from({ length: THRESHOLD * 2 }, admitted);
    for (const admission of admissions) admission.fellWithOthers();
    expect(seen()).toEqual({ ...CLOSED, failures: 1, moves: [] });
    for (let failures = 2; failures < THRESHOLD; failures++) admitted().fellWithOthers();
    expect(seen()).toEqual({ ...CLOSED, failures: THRESHOLD - 1, moves: [] });
    admitted().fellWithOthers();
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });

  test("what falls with others does not count after a failure of another kind that it did not know of", () => {
    const { admitted, fail, seen } = createBreaker();
    const before = admitted();
    fail(1);
    before.fellWithOthers();
    expect(seen()).toEqual({ ...CLOSED, failures: 1, moves: [] });
  });

  test("an answer in between makes it no new event", () => {
    const { admitted, seen } = createBreaker();
    const [first, second] = [admitted(), admitted()];
    first.fellWithOthers();
    admitted().succeeded();
    second.fellWithOthers();
    expect(seen()).toEqual({ ...CLOSED, moves: [] });
  });

  test("a result that is told twice counts once", () => {
    const { admitted, seen } = createBreaker();
    const admission = admitted();
    for (let time = 0; time < THRESHOLD; time++) admission.failed();
    admission.succeeded();
    expect(seen()).toEqual({ ...CLOSED, failures: 1, moves: [] });
  });

  test("a threshold of one opens it at the first failure", () => {
    const { fail, seen } = createBreaker({ failureThreshold: 1 });
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED] });
  });
});

describe("open", () => {
  test("it lets nobody through until the recovery time is over, and says how long that is", async () => {
    const { breaker, clock, seen } = await open();
    await clock.advance(RECOVERY_MS - 1);
    expect(breaker.admit()).toBeUndefined();
    expect(seen()).toEqual({ ...OPEN, retryAfterMs: 1, moves: [OPENED] });
    await clock.advance(1);
    expect(seen()).toEqual({ ...RECOVERED, moves: [OPENED] });
  });

  test.each(["succeeded", "failed", "fellWithOthers", "alive", "inconclusive"] as const)(
    "a late result (%s) of a call that began while it was closed changes nothing",
    async (result) => {
      const { admitted, clock, fail, seen } = createBreaker();
      const late = admitted();
      fail(THRESHOLD);
      await clock.advance(RECOVERY_MS - 1);
      late[result]();
      expect(seen()).toEqual({ ...OPEN, retryAfterMs: 1, moves: [OPENED] });
    },
  );
});

describe("half-open", () => {
  test("it admits one probe, and treats everyone else as if it were open", async () => {
    const { breaker, admitted, seen } = await recovered();
    expect(admitted().probe).toBe(true);
    const others = Array.from({ length: 10 }, () => breaker.admit());
    expect(others.every((admission) => admission === undefined)).toBe(true);
    expect(seen()).toEqual({ ...PROBING, moves: [OPENED, HALF_OPENED] });
  });

  test("it admits no second one to those who hear of it", async () => {
    const heard: unknown[] = [];
    const { breaker, clock, fail } = createBreaker({
      onTransition: (_from, to) => to === "half-open" && heard.push(breaker.admit()),
    });
    fail(THRESHOLD);
    await clock.advance(RECOVERY_MS);
    expect(breaker.admit()?.probe).toBe(true);
    expect(heard).toStrictEqual([undefined]);
  });

  test("a probe that succeeds closes it, with no failure left over", async () => {
    const { admitted, fail, seen } = await recovered();
    admitted().succeeded();
    expect(seen()).toEqual({ ...CLOSED, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
    fail(THRESHOLD - 1);
    expect(seen()).toMatchObject({ state: "closed", failures: THRESHOLD - 1 });
  });

  test("a probe that falls with others opens it again", async () => {
    const { admitted, seen } = await recovered();
    admitted().fellWithOthers();
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED, HALF_OPENED, OPENED_AGAIN] });
  });

  test("a probe that fails opens it for another recovery time", async () => {
    const { breaker, admitted, clock, seen } = await recovered();
    const probe = admitted();
    await clock.advance(RECOVERY_MS / 2);
    probe.failed();
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED, HALF_OPENED, OPENED_AGAIN] });
    await clock.advance(RECOVERY_MS - 1);
    expect(breaker.admit()).toBeUndefined();
    await clock.advance(1);
    expect(admitted().probe).toBe(true);
  });

  test("a probe that says nothing (its caller gave up) frees its place for the next one, at once", async () => {
    const { admitted, seen } = await recovered();
    admitted().inconclusive();
    expect(seen()).toEqual({ ...RECOVERED, moves: [OPENED, HALF_OPENED] });
    const next = admitted();
    expect(next.probe).toBe(true);
    expect(seen()).toEqual({ ...PROBING, moves: [OPENED, HALF_OPENED] });
    next.succeeded();
    expect(seen()).toEqual({ ...CLOSED, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
  });

  test("a probe that says nothing and then something has said nothing", async () => {
    const { admitted, seen } = await recovered();
    const probe = admitted();
    probe.inconclusive();
    probe.failed();
    expect(seen()).toEqual({ ...RECOVERED, moves: [OPENED, HALF_OPENED] });
  });

  test("a probe that is only a sign of life closes it on trial: the next failure opens it again", async () => {
    const { admitted, fail, seen } = await recovered();
    admitted().alive();
    expect(seen()).toEqual({ ...CLOSED, failures: THRESHOLD - 1, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
    admitted().alive();
    fail(1);
    expect(seen()).toEqual({ ...OPEN, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN, OPENED] });
  });

  test("a success ends the trial", async () => {
    const { admitted, fail, seen } = await recovered();
    admitted().alive();
    admitted().succeeded();
    fail(THRESHOLD - 1);
    expect(seen()).toMatchObject({ state: "closed", failures: THRESHOLD - 1 });
  });

  test("and so does the window: no failure within it is no sign of one", async () => {
    const { admitted, clock, fail, seen } = await recovered();
    admitted().alive();
    await clock.advance(WINDOW_MS);
    fail(THRESHOLD - 1);
    expect(seen()).toMatchObject({ state: "closed", failures: THRESHOLD - 1 });
  });

  test("with a threshold of one there is no trial: it closes, and one failure opens it anyway", async () => {
    const { admitted, clock, fail, seen } = createBreaker({ failureThreshold: 1 });
    fail(1);
    await clock.advance(RECOVERY_MS);
    admitted().alive();
    expect(seen()).toMatchObject(CLOSED);
    fail(1);
    expect(seen()).toMatchObject({ state: "open" });
  });

  test("a preferred call takes the place of a probe that is none, whose result changes nothing then", async () => {
    for (const result of ["succeeded", "failed", "fellWithOthers", "alive", "inconclusive"] as const) {
      const { breaker, admitted, seen } = await recovered();
      const stranger = admitted();
      expect([breaker.turnsAway(false), breaker.turnsAway(true)]).toEqual([true, false]);
      const preferred = breaker.admit(true);
      expect(preferred?.probe).toBe(true);
      stranger[result]();
      expect(seen()).toEqual({ ...PROBING, moves: [OPENED, HALF_OPENED] });
      expect([breaker.admit(), breaker.admit(true), breaker.turnsAway(true)]).toStrictEqual([
        undefined,
        undefined,
        true,
      ]);
      preferred?.succeeded();
      expect(seen()).toEqual({ ...CLOSED, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
    }
  });

  test("a preferred one that says nothing leaves its place to any other", async () => {
    const { breaker, admitted, seen } = await recovered();
    admitted();
    breaker.admit(true)?.inconclusive();
    expect(seen()).toEqual({ ...RECOVERED, moves: [OPENED, HALF_OPENED] });
    admitted().failed();
    expect(seen()).toMatchObject(OPEN);
  });

  test.each(["succeeded", "failed", "fellWithOthers", "alive", "inconclusive"] as const)(
    "a late result (%s) of a call that began while it was closed neither decides nor frees the probe's place",
    async (result) => {
      const { admitted, clock, fail, seen } = createBreaker();
      const late = admitted();
      fail(THRESHOLD);
      await clock.advance(RECOVERY_MS);
      const probe = admitted();
      late[result]();
      expect(seen()).toEqual({ ...PROBING, moves: [OPENED, HALF_OPENED] });
      probe.succeeded();
      expect(seen()).toEqual({ ...CLOSED, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
    },
  );

  test.each(["succeeded", "failed", "fellWithOthers", "alive", "inconclusive"] as const)(
    "and neither does it (%s) after the breaker has closed again",
    async (result) => {
      const { admitted, clock, fail, seen } = createBreaker();
      const late = admitted();
      fail(THRESHOLD);
      await clock.advance(RECOVERY_MS);
      admitted().succeeded();
      fail(1);
      late[result]();
      expect(seen()).toEqual({ ...CLOSED, failures: 1, moves: [OPENED, HALF_OPENED, CLOSED_AGAIN] });
    },
  );
});

test("it goes round as often as it must", async () => {
  const { admitted, clock, fail, seen } = createBreaker();
  const round = [OPENED, HALF_OPENED, OPENED_AGAIN, HALF_OPENED, CLOSED_AGAIN];
  for (let time = 1; time <= 3; time++) {
    fail(THRESHOLD);
    await clock.advance(RECOVERY_MS);
    admitted().failed();
    await clock.advance(RECOVERY_MS);
    admitted().succeeded();
    expect(seen()).toEqual({ ...CLOSED, moves: Array.from({ length: time }, () => round).flat() });
  }
});

test("it goes its way as well when nobody listens", async () => {
  const { breaker, admitted, clock, fail } = createBreaker({ onTransition: undefined });
  fail(THRESHOLD);
  await clock.advance(RECOVERY_MS);
  admitted().succeeded();
  expect(breaker.state).toBe("closed");
});

test("wall time that jumps does not disturb it: it counts monotonic time", async () => {
  const clock = new ManualClock();
  let wall = 0;
  const jumping = {
    now: () => wall,
    monotonic: () => clock.monotonic(),
    setTimeout: clock.setTimeout.bind(clock),
  };
  const { breaker, fail } = createBreaker({ clock: jumping });
  fail(THRESHOLD);
  wall = 1e15;
  expect(breaker.admit()).toBeUndefined();
  await clock.advance(RECOVERY_MS);
  wall = -1e15;
  expect(breaker.admit()?.probe).toBe(true);
});
