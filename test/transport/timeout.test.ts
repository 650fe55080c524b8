import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { uncontrolled, withTimeout } from "../../src/transport/timeout.js";
import { ask, FakeUpstream, unheard, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

function create() {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const transport = withTimeout(uncontrolled(upstream.transport), "rest", clock);
  const start = (call: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
    watched(ask(transport, { clock, timeoutMs: 100, ...call }));
  return { clock, upstream, start };
}

test("an answer in time is the answer, and leaves no timer behind", async () => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold";
  const outcome = start();
  await clock.advance(99);
  upstream.held[0]?.answer();
  await clock.advance(0);
  expect(outcome).toEqual({ state: "fulfilled", value: "ana" });
  expect(clock.pending).toBe(0);
});

test("a failure in time is the failure, and leaves no timer behind", async () => {
  const { clock, upstream, start } = create();
  const error = new Error("no");
  upstream.behaviour = error;
  const outcome = start();
  await clock.advance(0);
  expect(outcome).toEqual({ state: "rejected", error });
  expect(clock.pending).toBe(0);
});

test("a try ends after its timeout, whatever the transport below does about it", async () => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold"; // and forgets both its timeout and its signal
  const outcome = start();
  await clock.advance(99);
  expect(outcome.state).toBe("pending");
  await clock.advance(1);
  expect(outcome.state).toBe("rejected");
  expect(outcome.error).toMatchObject({ upstream: "rest", failure: "unreachable", timedOut: true });
});

test("an answer that came while the process itself was busy is the answer", async () => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold";
  const outcome = start();
  // Node runs the timers that are due before it reads the sockets: the answer is there, and nobody has looked yet.
  clock.setTimeout(() => upstream.held[0]?.answer(), 100);
  await clock.advance(100);
  expect(outcome).toEqual({ state: "fulfilled", value: "ana" });
  expect(clock.pending).toBe(0);
});

test("the transport below is told to end as well, and why", async () => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold";
  start();
  await clock.advance(99);
  const [call] = upstream.calls;
  expect(call?.timeoutMs).toBe(100);
  expect(call?.signal?.aborted).toBe(false);
  await clock.advance(1);
  expect(call?.signal?.reason).toMatchObject({ code: Code.DeadlineExceeded });
});

test.each(["answer", "fail"] as const)("what comes after the timeout (%s) changes nothing", async (late) => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold";
  const outcome = start();
  await clock.advance(100);
  const { error } = outcome;
  upstream.held[0]?.[late](new Error("too late"));
  await clock.advance(0);
  expect(outcome).toEqual({ state: "rejected", error });
});

test("without a timeout there is no timer", async () => {
  const { clock, upstream, start } = create();
  upstream.behaviour = "hold";
  const outcome = start({ timeoutMs: undefined });
  await clock.advance(0);
  expect(clock.pending).toBe(0);
  upstream.held[0]?.answer();
  await clock.advance(0);
  expect(outcome.state).toBe("fulfilled");
});

describe("an abort", () => {
  test("ends the try at once with the caller's reason, above and below, and leaves no timer behind", async () => {
    const { clock, upstream, start } = create();
    upstream.behaviour = "hold";
    const controller = new AbortController();
    const outcome = start({ signal: controller.signal });
    await clock.advance(50);
    const reason = new Error("no longer needed");
    controller.abort(reason);
    await clock.advance(0);
    expect(outcome).toEqual({ state: "rejected", error: reason });
    expect(upstream.calls[0]?.signal?.reason).toBe(reason);
    expect(clock.pending).toBe(0);
  });

  test("before the try means that there is none", async () => {
    const { clock, upstream, start } = create();
    const reason = new Error("no longer needed");
    const outcome = start({ signal: AbortSignal.abort(reason) });
    await clock.advance(0);
    expect(outcome).toEqual({ state: "rejected", error: reason });
    expect(upstream.calls).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  test("is no longer listened for when the try is over", async () => {
    const { clock, start } = create();
    const { signal, listeners } = unheard();
    start({ signal });
    expect(listeners()).toBe(1);
    await clock.advance(0);
    expect(listeners()).toBe(0);
  });
});
