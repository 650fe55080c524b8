import { describe, expect, test } from "@jest/globals";
import { describeWithRedis } from "../support/redis-server.js";
import { clientRows } from "./client-rows.js";
import { guardRows } from "./guard-rows.js";
import { middlewareRows } from "./middleware-rows.js";
import type { Mistake } from "./mistake.js";
import { settingRows } from "./settings-rows.js";
import { realRedisRows, sharedCacheRows } from "./shared-cache-rows.js";
import { upstreamRows } from "./upstream-rows.js";
import { variableRows } from "./variable-rows.js";

const everywhere: readonly Mistake[] = [
  ...[...settingRows, ...variableRows, ...upstreamRows, ...sharedCacheRows],
  ...[...middlewareRows, ...guardRows, ...clientRows],
];

async function holds({ make, says }: Mistake): Promise<void> {
  const text = await make();
  for (const part of says) expect(text).toContain(part);
  expect(says.length).toBeGreaterThan(0);
  expect(text).not.toMatch(/token-ana|\bana\b|hunter2/); // what helps a user must tell no other one anything
}

describe("What is said of", () => {
  test.each(everywhere)("$is", holds);

  test("at least forty mistakes, each another one", () => {
    expect(new Set(everywhere.map(({ is }) => is)).size).toBe(everywhere.length);
    expect(everywhere.length).toBeGreaterThanOrEqual(40);
  });
});

describeWithRedis("What is said, with a real Redis, of", () => {
  test.each(realRedisRows)("$is", holds);
});
