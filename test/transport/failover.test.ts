import { describe, expect, test } from "@jest/globals";
import { UnavailableError, type UpstreamError } from "../../src/transport/outcome.js";
import { failure, watched } from "../support/fake-upstream.js";
import { broken, GRPC_MS, REST_MS, refused, THRESHOLD, twoUpstreams, unreachable } from "./two-upstreams.js";

const callsOf = ({ grpc, rest }: ReturnType<typeof twoUpstreams>) => [grpc.calls.length, rest.calls.length];
const failuresOf = ({ breakers }: ReturnType<typeof twoUpstreams>) => [breakers.grpc.failures, breakers.rest.failures];

describe("with gRPC's breaker closed", () => {
  test("gRPC answers, and REST is not asked", async () => {
    const upstreams = twoUpstreams();
    expect(await upstreams.start()).toBe("from-grpc");
    expect(callsOf(upstreams)).toEqual([1, 0]);
    expect(upstreams.fallbacks).toEqual([]);
  });

  test.each([
    ["unreachable", unreachable("grpc")],
    ["broken", broken("grpc")],
  ] as const)("REST answers when gRPC is %s, and it is said why", async (reason, error) => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = error;
    expect(await upstreams.start()).toBe("from-rest");
    expect(callsOf(upstreams)).toEqual([1, 1]);
    expect(failuresOf(upstreams)).toEqual([1, 0]);
    expect(upstreams.fallbacks).toEqual([reason]);
  });

  test("REST answers as well when nobody wants to know of it", async () => {
    const upstreams = twoUpstreams({ heard: false });
    upstreams.grpc.behaviour = unreachable("grpc");
    expect(await upstreams.start()).toBe("from-rest");
  });

  test.each([
    ["a known question's wipes the failures", true, 0],
    ["a stranger's leaves them as they are", false, 1],
  ])("a refusal is an answer, REST is not asked for a second opinion: %s", async (_name, known, failures) => {
    const upstreams = twoUpstreams();
    upstreams.grpc.script.push(unreachable("grpc"));
    await upstreams.start();
    const refusal = refused("grpc");
    upstreams.grpc.behaviour = refusal;
    await expect(upstreams.start({ known })).rejects.toBe(refusal);
    expect(callsOf(upstreams)).toEqual([2, 1]);
    expect(failuresOf(upstreams)).toEqual([failures, 0]);
  });

  test.each([
    ["a success where the question is known", true, 0],
    ["as nothing for a stranger", false, 1],
  ])("a refusal by REST ends the matter too, and counts for REST as %s", async (_name, known, failures) => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = unreachable("grpc");
    upstreams.rest.script.push(unreachable("rest"));
    await upstreams.start().catch(() => undefined);
    const refusal = refused("rest");
    upstreams.rest.behaviour = refusal;
    await expect(upstreams.start({ known })).rejects.toBe(refusal);
    expect(failuresOf(upstreams)).toEqual([2, failures]);
  });

  test("when neither could tell, both failures are told", async () => {
    const upstreams = twoUpstreams();
    const errors = [unreachable("grpc"), broken("rest")];
    [upstreams.grpc.behaviour, upstreams.rest.behaviour] = errors as [UpstreamError, UpstreamError];
    const error = await upstreams.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect((error as UnavailableError).failures).toEqual(errors);
  });

  test("a fault of our own is neither a failure of gRPC nor a reason to ask REST", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = new TypeError("a bug");
    await expect(upstreams.start()).rejects.toThrow("a bug");
    expect(callsOf(upstreams)).toEqual([1, 0]);
    expect(failuresOf(upstreams)).toEqual([0, 0]);
  });

  test("so many calls out of reach open it, and then gRPC is left alone", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = unreachable("grpc");
    for (let call = 0; call < THRESHOLD + 2; call++) expect(await upstreams.start()).toBe("from-rest");
    expect(callsOf(upstreams)).toEqual([THRESHOLD, THRESHOLD + 2]);
    expect(upstreams.moves).toEqual(["grpc: closed → open"]);
    expect(upstreams.fallbacks).toEqual(["unreachable", "unreachable", "unreachable", "open", "open"]);
  });
});

describe("a broken answer of gRPC", () => {
  test.each([
    ["answers", "answer", 1],
    ["refuses", refused("rest"), 0],
    ["is out of reach", unreachable("rest"), 0],
    ["is broken as well", broken("rest"), 0],
  ] as const)("when REST %s", async (_name, behaviour, failures) => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = broken("grpc");
    upstreams.rest.behaviour = behaviour;
    await upstreams.start().catch(() => undefined);
    expect(upstreams.breakers.grpc.failures).toBe(failures);
  });

  test("does not count when REST's breaker is open: nobody contradicts it", async () => {
    const upstreams = twoUpstreams();
    upstreams.openRest();
    upstreams.grpc.behaviour = broken("grpc");
    await expect(upstreams.start()).rejects.toBeInstanceOf(UnavailableError);
    expect(callsOf(upstreams)).toEqual([1, 0]);
    expect(upstreams.breakers.grpc.failures).toBe(0);
  });

  test("does not count without a REST side", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = broken("grpc");
    for (let call = 0; call < THRESHOLD * 2; call++) {
      await expect(upstreams.startAlone()).rejects.toBeInstanceOf(UnavailableError);
    }
    expect(upstreams.moves).toEqual([]);
    expect(upstreams.grpc.calls).toHaveLength(THRESHOLD * 2);
  });

  test("that is said of an operation it does not have says nothing of its others", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.script.push(unreachable("grpc"), failure("grpc", "broken", { healthy: true }));
    await upstreams.start();
    expect(failuresOf(upstreams)).toEqual([1, 0]);
    expect(await upstreams.start({ known: true })).toBe("from-rest");
    expect(failuresOf(upstreams)).toEqual([1, 0]);
  });
});

test("a broken answer of REST never counts against it, however often", async () => {
  const upstreams = twoUpstreams();
  upstreams.openGrpc();
  upstreams.rest.behaviour = broken("rest");
  for (let call = 0; call < THRESHOLD * 2; call++) await upstreams.start().catch(() => undefined);
  expect(upstreams.rest.calls).toHaveLength(THRESHOLD * 2);
  expect([upstreams.breakers.rest.state, ...failuresOf(upstreams)]).toEqual(["closed", 0, 0]);
});

describe("without a REST side", () => {
  test("what gRPC says is the answer: its user, its refusal, and a fault of our own", async () => {
    const upstreams = twoUpstreams();
    expect(await upstreams.startAlone()).toBe("from-grpc");
    for (const error of [refused("grpc"), new TypeError("a bug")]) {
      upstreams.grpc.behaviour = error;
      await expect(upstreams.startAlone()).rejects.toBe(error);
    }
    expect(failuresOf(upstreams)).toEqual([0, 0]);
  });

  test("gRPC out of reach is an outage, with its one failure", async () => {
    const upstreams = twoUpstreams();
    const error = unreachable("grpc");
    upstreams.grpc.behaviour = error;
    await expect(upstreams.startAlone()).rejects.toMatchObject({ name: "UnavailableError", failures: [error] });
  });
});

describe("with breakers open", () => {
  test("gRPC's: REST is asked at once, and gRPC not at all", async () => {
    const upstreams = twoUpstreams();
    upstreams.openGrpc();
    expect(await upstreams.start()).toBe("from-rest");
    expect(callsOf(upstreams)).toEqual([0, 1]);
    expect(upstreams.rest.calls[0]?.timeoutMs).toBe(REST_MS);
    expect(upstreams.fallbacks).toEqual(["open"]);
  });

  test.each<[string, Error]>([
    ["a refusal by REST", refused("rest")],
    ["a fault of our own", new TypeError("a bug")],
  ])("gRPC's: %s ends the matter as it is", async (_what, error) => {
    const upstreams = twoUpstreams();
    upstreams.openGrpc();
    upstreams.rest.behaviour = error;
    await expect(upstreams.start()).rejects.toBe(error);
    expect(callsOf(upstreams)).toEqual([0, 1]);
  });

  test("REST's: gRPC has all the time there is, and no fallback is announced that does not happen", async () => {
    const upstreams = twoUpstreams();
    upstreams.openRest();
    upstreams.grpc.behaviour = unreachable("grpc");
    await expect(upstreams.start({ deadlineMs: 600 })).rejects.toBeInstanceOf(UnavailableError);
    expect(upstreams.grpc.calls[0]?.timeoutMs).toBe(600);
    expect(callsOf(upstreams)).toEqual([1, 0]);
    expect(upstreams.fallbacks).toEqual([]);
  });

  test("none, but a question that REST does not take: gRPC has all the time there is, and no fallback is announced", async () => {
    const upstreams = twoUpstreams({ restTakes: false });
    upstreams.grpc.behaviour = unreachable("grpc");
    upstreams.rest.behaviour = broken("rest"); // what REST's end says before it sends anything
    await expect(upstreams.start({ deadlineMs: 600 })).rejects.toBeInstanceOf(UnavailableError);
    expect(upstreams.grpc.calls[0]?.timeoutMs).toBe(600);
    await upstreams.recoverGrpc();
    await expect(upstreams.start()).rejects.toBeInstanceOf(UnavailableError);
    await expect(upstreams.start()).rejects.toBeInstanceOf(UnavailableError);
    expect(upstreams.grpc.calls).toHaveLength(2);
    expect(upstreams.fallbacks).toEqual([]);
  });

  test("both: nobody is asked, and the shorter wait is told", async () => {
    const upstreams = twoUpstreams();
    upstreams.openGrpc();
    await upstreams.clock.advance(10_000);
    upstreams.openRest();
    const error = await upstreams.start().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({ retryable: false, retryAfterMs: 20_000 });
    expect(callsOf(upstreams)).toEqual([0, 0]);
  });
});

describe("the time", () => {
  test("each upstream has its own timeout, when the deadline allows", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = "hold";
    const answer = watched(upstreams.start());
    await upstreams.clock.advance(GRPC_MS - 1);
    expect(callsOf(upstreams)).toEqual([1, 0]);
    await upstreams.clock.advance(1);
    expect(answer).toEqual({ state: "fulfilled", value: "from-rest" });
    expect([upstreams.grpc.calls[0]?.timeoutMs, upstreams.rest.calls[0]?.timeoutMs]).toEqual([GRPC_MS, REST_MS]);
    expect(failuresOf(upstreams)).toEqual([1, 0]);
  });

  test.each([
    [1500, 500, 1000],
    [300, 100, 200],
    [90, 30, 60],
  ])("%i ms are shared in proportion: a hung gRPC leaves REST its part", async (deadlineMs, grpcMs, restMs) => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = "hold";
    upstreams.rest.behaviour = "hold";
    const outcome = watched(upstreams.start({ deadlineMs }));
    await upstreams.clock.advance(deadlineMs - 1);
    expect(outcome.state).toBe("pending");
    expect([upstreams.grpc.calls[0]?.timeoutMs, upstreams.rest.calls[0]?.timeoutMs]).toEqual([grpcMs, restMs]);
    expect(upstreams.rest.begun).toEqual([grpcMs]);
    await upstreams.clock.advance(1);
    expect(outcome.state).toBe("rejected");
  });

  test("a short try that times out does not count, against neither", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = "hold";
    upstreams.rest.behaviour = "hold";
    const outcome = watched(upstreams.start({ deadlineMs: 1500 }));
    await upstreams.clock.advance(1500);
    expect(outcome.state).toBe("rejected");
    expect(failuresOf(upstreams)).toEqual([0, 0]);
  });

  test("a short try that fails in another way does count", async () => {
    const upstreams = twoUpstreams();
    upstreams.grpc.behaviour = unreachable("grpc");
    upstreams.rest.behaviour = unreachable("rest");
    await upstreams.start({ deadlineMs: 300 }).catch(() => undefined);
    expect(failuresOf(upstreams)).toEqual([1, 1]);
  });

  test.each([
    [20, 1],
    [19, 0],
  ])("with %i ms left there are %i tries of the fallback", async (leftMs, tries) => {
    const upstreams = twoUpstreams({ timed: false });
    upstreams.grpc.behaviour = "hold";
    const outcome = watched(upstreams.start({ deadlineMs: 900 }));
    await upstreams.clock.advance(900 - leftMs);
    upstreams.grpc.held[0]?.fail(unreachable("grpc"));
    await upstreams.clock.advance(0);
    expect(upstreams.rest.calls).toHaveLength(tries);
    expect(upstreams.fallbacks).toHaveLength(tries);
    expect(outcome.state).toBe(tries === 1 ? "fulfilled" : "rejected");
  });

  test("with less than 20 ms for gRPC's share it is passed over, and nothing counts", async () => {
    const upstreams = twoUpstreams();
    expect(await upstreams.start({ deadlineMs: 57 })).toBe("from-rest");
    expect(callsOf(upstreams)).toEqual([0, 1]);
    const error = await upstreams.start({ deadlineMs: 19 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UnavailableError);
    expect(error).toMatchObject({
      failures: [
        { upstream: "grpc", failure: "unreachable", detail: "no time left", notAsked: true },
        { upstream: "rest", failure: "unreachable", detail: "no time left", notAsked: true },
      ],
      retryable: false, // neither was asked
    });
    expect(callsOf(upstreams)).toEqual([0, 1]);
    expect(failuresOf(upstreams)).toEqual([0, 0]);
  });
});
