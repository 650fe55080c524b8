import { describeWith, type Need } from "./needs.js";
import { REDIS_VARIABLE, redisAvailable } from "./redis-process.js";

export { type RedisServer, type RedisServerOptions, redisAvailable, startRedisServer } from "./redis-process.js";

const REDIS: Need = {
  what: "redis-server",
  isThere: redisAvailable,
  variable: REDIS_VARIABLE,
  missing: "Redis tests skipped: redis-server is not installed (Debian: apt-get install redis-server)",
};

/** See {@link describeWith}. */
export function describeWithRedis(name: string, tests: () => void): void {
  describeWith(REDIS, name, tests);
}
