import { describe, expect, test } from "@jest/globals";
import { NegativeCache } from "../../src/cache/negative-cache.js";
import { ManualClock } from "../support/manual-clock.js";

const MOST = 10_000;
const TTL_MS = 1000;

function start() {
  const clock = new ManualClock();
  const refusals = new NegativeCache<string>(clock);
  const reasons = (...ids: string[]) => ids.map((id) => refusals.reason(id));
  const flood = (count: number, ttlMs = TTL_MS) => {
    for (let n = 0; n < count; n++) refusals.remember(`garbage-${n}`, "unknown", ttlMs);
  };
  return { clock, refusals, reasons, flood };
}

describe("A refusal", () => {
  test("is known with its reason by its own id, and no other is", () => {
    const { refusals, reasons } = start();
    expect(reasons("a")).toEqual([undefined]);
    refusals.remember("a", "unknown", TTL_MS);
    refusals.remember("b", "inactive", TTL_MS);
    expect(reasons("a", "b", "c")).toEqual(["unknown", "inactive", undefined]);
  });

  test("is remembered for as long as it was said, whatever the wall clock is set to", async () => {
    const { clock, refusals, reasons } = start();
    refusals.remember("a", "unknown", TTL_MS);
    refusals.remember("b", "unknown", TTL_MS + 1);
    clock.setWall(3_600_000);
    await clock.advance(TTL_MS - 1);
    expect(reasons("a", "b")).toEqual(["unknown", "unknown"]);
    await clock.advance(1);
    expect(reasons("a", "b")).toEqual([undefined, "unknown"]);
  });

  test("that comes again has its new reason, and its time begins again", async () => {
    const { clock, refusals, reasons } = start();
    refusals.remember("a", "unknown", TTL_MS);
    await clock.advance(TTL_MS - 1);
    refusals.remember("a", "inactive", TTL_MS);
    await clock.advance(TTL_MS - 1);
    expect(reasons("a")).toEqual(["inactive"]);
    await clock.advance(1);
    expect(reasons("a")).toEqual([undefined]);
  });

  test("is forgotten when that is said, and the others are not", () => {
    const { refusals, reasons } = start();
    refusals.forget("a");
    refusals.remember("a", "unknown", TTL_MS);
    refusals.remember("b", "unknown", TTL_MS);
    refusals.forget("a");
    expect(reasons("a", "b")).toEqual([undefined, "unknown"]);
  });

  test.each([0, -1])("that is to be remembered for %d ms is not, and takes no other's place", (ttlMs) => {
    const { refusals, reasons, flood } = start();
    refusals.remember("a", "unknown", TTL_MS);
    flood(MOST, ttlMs);
    expect(reasons("a", "garbage-0")).toEqual(["unknown", undefined]);
  });
});

describe("Of more refusals than 10,000", () => {
  test("the oldest are forgotten", () => {
    const { reasons, flood } = start();
    flood(MOST);
    expect(reasons("garbage-0")).toEqual(["unknown"]);
    flood(MOST + 2); // garbage-0 and garbage-1 had to make room
    expect(reasons("garbage-0", "garbage-1", "garbage-2")).toEqual([undefined, undefined, "unknown"]);
  });

  test("one that is asked for again and again stays", () => {
    const { refusals, reasons, flood } = start();
    refusals.remember("a", "unknown", TTL_MS);
    flood(MOST - 1);
    expect(reasons("a")).toEqual(["unknown"]);
    refusals.remember("b", "unknown", TTL_MS);
    expect(reasons("a", "garbage-0")).toEqual(["unknown", undefined]);
  });
});
