import { describe, expect, test } from "@jest/globals";
import { Standing } from "../../src/runtime/standing.js";
import type { FakeReplica } from "../support/fake-replica.js";
import { type Behaviour, failure } from "../support/fake-upstream.js";
import { fakeReplicas, TIMEOUT_MS } from "./fake-replicas.js";

const unavailable = () => failure("grpc", "unreachable");
const ours = () => failure("grpc", "unreachable", { ours: true });
const busy = () => failure("grpc", "busy");

const failed = (calls: readonly { state: string }[]) => calls.filter(({ state }) => state !== "fulfilled").length;

describe("What never left", () => {
  test("for want of a connection is put to another replica, though one try is all that may be", async () => {
    const { replicas, askInARow, status } = fakeReplicas({ count: 2, hedgeMs: 0, asksAgain: false });
    const [first] = replicas as [FakeReplica];
    first.script.push(failure("grpc", "unreachable", { network: true, unconnected: true }));
    expect(failed(await askInARow(1))).toBe(0);
    expect([status().secondTries, first.calls.length]).toEqual([1, 1]); // not to the same one again
  });
});

describe("A timeout at one replica", () => {
  test("with hedgeMs 0 tells the breaker nothing where another one has answered meanwhile: a burst does not open it", async () => {
    const { clock, replicas, start, breaker } = fakeReplicas({ hedgeMs: 0 });
    (replicas[0] as FakeReplica).behaviour = "hold";
    const calls = Array.from({ length: 40 }, () => start({ known: true }));
    await clock.advance(TIMEOUT_MS);
    expect(failed(calls)).toBeGreaterThanOrEqual(5);
    expect([breaker.state, breaker.failures]).toEqual(["closed", 0]);
  });

  test("while there is no place for a hedge is none of the upstream either", async () => {
    const { clock, replicas, start, status, breaker, limits } = fakeReplicas({ count: 2 });
    const [first] = replicas as [FakeReplica];
    first.behaviour = "hold";
    const lesson = { known: true, sort: "x", end: "timed out", ms: 1000, isQuiet: false, isFull: true } as const;
    limits.of("grpc").learn(lesson);
    const calls = Array.from({ length: 24 }, (_, user) => start({ standing: new Standing(`user-${user}`) }));
    await clock.advance(TIMEOUT_MS);
    expect(status().hedged).toBe(0);
    expect(failed(calls)).toBeGreaterThanOrEqual(5);
    expect([breaker.state, breaker.failures]).toEqual(["closed", 0]);
  });

  test("counts where nobody answers: an outage opens the breaker with hedgeMs 0, too", async () => {
    const { clock, replicas, start, breaker } = fakeReplicas({ hedgeMs: 0 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 8; call++) start({ known: true });
    await clock.advance(TIMEOUT_MS);
    expect(breaker.state).toBe("open");
  });

  test("counts where only that same replica has answered other questions", async () => {
    const { clock, replicas, start, breaker } = fakeReplicas({ count: 2, hedgeMs: 0 });
    for (const replica of replicas) replica.behaviour = "hold";
    start();
    start();
    await clock.advance(1);
    const [first, second] = replicas as [FakeReplica, FakeReplica];
    first.behaviour = "answer";
    expect([first.held.length, second.held.length]).toEqual([1, 1]);
    start();
    await clock.advance(TIMEOUT_MS);
    // Of the two, that of the first replica counts; at the second one, the first had answered.
    expect(breaker.failures).toBe(1);
  });

  test.each<[name: string, hedge: Behaviour]>([
    ["busy", busy()],
    ["a failure of our own", ours()],
  ])("tells the breaker nothing where the hedge was %s", async (_name, hedge) => {
    const { clock, replicas, start, breaker, status } = fakeReplicas({ count: 2 });
    const [first, second] = replicas as [FakeReplica, FakeReplica];
    first.behaviour = "hold";
    second.behaviour = hedge;
    start({ known: true });
    await clock.advance(TIMEOUT_MS);
    expect([status().hedged, breaker.failures]).toEqual([1, 0]);
  });

  test("counts where the hedge failed, or hangs as well", async () => {
    for (const hedge of [unavailable(), "hold"] as const) {
      const { clock, replicas, start, breaker } = fakeReplicas({ count: 2 });
      const [first, second] = replicas as [FakeReplica, FakeReplica];
      first.behaviour = "hold";
      second.behaviour = hedge;
      start({ known: true });
      await clock.advance(TIMEOUT_MS);
      expect(breaker.failures).toBe(1);
    }
  });
});

test("After an outage a breaker that is half-open opens again with one call, whatever confirms that", async () => {
  const { clock, replicas, start, breaker } = fakeReplicas();
  for (const replica of replicas) replica.behaviour = "hold";
  while (breaker.state === "closed") {
    start();
    await clock.advance(50);
  }
  let halfOpenMs = 0;
  for (let ms = 0; ms < 120_000; ms += 100) {
    start();
    await clock.advance(100);
    if (breaker.state === "half-open") halfOpenMs += 100;
  }
  expect(halfOpenMs).toBeLessThanOrEqual(4 * 1200);
});

test("A budget is not lacking where there was nobody to ask: with the other one out, timeouts are confirmed", async () => {
  const { clock, replicas, start, breaker, states, status } = fakeReplicas({ count: 2 });
  const [first, second] = replicas as [FakeReplica, FakeReplica];
  for (const replica of replicas) replica.behaviour = "hold";
  for (let call = 0; call < 10; call++) start();
  await clock.advance(100);
  expect(status().hedged).toBe(10); // all that the budget had
  for (const held of replicas.flatMap(({ held }) => held.splice(0))) held.answer();
  await clock.advance(0);
  second.behaviour = "answer";
  first.behaviour = unavailable();
  while (states()[0] !== "out") {
    start();
    await clock.advance(1);
  }
  expect(breaker.failures).toBe(0);
  second.behaviour = "hold";
  for (let call = 0; call < 5; call++) start();
  await clock.advance(TIMEOUT_MS);
  expect(status().hedged).toBe(10);
  expect(breaker.state).toBe("open");
});

describe("Tokens of strangers that hang at every replica", () => {
  test("in one tick are one strike: half of the replicas do not go out", async () => {
    const { clock, replicas, start, states } = fakeReplicas({ hedgeMs: 0, failureThreshold: 1000 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 16; call++) start({ known: false });
    await clock.advance(TIMEOUT_MS);
    expect(states()).toEqual(Array(4).fill("ready"));
    // A known user's are chosen by nobody: each counts.
    for (let call = 0; call < 16; call++) start({ known: true });
    await clock.advance(TIMEOUT_MS);
    expect(states().filter((state) => state === "out")).toHaveLength(2);
  });

  test("keep no replica out: as a trial they are no strike while the other one hangs, too", async () => {
    const { clock, replicas, start, states, status } = fakeReplicas({ failureThreshold: 1000 });
    const ill = replicas[0] as FakeReplica;
    ill.behaviour = unavailable();
    while (states()[0] !== "out") {
      start();
      await clock.advance(1);
    }
    await clock.advance(1000);
    for (const replica of replicas) replica.behaviour = "hold";
    ill.calls.length = 0;
    start({ known: false });
    await clock.advance(TIMEOUT_MS);
    expect(ill.calls).toHaveLength(1);
    expect(status().replicas[0]).toMatchObject({ state: "out", outMs: 1000 });
    for (const replica of replicas) replica.behaviour = "answer";
    await clock.advance(1000);
    start({ known: true });
    await clock.advance(0);
    expect(states()[0]).toBe("ready");
  });
});

describe("Where the others have left", () => {
  async function left(count: 1 | 2) {
    const all = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"];
    let answer = all;
    const lookup = async () => answer.map((address) => ({ address }));
    const made = fakeReplicas({
      urls: ["http://auth:1"],
      lookup,
      failureThreshold: 1000,
      connections: { min: 1, max: 8 },
    });
    const { clock, byAddress, start, status } = made;
    start();
    await clock.advance(0);
    const ill = all.slice(0, count).map((host) => byAddress.get(host) as FakeReplica);
    for (const replica of ill) replica.behaviour = unavailable();
    const outs = () => status().replicas.filter(({ state }) => state === "out").length;
    while (outs() < count) {
      start();
      await clock.advance(1);
    }
    answer = all.slice(0, count);
    for (let ms = 0; ms < 70_000; ms += 10_000) await clock.advance(10_000);
    expect(status().replicas.map(({ state }) => state)).toEqual(Array(count).fill("out"));
    for (const replica of ill) replica.calls.length = 0;
    return { ...made, ill };
  }

  test("the last one is back with its answer", async () => {
    const { clock, ill, start, states } = await left(1);
    start();
    await clock.advance(0);
    expect(states()).toEqual(["out"]);
    for (const replica of ill) replica.behaviour = "answer";
    const call = start();
    await clock.advance(0);
    expect([call.state, states()]).toEqual(["fulfilled", ["ready"]]);
  });

  test("and all are out, none is asked the same question twice", async () => {
    const { clock, ill, start } = await left(2);
    for (const replica of ill) replica.behaviour = failure("grpc", "broken");
    for (const round of [1, 2]) {
      start();
      await clock.advance(1000);
      expect(ill.map(({ calls }) => calls.length)).toEqual([round, round]);
    }
  });
});
