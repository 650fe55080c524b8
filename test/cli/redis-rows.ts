import * as net from "node:net";
import { afterwards } from "../support/open-client.js";
import { closedPort } from "../support/raw-upstreams.js";
import type { RedisAdmin } from "../support/redis-admin.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { type Broken, portOf, SECRET, startPair } from "./set-up.js";

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
      is: "the password in the place of the user of Redis",
      make: async () => {
        await asUser(RIGHTS);
        return at(url("hunter3@"));
      },
      fails: ["redis.connection"],
      says: ["(WRONGPASS)", "→ the URL has a user and no password: if that is the password, write a : before it"],
    },
    {
      is: "a database of Redis that is not there",
      make: () => at(url("", "redis", "/99")),
      fails: ["redis.connection"],
      says: [
        "takes no commands (ERR)",
        "→ it has no database of that number: the one behind the last / of REDIS_URL is",
      ],
    },
    {
      is: "a Redis without its replicas",
      make: () => withSetting([["min-replicas-to-write", "1"]]),
      fails: ["redis.entries"],
      says: ["it refuses SET (NOREPLICAS)", "→ too few replicas follow it (min-replicas-to-write)"],
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
      fails: ["redis.entries"],
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

/** A Redis that says the same to every command. */
async function saying(reply: string, scheme = "redis:") {
  const redis = await startFakeRedis((_words, socket) => void socket.write(`${reply}\r\n`));
  afterwards(() => redis.close());
  return { env: { ...(await startPair()).env, ...SECRET, REDIS_URL: redis.url.replace("redis:", scheme) } };
}

function refusing(refusal: string, says: readonly string[], fails: readonly string[] = ["redis.entries"]): Broken {
  return { is: `a Redis that says ${refusal.slice(0, 12)}`, make: () => saying(`-${refusal}`), fails, says };
}

/** What a real one cannot easily be brought to say. */
export const refusingRows: readonly Broken[] = [
  ...(
    [
      ["ERR max number of clients reached", "(ERR)", "→ it has no room for one more: raise maxclients"],
      ["DENIED Redis is running in protected mode", "(DENIED)", "→ its protected mode lets in its own machine alone"],
    ] as const
  ).map(([refusal, ...says]) => ({
    is: `a Redis that ends each connection with ${refusal}`,
    make: async () => {
      const port = await portOf(
        net.createServer(
          (socket) =>
            void socket
              .on("error", () => undefined)
              .resume()
              .end(`-${refusal}\r\n`),
        ),
      );
      return { env: { ...(await startPair()).env, ...SECRET, REDIS_URL: `redis://127.0.0.1:${port}` } };
    },
    fails: ["redis.connection"],
    says,
  })),
  {
    is: "a node of a cluster that has no slots",
    make: () => saying("*0", "redis+cluster:"),
    fails: ["redis.topology"],
    says: ["no node tells of its slots (CLUSTERDOWN)", "→ the cluster is down: is a master lost, were its slots never"],
  },
  refusing("LOADING Redis is loading the dataset in memory", [
    "it refuses MGET (LOADING)",
    "→ it is reading its data from disk: wait until that has ended",
  ]),
  refusing("MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", [
    "(MISCONF)",
    "→ it cannot save to its disk: look at its log, and at the room that is left there",
  ]),
  refusing("BUSY Redis is busy running a script.", ["(BUSY)", "→ a script holds it up: SCRIPT KILL"]),
  refusing("MASTERDOWN Link with MASTER is down", ["(MASTERDOWN)", "→ it is a replica that has lost its master"]),
  refusing("DENIED Redis is running in protected mode", ["(DENIED)", "→ its protected mode lets in its own machine"]),
  refusing(
    "ERR max number of clients reached",
    ["(ERR)", "→ it has no room for one more: raise maxclients"],
    ["redis.entries", "redis.log"],
  ),
];
