import { describe, expect, test } from "@jest/globals";
import { failure } from "../support/fake-upstream.js";
import { inMemoryClients, RECOVERY_MS } from "./in-memory-client.js";
import { broken, refused, unreachable } from "./two-upstreams.js";

const create = inMemoryClients();

test("That an upstream fails again and again, and answers between, is told with the numbers, once a minute.", async () => {
  const { clock, grpc, logger, ask, turn } = create();
  for (let call = 0; call < 59; call++) {
    grpc.behaviour = call % 2 === 0 ? "answer" : broken("grpc");
    ask();
    await turn();
    await clock.advance(3000);
  }
  expect(logger.lines).toEqual(
    Array(2).fill(
      "warn portero: grpc has failed 10 of the last 20 calls of VerifyToken: http://auth.invalid/ was broken (by the test) at auth.AuthService/VerifyToken",
    ),
  );
});

describe("an outage of gRPC, from its beginning to its end", () => {
  test("five failures open the breaker, a probe beside REST closes it, and each transition is told once", async () => {
    const { clock, grpc, rest, logger, client, moves, fallbacks, ask, turn } = create();
    grpc.behaviour = unreachable("grpc");
    const during = [];
    for (let call = 0; call < 7; call++) {
      during.push(ask());
      await turn();
    }
    expect(during.every(({ value }) => value?.source === "rest")).toBe(true);
    expect([grpc.calls.length, rest.calls.length]).toEqual([5, 7]);
    expect(client.status()).toMatchObject({
      grpc: { breaker: "open", failures: 0, retryAfterMs: RECOVERY_MS },
      rest: { breaker: "closed", failures: 0, retryAfterMs: 0, refusals: 0 },
    });
    expect(fallbacks.map(({ reason }) => reason)).toEqual([...Array(5).fill("unreachable"), "open", "open"]);
    expect(fallbacks[0]).toEqual({ operation: "VerifyToken", reason: "unreachable" });

    await clock.advance(RECOVERY_MS);
    expect(client.status().grpc).toMatchObject({ breaker: "half-open", retryAfterMs: 0 });
    grpc.behaviour = "hold";
    const beside = ask();
    await turn();
    expect(beside.value?.source).toBe("rest");
    grpc.held[0]?.answer();
    await turn();
    grpc.behaviour = "answer";
    const after = ask();
    await turn();
    expect(after.value?.source).toBe("grpc");
    expect(moves).toEqual(["grpc: closed → open", "grpc: open → half-open", "grpc: half-open → closed"]);
    expect(logger.lines).toEqual([
      "warn portero: grpc has not answered VerifyToken so far: http://auth.invalid/ is unreachable (by the test) at auth.AuthService/VerifyToken",
      "warn portero: the breaker of grpc is open, it is not asked for 30 s: http://auth.invalid/ was unreachable (by the test) at auth.AuthService/VerifyToken",
      "info portero: the breaker of grpc is closed: grpc is asked again",
    ]);
  });

  test("whoever answered first is named as the source, though both did in the same moment", async () => {
    const { clock, grpc, rest, ask, turn } = create({ breaker: { failureThreshold: 1 } });
    grpc.script.push(unreachable("grpc"));
    ask();
    for (const [first, second] of [
      [rest, grpc],
      [grpc, rest],
    ] as const) {
      await clock.advance(RECOVERY_MS);
      grpc.behaviour = "hold";
      rest.behaviour = "hold";
      const outcome = ask();
      await turn();
      first.held.pop()?.answer();
      second.held.pop()?.answer();
      await turn();
      expect(outcome.value?.user.id).toBe(`from-${outcome.value?.source}`);
      grpc.behaviour = unreachable("grpc");
      rest.behaviour = "answer";
      ask();
      await turn();
    }
  });

  test("a stranger's token that makes both sides throw opens no breaker", async () => {
    const { grpc, rest, client, moves, ask, turn } = create();
    grpc.behaviour = broken("grpc");
    rest.behaviour = broken("rest");
    for (let call = 0; call < 50; call++) {
      const outcome = ask();
      await turn();
      expect(outcome.error).toMatchObject({ code: "auth_unavailable" });
    }
    expect(moves).toEqual([]);
    expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
    expect([grpc.calls.length, rest.calls.length]).toEqual([50, 50]);
  });

  test("bad tokens, however many, open no breaker and are asked once each", async () => {
    const { grpc, rest, moves, ask, turn } = create();
    grpc.behaviour = refused("grpc");
    for (let call = 0; call < 50; call++) {
      const outcome = ask();
      await turn();
      expect(outcome.error).toMatchObject({ code: "invalid_token" });
    }
    expect(moves).toEqual([]);
    expect([grpc.calls.length, rest.calls.length]).toEqual([50, 0]);
  });
});

describe("an outage of both", () => {
  test("is retried within the deadline, and then not at all: both breakers are open", async () => {
    const { grpc, rest, moves, ask, turn } = create({ breaker: { failureThreshold: 3 } });
    grpc.behaviour = unreachable("grpc");
    rest.behaviour = unreachable("rest");
    const first = ask();
    await turn();
    expect(first.error).toMatchObject({ code: "auth_unavailable" });
    expect([grpc.calls.length, rest.calls.length]).toEqual([3, 3]);
    expect(moves).toEqual(["grpc: closed → open", "rest: closed → open"]);
    const second = ask();
    await turn();
    expect(second.error).toMatchObject({ code: "auth_unavailable", headers: { "Retry-After": "30" } });
    expect([grpc.calls.length, rest.calls.length]).toEqual([3, 3]);
  });

  test("a try that follows a wait has what is left of the deadline, shared anew", async () => {
    const { clock, grpc, rest, ask } = create({ random: () => 0.5, retry: { initialDelayMs: 600, maxDelayMs: 600 } });
    grpc.script.push(unreachable("grpc"));
    rest.script.push(unreachable("rest"));
    grpc.behaviour = "hold";
    rest.behaviour = "hold";
    const outcome = ask();
    await clock.advance(3000 - 1);
    expect(outcome.state).toBe("pending");
    await clock.advance(1);
    expect(outcome.error).toMatchObject({ code: "auth_unavailable" });
    expect(grpc.begun).toEqual([0, 300]);
    expect(rest.begun).toEqual([0, 300 + 900]);
    expect(grpc.calls[1]?.timeoutMs).toBe(900);
    expect(rest.calls[1]?.timeoutMs).toBe(1800);
  });

  test("one breaker open, and a stumble of the other: it is tried again", async () => {
    const { clock, grpc, rest, ask } = create();
    grpc.behaviour = unreachable("grpc");
    for (let call = 0; call < 5; call++) ask();
    await clock.advance(0);
    rest.script.push(unreachable("rest"));
    const outcome = ask();
    await clock.advance(0);
    expect(outcome.value?.source).toBe("rest");
  });
});

describe("a caller that gives up", () => {
  test("during the probe: it alone is rejected, and the probe goes on to close the breaker", async () => {
    const { clock, grpc, rest, moves, ask, turn } = create({ breaker: { failureThreshold: 1 } });
    grpc.script.push(unreachable("grpc"));
    ask();
    await clock.advance(RECOVERY_MS);
    grpc.behaviour = "hold";
    rest.behaviour = "hold";
    const controller = new AbortController();
    const outcome = ask({ signal: controller.signal });
    await turn();
    const reason = new Error("no longer needed");
    controller.abort(reason);
    await turn();
    expect(outcome).toEqual({ state: "rejected", error: reason });
    expect(grpc.held[0]?.call.signal?.aborted).toBe(false);
    grpc.held[0]?.answer();
    await turn();
    expect(moves.at(-1)).toBe("grpc: half-open → closed");
  });

  test("close() during the probe ends everything, and says nothing about gRPC", async () => {
    const { clock, client, grpc, rest, moves, ask, turn } = create({ breaker: { failureThreshold: 1 } });
    grpc.script.push(unreachable("grpc"));
    ask();
    await clock.advance(RECOVERY_MS);
    grpc.behaviour = "hold";
    rest.behaviour = "hold";
    const outcome = ask();
    await turn();
    await client.close();
    await turn();
    expect(outcome.error).toMatchObject({ code: "auth_unavailable" });
    expect(grpc.held[0]?.call.signal?.aborted).toBe(true);
    expect(moves).toEqual(["grpc: closed → open", "grpc: open → half-open"]);
    expect(client.status().upstream).toMatchObject({ active: 0, queued: 0 });
  });
});

test("a Retry-After of REST reaches our caller in whole seconds", async () => {
  const { rest, ask, turn } = create({ retry: { attempts: 1 }, grpc: undefined });
  rest.behaviour = failure("rest", "unreachable", { retryAfterMs: 1001 });
  const outcome = ask();
  await turn();
  expect(outcome.error).toMatchObject({ headers: { "Retry-After": "2" } });
});
