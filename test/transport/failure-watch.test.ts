import type { DescMethodUnary } from "@bufbuild/protobuf";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { type FailureListener, FailureWatch } from "../../src/transport/failure-watch.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import { FakeUpstream } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const { verifyToken, getOrganization } = AuthService.method;

function create({ isShared = false } = {}) {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const reports: string[] = [];
  const listener: FailureListener = {
    onFailing: ({ failure, detail, operation }, lastedMs) =>
      reports.push(`${operation} ${failure} (${detail}) ${lastedMs ?? "never"}`),
    onTroubled: ({ failure, detail, operation }, { calls, failed }) =>
      reports.push(`${operation} ${failure} (${detail}) ${failed} of ${calls}`),
    onRefusingAll: ({ tokens, codes, areMalformed }) =>
      reports.push(`${tokens} × ${codes.join(", ")}${areMalformed ? ", malformed" : ""}`),
  };
  const watch = new FailureWatch(clock, listener, { noToken: "no token", isShared });
  const transport = watch.watch(upstream.transport);
  let tokens = 0;
  const call = async (
    behaviour: Error | "answer",
    method: DescMethodUnary = verifyToken,
    token = `token-${++tokens}`,
  ) => {
    upstream.behaviour = behaviour;
    await transport.unary(method, undefined, undefined, undefined, { token }).catch(() => undefined);
  };
  /** One call each 3 seconds, for so many minutes. */
  const callOften = async (minutes: number, behaviourOf: (call: number) => Error | "answer") => {
    for (let at = 0; at < minutes * 20; at++) {
      await call(behaviourOf(at));
      await clock.advance(3000);
    }
  };
  return { watch, clock, reports, call, callOften };
}

const gone = new UpstreamError("grpc", "unreachable", "ECONNREFUSED");
const strange = new UpstreamError("grpc", "broken", "HTTP 404");
const refused = new UpstreamError("grpc", "refused", "Unauthenticated");
const malformed = new UpstreamError("rest", "refused", "HTTP 422");

test("An upstream that has never answered is reported with its first failure, once.", async () => {
  const { watch, reports, call } = create();
  expect(watch.last).toBeUndefined();
  for (const error of [gone, strange, gone]) await call(error);
  expect(reports).toEqual(["VerifyToken unreachable (ECONNREFUSED) never"]);
});

test("While that lasts it is reported again each minute, and never without a call.", async () => {
  const { clock, reports, call } = create();
  await call(strange);
  for (let seconds = 1; seconds <= 180; seconds++) {
    await clock.advance(1000);
    await call(strange);
  }
  expect(reports).toEqual(Array(4).fill("VerifyToken broken (HTTP 404) never"));
  await clock.advance(3_600_000);
  expect(reports).toHaveLength(4);
});

test("One that was well is reported when it has failed for a minute, and its first answer begins another one.", async () => {
  const { clock, reports, call } = create();
  await call("answer");
  await call(gone);
  await clock.advance(59_999);
  await call(gone);
  expect(reports).toEqual([]);
  await clock.advance(1);
  await call(gone);
  expect(reports).toEqual(["VerifyToken unreachable (ECONNREFUSED) 60000"]);
  await clock.advance(60_000);
  await call(gone);
  expect(reports[1]).toBe("VerifyToken unreachable (ECONNREFUSED) 120000");
  await call("answer");
  await clock.advance(60_000);
  await call(gone);
  expect(reports).toHaveLength(2);
});

test("An operation that is no answer the first time is reported, though another one is served; being out of reach is not.", async () => {
  const [unreachable, unserved] = [create(), create()];
  for (const { call } of [unreachable, unserved]) await call("answer");
  for (let time = 0; time < 2; time++) {
    await unreachable.call(gone, getOrganization);
    await unserved.call(strange, getOrganization);
  }
  expect(unreachable.reports).toEqual([]);
  expect(unserved.reports).toEqual(["GetOrganization broken (HTTP 404) never"]);
});

test("One that fails beside one that is served is reported each minute, too.", async () => {
  const { clock, reports, call } = create();
  for (let minute = 0; minute < 3; minute++) {
    await call("answer");
    await call(strange, getOrganization);
    await clock.advance(60_000);
  }
  expect(reports).toEqual(Array(3).fill("GetOrganization broken (HTTP 404) never"));
});

test("A line that told of it as well begins another minute.", async () => {
  const { watch, clock, reports, call } = create();
  await call("answer");
  await call(gone);
  await clock.advance(59_000);
  watch.hush();
  await clock.advance(59_000);
  await call(gone);
  expect(reports).toEqual([]);
  await clock.advance(1000);
  await call(gone);
  expect(reports).toEqual(["VerifyToken unreachable (ECONNREFUSED) 119000"]);
});

test("One that refuses our own credential is there: that has a line of its own, unless it lasts.", async () => {
  const { watch, clock, reports, call } = create();
  const ours = new UpstreamError("rest", "broken", "HTTP 401", { credentialRefused: true });
  await call(ours);
  expect([watch.last?.detail, reports]).toEqual(["HTTP 401", []]);
  await clock.advance(60_000);
  await call(ours);
  expect(reports).toEqual(["VerifyToken broken (HTTP 401) never"]);
});

test.each([
  ["answered", "answer"],
  ["refused somebody", refused],
] as const)("One that has %s is there: its failures are no news, but known.", async (_what, behaviour) => {
  const { watch, clock, reports, call } = create();
  await call(behaviour);
  await clock.advance(5000);
  await call(strange);
  await call(refused);
  expect(reports).toEqual([]);
  expect(watch.last).toEqual({
    failure: "broken",
    detail: "HTTP 404",
    operation: "VerifyToken",
    at: clock.now(),
  });
});

test("A call that was cancelled, or never made, tells nothing.", async () => {
  const { watch, reports, call } = create();
  await call(new Error("the caller went away"));
  await call(new UpstreamError("rest", "broken", "an organization that fits no header", { notAsked: true }));
  expect([watch.last, watch.health, reports]).toStrictEqual([undefined, "ok", []]);
});

describe("One that fails again and again, with answers between,", () => {
  test.each([
    ["each second time", (at: number) => (at % 2 === 0 ? "answer" : strange), "10 of 20"],
    ["nearly always", (at: number) => (at % 12 === 0 ? "answer" : strange), "18 of 20"],
    ["as often as it refuses", (at: number) => (at % 2 === 1 ? gone : at === 0 ? "answer" : refused), "10 of 20"],
  ] as const)("is reported once a minute: %s", async (_how, behaviourOf, counts) => {
    const { reports, callOften } = create();
    await callOften(10, behaviourOf);
    expect([9, 10]).toContain(reports.length);
    expect(reports[0]).toMatch(/^VerifyToken (broken|unreachable) \((HTTP 404|ECONNREFUSED)\) \d+ of \d+$/);
    expect(reports.join()).toContain(counts);
  });

  test("is not reported before that has gone on for a minute, nor after a line that told of it as well", async () => {
    const { watch, clock, reports, callOften } = create();
    const half = (at: number) => (at % 2 === 0 ? "answer" : strange);
    await callOften(1, half);
    expect(reports).toEqual([]);
    watch.hush();
    await callOften(1, half);
    expect(reports).toEqual([]);
    await callOften(1, half);
    expect(reports).toHaveLength(1);
    await clock.advance(60_000);
    await callOften(1, half);
    expect(reports).toHaveLength(1);
  });

  test.each([
    ["a few times in a minute", (at: number) => (at % 6 === 0 ? strange : "answer")],
    ["once", (at: number) => (at === 90 ? strange : "answer")],
  ] as const)("is not reported where that is seldom: %s", async (_how, behaviourOf) => {
    const { reports, call, callOften } = create();
    await call("answer");
    await callOften(10, behaviourOf);
    expect(reports).toEqual([]);
  });

  test("is not reported where it is a small share of the calls", async () => {
    const { watch, clock, reports, call } = create();
    await call("answer");
    for (let second = 0; second < 300; second++) {
      await call(second % 6 === 0 ? gone : "answer"); // 10 in a minute …
      await call("answer"); // … of 120
      await clock.advance(1000);
    }
    expect([reports, watch.health]).toEqual([[], "ok"]);
  });

  test("is reported by its operation, however many calls of others are answered", async () => {
    const { clock, reports, call } = create();
    for (let second = 0; second < 70; second++) {
      for (let verified = 0; verified < 5; verified++) await call("answer");
      await call(second % 2 === 0 ? "answer" : strange, getOrganization);
      await clock.advance(1000);
    }
    expect(reports).toEqual(["GetOrganization broken (HTTP 404) 29 of 57"]);
  });
});

describe("The health", () => {
  test("of one that has only ever failed is down, until nothing was asked for a minute", async () => {
    const { watch, clock, call } = create();
    expect(watch.health).toBe("ok");
    await call(strange);
    expect(watch.health).toBe("down");
    await clock.advance(60_000);
    expect(watch.health).toBe("ok");
  });

  test("of one that answered within the last minute is degraded, however many fail", async () => {
    const { watch, clock, call } = create();
    for (let time = 0; time < 20; time++) await call("answer");
    for (let time = 0; time < 20; time++) await call(strange);
    expect(watch.health).toBe("degraded");
    await clock.advance(59_999);
    expect(watch.health).toBe("degraded");
    await call(strange);
    await clock.advance(1);
    expect(watch.health).toBe("down"); // the last answer is a minute old
  });

  test("of one that answered long ago is degraded with the first failures, and down with several", async () => {
    const { watch, clock, call } = create();
    await call("answer");
    await clock.advance(600_000);
    for (const health of ["degraded", "degraded", "down"]) {
      await call(gone);
      expect(watch.health).toBe(health);
    }
    await call(refused);
    expect(watch.health).toBe("ok");
  });

  test("is degraded while look-ups alone fail, and while each second call does", async () => {
    const [lookups, half] = [create(), create()];
    await lookups.call("answer");
    await lookups.call(strange, getOrganization);
    expect(lookups.watch.health).toBe("degraded");
    for (let at = 0; at < 10; at++) await half.call(at % 2 === 0 ? strange : "answer");
    expect(half.watch.health).toBe("degraded");
    await half.clock.advance(60_000);
    expect(half.watch.health).toBe("ok");
  });
});

describe("One that refuses each of the first tokens", () => {
  test.each([
    ["as malformed", [malformed], "5 × HTTP 422, malformed"],
    ["for what they are", [refused], "5 × Unauthenticated"],
    ["for several reasons", [refused, malformed], "5 × Unauthenticated, HTTP 422"],
  ] as const)("is reported once: %s", async (_how, reasons, report) => {
    const { reports, call } = create();
    for (let token = 0; token < 4; token++) await call(reasons[token % reasons.length] as Error);
    expect(reports).toEqual([]);
    for (let token = 4; token < 20; token++) await call(reasons[token % reasons.length] as Error);
    expect(reports).toEqual([report]);
  });

  test.each([
    ["has answered one", async ({ call }: ReturnType<typeof create>) => call("answer")],
    ["has answered a look-up", async ({ call }: ReturnType<typeof create>) => call("answer", getOrganization)],
  ])("is not where it %s: the others are strangers'", async (_what, before) => {
    const created = create();
    await before(created);
    for (let token = 0; token < 20; token++) await created.call(refused);
    expect(created.reports).toEqual([]);
  });

  test("is not beside a shared cache, which may know all good tokens, unless they are malformed", async () => {
    const { reports, call } = create({ isShared: true });
    for (let token = 0; token < 20; token++) await call(refused);
    expect(reports).toEqual([]);
    const other = create({ isShared: true });
    for (let token = 0; token < 5; token++) await other.call(malformed);
    expect(other.reports).toEqual(["5 × HTTP 422, malformed"]);
  });

  test("is not where that was one token again and again, none at all, or a look-up", async () => {
    const { reports, call } = create();
    for (let time = 0; time < 10; time++) {
      await call(refused, verifyToken, "expired");
      await call(refused, verifyToken, "no token");
      await call(refused, getOrganization);
    }
    expect(reports).toEqual([]);
  });
});
