import { describe, expect, test } from "@jest/globals";
import { UnavailableError } from "../../src/transport/outcome.js";
import { type RetryOptions, withRetry } from "../../src/transport/retry.js";
import { ask, FakeUpstream, failure, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const UNREACHABLE = new UnavailableError([failure("grpc", "unreachable"), failure("rest", "unreachable")]);
const BROKEN = new UnavailableError([failure("grpc", "broken"), failure("rest", "broken")]);
/** As close to 1 as `Math.random` comes. */
const ALMOST_ONE = 1 - 2 ** -53;

function create(options: Partial<RetryOptions> = {}) {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const settings = { attempts: 3, initialDelayMs: 50, maxDelayMs: 1000, random: () => 0, canTry: () => true };
  const transport = withRetry(upstream.transport, { ...settings, clock, ...options });
  const start = (call: { deadlineMs?: number; signal?: AbortSignal } = {}) => ask(transport, { clock, ...call });
  /** When each try began, in milliseconds, if every one of them fails. */
  async function beginnings(deadlineMs?: number) {
    upstream.behaviour = UNREACHABLE;
    const outcome = watched(start({ deadlineMs }));
    while (outcome.state === "pending") await clock.advance(1);
    expect(outcome.error).toBe(UNREACHABLE);
    return upstream.begun;
  }
  return { clock, upstream, start, beginnings };
}

describe("tries", () => {
  test("an answer needs one", async () => {
    const { upstream, start } = create();
    expect(await start()).toBe("ana");
    expect(upstream.calls).toHaveLength(1);
  });

  test.each([1, 2, 3, 5])("attempts: %i is the number of tries in all; the last failure is told", async (attempts) => {
    const { upstream, clock, start } = create({ attempts });
    upstream.behaviour = UNREACHABLE;
    const outcome = watched(start());
    await clock.advance(0);
    expect(outcome).toEqual({ state: "rejected", error: UNREACHABLE });
    expect(upstream.calls).toHaveLength(attempts);
  });

  test("an answer at the last one is an answer", async () => {
    const { upstream, clock, start } = create();
    upstream.script.push(UNREACHABLE, UNREACHABLE);
    const answer = start();
    await clock.advance(0);
    expect(await answer).toBe("ana");
    expect(upstream.calls).toHaveLength(3);
  });

  test("one upstream out of reach is reason enough", async () => {
    const { upstream, clock, start } = create();
    upstream.script.push(new UnavailableError([failure("grpc", "broken"), failure("rest", "unreachable")]));
    const answer = start();
    await clock.advance(0);
    expect(await answer).toBe("ana");
  });

  test.each([
    ["a refusal", failure("grpc", "refused")],
    ["nonsense from both", BROKEN],
    ["nothing that was asked", new UnavailableError([])],
    ["both breakers open", new UnavailableError([open("grpc"), open("rest")])],
    ["one nonsense, and the other's breaker open", new UnavailableError([failure("grpc", "broken"), open("rest")])],
    ["a fault of our own", new TypeError("a bug")],
  ])("%s is not tried again", async (_name, error) => {
    const { upstream, clock, start } = create();
    upstream.behaviour = error;
    const outcome = watched(start());
    await clock.advance(60_000);
    expect(outcome).toEqual({ state: "rejected", error });
    expect(upstream.calls).toHaveLength(1);
  });

  test("one breaker open and the other upstream out of reach is tried again, without waiting for the breaker", async () => {
    const { upstream, clock, start } = create();
    upstream.script.push(new UnavailableError([open("grpc", 30_000), failure("rest", "unreachable")]));
    const answer = watched(start({ deadlineMs: 3000 }));
    await clock.advance(50);
    expect(answer).toEqual({ state: "fulfilled", value: "ana" });
  });

  test("none is waited for while both breakers are open", async () => {
    const { upstream, clock, start } = create({ canTry: () => false, random: () => 0.5 });
    upstream.behaviour = UNREACHABLE;
    const outcome = watched(start());
    await clock.advance(0);
    expect(outcome.state).toBe("rejected");
    expect(upstream.calls).toHaveLength(1);
  });

  test("none is begun when both breakers have opened during the wait", async () => {
    let canTry = true;
    const { upstream, clock, start } = create({ canTry: () => canTry, random: () => 0.5 });
    upstream.behaviour = UNREACHABLE;
    const outcome = watched(start());
    await clock.advance(24);
    canTry = false;
    await clock.advance(1);
    expect(outcome.state).toBe("rejected");
    expect(upstream.calls).toHaveLength(1);
  });
});

describe("back-off", () => {
  test("doubles from try to try up to its maximum; the wait is a random part of it", async () => {
    const settings = { attempts: 5, initialDelayMs: 100, maxDelayMs: 300, random: () => 0.5 };
    expect(await create(settings).beginnings()).toEqual([0, 50, 150, 300, 450]);
  });

  test("can be no wait at all, and never reaches the bound (full jitter)", async () => {
    const settings = { attempts: 5, initialDelayMs: 100, maxDelayMs: 300 };
    expect(await create({ ...settings, random: () => 0 }).beginnings()).toEqual([0, 0, 0, 0, 0]);
    const { clock, upstream, start } = create({ ...settings, random: () => ALMOST_ONE });
    upstream.script.push(UNREACHABLE);
    const answer = watched(start());
    await clock.advance(99);
    expect(upstream.calls).toHaveLength(1);
    await clock.advance(1);
    expect(answer.state).toBe("fulfilled");
  });

  test.each([
    ["longer than the back-off is waited for", 700, 700],
    ["shorter does not shorten the back-off", 10, 25],
  ])("a Retry-After %s", async (_name, retryAfterMs, expectedMs) => {
    const { clock, upstream, start } = create({ random: () => 0.5 });
    const rest = failure("rest", "unreachable", { retryAfterMs });
    upstream.script.push(new UnavailableError([failure("grpc", "unreachable"), rest]));
    const answer = watched(start());
    await clock.advance(expectedMs - 1);
    expect(upstream.calls).toHaveLength(1);
    await clock.advance(1);
    expect(answer.state).toBe("fulfilled");
  });
});

describe("the deadline", () => {
  test("a wait that would leave less than 20 ms for the try is not begun", async () => {
    const settings = { attempts: 2, initialDelayMs: 200, random: () => 0.5 };
    expect(await create(settings).beginnings(120)).toEqual([0, 100]);
    expect(await create(settings).beginnings(119)).toEqual([0]);
  });

  test("a Retry-After past it ends the matter at once", async () => {
    const { clock, upstream, start } = create();
    upstream.behaviour = new UnavailableError([failure("rest", "unreachable", { retryAfterMs: 5000 })]);
    const outcome = watched(start({ deadlineMs: 3000 }));
    await clock.advance(0);
    expect(outcome.state).toBe("rejected");
    expect(upstream.calls).toHaveLength(1);
  });
});

describe("an abort", () => {
  test("ends the wait at once, with the caller's reason, and clears the timer", async () => {
    const { clock, upstream, start } = create({ random: () => 0.5 });
    upstream.behaviour = UNREACHABLE;
    const controller = new AbortController();
    const outcome = watched(start({ signal: controller.signal }));
    await clock.advance(1);
    expect(clock.pending).toBe(1);
    const reason = new Error("no longer needed");
    controller.abort(reason);
    await clock.advance(0);
    expect(outcome).toEqual({ state: "rejected", error: reason });
    expect(clock.pending).toBe(0);
    await clock.advance(60_000);
    expect(upstream.calls).toHaveLength(1);
  });
});

function open(upstream: "grpc" | "rest", retryAfterMs = 1000) {
  return failure(upstream, "unreachable", { notAsked: true, retryAfterMs });
}
