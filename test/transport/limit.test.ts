import { describe, expect, test } from "@jest/globals";
import { withLimit } from "../../src/transport/limit.js";
import { OverloadedError } from "../../src/transport/outcome.js";
import { ManualClock } from "../support/manual-clock.js";
import { ask, FakeUpstream, unheard, watched } from "./fake-upstream.js";

const DEADLINE_MS = 1000;

function create({ maxConcurrent = 2, maxQueue = 3 } = {}) {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  upstream.behaviour = "hold";
  const { transport, load } = withLimit(upstream.transport, { maxConcurrent, maxQueue, clock });
  const start = (call: { deadlineMs?: number; signal?: AbortSignal } = {}) =>
    watched(ask(transport, { clock, deadlineMs: DEADLINE_MS, ...call }));
  const many = (count: number) => Array.from({ length: count }, () => start());
  const turn = () => clock.advance(0);
  return { clock, upstream, load, start, many, turn };
}

const states = (calls: readonly { state: string }[]) => calls.map(({ state }) => state);

describe("places", () => {
  test("so many calls are under way at once, the others wait", async () => {
    const { upstream, load, many, turn } = create();
    many(5);
    await turn();
    expect(upstream.calls).toHaveLength(2);
    expect(load()).toEqual({ active: 2, queued: 3 });
  });

  test("a place goes to the one who waits longest, and to no newcomer", async () => {
    const { upstream, load, start, many, turn } = create({ maxConcurrent: 1, maxQueue: 10 });
    const calls = many(4);
    for (let next = 0; next < 4; next++) {
      await turn();
      expect(upstream.calls).toHaveLength(next + 1);
      upstream.held[next]?.answer();
      const newcomer = start(); // comes when the place is handed over
      expect(newcomer.state).toBe("pending");
      await turn();
      expect(states(calls)).toEqual([0, 1, 2, 3].map((call) => (call <= next ? "fulfilled" : "pending")));
    }
    expect(load()).toEqual({ active: 1, queued: 3 });
  });

  test("a failed call gives its place back as well", async () => {
    const { upstream, load, many, turn } = create({ maxConcurrent: 1 });
    many(2);
    await turn();
    upstream.held[0]?.fail(new Error("no"));
    await turn();
    expect(upstream.calls).toHaveLength(2);
    upstream.held[1]?.fail(new Error("no"));
    await turn();
    expect(load()).toEqual({ active: 0, queued: 0 });
  });

  test("when all is done nothing is left, no timer either", async () => {
    const { clock, upstream, load, many, turn } = create();
    const calls = many(5);
    await turn();
    upstream.behaviour = "answer";
    for (const held of upstream.held) held.answer();
    await turn();
    expect(states(calls)).toEqual(Array(5).fill("fulfilled"));
    expect(load()).toEqual({ active: 0, queued: 0 });
    expect(clock.pending).toBe(0);
  });
});

describe("a full queue", () => {
  test("turns one more away at once", async () => {
    const { upstream, load, start, many, turn } = create();
    many(5);
    const turnedAway = start();
    await turn();
    expect(turnedAway.state).toBe("rejected");
    expect(turnedAway.error).toBeInstanceOf(OverloadedError);
    expect(load()).toEqual({ active: 2, queued: 3 });
    upstream.held[0]?.answer();
    await turn();
    expect(start().state).toBe("pending"); // there is a place in the queue again
    await turn();
    expect(load()).toEqual({ active: 2, queued: 3 });
  });

  test("of length 0 lets nobody wait", async () => {
    const { start, many, turn } = create({ maxQueue: 0 });
    const calls = many(2);
    const turnedAway = start();
    await turn();
    expect(states(calls)).toEqual(["pending", "pending"]);
    expect(turnedAway.error).toBeInstanceOf(OverloadedError);
  });
});

describe("waiting", () => {
  test("ends when the deadline leaves no time for a try", async () => {
    const { clock, upstream, load, start, many } = create({ maxConcurrent: 1 });
    many(1);
    const late = start();
    await clock.advance(DEADLINE_MS - 20 - 1);
    expect(late.state).toBe("pending");
    await clock.advance(1);
    expect(late.error).toBeInstanceOf(OverloadedError);
    expect(load()).toEqual({ active: 1, queued: 0 });
    upstream.held[0]?.answer();
    await clock.advance(0);
    expect(upstream.calls).toHaveLength(1);
    expect(load()).toEqual({ active: 0, queued: 0 });
  });

  test("does not end for others whose deadline is later, and they move up", async () => {
    const { clock, upstream, start, many } = create({ maxConcurrent: 1 });
    many(1);
    const hasty = start({ deadlineMs: 100 });
    const patient = start({ deadlineMs: 10_000 });
    await clock.advance(100);
    expect(states([hasty, patient])).toEqual(["rejected", "pending"]);
    upstream.held[0]?.answer();
    await clock.advance(0);
    expect(upstream.calls).toHaveLength(2);
  });

  test("without a deadline there is no timer", async () => {
    const { clock, start, many, turn } = create({ maxConcurrent: 1 });
    many(1);
    start({ deadlineMs: Number.POSITIVE_INFINITY });
    await turn();
    expect(clock.pending).toBe(0);
  });

  test("a call without time left does not wait long", async () => {
    const { clock, start, many } = create({ maxConcurrent: 1 });
    many(1);
    const late = start({ deadlineMs: 10 });
    await clock.advance(0);
    expect(late.error).toBeInstanceOf(OverloadedError);
  });
});

describe("an abort while queued", () => {
  test("ends the wait with the caller's reason; the place goes to the next one", async () => {
    const { clock, upstream, load, start, many, turn } = create({ maxConcurrent: 1 });
    many(1);
    const controller = new AbortController();
    const gone = start({ signal: controller.signal });
    const next = start();
    await turn();
    const reason = new Error("no longer needed");
    controller.abort(reason);
    await turn();
    expect(gone).toEqual({ state: "rejected", error: reason });
    expect(load()).toEqual({ active: 1, queued: 1 });
    expect(clock.pending).toBe(1); // that of the next one

    upstream.held[0]?.answer();
    await turn();
    upstream.held[1]?.answer();
    await turn();
    expect(next.state).toBe("fulfilled");
    expect(upstream.calls).toHaveLength(2);
    expect(load()).toEqual({ active: 0, queued: 0 });
  });

  test("before it takes no place in the queue", async () => {
    const { load, start, many, turn } = create({ maxConcurrent: 1 });
    many(1);
    const reason = new Error("no longer needed");
    const gone = start({ signal: AbortSignal.abort(reason) });
    await turn();
    expect(gone).toEqual({ state: "rejected", error: reason });
    expect(load()).toEqual({ active: 1, queued: 0 });
  });

  test("is no longer listened for when the wait is over", async () => {
    const { upstream, start, many, turn } = create({ maxConcurrent: 1 });
    many(1);
    const { signal, listeners } = unheard();
    start({ signal });
    expect(listeners()).toBe(1);
    await turn();
    upstream.held[0]?.answer();
    await turn();
    expect(listeners()).toBe(0);
  });
});
