import { expect, test } from "@jest/globals";
import type { InvalidationLog } from "../../src/cache/invalidation-log.js";
import type { Verdict } from "../../src/cache/spec.js";
import { ManualClock } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { textSpec } from "../support/text-spec.js";
import { openCache } from "../support/tiered-cache.js";

/** A process on a store, with a log that notes which refusals it is to tell. */
function start() {
  const clock = new ManualClock();
  const memory = new MemoryStore(clock);
  const told: string[] = [];
  const log = {
    tellRefusal: ({ fact }: { fact: { id: string } }) => void told.push(fact.id),
  } as unknown as InvalidationLog;
  const upstream = { refuses: false, refusesAll: false };
  const ask = async (question: string): Promise<Verdict<string, string>> =>
    upstream.refuses
      ? { kind: "refusal", reason: "no", source: "grpc", isInformed: false }
      : { kind: "answer", value: question, source: "grpc" };
  const spec = textSpec(ask, { name: "token", isTold: true, ttlMs: 300_000 });
  const refusals = { answered: () => undefined, refused: () => undefined, isRefusing: () => upstream.refusesAll };
  const { cache } = openCache({ clock, spec, memory, log, refusals });
  return { cache, memory, upstream, told };
}

test("A refusal of what was held is told.", async () => {
  const { cache, upstream, told } = start();
  await cache.get("ana");
  upstream.refuses = true;
  expect(await cache.get("ana", { fresh: true })).toMatchObject({ kind: "refusal" });
  expect(told).toEqual(["ana"]);
});

test.each([
  ["", () => undefined],
  [", also where the store cannot tell", fail],
])("A refusal of what nobody had is not%s.", async (_where, before) => {
  const { cache, memory, upstream, told } = start();
  memory.before = before;
  upstream.refuses = true;
  expect(await cache.get("ana")).toMatchObject({ kind: "refusal" });
  expect(told).toEqual([]);
});

test("Nor is one while everybody is refused: the others find out for themselves.", async () => {
  const { cache, upstream, told } = start();
  await cache.get("ana");
  Object.assign(upstream, { refuses: true, refusesAll: true });
  expect(await cache.get("ana", { fresh: true })).toMatchObject({ kind: "refusal" });
  expect([cache.peek("ana"), told]).toStrictEqual([undefined, []]);
});
