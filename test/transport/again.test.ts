import { describe, expect, test } from "@jest/globals";
import { againIfUnprocessed } from "../../src/transport/again.js";
import { createCallContext } from "../../src/transport/call-context.js";
import { forward, unaryTransport } from "../../src/transport/stage.js";
import { ask, FakeUpstream, failure, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const UNPROCESSED = failure("grpc", "unreachable", { unprocessed: true });

function create() {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const again = againIfUnprocessed(upstream.transport, clock);
  return { clock, upstream, again, start: (signal?: AbortSignal) => ask(again, { clock, signal }) };
}

describe("what was certainly not processed", () => {
  test.each([
    ["is given what is left of its time", 800, [1000, 200]],
    ["is not asked again with less than 20 ms left", 981, [1000]],
  ])("%s", async (_name, lostAfterMs, given) => {
    const { clock, upstream, again } = create();
    upstream.behaviour = "hold";
    const outcome = watched(ask(again, { clock, timeoutMs: 1000 }));
    await clock.advance(lostAfterMs);
    upstream.held[0]?.fail(UNPROCESSED);
    await clock.advance(0);
    expect(upstream.calls.map(({ timeoutMs }) => timeoutMs)).toEqual(given);
    expect(outcome.state).toBe(given.length === 1 ? "rejected" : "pending");
  });

  test("is asked again, at once", async () => {
    const { clock, upstream, start } = create();
    upstream.script.push(UNPROCESSED);
    const answer = watched(start());
    await clock.advance(0);
    expect(answer).toEqual({ state: "fulfilled", value: "ana" });
    expect(upstream.begun).toEqual([0, 0]);
  });

  test("is asked again once: the second loss is told", async () => {
    const { upstream, start } = create();
    const second = failure("grpc", "unreachable", { unprocessed: true });
    upstream.script.push(UNPROCESSED, second);
    await expect(start()).rejects.toBe(second);
    expect(upstream.calls).toHaveLength(2);
  });

  test("is not asked again for a caller that has gone", async () => {
    const { clock, upstream, start } = create();
    const controller = new AbortController();
    upstream.behaviour = "hold";
    const outcome = watched(start(controller.signal));
    controller.abort();
    upstream.held[0]?.fail(UNPROCESSED);
    await clock.advance(0);
    expect(outcome).toEqual({ state: "rejected", error: UNPROCESSED });
    expect(upstream.calls).toHaveLength(1);
  });

  test("is a try of its own: its answer is as old as that", async () => {
    const { clock, upstream, again } = create();
    upstream.script.push(UNPROCESSED);
    let tries = 0;
    const context = createCallContext(Number.POSITIVE_INFINITY, { onTry: () => tries++ });
    await ask(
      unaryTransport((call) => forward(again, { ...call, context })),
      { clock },
    );
    expect(tries).toBe(1); // besides the first one, of which the failover tells
  });
});

test.each([
  ["another failure of the network", failure("grpc", "unreachable", { network: true })],
  ["busy", failure("grpc", "busy")],
  ["nonsense", failure("grpc", "broken")],
  ["a refusal", failure("grpc", "refused")],
  ["a fault of our own", new TypeError("a bug")],
])("%s is not asked again here", async (_name, error) => {
  const { upstream, start } = create();
  upstream.behaviour = error;
  await expect(start()).rejects.toBe(error);
  expect(upstream.calls).toHaveLength(1);
});
