import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "@jest/globals";
import type { FloodReport } from "./flood-process.js";

const TOKENS = 240_000; // whole waves
/** Requests that come at the same moment: far more than may be under way and waiting. */
const WAVE = 4000;
const USERS = 5000;
const MAX_CONCURRENT = 256;
const MAX_QUEUE = 1024;
/** A quarter of the places is for known users alone. */
const STRANGERS = (MAX_CONCURRENT * 3) / 4;
/** The limit falls while answers are slow, and no further. */
const LEAST_STRANGERS = 12;
/** 10,000 remembered refusals take about 4 MB; 35 bytes for each token would be more than the bound. */
const HEAP_BOUND_BYTES = 12 * 2 ** 20;
/** Only against a flood that never ends. */
const GIVE_UP_MS = 540_000;

describe("A flood of 240,000 distinct garbage tokens", () => {
  let report: FloodReport;

  // In a process of its own, whose heap is nobody else's.
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        // The young generation has room for a wave: else a third of the time goes into copying it.
        ["--expose-gc", "--max-semi-space-size=64", "--stack-trace-limit=0", "--import", "tsx"],
        "test/attack/flood-process.ts",
        [TOKENS, WAVE, USERS, MAX_CONCURRENT, MAX_QUEUE].map(String),
      ].flat(),
    );
    report = JSON.parse(stdout);
  }, GIVE_UP_MS);

  test("is refused or turned away, every single one", () => {
    expect(report.others).toBe(0);
    expect(report.refused + report.overloaded).toBe(TOKENS);
    expect(report.leftInFlight).toBe(0);
  });

  test("reaches the service only as far as the limit lets it", () => {
    expect(report.upstreamPeak).toBe(STRANGERS);
    expect(report.upstreamCalls).toBe(report.refused);
    expect(report.refused).toBeLessThanOrEqual((TOKENS / WAVE) * (STRANGERS + MAX_QUEUE));
    expect(report.refused).toBeGreaterThanOrEqual((TOKENS / WAVE) * LEAST_STRANGERS);
  });

  test("leaves every cached user served from the process, in the same tick", () => {
    expect(report.cachedRequests).toBe((TOKENS / WAVE) * (USERS / 100));
    expect(report.servedAtOnce).toBe(report.cachedRequests);
    expect([report.entriesBefore, report.entriesAfter]).toEqual([USERS, USERS]);
  });

  test("leaves no more behind than the remembered refusals may take", () => {
    expect(report.heapAfter - report.heapBefore).toBeLessThan(HEAP_BOUND_BYTES);
  });
});
