import { describe, expect, test } from "@jest/globals";
import type { FakeReplica } from "../support/fake-replica.js";
import { type Behaviour, failure } from "../support/fake-upstream.js";
import { fakeReplicas, TIMEOUT_MS } from "./fake-replicas.js";

const unavailable = () => failure("grpc", "unreachable");
const refusedConnection = () => failure("grpc", "unreachable", { network: true });
const ours = () => failure("grpc", "unreachable", { ours: true });
const broken = () => failure("grpc", "broken");
const refused = () => failure("grpc", "refused");
const busy = () => failure("grpc", "busy");

const failed = (calls: readonly { state: string }[]) => calls.filter(({ state }) => state !== "fulfilled").length;

/** Replica 0 is out, and its second is over: the next call is a trial. */
async function dueIn(options: Parameters<typeof fakeReplicas>[0] = {}) {
  const made = fakeReplicas(options);
  const ill = made.replicas[0] as FakeReplica;
  ill.behaviour = unavailable();
  while (made.states()[0] !== "out") {
    made.start();
    await made.clock.advance(1);
  }
  await made.clock.advance(1000);
  ill.calls.length = 0;
  return { ...made, ill };
}

describe("A trial that is the question itself, with hedgeMs 0", () => {
  test.each<[name: string, behaviour: Behaviour, state: string]>([
    ["busy", busy(), "ready"],
    ["a refusal", refused(), "ready"],
    ["broken", broken(), "out"],
    ["a failure of our own", ours(), "out"],
    ["no UpstreamError", new Error("a fault"), "out"],
  ])("ends with a decision: %s", async (_name, behaviour, state) => {
    const { ill, askInARow, states, status } = await dueIn({ hedgeMs: 0, asksAgain: false });
    ill.behaviour = behaviour;
    const calls = await askInARow(1, { everyMs: 1 });
    expect([failed(calls), states()[0]]).toEqual([1, state]);
    if (state === "out") expect(ill.calls).toHaveLength(1);
    expect(status().replicas[0]?.inFlight).toBe(0);
  });

  test.each<[name: string, behaviour: Behaviour]>([
    ["broken", broken()],
    ["a failure of our own", ours()],
  ])("is followed by no other for the same interval: %s", async (_name, behaviour) => {
    const { ill, askInARow, status } = await dueIn({ hedgeMs: 0, asksAgain: false });
    ill.behaviour = behaviour;
    const calls = await askInARow(98, { everyMs: 10 });
    expect([failed(calls), ill.calls.length]).toEqual([1, 1]);
    // Without a strike: the interval did not double.
    expect(status().replicas[0]?.outMs).toBe(0);
  });

  test("says nothing when its caller gives it up, and the next one is an interval away", async () => {
    const { clock, ill, start, states, status } = await dueIn({ hedgeMs: 0 });
    ill.behaviour = "hold";
    const controller = new AbortController();
    start({ signal: controller.signal });
    await clock.advance(1);
    controller.abort(new Error("gone"));
    await clock.advance(0);
    expect([states()[0], status().replicas[0]?.outMs]).toEqual(["out", 1000]);
  });

  test("of a known user comes back without a trial behind it when it is refused", async () => {
    const { clock, ill, start, states } = await dueIn({ hedgeMs: 0 });
    ill.behaviour = refused();
    start({ known: true });
    await clock.advance(0);
    expect(states()[0]).toBe("ready");
    ill.behaviour = unavailable();
    for (let call = 0; call < 4; call++) start({ known: true });
    await clock.advance(1);
    expect(states()[0]).toBe("ready");
  });

  test("waits for a connection, which no caller does: a black hole costs none of them anything", async () => {
    const { clock, ill, start, states, status } = await dueIn({ hedgeMs: 0, asksAgain: false });
    let drop: (error: Error) => void = () => undefined;
    ill.isReady = false;
    ill.connecting = () => new Promise((_, reject) => (drop = reject));
    const calls = [start(), start()];
    await clock.advance(1);
    expect([failed(calls), ill.calls.length, ill.dialled]).toEqual([0, 0, 1]);
    await clock.advance(TIMEOUT_MS);
    drop(ours()); // as its own connection says that was dropped
    await clock.advance(0);
    expect([states()[0], status().replicas[0]?.outMs]).toEqual(["out", 2000]);
  });

  test("is made when the connection stands", async () => {
    const { clock, ill, start, states } = await dueIn({ hedgeMs: 0, asksAgain: false });
    ill.behaviour = "answer";
    ill.isReady = false;
    start();
    await clock.advance(1);
    expect([ill.calls.length, ill.isReady, states()[0]]).toEqual([0, true, "out"]);
    start();
    await clock.advance(1);
    expect([ill.calls.length, states()[0]]).toEqual([1, "ready"]);
  });
});

describe("A doubled trial", () => {
  test("begins when the connection stands, however long that takes: a recovered replica comes back", async () => {
    const { clock, ill, start, states, status } = await dueIn();
    ill.behaviour = "answer";
    ill.isReady = false;
    let made: () => void = () => undefined;
    ill.connecting = () => new Promise((resolve) => (made = resolve));
    const call = start();
    await clock.advance(0);
    expect([call.state, ill.calls.length, ill.dialled]).toEqual(["fulfilled", 0, 1]);
    await clock.advance(500); // five times hedgeMs
    start();
    await clock.advance(0);
    expect([ill.dialled, states()[0], status().replicas[0]?.outMs]).toEqual([1, "out", 0]);
    made();
    await clock.advance(0);
    expect([ill.calls.length, states()[0]]).toEqual([1, "ready"]);
  });

  test("is none where no connection can be made: that is a strike", async () => {
    const { clock, ill, start, status } = await dueIn();
    ill.isReady = false;
    ill.connecting = () => Promise.reject(refusedConnection());
    start();
    await clock.advance(0);
    expect([ill.calls.length, status().replicas[0]?.outMs]).toEqual([0, 2000]);
  });

  test("is none when the replica has left meanwhile", async () => {
    let answer = ["10.0.0.0", "10.0.0.1", "10.0.0.2"];
    const lookup = async () => answer.map((address) => ({ address }));
    const { clock, byAddress, start, states, limits } = fakeReplicas({ urls: ["http://auth:1"], lookup });
    start();
    await clock.advance(0);
    const ill = byAddress.get("10.0.0.0") as FakeReplica;
    ill.behaviour = unavailable();
    while (states()[0] !== "out") {
      start();
      await clock.advance(1);
    }
    ill.calls.length = 0;
    await clock.advance(1000);
    ill.isReady = false;
    let made: () => void = () => undefined;
    ill.connecting = () => new Promise((resolve) => (made = resolve));
    start();
    answer = ["10.0.0.1", "10.0.0.2"];
    await clock.advance(70_000);
    expect(states()).toHaveLength(2);
    made();
    await clock.advance(0);
    expect([ill.calls.length, limits.status.active]).toEqual([0, 0]);
  });

  test("that is lost leaves the connection, which has greeted; one that fails does not", async () => {
    const { clock, ill, start, status } = await dueIn();
    expect(ill.renewed).toBe(1);
    ill.behaviour = "hold";
    start();
    await clock.advance(100);
    expect([status().replicas[0]?.outMs, ill.renewed]).toEqual([2000, 1]);
    ill.behaviour = unavailable();
    await clock.advance(2000);
    start();
    await clock.advance(0);
    expect([status().replicas[0]?.outMs, ill.renewed]).toEqual([4000, 2]);
  });

  test.each<[name: string, behaviour: Behaviour]>([
    ["for a failure of our own", ours()],
    ["for a fault", new Error("a fault")],
  ])("is postponed without a strike %s", async (_name, behaviour) => {
    const { clock, ill, start, status } = await dueIn();
    ill.behaviour = behaviour;
    start();
    await clock.advance(0);
    expect(status().replicas[0]).toMatchObject({ state: "out", outMs: 1000 });
  });

  test("that is broken is followed by no other while the question has no answer", async () => {
    const { clock, ill, replicas, start } = await dueIn();
    for (const replica of replicas) replica.behaviour = "hold";
    ill.behaviour = broken();
    for (let call = 0; call < 5; call++) {
      start();
      await clock.advance(5);
    }
    expect(ill.calls).toHaveLength(1);
  });
});

test("Name servers that tell a part cause no look-ups: the end of a connection of a replica that left is none of the service", async () => {
  let lookups = 0;
  const lookup = async () => {
    const first = lookups++ * 2;
    return [0, 1].map((at) => ({ address: `10.0.0.${(first + at) % 8}` }));
  };
  const { clock, byAddress, start } = fakeReplicas({ urls: ["http://auth:1"], lookup });
  for (let second = 0; second < 120; second++) {
    start();
    await clock.advance(1000);
    for (const replica of byAddress.values()) {
      if (!replica.isClosed || !replica.isReady) continue;
      replica.lose(); // as a connection does when it is closed
    }
  }
  expect(lookups).toBeLessThanOrEqual(6);
});
