import { closedPort } from "../support/raw-upstreams.js";
import type { RedisAdmin } from "../support/redis-admin.js";
import { type Broken, SECRET, startPair } from "./set-up.js";

/** The rights that docs/fleet.md names. */
export const RIGHTS = "~portero:* -@all +mget +set +unlink +xadd +xread +xrange +xrevrange +pexpire";

/** The Redis of a suite. */
export interface SuiteRedis {
  readonly port: number;
  readonly admin: RedisAdmin;
}

export function redisRows(redis: () => SuiteRedis): readonly Broken[] {
  const at = async (url: string, extra: Readonly<Record<string, string>> = SECRET) => {
    const { env } = await startPair();
    return { env: { ...env, ...extra, REDIS_URL: url } };
  };
  const url = (userInfo = "", scheme = "redis", path = "") => `${scheme}://${userInfo}127.0.0.1:${redis().port}${path}`;
  const asUser = async (rights: string) => {
    await redis().admin.command("ACL", "SETUSER", "portero", "reset", "on", ">hunter2", ...rights.split(" "));
    return at(url("portero:hunter2@"));
  };
  const withSetting = async (settings: readonly (readonly [string, string])[]) => {
    for (const [name, value] of settings) await redis().admin.command("CONFIG", "SET", name, value);
    return at(url());
  };
  return [
    {
      is: "nothing listens at the port of Redis",
      make: async () => at(`redis://127.0.0.1:${await closedPort()}`),
      fails: ["redis.connection"],
      says: ["(ECONNREFUSED)", "→ nothing listens there: are host and port right? Redis' own is 6379"],
    },
    {
      is: "a password for a Redis that has none",
      make: () => at(url(":hunter3@")),
      fails: ["redis.connection"],
      says: ["takes no commands (ERR)", "→ it has no password: take it out of the URL"],
    },
    {
      is: "a wrong password of Redis",
      make: async () => {
        await asUser(RIGHTS);
        return at(url("portero:hunter3@"));
      },
      fails: ["redis.connection"],
      says: ["takes no commands (WRONGPASS)", "→ user or password are wrong: are both encoded, # as %23?"],
    },
    {
      is: "a user of Redis that may not write",
      make: () => asUser(RIGHTS.replace("+set ", "")),
      fails: ["redis.entries"],
      says: [
        "its user may not SET (NOPERM)",
        "→ ACL SETUSER … +set",
        "✓ the log of invalidations can be written and read",
      ],
    },
    {
      is: "a user of Redis with other keys",
      make: () => asUser(RIGHTS.replace("~portero:*", "~other:*")),
      fails: ["redis.entries", "redis.log"],
      says: ["its user may not use keys that begin with portero: (NOPERM)", "→ ACL SETUSER … ~portero:*"],
    },
    {
      is: "a user of Redis without the rights of the log",
      make: () => asUser("~portero:* -@all +mget +set +unlink +xrange"),
      fails: ["redis.log"],
      says: [
        "its user may not XADD, XREAD, XREVRANGE, PEXPIRE (NOPERM): other processes forget within cache.processTtlMs",
        "→ ACL SETUSER … +xadd +xread +xrevrange +pexpire",
      ],
      code: 0,
    },
    {
      is: "a Redis that evicts",
      make: () =>
        withSetting([
          ["maxmemory", "100mb"],
          ["maxmemory-policy", "allkeys-lru"],
        ]),
      fails: ["redis.eviction"],
      says: ["it may evict an invalidation before its time (allkeys-lru)", "→ CONFIG SET maxmemory-policy noeviction"],
      code: 0,
    },
    {
      is: "a Redis that is full",
      make: () =>
        withSetting([
          ["maxmemory-policy", "noeviction"],
          ["maxmemory", "1"],
        ]),
      fails: ["redis.entries", "redis.log"],
      says: ["it refuses SET (OOM)", "→ it is full: raise maxmemory, or give it to nothing else"],
    },
    {
      is: "a cluster's URL for one Redis",
      make: () => at(url("", "redis+cluster")),
      fails: ["redis.topology"],
      says: ["it is no cluster", "→ write redis:// for redis+cluster://"],
    },
    {
      is: "a Redis in the place of the sentinels",
      make: () => at(url("", "redis+sentinel", "/mymaster")),
      fails: ["redis.topology"],
      says: ["is no sentinel", "→ name the sentinels, often at port 26379; for a Redis alone write redis://"],
    },
    {
      is: "a shared cache without a secret",
      make: () => at(url(), {}),
      fails: ["settings.risk"],
      says: ["the shared cache has no secret: whoever can write to it can make a user", "→ see AUTH_CACHE_SECRET"],
      code: 0,
    },
  ];
}
