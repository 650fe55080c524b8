import { describe, expect, test } from "@jest/globals";
import type { FakeReplica } from "../support/fake-replica.js";
import { failure } from "../support/fake-upstream.js";
import { fakeReplicas, TIMEOUT_MS } from "./fake-replicas.js";

const unavailable = () => failure("grpc", "unreachable");
const refusedConnection = () => failure("grpc", "unreachable", { network: true });
const broken = () => failure("grpc", "broken");
const refused = () => failure("grpc", "refused");
const busy = () => failure("grpc", "busy");
const lost = () => failure("grpc", "unreachable", { network: true, unprocessed: true });

const failed = (calls: readonly { state: string }[]) => calls.filter(({ state }) => state !== "fulfilled").length;

describe("The pick", () => {
  test.each([1, 32])(
    "gives each of four replicas a quarter of 200 calls, ± 2 points, with %i in flight",
    async (inFlight) => {
      const { clock, replicas, start, asked } = fakeReplicas();
      for (const replica of replicas) replica.behaviour = "hold";
      let at = 0;
      for (let begun = 0; begun < 200; begun++) {
        start();
        await clock.advance(0);
        if (begun + 1 < inFlight) continue;
        const answering = replicas.flatMap(({ held }) => held.splice(0, held.length > 0 && at++ % 3 ? 1 : 0));
        for (const held of answering.length > 0 ? answering : replicas.flatMap(({ held }) => held.splice(0, 1)))
          held.answer();
        await clock.advance(1);
      }
      for (const calls of asked()) expect(Math.abs(calls - 50)).toBeLessThanOrEqual(4);
    },
  );

  test("takes the replica with the fewest calls under way; of equals the one that was picked least recently", async () => {
    const { clock, replicas, start, asked } = fakeReplicas({ count: 3 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 7; call++) start();
    await clock.advance(0);
    expect(asked()).toEqual([3, 2, 2]);
    replicas[1]?.held.pop()?.answer();
    await clock.advance(0);
    start();
    start();
    await clock.advance(0);
    expect(asked()).toEqual([3, 3, 3]);
  });

  test("goes by connections that stand; those that do not are made meanwhile, and no call waits for them", async () => {
    const { clock, replicas, start, asked, states } = fakeReplicas({ count: 3 });
    for (const replica of replicas.slice(1)) {
      replica.isReady = false;
      replica.connecting = () => new Promise(() => undefined);
    }
    for (let call = 0; call < 10; call++) expect(start().state).toBe("pending");
    await clock.advance(1);
    expect([asked(), replicas.map(({ dialled }) => dialled), states()]).toEqual([
      [10, 0, 0],
      [0, 1, 1],
      ["ready", "connecting", "connecting"],
    ]);
    for (const replica of replicas) replica.isReady = true;
    for (let call = 0; call < 4; call++) start();
    await clock.advance(1);
    expect(asked()).toEqual([11, 2, 1]); // the new ones first
  });

  test("waits for a connection where none stands", async () => {
    const { clock, replicas, start, asked } = fakeReplicas({ count: 2 });
    for (const replica of replicas) replica.isReady = false;
    for (let call = 0; call < 4; call++) start();
    await clock.advance(0);
    expect(asked().reduce((sum, calls) => sum + calls)).toBe(4);
  });
});

describe("One bad replica of four", () => {
  const FAULTS: readonly [name: string, strike: (replica: ReturnType<typeof fakeReplicas>["replicas"][0]) => void][] = [
    ["that hangs", (replica) => Object.assign(replica, { behaviour: "hold" })],
    ["that is UNAVAILABLE", (replica) => Object.assign(replica, { behaviour: unavailable() })],
    [
      "that refuses connections",
      (replica) => {
        replica.behaviour = refusedConnection();
        replica.connecting = () => Promise.reject(refusedConnection());
        replica.lose();
      },
    ],
    ["that resets each call", (replica) => Object.assign(replica, { behaviour: refusedConnection() })],
    ["that is never in the mood: REFUSED_STREAM", (replica) => Object.assign(replica, { behaviour: lost() })],
  ];

  test.each(FAULTS)(
    "%s fails no call, moves no breaker, and costs ten calls and a tenth at most",
    async (_name, strike) => {
      const { replicas, breaker, askInARow, status, total } = fakeReplicas();
      const before = await askInARow(40);
      strike(replicas[1] as (typeof replicas)[0]);
      const during = await askInARow(200);
      expect([failed(before), failed(during)]).toEqual([0, 0]);
      expect([breaker.state, breaker.failures]).toEqual(["closed", 0]);
      const { hedged, secondTries } = status();
      expect(hedged + secondTries).toBeLessThanOrEqual(10 + 24);
      // An unprocessed call is asked again at the replica itself: that is no extra call of the budget.
      expect(total()).toBeLessThanOrEqual(240 + 10 + 24 + (replicas[1]?.calls.length ?? 0));
      expect(status().replicas.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0, 0]);
    },
  );

  test("that is slow loses three races, and is out from then on", async () => {
    const { clock, replicas, start, states, status } = fakeReplicas();
    (replicas[0] as (typeof replicas)[0]).behaviour = "hold";
    const slow: number[] = [];
    for (let call = 0; call < 40; call++) {
      const began = clock.monotonic();
      const outcome = start();
      while (outcome.state === "pending") await clock.advance(1);
      if (clock.monotonic() - began > 50) slow.push(call);
    }
    expect([slow.length, states()[0], status().hedged]).toEqual([3, "out", 3]);
  });

  test("is told of in events, with the reason; when it is back, too", async () => {
    const { clock, replicas, moves, askInARow } = fakeReplicas();
    (replicas[2] as (typeof replicas)[0]).behaviour = unavailable();
    await askInARow(20, { everyMs: 1 });
    (replicas[2] as (typeof replicas)[0]).behaviour = "answer";
    await clock.advance(1000);
    await askInARow(2);
    expect(moves).toEqual([
      { address: "10.0.0.2:1", from: "ready", to: "out", reason: "unreachable (by the test)" },
      { address: "10.0.0.2:1", from: "out", to: "ready", reason: "it answered" },
    ]);
  });
});

describe("A replica that is out", () => {
  /** Replica 0 is out, for a second. */
  async function outOf(options: Parameters<typeof fakeReplicas>[0] = {}) {
    const made = fakeReplicas(options);
    const ill = made.replicas[0] as (typeof made.replicas)[0];
    ill.behaviour = unavailable();
    while (made.states()[0] !== "out") {
      made.start();
      await made.clock.advance(1);
    }
    ill.calls.length = 0;
    return { ...made, ill };
  }

  test("is asked nothing for a second, then one call that no caller waits for; it comes back with the answer", async () => {
    const { clock, ill, start, states, status, limits, askInARow } = await outOf();
    expect(status().replicas[0]).toMatchObject({ state: "out", outMs: 999, inFlight: 0 });
    await askInARow(9, { everyMs: 0 });
    expect(ill.calls).toHaveLength(0);
    await clock.advance(1000);
    ill.behaviour = "hold";
    const [call, another] = [start(), start()];
    await clock.advance(0);
    expect([call.state, another.state, ill.calls.length, states()[0]]).toEqual(["fulfilled", "fulfilled", 1, "out"]);
    expect(limits.status.active).toBe(1); // the doubled one
    ill.held[0]?.answer();
    await clock.advance(0);
    expect([states()[0], limits.status.active]).toEqual(["ready", 0]);
    expect(clock.pending).toBe(0);
  });

  test("stays out twice as long each time that it does not answer, up to 30 s", async () => {
    const { clock, ill, start, status } = await outOf();
    const outs: number[] = [];
    for (let time = 0; time < 8; time++) {
      outs.push(Math.ceil((status().replicas[0]?.outMs ?? 0) / 1000));
      await clock.advance(status().replicas[0]?.outMs ?? 0);
      const call = start();
      await clock.advance(1);
      expect(call.state).toBe("fulfilled");
    }
    expect(outs).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    expect(ill.calls).toHaveLength(8);
  });

  test("stays out when it answers later than another would be asked: it would lose the next race", async () => {
    const { clock, ill, start, states, status } = await outOf();
    ill.behaviour = "hold";
    await clock.advance(1000);
    start();
    await clock.advance(99);
    expect(status().replicas[0]).toMatchObject({ inFlight: 1, outMs: 0 });
    await clock.advance(1);
    expect([states()[0], Math.ceil((status().replicas[0]?.outMs ?? 0) / 1000)]).toEqual(["out", 2]);
    expect(ill.calls[0]?.signal?.aborted).toBe(true);
    ill.held[0]?.answer(); // too late
    await clock.advance(0);
    expect(states()[0]).toBe("out");
  });

  test("comes back where all are as slow as it is", async () => {
    const { clock, ill, replicas, start, states } = await outOf();
    await clock.advance(1000);
    for (const replica of replicas) replica.behaviour = "hold";
    start();
    await clock.advance(90);
    for (const replica of replicas) for (const held of replica.held) held.answer();
    await clock.advance(0);
    expect([states()[0], ill.calls.length]).toEqual(["ready", 1]);
  });

  test("leaves its connection: what comes back does not do so on one that is dead", async () => {
    const { clock, ill, start } = await outOf();
    expect(ill.renewed).toBe(1);
    await clock.advance(1000);
    start();
    await clock.advance(0);
    expect(ill.renewed).toBe(2);
  });

  test.each([
    ["a stranger's", false, "ready"],
    ["a known user's", true, "ready"],
  ])("comes back with the refusal of %s token", async (_whose, known, state) => {
    const { clock, ill, start, states } = await outOf();
    ill.behaviour = refused();
    await clock.advance(1000);
    start({ known });
    await clock.advance(0);
    expect(states()[0]).toBe(state);
    ill.behaviour = unavailable();
    for (let call = 0; call < 4; call++) start({ known });
    await clock.advance(1);
    // After a stranger's it is on trial: such a replica may refuse garbage at once, and fail at tokens that are good.
    expect(states()[0]).toBe(known ? "ready" : "out");
  });

  test("is left out by answers that are none, where the question had an answer", async () => {
    const { clock, ill, start, states, status } = await outOf();
    ill.behaviour = broken();
    await clock.advance(1000);
    start();
    await clock.advance(1);
    expect([states()[0], (status().replicas[0]?.outMs ?? 0) > 1000]).toEqual(["out", true]);
  });

  test("is asked also while no place is free, and counts all the same", async () => {
    const { clock, ill, replicas, start, limits } = await outOf({ maxConcurrent: 1 });
    for (const replica of replicas) replica.behaviour = "hold";
    await clock.advance(1000);
    start();
    await clock.advance(0);
    expect([ill.calls.length, limits.status.active]).toEqual([1, 2]);
  });

  test("is put to no question at once with hedgeMs 0: the next call itself shows whether it is well", async () => {
    const { clock, ill, start, states, total } = await outOf({ hedgeMs: 0 });
    await clock.advance(1000);
    ill.behaviour = "answer";
    const before = total();
    const call = start();
    await clock.advance(0);
    expect([call.value, ill.calls.length, total() - before, states()[0]]).toEqual(["from-10.0.0.0", 1, 1, "ready"]);
  });

  test("is asked one call at a time with hedgeMs 0, too", async () => {
    const { clock, ill, replicas, start } = await outOf({ hedgeMs: 0 });
    await clock.advance(1000);
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 4; call++) start();
    await clock.advance(0);
    expect(ill.calls).toHaveLength(1);
  });

  test("is one of at most a half", async () => {
    for (const [count, most] of [
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 2],
    ] as const) {
      const { replicas, askInARow, states } = fakeReplicas({ count, failureThreshold: 1000 });
      for (const replica of replicas) replica.behaviour = unavailable();
      await askInARow(40);
      expect(states().filter((state) => state === "out")).toHaveLength(most);
    }
  });

  test("is asked all the same where the others have left", async () => {
    const { clock, start, states, set } = await outOf({ count: 2 });
    await set.connect();
    expect(states()).toEqual(["out", "ready"]);
    const call = start();
    await clock.advance(0);
    expect(call.value).toBe("from-10.0.0.1");
  });
});

describe("A connection that cannot be made", () => {
  test("is a failure of the replica; one that hangs has a call's time", async () => {
    const { clock, replicas, start, states, moves } = fakeReplicas();
    const [ill, hung] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    ill.connecting = () => Promise.reject(refusedConnection());
    let drop: (error: Error) => void = () => undefined;
    hung.connecting = () => new Promise((_, reject) => (drop = reject));
    ill.isReady = false;
    hung.isReady = false;
    for (let call = 0; call < 3; call++) {
      start();
      await clock.advance(100);
    }
    expect([ill.dialled, states()[0], ill.calls.length]).toEqual([3, "out", 0]);
    for (let time = 0; time < 3; time++) {
      start();
      await clock.advance(TIMEOUT_MS);
      expect(hung.dropped).toBe(time + 1);
      drop(failure("grpc", "unreachable", { ours: true }));
      await clock.advance(100);
    }
    expect([states()[1], hung.calls.length]).toEqual(["out", 0]);
    expect(moves.map(({ address, to, reason }) => [address, to, reason])).toContainEqual([
      "10.0.0.1:1",
      "out",
      "unreachable (timeout)",
    ]);
  });

  test("for want of files or certificates of our own is none", async () => {
    const { clock, replicas, start, states } = fakeReplicas();
    const [first] = replicas as [(typeof replicas)[0]];
    first.isReady = false;
    first.connecting = () => Promise.reject(failure("grpc", "unreachable", { ours: true }));
    for (let call = 0; call < 10; call++) {
      start();
      await clock.advance(100);
    }
    expect([first.dialled > 5, states()[0]]).toEqual([true, "connecting"]);
  });
});

describe("A second try", () => {
  test("is made on another replica, with what is left of the time", async () => {
    const { clock, replicas, start } = fakeReplicas({ count: 2 });
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    first.behaviour = "hold";
    const call = start();
    await clock.advance(60);
    first.held[0]?.fail(unavailable());
    await clock.advance(0);
    expect([call.value, second.calls[0]?.timeoutMs]).toEqual(["from-10.0.0.1", TIMEOUT_MS - 60]);
  });

  test("is made once: two replicas that cannot tell are a failure, and the breaker counts it", async () => {
    const { replicas, breaker, askInARow, total, status } = fakeReplicas();
    for (const replica of replicas) replica.behaviour = unavailable();
    const calls = await askInARow(3);
    expect([failed(calls), total(), breaker.failures, status().secondTries]).toEqual([3, 6, 3, 3]);
  });

  test.each([
    ["refused", refused()],
    ["busy", busy()],
    ["broken", broken()],
  ])("is not made of what is %s", async (_what, error) => {
    const { replicas, askInARow, total, states } = fakeReplicas();
    for (const replica of replicas) replica.behaviour = error;
    const calls = await askInARow(20);
    expect([failed(calls), total()]).toEqual([20, 20]);
    expect(states()).toEqual(["ready", "ready", "ready", "ready"]);
  });

  test("is not made where one try is all that may be, but of what was certainly not processed", async () => {
    const { replicas, askInARow, status } = fakeReplicas({ count: 2, asksAgain: false });
    const [first] = replicas as [(typeof replicas)[0]];
    first.script.push(unavailable());
    expect(failed(await askInARow(1))).toBe(1);
    await askInARow(1);
    first.script.push(lost(), lost());
    expect(failed(await askInARow(1))).toBe(0);
    expect(status().secondTries).toBe(1);
  });

  test("for want of budget is not made, and then the failure tells the breaker nothing", async () => {
    const { replicas, breaker, askInARow, status } = fakeReplicas({ count: 2 });
    for (const replica of replicas) replica.behaviour = "hold";
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    first.behaviour = unavailable();
    second.behaviour = "answer";
    // Answers between them keep it from going out.
    for (let call = 0; status().secondTries < 10 && call < 200; call++) {
      first.behaviour = call % 4 === 0 ? unavailable() : "answer";
      await askInARow(1, { everyMs: 0 });
    }
    for (const replica of replicas) replica.behaviour = unavailable();
    const calls = await askInARow(60, { everyMs: 0 });
    const { secondTries } = status();
    expect(failed(calls)).toBe(60);
    expect(secondTries).toBeLessThanOrEqual(10 + 0.1 * 260 + 1);
    expect(breaker.state).toBe("open");
  });

  test("has budgets apart for known users and strangers", async () => {
    const { replicas, status, clock, start } = fakeReplicas({ count: 2 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (const [known, hedged] of [
      [false, 10],
      [true, 20],
    ] as const) {
      const calls = Array.from({ length: 16 }, () => start({ known }));
      await clock.advance(0);
      const firsts = replicas.flatMap(({ held }) => held.splice(0));
      await clock.advance(100);
      expect(status().hedged).toBe(hedged);
      for (const held of firsts) held.answer();
      await clock.advance(0);
      expect(failed(calls)).toBe(0);
    }
  });
});

describe("A hedge", () => {
  test("is made once after 100 ms, and the first verdict ends the other call", async () => {
    const { clock, replicas, start, status, limits, states } = fakeReplicas({ count: 3 });
    for (const replica of replicas) replica.behaviour = "hold";
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    const call = start();
    await clock.advance(99);
    expect(second.calls).toHaveLength(0);
    await clock.advance(1);
    expect([second.calls.length, limits.status.active]).toEqual([1, 2]);
    await clock.advance(400);
    expect(replicas.map(({ calls }) => calls.length)).toEqual([1, 1, 0]);
    first.held[0]?.answer();
    await clock.advance(0);
    expect([call.value, second.calls[0]?.signal?.aborted, first.calls[0]?.signal?.aborted]).toEqual([
      "from-10.0.0.0",
      true,
      false,
    ]);
    second.held[0]?.fail(new Error("aborted"));
    await clock.advance(0);
    expect([status().hedged, limits.status.active, states()]).toEqual([1, 0, ["ready", "ready", "ready"]]);
    expect(clock.pending).toBe(0);
  });

  test("may refuse: that is a verdict, too", async () => {
    const { clock, replicas, start } = fakeReplicas({ count: 2 });
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    first.behaviour = "hold";
    second.behaviour = refused();
    const call = start();
    await clock.advance(100);
    expect(call.error).toMatchObject({ failure: "refused" });
    expect(first.calls[0]?.signal?.aborted).toBe(true);
  });

  test("that fails leaves the first one its time, and the other way round", async () => {
    for (const [fails, answers] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { clock, replicas, breaker, start } = fakeReplicas({ count: 2 });
      for (const replica of replicas) replica.behaviour = "hold";
      const call = start();
      await clock.advance(200);
      replicas[fails]?.held[0]?.fail(unavailable());
      await clock.advance(100);
      expect(call.state).toBe("pending");
      replicas[answers]?.held[0]?.answer();
      await clock.advance(0);
      expect([call.value, breaker.failures]).toEqual([`from-10.0.0.${answers}`, 0]);
    }
  });

  test("that fails is followed by a second try where a third replica is there", async () => {
    const { clock, replicas, start, status } = fakeReplicas({ count: 3 });
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    first.behaviour = "hold";
    second.behaviour = unavailable();
    const call = start();
    await clock.advance(100);
    expect([call.value, status().hedged, status().secondTries]).toEqual(["from-10.0.0.2", 1, 1]);
  });

  test("is not made while a question waits for a place, nor while the limit has fallen", async () => {
    const { clock, replicas, start, status, limits } = fakeReplicas({ count: 2, maxConcurrent: 4 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 4; call++) start();
    await clock.advance(200);
    expect([limits.status.active, limits.status.queued, status().hedged]).toEqual([3, 1, 0]);

    const other = fakeReplicas({ count: 2 });
    for (const replica of other.replicas) replica.behaviour = "hold";
    const lesson = { known: true, sort: "x", end: "timed out", ms: 1000, isQuiet: false, isFull: true } as const;
    other.limits.of("grpc").learn(lesson);
    other.start();
    await other.clock.advance(200);
    expect(other.status().hedged).toBe(0);
  });

  test("is not made where hedgeMs is 0", async () => {
    const { clock, replicas, start, status, breaker } = fakeReplicas({ count: 2, hedgeMs: 0 });
    for (const replica of replicas) replica.behaviour = "hold";
    const call = start();
    await clock.advance(TIMEOUT_MS);
    expect([call.error, status().hedged, breaker.failures]).toMatchObject([{ timedOut: true }, 0, 1]);
  });

  test("goes to no replica that is out", async () => {
    const { clock, replicas, start, status, states } = fakeReplicas({ count: 2 });
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    first.behaviour = unavailable();
    while (states()[0] !== "out") {
      start();
      await clock.advance(1);
    }
    second.behaviour = "hold";
    start();
    await clock.advance(200);
    expect(status().hedged).toBe(0);
  });

  test("is made of one question in ten, and ten more: where all are slow, no more is asked", async () => {
    const { clock, replicas, start, status } = fakeReplicas();
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 200; call++) {
      const outcome = start();
      await clock.advance(150);
      for (const held of replicas.flatMap(({ held }) => held.splice(0))) held.answer();
      await clock.advance(0);
      expect(outcome.state).toBe("fulfilled");
    }
    expect(status().hedged).toBeGreaterThan(20);
    expect(status().hedged).toBeLessThanOrEqual(10 + 20);
  });

  test("for want of budget is not made, and then the timeout tells the breaker nothing", async () => {
    const { clock, replicas, start, status, breaker } = fakeReplicas({ count: 2 });
    for (const replica of replicas) replica.behaviour = "hold";
    const calls = Array.from({ length: 14 }, () => start());
    await clock.advance(TIMEOUT_MS);
    expect(failed(calls)).toBe(14);
    expect(status().hedged).toBe(10);
    expect(breaker.state).toBe("open"); // by those that two could not tell
    const other = fakeReplicas({ count: 2 });
    for (const replica of other.replicas) replica.behaviour = "hold";
    for (let hedge = 0; hedge < 11; hedge++) {
      other.start();
      await other.clock.advance(100);
      for (const held of other.replicas.flatMap(({ held }) => held.splice(0))) held.answer();
      await other.clock.advance(0);
    }
    while (!other.states().includes("out")) {
      const timedOut = other.start();
      await other.clock.advance(TIMEOUT_MS);
      expect(timedOut.state).toBe("rejected");
    }
    expect(other.breaker.failures).toBe(0);
  });

  test("is a try beside another, as is the second try after it; one after a failure alone is not", async () => {
    const { clock, replicas, start } = fakeReplicas({ count: 3 });
    const [first, second, third] = replicas as [FakeReplica, FakeReplica, FakeReplica];
    for (const replica of replicas) replica.behaviour = "hold";
    const tries: boolean[] = [];
    const onTry = (isBeside: boolean) => tries.push(isBeside);
    const call = start({ onTry });
    await clock.advance(100);
    expect(tries).toEqual([false, true]);
    second.held[0]?.fail(unavailable());
    await clock.advance(0);
    expect([tries, third.held.length]).toEqual([[false, true, true], 1]);
    first.held[0]?.answer();
    await clock.advance(0);
    expect(call.state).toBe("fulfilled");
    tries.length = 0;
    for (const replica of replicas) replica.held.length = 0;
    start({ onTry });
    await clock.advance(0);
    replicas.flatMap(({ held }) => held)[0]?.fail(unavailable());
    await clock.advance(0);
    expect(tries).toEqual([false, false]);
  });
});

describe("Broken answers", () => {
  test("of all replicas to one token put none out", async () => {
    const { replicas, askInARow, states } = fakeReplicas();
    for (const replica of replicas) replica.behaviour = broken();
    await askInARow(100);
    expect(states()).toEqual(["ready", "ready", "ready", "ready"]);
  });

  test("put a replica out where another one answers the same question", async () => {
    const { clock, replicas, start, states } = fakeReplicas({ count: 2 });
    const [first, second] = replicas as [(typeof replicas)[0], (typeof replicas)[0]];
    for (let time = 0; time < 3; time++) {
      first.behaviour = "hold";
      second.behaviour = "hold";
      const call = start();
      await clock.advance(100);
      first.held.splice(0)[0]?.fail(broken());
      await clock.advance(0);
      expect(call.state).toBe("pending");
      second.held.splice(0)[0]?.answer();
      await clock.advance(0);
      expect(call.state).toBe("fulfilled");
    }
    expect(states()).toEqual(["out", "ready"]);
  });
});

describe("Evidence", () => {
  test("of calls that fall together is one strike; the next ones that fall are another", async () => {
    const { clock, replicas, start, states } = fakeReplicas({ count: 2 });
    const [first] = replicas as [(typeof replicas)[0]];
    for (let time = 1; time <= 3; time++) {
      expect(states()[0]).toBe("ready");
      first.behaviour = "hold";
      for (let call = 0; call < 8; call++) start();
      await clock.advance(0);
      for (const held of first.held.splice(0)) held.fail(refusedConnection());
      await clock.advance(1);
    }
    expect(states()[0]).toBe("out");
  });

  test("is no timeout of a call that had less than its time, nor one that its caller gave up", async () => {
    const { clock, replicas, start, states } = fakeReplicas({ count: 2, hedgeMs: 0 });
    for (const replica of replicas) replica.behaviour = "hold";
    for (let call = 0; call < 10; call++) {
      start({ timeoutMs: TIMEOUT_MS / 2 });
      await clock.advance(TIMEOUT_MS / 2);
      const controller = new AbortController();
      start({ signal: controller.signal });
      await clock.advance(1);
      controller.abort(new Error("gone"));
      await clock.advance(0);
    }
    expect(states()).toEqual(["ready", "ready"]);
  });
});

test("No call outlives its timeout, whatever is doubled or hedged, and all is let go of", async () => {
  const { clock, replicas, start, limits, status } = fakeReplicas();
  for (const replica of replicas) replica.behaviour = "hold";
  const calls = Array.from({ length: 20 }, (_, at) => start({ known: at % 2 === 0 }));
  await clock.advance(TIMEOUT_MS - 1);
  expect(calls.every(({ state }) => state === "pending")).toBe(true);
  await clock.advance(1);
  expect(failed(calls)).toBe(20);
  for (const { calls: put } of replicas) for (const { signal } of put) expect(signal?.aborted).toBe(true);
  for (const replica of replicas) for (const held of replica.held) held.fail(new Error("aborted"));
  await clock.advance(0);
  expect([limits.status.active, clock.pending]).toEqual([0, 0]);
  expect(status().replicas.map(({ inFlight }) => inFlight)).toEqual([0, 0, 0, 0]);
});

describe("Replicas whose addresses change", () => {
  function behindDns(first: readonly string[], hedgeMs?: number) {
    let answer = first;
    const lookup = async () => answer.map((address) => ({ address }));
    const made = fakeReplicas({ urls: ["http://auth:1"], lookup, ...(hedgeMs !== undefined && { hedgeMs }) });
    const dns = (...addresses: string[]) => {
      answer = addresses;
    };
    return { ...made, dns };
  }

  test("lose no call while all are replaced one by one; a new one has its share within 35 s, a removed one no new call", async () => {
    const { clock, byAddress, start, dns, breaker } = behindDns(["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    const calls: ReturnType<typeof start>[] = [];
    const run = async (ms: number) => {
      for (let at = 0; at < ms; at += 250) {
        calls.push(start());
        await clock.advance(250);
      }
    };
    await run(5000);
    for (let step = 1; step <= 4; step++) {
      dns(...[0, 1, 2, 3].map((at) => `10.0.0.${at < step ? at + 10 : at}`));
      await run(35_000);
      const fresh = byAddress.get(`10.0.0.${step + 9}`);
      expect(fresh).toBeDefined();
      const before = fresh?.calls.length ?? 0;
      await run(10_000);
      expect((fresh?.calls.length ?? 0) - before).toBeGreaterThan(6);
      await run(25_000);
      const removed = byAddress.get(`10.0.0.${step - 1}`);
      const last = removed?.calls.length;
      await run(2000);
      expect([removed?.calls.length, removed?.isClosed]).toEqual([last, true]);
    }
    expect([failed(calls), breaker.failures]).toEqual([0, 0]);
  });

  test("end their calls first", async () => {
    const { clock, byAddress, start, dns } = behindDns(["10.0.0.0", "10.0.0.1"], 0);
    const first = start();
    await clock.advance(0);
    expect(first.state).toBe("fulfilled");
    const leaving = byAddress.get("10.0.0.0");
    if (leaving) leaving.behaviour = "hold";
    dns("10.0.0.1", "10.0.0.2");
    await clock.advance(57_900);
    const calls = [start(), start(), start()];
    await clock.advance(200);
    expect([leaving?.held.length, leaving?.isClosed]).toEqual([1, false]);
    leaving?.held[0]?.answer();
    await clock.advance(0);
    expect([failed(calls), leaving?.isClosed]).toEqual([0, true]);
  });

  test("are not known at first: calls wait for them, within their time", async () => {
    let tell: (found: { address: string }[]) => void = () => undefined;
    const { clock, start, status } = fakeReplicas({
      urls: ["http://auth:1"],
      lookup: () => new Promise((resolve) => (tell = resolve)),
    });
    const [call, late] = [start(), start({ timeoutMs: 50 })];
    await clock.advance(60);
    expect([call.state, late.state, status().replicas]).toEqual(["pending", "rejected", []]);
    tell([{ address: "10.0.0.0" }, { address: "10.0.0.1" }]);
    await clock.advance(0);
    expect([call.state, status().replicas.length]).toEqual(["fulfilled", 2]);
  });

  test("that cannot be looked up are out of reach, and that counts as one event", async () => {
    const { clock, start, breaker } = fakeReplicas({
      urls: ["http://auth:1"],
      lookup: () => Promise.reject(Object.assign(new Error("no"), { code: "ENOTFOUND" })),
    });
    const calls = Array.from({ length: 5 }, () => start());
    await clock.advance(0);
    expect(calls.map(({ error }) => (error as Error).message)).toEqual(Array(5).fill("gRPC: unreachable (ENOTFOUND)"));
    expect(breaker.failures).toBe(1);
  });
});

test("close() closes those that are leaving, too, and leaves no timer", async () => {
  let answer = ["10.0.0.0", "10.0.0.1"];
  const { clock, byAddress, start, set } = fakeReplicas({
    urls: ["http://auth:1"],
    lookup: async () => answer.map((address) => ({ address })),
  });
  start();
  await clock.advance(0);
  for (const replica of byAddress.values()) replica.behaviour = "hold";
  answer = ["10.0.0.2", "10.0.0.3"];
  await clock.advance(57_990);
  start();
  start();
  await clock.advance(11);
  set.close();
  for (const replica of byAddress.values()) for (const held of replica.held) held.fail(new Error("closed"));
  await clock.advance(0);
  expect([...byAddress.values()].map(({ isClosed }) => isClosed)).toEqual([true, true, true, true]);
  expect(clock.pending).toBe(0);
});
