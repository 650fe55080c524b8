import { describe, expect, test } from "@jest/globals";
import { CircuitBreaker } from "../../src/runtime/circuit-breaker.js";
import { withBreaker } from "../../src/transport/breaker.js";
import type { UpstreamError } from "../../src/transport/outcome.js";
import { type AskOptions, ask, type Behaviour, FakeUpstream, failure, watched } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const TIMEOUT_MS = 1000;
const UNREACHABLE = failure("grpc", "unreachable");
const TIMED_OUT = failure("grpc", "unreachable", { timedOut: true });

type CallOptions = Omit<AskOptions, "clock">;

function create() {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const breaker = new CircuitBreaker({ failureThreshold: 3, windowMs: 60_000, recoveryMs: 30_000, clock });
  const transport = withBreaker(upstream.transport, breaker, { upstream: "grpc", timeoutMs: TIMEOUT_MS });
  const start = (behaviour: Behaviour, call: CallOptions = {}) => {
    upstream.behaviour = behaviour;
    return watched(ask(transport, { clock, ...call }));
  };
  const turn = () => clock.advance(0);
  return { clock, upstream, breaker, start, turn };
}

/** Failures that count after one that did, and the outcome. */
async function countedAfterOne(behaviour: Behaviour, call?: CallOptions) {
  const { breaker, start, turn } = create();
  start(UNREACHABLE);
  await turn();
  start(behaviour, call);
  await turn();
  return breaker.failures;
}

describe("what the breaker is told", () => {
  const SHORT = { timeoutMs: TIMEOUT_MS / 2 };
  const rows: readonly { name: string; behaviour: Behaviour; counted: number; call?: CallOptions }[] = [
    { name: "an answer is a success", behaviour: "answer", counted: 0 },
    {
      name: "a refusal of a known question is a success",
      behaviour: failure("grpc", "refused"),
      call: { known: true },
      counted: 0,
    },
    { name: "a refusal of a stranger's neither counts nor wipes", behaviour: failure("grpc", "refused"), counted: 1 },
    {
      name: "an operation that the upstream does not have neither counts nor wipes",
      behaviour: failure("grpc", "broken", { healthy: true }),
      call: { known: true },
      counted: 1,
    },
    { name: "out of reach is a failure", behaviour: UNREACHABLE, counted: 2 },
    { name: "a time-out is a failure", behaviour: TIMED_OUT, counted: 2, call: { timeoutMs: TIMEOUT_MS } },
    { name: "a time-out without a timeout of its own is a failure", behaviour: TIMED_OUT, counted: 2 },
    { name: "a time-out of a short try says nothing", behaviour: TIMED_OUT, counted: 1, call: SHORT },
    { name: "out of reach in a short try is a failure", behaviour: UNREACHABLE, counted: 2, call: SHORT },
    { name: "busy says nothing", behaviour: failure("grpc", "busy"), counted: 1 },
    { name: "busy of REST says nothing", behaviour: failure("rest", "busy", { retryAfterMs: 1000 }), counted: 1 },
    {
      name: "a connection that was lost after the last failure is one",
      behaviour: failure("grpc", "unreachable", { network: true }),
      counted: 2,
    },
    {
      name: "a call that failed on our own side says nothing",
      behaviour: failure("grpc", "unreachable", { network: true, ours: true }),
      counted: 1,
    },
    { name: "nonsense of REST says nothing", behaviour: failure("rest", "broken"), counted: 1 },
    { name: "a fault of our own says nothing", behaviour: new TypeError("a bug"), counted: 1 },
    {
      name: "whatever ends a call that we aborted says nothing",
      behaviour: UNREACHABLE,
      counted: 1,
      call: { signal: AbortSignal.abort() },
    },
  ];

  test.each(rows)("$name", async ({ behaviour, call, counted }) => {
    expect(await countedAfterOne(behaviour, call)).toBe(counted);
  });

  test("nonsense of gRPC says nothing yet: whether it is to blame depends on what REST says", async () => {
    for (const [otherAnswered, expected] of [
      [true, 1],
      [false, 0],
    ] as const) {
      const { breaker, start, turn } = create();
      const { error } = await rejected(start(failure("grpc", "broken")), turn);
      expect(breaker.failures).toBe(0);
      (error as UpstreamError).blame?.(otherAnswered);
      expect(breaker.failures).toBe(expected);
    }
  });
});

describe("calls that were under way at once", () => {
  async function allFail(error: UpstreamError) {
    const { upstream, breaker, start, turn } = create();
    for (let call = 0; call < 10; call++) start("hold");
    await turn();
    for (const { fail } of upstream.held) fail(error);
    await turn();
    return { breaker, start, turn };
  }

  test.each([
    ["the network failed", failure("grpc", "unreachable", { network: true })],
    ["nothing was processed, twice", failure("grpc", "unreachable", { unprocessed: true })],
  ])("are one failure where %s, and the next call may be another", async (_name, error) => {
    const { breaker, start, turn } = await allFail(error);
    expect([breaker.state, breaker.failures]).toEqual(["closed", 1]);
    start(error);
    await turn();
    expect(breaker.failures).toBe(2);
  });

  test.each([
    ["the upstream said so to each", UNREACHABLE],
    ["each ran into its timeout", TIMED_OUT],
  ])("are as many failures where %s", async (_name, error) => {
    const { breaker } = await allFail(error);
    expect(breaker.state).toBe("open");
  });
});

test("nonsense of REST settles at once: it cannot be blamed later, and a probe that it was gives its place free", async () => {
  const { clock, breaker, start, turn } = create();
  for (let call = 0; call < 3; call++) {
    start(UNREACHABLE);
    await turn();
  }
  await clock.advance(30_000);
  const { error } = await rejected(start(failure("rest", "broken")), turn);
  expect([breaker.state, breaker.turnsAway(false)]).toEqual(["half-open", false]);
  (error as UpstreamError).blame?.(true);
  expect(breaker.state).toBe("half-open");
});

test("with the breaker open nothing is asked, and the error says for how long", async () => {
  const { clock, upstream, breaker, start, turn } = create();
  for (let call = 0; call < 3; call++) {
    start(UNREACHABLE);
    await turn();
  }
  await clock.advance(10_000);
  const { error } = await rejected(start("answer"), turn);
  expect(error).toMatchObject({ upstream: "grpc", failure: "unreachable", notAsked: true, retryAfterMs: 20_000 });
  expect(upstream.calls).toHaveLength(3);
  expect(breaker.state).toBe("open");
});

async function rejected<T extends { state: string }>(outcome: T, turn: () => Promise<void>): Promise<T> {
  await turn();
  expect(outcome.state).toBe("rejected");
  return outcome;
}
