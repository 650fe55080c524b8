import { describe, expect, test } from "@jest/globals";
import { Standing } from "../../src/runtime/standing.js";
import { withLimit } from "../../src/transport/limit.js";
import { OverloadedError } from "../../src/transport/outcome.js";
import { UpstreamLimits } from "../../src/transport/upstream-limits.js";
import { type AskOptions, ask, FakeUpstream, unheard, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const DEADLINE_MS = 1000;

function create({ maxConcurrent = 1, maxQueue = 3 } = {}) {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  upstream.behaviour = "hold";
  const limits = new UpstreamLimits({ maxConcurrent, maxQueue, clock, askedFirst: () => "grpc" });
  const transport = withLimit(upstream.transport, limits.places, clock);
  const start = (call: Partial<AskOptions> = {}) =>
    watched(ask(transport, { clock, deadlineMs: DEADLINE_MS, ...call }));
  const known = (user: string, call: Partial<AskOptions> = {}) => start({ ...call, standing: new Standing(user) });
  const many = (count: number, user?: string) =>
    Array.from({ length: count }, () => (user === undefined ? start() : known(user)));
  const users = (count: number, prefix = "user") =>
    Array.from({ length: count }, (_, index) => known(`${prefix}-${index}`));
  const turn = () => clock.advance(0);
  const load = () => {
    const { active, queued } = limits.status;
    return { active, queued };
  };
  return { clock, upstream, limits, load, start, known, many, users, turn };
}

const states = (calls: readonly { state: string }[]) => calls.map(({ state }) => state);
const count = (calls: readonly { state: string }[], state: string) => states(calls).filter((is) => is === state).length;

describe("places", () => {
  test("tell how long was waited, and nothing of what was turned away at once", async () => {
    const { known, users, clock, turn } = create({ maxQueue: 1 });
    const told: number[] = [];
    const onQueued = (ms: number) => told.push(ms);
    users(1);
    await turn();
    const waiting = known("waits", { onQueued });
    await turn();
    const full = known("full", { onQueued });
    await turn();
    expect([waiting.state, full.state, told]).toEqual(["pending", "rejected", []]);
    await clock.advance(DEADLINE_MS);
    expect(told).toHaveLength(1);
    expect(told[0]).toBeGreaterThan(0);
  });

  test("so many calls are under way at once, the others wait", async () => {
    const { upstream, limits, load, users, turn } = create({ maxConcurrent: 2 });
    users(5);
    await turn();
    expect(upstream.calls).toHaveLength(2);
    expect(load()).toEqual({ active: 2, queued: 3 });
    expect(limits.status).toMatchObject({ queuedKnown: 3, queuedStrangers: 0, limit: 2, strangersLimit: 1 });
  });

  test("a quarter is for known users alone, an eighth for strangers alone", async () => {
    const { upstream, load, many, users, turn } = create({ maxConcurrent: 32, maxQueue: 100 });
    many(50);
    await turn();
    expect(upstream.calls).toHaveLength(24);
    users(50);
    await turn();
    expect(upstream.calls).toHaveLength(32);
    expect(load()).toEqual({ active: 32, queued: 68 });

    const other = create({ maxConcurrent: 32, maxQueue: 100 });
    other.users(50);
    await other.turn();
    expect(other.upstream.calls).toHaveLength(28);
    other.many(50);
    await other.turn();
    expect(other.upstream.calls).toHaveLength(32);
  });

  test.each([
    [1, 1, 1],
    [2, 1, 2],
    [3, 2, 3],
    [8, 6, 7],
    [256, 192, 224],
  ])("of %i, %i at most are strangers', and %i known users'", async (maxConcurrent, strangers, known) => {
    const first = create({ maxConcurrent });
    first.many(300);
    const second = create({ maxConcurrent });
    second.users(300);
    await first.turn();
    expect([first.upstream.calls.length, second.upstream.calls.length]).toEqual([strangers, known]);
  });

  test("one that is free goes to a known user before a stranger, whoever came first", async () => {
    const { upstream, many, known, turn } = create({ maxConcurrent: 4 });
    many(3);
    many(1, "ana");
    const [stranger] = many(1);
    const latecomer = known("ben");
    await turn();
    for (const held of upstream.held.splice(0, 1)) held.answer();
    await turn();
    upstream.held.at(-1)?.answer();
    await turn();
    expect([stranger?.state, latecomer.state]).toEqual(["pending", "fulfilled"]);
  });

  test("of a known user go to the one that waits longest, and to no newcomer", async () => {
    const { upstream, load, known, users, turn } = create({ maxQueue: 10 });
    const calls = users(4);
    for (let next = 0; next < 4; next++) {
      await turn();
      expect(upstream.calls).toHaveLength(next + 1);
      upstream.held[next]?.answer();
      const newcomer = known(`newcomer-${next}`); // comes when the place is handed over
      expect(newcomer.state).toBe("pending");
      await turn();
      expect(states(calls)).toEqual([0, 1, 2, 3].map((call) => (call <= next ? "fulfilled" : "pending")));
    }
    expect(load()).toEqual({ active: 1, queued: 3 });
  });

  test("of strangers go to the one that came last: it has time left", async () => {
    const { upstream, many, turn } = create({ maxQueue: 10 });
    const calls = many(4);
    await turn();
    for (let next = 0; next < 4; next++) {
      upstream.held[next]?.answer();
      await turn();
    }
    expect(states(calls)).toEqual(Array(4).fill("fulfilled"));
    const again = create({ maxQueue: 10 });
    const waiting = again.many(4);
    await again.turn();
    again.upstream.held[0]?.answer();
    await again.turn();
    again.upstream.held[1]?.answer();
    await again.turn();
    expect(states(waiting)).toEqual(["fulfilled", "pending", "pending", "fulfilled"]);
  });

  test("of one user are an eighth of the known ones at most; others pass", async () => {
    const { upstream, many, known, turn } = create({ maxConcurrent: 32, maxQueue: 100 });
    many(20, "ana");
    await turn();
    expect(upstream.calls).toHaveLength(3); // of 28
    known("ben");
    await turn();
    expect(upstream.calls).toHaveLength(4);
  });

  test("are given to known users in turn, however many wait for one of them", async () => {
    const { upstream, many, known, turn } = create({ maxQueue: 100 });
    const ana = many(10, "ana");
    await turn();
    const others = [known("ben"), known("cid")];
    for (let step = 0; step < 4; step++) {
      upstream.held[step]?.answer();
      await turn();
    }
    expect([states(others), count(ana, "fulfilled")]).toEqual([["fulfilled", "fulfilled"], 2]);
  });

  test("are given to a stranger's question that moves up", async () => {
    const { upstream, limits, many, start, turn } = create({ maxConcurrent: 4 });
    many(3);
    const standing = new Standing();
    const moving = start({ standing });
    await turn();
    expect(limits.status).toMatchObject({ active: 3, queuedKnown: 0, queuedStrangers: 1 });
    standing.moveUp("ana");
    await turn();
    expect(limits.status).toMatchObject({ active: 4, queued: 0 });
    upstream.held[3]?.answer();
    await turn();
    expect(moving.state).toBe("fulfilled");
    expect(limits.status.active).toBe(3);
    standing.moveUp("ana"); // when it is over, that changes nothing
  });

  test("a failed call gives its place back as well", async () => {
    const { upstream, load, many, turn } = create();
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
    const { clock, upstream, load, many, users, turn } = create({ maxConcurrent: 2 });
    const calls = [...many(3), ...users(3)];
    await turn();
    upstream.behaviour = "answer";
    for (const held of upstream.held) held.answer();
    await turn();
    expect(states(calls)).toEqual(Array(6).fill("fulfilled"));
    expect(load()).toEqual({ active: 0, queued: 0 });
    expect(clock.pending).toBe(0);
  });
});

describe("a full queue", () => {
  test("of known users turns the newcomer away at once", async () => {
    const { upstream, load, known, users, turn } = create();
    users(4);
    const turnedAway = known("late");
    await turn();
    expect(turnedAway.state).toBe("rejected");
    expect(turnedAway.error).toBeInstanceOf(OverloadedError);
    expect(load()).toEqual({ active: 1, queued: 3 });
    upstream.held[0]?.answer();
    await turn();
    expect(known("later").state).toBe("pending"); // there is a place in the queue again
    await turn();
    expect(load()).toEqual({ active: 1, queued: 3 });
  });

  test("makes room for a known user when another waits with more: that one's latest leaves", async () => {
    const { many, known, turn } = create();
    const ana = many(4, "ana");
    const ben = known("ben");
    await turn();
    expect([states(ana), ben.state]).toEqual([["pending", "pending", "pending", "rejected"], "pending"]);
    expect(known("ben").state).toBe("pending");
    await turn();
    expect(count(ana, "rejected")).toBe(1); // ana waits with two, and ben with one
  });

  test("of strangers turns away the oldest", async () => {
    const { load, many, start, turn } = create();
    const calls = many(4);
    const newcomer = start();
    await turn();
    expect(states(calls)).toEqual(["pending", "rejected", "pending", "pending"]);
    expect([calls[1]?.error, newcomer.state]).toEqual([expect.any(OverloadedError), "pending"]);
    expect(load()).toEqual({ active: 1, queued: 3 });
  });

  test("of strangers takes no room of known users, nor the other way round", async () => {
    const { limits, many, users, turn } = create();
    const calls = [...many(4), ...users(3)];
    await turn();
    expect(states(calls)).toEqual(Array(7).fill("pending"));
    expect(limits.status).toMatchObject({ queuedKnown: 3, queuedStrangers: 3 });
  });

  test("of length 0 lets nothing wait", async () => {
    const { start, known, turn } = create({ maxQueue: 0 });
    const taken = start();
    const turnedAway = [start(), known("ana")];
    await turn();
    expect([taken.state, ...states(turnedAway)]).toEqual(["pending", "rejected", "rejected"]);
  });
});

describe("a queue bounded by time", () => {
  const FREED_EVERY_MS = 100;

  /** Ten have been given a place while others waited, one every 100 ms: ten a second. */
  async function measured(user: string | undefined) {
    const made = create({ maxQueue: 1000 });
    const call = { deadlineMs: 60_000 };
    for (let asked = 0; asked < 12; asked++) user === undefined ? made.start(call) : made.known(user, call);
    await made.turn();
    for (let freed = 0; freed < 11; freed++) {
      made.upstream.held[freed]?.answer();
      await made.clock.advance(FREED_EVERY_MS);
    }
    expect(made.load()).toEqual({ active: 1, queued: 0 });
    return made;
  }

  test("holds so many known ones as get a place before the newcomer's deadline", async () => {
    const { users, turn } = await measured("ana");
    const calls = users(15);
    await turn();
    expect([count(calls, "pending"), count(calls, "rejected")]).toEqual([10, 5]); // 980 ms are left for the wait
    expect(states(calls).indexOf("rejected")).toBe(10);
  });

  test("holds so many strangers, and lets the oldest go", async () => {
    const { many, turn } = await measured(undefined);
    const calls = many(15);
    await turn();
    expect([count(calls, "pending"), count(calls, "rejected")]).toEqual([9, 6]);
    expect(states(calls).lastIndexOf("rejected")).toBe(5);
  });

  test.each([[[300]], [[900]], [[5000]], [[300, 300]], [[300, 200, 300]]])(
    "is not made short by stalls of %j ms",
    async (stalls) => {
      const { upstream, clock, start, many, turn } = create({ maxQueue: 1000 });
      for (let asked = 0; asked < 12; asked++) start({ deadlineMs: 60_000 });
      await turn();
      for (let freed = 0; freed < 11; freed++) {
        upstream.held[freed]?.answer();
        await clock.advance(stalls[freed - 5] ?? 1);
      }
      const calls = many(30);
      await turn();
      expect(count(calls, "rejected")).toBe(0);
    },
  );

  test("tells when to come back: when the queue has been served", async () => {
    const { known, many, users, turn } = await measured("ana");
    users(9);
    const [first] = [known("late", { deadlineMs: 30 })];
    await turn();
    expect(first?.error).toMatchObject({ retryAfterMs: 1000 });
    for (let more = 0; more < 40; more++) known(`more-${more}`, { deadlineMs: 60_000 });
    const late = known("late", { deadlineMs: 30 });
    await turn();
    expect((late.error as OverloadedError).retryAfterMs).toBeCloseTo(4900, -2);
    void many;
  });

  test("does not shrink while nothing is freed: an upstream that hangs is no measure", async () => {
    const { clock, many, known, turn } = await measured("ana");
    many(1, "ana");
    await clock.advance(900);
    const ben = known("ben");
    await turn();
    expect(ben.state).toBe("pending");
  });

  test("forgets what it measured of another load", async () => {
    const { clock, users, turn } = await measured("ana");
    await clock.advance(5000);
    const calls = users(15);
    await turn();
    expect(count(calls, "pending")).toBe(15);
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
    const { clock, upstream, start, many } = create();
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
