import { expect, test } from "@jest/globals";
import { FailureWatch } from "../../src/transport/failure-watch.js";
import { UpstreamError } from "../../src/transport/outcome.js";
import { ManualClock } from "../support/manual-clock.js";
import { ask, FakeUpstream } from "./fake-upstream.js";

function create() {
  const clock = new ManualClock();
  const upstream = new FakeUpstream("ana", clock);
  const reports: string[] = [];
  const watch = new FailureWatch((reason) => reports.push(reason));
  const transport = watch.watch(upstream.transport);
  const call = async (behaviour: Error | "answer") => {
    upstream.behaviour = behaviour;
    await ask(transport, { clock }).catch(() => undefined);
  };
  return { watch, reports, call };
}

const gone = new UpstreamError("grpc", "unreachable", "ECONNREFUSED");
const strange = new UpstreamError("grpc", "broken", "HTTP 404");
const refused = new UpstreamError("grpc", "refused", "Unauthenticated");

test("An upstream that has never answered is reported with its first failure, once.", async () => {
  const { watch, reports, call } = create();
  expect(watch.last).toBeUndefined();
  for (const error of [gone, strange, gone]) await call(error);
  expect(reports).toEqual(["unreachable (ECONNREFUSED)"]);
});

test("One that refuses our own credential is there: that has a line of its own.", async () => {
  const { watch, reports, call } = create();
  await call(new UpstreamError("rest", "broken", "HTTP 401", { credentialRefused: true }));
  await call(gone);
  expect([watch.last, reports]).toEqual(["unreachable (ECONNREFUSED)", []]);
});

test.each([
  ["answered", "answer"],
  ["refused somebody", refused],
] as const)("One that has %s is there: its failures are no news, but known.", async (_what, behaviour) => {
  const { watch, reports, call } = create();
  await call(behaviour);
  await call(strange);
  await call(refused);
  expect(reports).toEqual([]);
  expect(watch.last).toBe("broken (HTTP 404)");
});

test("A call that was cancelled tells nothing.", async () => {
  const { watch, reports, call } = create();
  await call(new Error("the caller went away"));
  expect([watch.last, reports]).toEqual([undefined, []]);
  await call(gone);
  expect(reports).toHaveLength(1);
});
