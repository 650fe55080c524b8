import { describe, test } from "@jest/globals";
import { redisAvailable, redisRequired } from "./redis-process.js";

export { type RedisServer, type RedisServerOptions, redisAvailable, startRedisServer } from "./redis-process.js";

const MISSING = "Redis tests skipped: redis-server is not installed (Debian: apt-get install redis-server)";

/**
 * A `describe` of tests that need Redis. Without it they are skipped, and one line says so; with `PORTERO_REQUIRE_REDIS=1` they fail
 * instead.
 */
export function describeWithRedis(name: string, tests: () => void): void {
  if (redisAvailable) return describe(name, tests);
  if (redisRequired) {
    return describe(name, () => {
      test("has a redis-server to run against", () => {
        throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
      });
    });
  }
  process.stderr.write(`${MISSING}\n`);
  describe.skip(name, tests);
}
