import type { DescMethodUnary } from "@bufbuild/protobuf";
import { expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { FailureWatch } from "../../src/transport/failure-watch.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import { FakeUpstream } from "../support/fake-upstream.js";
import { ManualClock } from "../support/manual-clock.js";

const { verifyToken, getOrganization } = AuthService.method;

function create() {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const reports: string[] = [];
  const watch = new FailureWatch(clock, {
    onFailing: ({ failure, detail, operation }, lastedMs) =>
      reports.push(`${operation} ${failure} (${detail}) ${lastedMs ?? "never"}`),
    onMalformed: ({ detail, tokens }) => reports.push(`${tokens} × ${detail}`),
  });
  const transport = watch.watch(upstream.transport);
  const call = async (behaviour: Error | "answer", method: DescMethodUnary = verifyToken) => {
    upstream.behaviour = behaviour;
    await transport.unary(method, undefined, undefined, undefined, {}).catch(() => undefined);
  };
  return { watch, clock, reports, call };
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

test("Calls are counted by how they end; one that was cancelled, or never made, tells nothing.", async () => {
  const { watch, reports, call } = create();
  await call(new Error("the caller went away"));
  await call(new UpstreamError("rest", "broken", "an organization that fits no header", { notAsked: true }));
  expect([watch.last, reports]).toEqual([undefined, []]);
  for (const end of ["answer", "answer", refused, gone, strange] as const) await call(end);
  await call(new UpstreamError("rest", "busy", "HTTP 429"));
  expect(watch.counts).toEqual({ answered: 2, refused: 1, unreachable: 1, busy: 1, broken: 1 });
});

test("An upstream that takes no token for one is reported once, unless it has answered or refused another.", async () => {
  const { reports, call } = create();
  for (let token = 0; token < 4; token++) await call(malformed);
  expect(reports).toEqual([]);
  for (let token = 0; token < 6; token++) await call(malformed);
  expect(reports).toEqual(["5 × HTTP 422"]);
  for (const first of ["answer", refused] as const) {
    const other = create();
    await other.call(first);
    for (let token = 0; token < 6; token++) await other.call(malformed);
    expect(other.reports).toEqual([]);
  }
});
