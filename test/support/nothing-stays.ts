import { getEventListeners } from "node:events";
import { expect } from "@jest/globals";
import { type ManualClock, settle } from "./manual-clock.js";
import type { FakeRedis } from "./redis-fake.js";
import { until } from "./until.js";

/** What was asked of these servers has ended: no connection, no timer and no listener stays. */
export async function expectNothingStays(
  servers: readonly FakeRedis[],
  clock: ManualClock,
  signal: AbortSignal,
): Promise<void> {
  await until(() => servers.every(({ standing }) => standing === 0));
  await settle();
  expect([clock.pending, getEventListeners(signal, "abort").length]).toEqual([0, 0]);
}
