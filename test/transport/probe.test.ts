import { describe, expect, test } from "@jest/globals";
import { UnavailableError } from "../../src/transport/outcome.js";
import { failure, watched } from "../support/fake-upstream.js";
import {
  broken,
  GRPC_MS,
  RECOVERY_MS,
  REST_MS,
  refused,
  THRESHOLD,
  twoUpstreams,
  unreachable,
} from "./two-upstreams.js";

const HALF_OPENED = "grpc: open → half-open";
const CLOSED_AGAIN = "grpc: half-open → closed";
const OPENED_AGAIN = "grpc: half-open → open";

/** gRPC's breaker has recovered, and one call is under way: both upstreams hold it. */
async function probing(call: { signal?: AbortSignal; known?: boolean } = {}) {
  const upstreams = twoUpstreams();
  await upstreams.recoverGrpc();
  upstreams.grpc.behaviour = "hold";
  upstreams.rest.behaviour = "hold";
  const outcome = watched(upstreams.start(call));
  await upstreams.clock.advance(0);
  const [probe, answer] = [upstreams.grpc.held[0], upstreams.rest.held[0]];
  if (!probe || !answer) throw new Error("not both were asked");
  /** Lets promises have their turn. */
  const turn = () => upstreams.clock.advance(0);
  return { ...upstreams, outcome, probe, answer, turn };
}

describe("the probe of a half-open breaker", () => {
  test("runs beside REST, from the same moment, each with its own timeout", async () => {
    const { grpc, rest, moves, fallbacks } = await probing();
    expect([grpc.begun, rest.begun]).toEqual([[RECOVERY_MS], [RECOVERY_MS]]);
    expect([grpc.calls[0]?.timeoutMs, rest.calls[0]?.timeoutMs]).toEqual([GRPC_MS, REST_MS]);
    expect(moves).toEqual([HALF_OPENED]);
    expect(fallbacks).toEqual(["open"]);
  });

  test("costs its caller nothing: REST's answer is the answer, and the probe goes on", async () => {
    const { outcome, answer, probe, turn, breakers, moves } = await probing();
    answer.answer();
    await turn();
    expect(outcome).toEqual({ state: "fulfilled", value: "from-rest" });
    expect(breakers.grpc.state).toBe("half-open");
    probe.answer();
    await turn();
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
  });

  test("that answers first is the answer", async () => {
    const { outcome, answer, probe, turn, moves } = await probing();
    probe.answer();
    await turn();
    expect(outcome).toEqual({ state: "fulfilled", value: "from-grpc" });
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
    answer.fail(unreachable("rest")); // nobody waits for it, and nothing is left unhandled
    await turn();
  });

  test("admits nobody else: others are REST's at once", async () => {
    const { start, rest, grpc, turn } = await probing();
    rest.behaviour = "answer";
    const others = Array.from({ length: 10 }, () => watched(start()));
    await turn();
    expect(others.every(({ value }) => value === "from-rest")).toBe(true);
    expect(grpc.calls).toHaveLength(1);
  });

  test("that fails opens the breaker again, and REST's answer is the answer", async () => {
    const { outcome, answer, probe, turn, moves, breakers } = await probing();
    probe.fail(unreachable("grpc"));
    await turn();
    expect(outcome.state).toBe("pending");
    expect(moves).toEqual([HALF_OPENED, OPENED_AGAIN]);
    expect(breakers.grpc.retryAfterMs).toBe(RECOVERY_MS);
    answer.answer();
    await turn();
    expect(outcome).toEqual({ state: "fulfilled", value: "from-rest" });
  });

  test("that hangs fails at its timeout", async () => {
    const { answer, clock, moves } = await probing();
    answer.answer();
    await clock.advance(GRPC_MS - 1);
    expect(moves).toEqual([HALF_OPENED]);
    await clock.advance(1);
    expect(moves).toEqual([HALF_OPENED, OPENED_AGAIN]);
  });

  test("that refuses is the verdict, and closes the breaker", async () => {
    const { outcome, answer, probe, turn, moves } = await probing();
    const refusal = refused("grpc");
    probe.fail(refusal);
    await turn();
    expect(outcome).toEqual({ state: "rejected", error: refusal });
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
    answer.answer();
    await turn();
  });

  test.each([
    ["on trial for a stranger's", false, THRESHOLD - 1, "open"],
    ["for good for a known question", true, 0, "closed"],
  ])("that refuses closes it %s", async (_name, known, failures, after) => {
    const { probe, turn, breakers, grpc, start } = await probing({ known });
    probe.fail(refused("grpc"));
    await turn();
    expect([breakers.grpc.state, breakers.grpc.failures]).toEqual(["closed", failures]);
    grpc.behaviour = unreachable("grpc");
    void start().catch(() => undefined);
    await turn();
    expect(breakers.grpc.state).toBe(after);
  });

  test("of a stranger makes room for a known question, whose result decides", async () => {
    const { outcome, probe, turn, breakers, grpc, rest, start, moves } = await probing();
    rest.behaviour = "answer";
    expect(await start()).toBe("from-rest"); // another stranger is REST's
    expect(grpc.calls).toHaveLength(1);
    const known = watched(start({ known: true }));
    await turn();
    expect([known.value, grpc.calls.length]).toEqual(["from-rest", 2]);
    probe.fail(refused("grpc"));
    await turn();
    expect([outcome.state, breakers.grpc.state]).toEqual(["rejected", "half-open"]);
    await start({ known: true }); // one known probe is enough
    expect(grpc.calls).toHaveLength(2);
    grpc.held[1]?.fail(unreachable("grpc"));
    await turn();
    expect(moves).toEqual([HALF_OPENED, OPENED_AGAIN]);
  });

  test("of a stranger makes room also where there is no REST", async () => {
    const upstreams = twoUpstreams();
    await upstreams.recoverGrpc();
    upstreams.grpc.script.push("hold");
    void upstreams.startAlone().catch(() => undefined);
    await upstreams.clock.advance(0);
    upstreams.openRest();
    expect(await upstreams.start({ known: true })).toBe("from-grpc");
    expect(upstreams.breakers.grpc.state).toBe("closed");
  });

  test("has the last word when REST could not tell", async () => {
    const { outcome, answer, probe, turn } = await probing();
    answer.fail(unreachable("rest"));
    await turn();
    expect(outcome.state).toBe("pending");
    probe.answer();
    await turn();
    expect(outcome).toEqual({ state: "fulfilled", value: "from-grpc" });
  });

  test("that fails beside a REST that fails is an outage with both failures", async () => {
    const { outcome, answer, probe, turn, moves, breakers } = await probing();
    const failures = [unreachable("grpc"), unreachable("rest")] as const;
    answer.fail(failures[1]);
    await turn();
    expect(outcome.state).toBe("pending");
    probe.fail(failures[0]);
    await turn();
    expect(outcome.error).toBeInstanceOf(UnavailableError);
    expect((outcome.error as UnavailableError).failures).toEqual(failures);
    expect(moves).toEqual([HALF_OPENED, OPENED_AGAIN]);
    expect(breakers.rest.failures).toBe(1);
  });
});

describe("a broken probe", () => {
  test("opens the breaker again when REST answers", async () => {
    const { answer, probe, turn, moves } = await probing();
    probe.fail(broken("grpc"));
    await turn();
    expect(moves).toEqual([HALF_OPENED]);
    answer.answer();
    await turn();
    expect(moves).toEqual([HALF_OPENED, OPENED_AGAIN]);
  });

  test.each([
    ["refuses", refused("rest")],
    ["is out of reach", unreachable("rest")],
    ["is broken as well", broken("rest")],
  ])("decides nothing when REST %s, and frees its place", async (_name, error) => {
    const { answer, probe, turn, moves, start, grpc, rest } = await probing();
    answer.fail(error);
    probe.fail(broken("grpc"));
    await turn();
    expect(moves).toEqual([HALF_OPENED]);
    grpc.behaviour = "answer";
    rest.behaviour = "answer";
    await start();
    await turn();
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
  });

  test("of an operation that it does not have closes the breaker", async () => {
    const { probe, turn, moves } = await probing();
    probe.fail(failure("grpc", "broken", { healthy: true }));
    await turn();
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
  });
});

describe("an abort during the probe", () => {
  test("says nothing about gRPC: the place is free, and the next call probes", async () => {
    const controller = new AbortController();
    const { outcome, turn, moves, breakers, start, grpc, rest } = await probing({ signal: controller.signal });
    const reason = new Error("no longer needed");
    controller.abort(reason);
    await turn();
    expect(outcome).toEqual({ state: "rejected", error: reason });
    expect(moves).toEqual([HALF_OPENED]);
    expect([breakers.grpc.turnsAway(false), breakers.rest.failures]).toEqual([false, 0]);

    grpc.behaviour = "answer";
    rest.behaviour = "answer";
    await start();
    await turn();
    expect(moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
  });

  test("ends both calls below", async () => {
    const controller = new AbortController();
    const { turn, probe, answer } = await probing({ signal: controller.signal });
    expect([probe.call.signal?.aborted, answer.call.signal?.aborted]).toEqual([false, false]);
    controller.abort(new Error("no longer needed"));
    await turn();
    expect([probe.call.signal?.aborted, answer.call.signal?.aborted]).toEqual([true, true]);
  });
});

describe("a probe without REST beside it", () => {
  test("is its caller's only way: its answer is the answer", async () => {
    const upstreams = twoUpstreams();
    upstreams.openRest();
    await upstreams.recoverGrpc();
    upstreams.openRest();
    expect(await upstreams.start()).toBe("from-grpc");
    expect(upstreams.rest.calls).toHaveLength(0);
    expect(upstreams.moves).toEqual([HALF_OPENED, CLOSED_AGAIN]);
  });

  test("others are told at once that nobody can be asked", async () => {
    const upstreams = twoUpstreams();
    await upstreams.recoverGrpc();
    upstreams.grpc.behaviour = "hold";
    const first = watched(upstreams.startAlone());
    const second = watched(upstreams.startAlone());
    await upstreams.clock.advance(0);
    expect([first.state, second.state]).toEqual(["pending", "rejected"]);
    expect(second.error).toBeInstanceOf(UnavailableError);
    expect(upstreams.grpc.calls).toHaveLength(1);
  });

  test("that had too little time says nothing, and frees its place", async () => {
    const upstreams = twoUpstreams();
    await upstreams.recoverGrpc();
    upstreams.grpc.behaviour = "hold";
    const outcome = watched(upstreams.startAlone(GRPC_MS / 2));
    await upstreams.clock.advance(GRPC_MS / 2);
    expect(outcome.state).toBe("rejected");
    expect(upstreams.moves).toEqual([HALF_OPENED]);
    expect(upstreams.breakers.grpc.turnsAway(false)).toBe(false);
  });
});

test("the probe of REST, while gRPC is out, decides about REST alone", async () => {
  const upstreams = twoUpstreams();
  upstreams.openRest();
  await upstreams.recoverGrpc();
  upstreams.openGrpc();
  upstreams.moves.length = 0;
  expect(await upstreams.start()).toBe("from-rest");
  expect(upstreams.moves).toEqual(["rest: open → half-open", "rest: half-open → closed"]);
  expect(upstreams.breakers.grpc.state).toBe("open");
});
