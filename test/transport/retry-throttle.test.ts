import { describe, expect, test } from "@jest/globals";
import { UnavailableError } from "../../src/transport/outcome.js";
import { withRetry } from "../../src/transport/retry.js";
import { ask, type Behaviour, FakeUpstream, failure } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

// The bucket of gRPC's retry throttling (gRFC A6): 10 tokens, a failure takes one, a success gives a tenth, none below half.

const DEADLINE_MS = 1000;
const UNREACHABLE = new UnavailableError([failure("grpc", "unreachable")]);

function open(upstream: "grpc" | "rest") {
  return failure(upstream, "unreachable", { notAsked: true });
}

function create(attempts: number, canTry = () => true) {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const settings = { attempts, initialDelayMs: 0, maxDelayMs: 0, random: () => 0, canTry };
  const transport = withRetry(upstream.transport, { ...settings, clock });
  /** Asks once; resolves to the number of tries. */
  return async (behaviour: Behaviour, { signal, known = false }: { signal?: AbortSignal; known?: boolean } = {}) => {
    upstream.behaviour = behaviour;
    upstream.calls.length = 0;
    const outcome = ask(transport, { clock, signal: signal as AbortSignal, known, deadlineMs: DEADLINE_MS }).catch(
      () => undefined,
    );
    await clock.advance(0);
    await outcome;
    return upstream.calls.length;
  };
}

test("an outage is retried until half of the tokens are gone, then no more", async () => {
  const tries = create(3);
  expect(await tries(UNREACHABLE)).toBe(3); // 10 → 7
  expect(await tries(UNREACHABLE)).toBe(3); // 7 → 4, the third try began with 5
  for (let time = 0; time < 10; time++) expect(await tries(UNREACHABLE)).toBe(1);
});

test("at exactly half of the tokens there is one more retry, below none", async () => {
  const tries = create(10);
  expect(await tries(UNREACHABLE)).toBe(6); // 10 → 4
  expect(await tries(UNREACHABLE)).toBe(1);
});

test("successes bring tokens back, a tenth each, and never more than ten", async () => {
  const tries = create(2);
  for (let time = 0; time < 200; time++) await tries("answer");
  for (const expected of [2, 2, 2, 1, 1, 1, 1]) expect(await tries(UNREACHABLE)).toBe(expected); // 10 → 8 → 6 → 4 → … → 0
  for (let time = 0; time < 59; time++) await tries("answer");
  expect(await tries(UNREACHABLE)).toBe(1); // 5.9 → 4.9
  for (let time = 0; time < 12; time++) await tries("answer");
  expect(await tries(UNREACHABLE)).toBe(2); // 6.1 → 4.1, the second try began with 5.1
});

test("the bucket is never emptier than empty", async () => {
  const tries = create(2);
  for (let time = 0; time < 100; time++) await tries(UNREACHABLE);
  for (let time = 0; time < 61; time++) await tries("answer");
  expect(await tries(UNREACHABLE)).toBe(2);
});

describe("known users and strangers", () => {
  const REFUSED = failure("grpc", "refused");

  test.each([true, false])(
    "have budgets apart: what fails for one (known: %s) takes no retry from the other",
    async (known) => {
      const tries = create(2);
      for (let time = 0; time < 100; time++) await tries(UNREACHABLE, { known: !known });
      for (const expected of [2, 2, 2, 1]) expect(await tries(UNREACHABLE, { known })).toBe(expected);
      expect(await tries(UNREACHABLE, { known: !known })).toBe(1);
    },
  );

  test.each([
    ["an answer to a known user", "answer", true, 2],
    ["an answer to a stranger", "answer", false, 2],
    ["the refusal of a known token: the upstream works", REFUSED, true, 2],
    ["the refusal of a stranger's, which is a sign of life alone: garbage can be had for nothing", REFUSED, false, 1],
  ] as const)("have budgets that fill together, by %s", async (_what, behaviour, known, expected) => {
    const tries = create(2);
    for (let time = 0; time < 100; time++) for (const each of [true, false]) await tries(UNREACHABLE, { known: each });
    for (let time = 0; time < 61; time++) await tries(behaviour, { known });
    for (const each of [true, false]) expect(await tries(UNREACHABLE, { known: each })).toBe(expected);
  });
});

test.each([
  ["nonsense from both", new UnavailableError([failure("grpc", "broken"), failure("rest", "broken")])],
  ["nonsense, and a breaker that is open", new UnavailableError([failure("grpc", "broken"), open("rest")])],
  ["breakers that are open", new UnavailableError([open("grpc"), open("rest")])],
  ["busy upstreams", new UnavailableError([failure("grpc", "busy"), failure("rest", "busy")])],
  ["a busy upstream and nonsense", new UnavailableError([failure("grpc", "broken"), failure("rest", "busy")])],
  [
    "a Retry-After past the deadline",
    new UnavailableError([failure("rest", "unreachable", { retryAfterMs: DEADLINE_MS })]),
  ],
])("%s takes no retry from an outage", async (_name, error) => {
  const tries = create(2);
  for (let time = 0; time < 100; time++) await tries(error);
  for (const expected of [2, 2, 2, 1]) expect(await tries(UNREACHABLE)).toBe(expected);
});

test("an outage that nobody could ask again takes no retry from the next one", async () => {
  let canTry = false;
  const tries = create(2, () => canTry);
  for (let time = 0; time < 100; time++) await tries(UNREACHABLE);
  canTry = true;
  for (const expected of [2, 2, 2, 1]) expect(await tries(UNREACHABLE)).toBe(expected);
});

test("busy upstreams are not asked again without end either: they have a budget of their own", async () => {
  const tries = create(2);
  const busy = new UnavailableError([failure("grpc", "busy"), failure("rest", "busy")]);
  for (const expected of [2, 2, 2, 1, 1]) expect(await tries(busy)).toBe(expected);
  for (let time = 0; time < 61; time++) await tries("answer");
  expect(await tries(busy)).toBe(2);
});

test("what failed on our own side is asked again whatever the budget, and takes nothing from it", async () => {
  const tries = create(2);
  const ours = new UnavailableError([failure("grpc", "unreachable", { network: true, ours: true })]);
  for (let time = 0; time < 100; time++) expect(await tries(ours)).toBe(2);
  for (const expected of [2, 2, 2, 1]) expect(await tries(UNREACHABLE)).toBe(expected);
  expect(await tries(ours)).toBe(2);
});

test("one busy and the other out of reach is an outage", async () => {
  const tries = create(2);
  const mixed = new UnavailableError([failure("grpc", "busy"), failure("rest", "unreachable")]);
  for (const expected of [2, 2, 2, 1]) expect(await tries(mixed)).toBe(expected);
  expect(await tries(UNREACHABLE)).toBe(1);
});

test("a call that was aborted says nothing", async () => {
  const tries = create(2);
  for (let time = 0; time < 100; time++) await tries(UNREACHABLE);
  const aborted = AbortSignal.abort();
  for (let time = 0; time < 100; time++) await tries(new Error("aborted"), { signal: aborted, known: true });
  expect(await tries(UNREACHABLE)).toBe(1);
});
