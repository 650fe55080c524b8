import { InvalidationLog } from "../cache/invalidation-log.js";
import type { Keyring } from "../cache/keyring.js";
import type { RedisStore } from "../cache/redis.js";
import { type LogSurroundings, redisLog } from "../cache/redis-log.js";
import { errorCode } from "../cache/store-error.js";
import type { Config } from "./config/config.js";
import type { Events } from "./events.js";

/** The rights of Redis that it takes, as an ACL names them. */
const RIGHTS = "+xadd +xread +xrange +xrevrange +pexpire";

/** The log of invalidations of a client on Redis; one for all that share an auth service's answers, and the first secret. */
export function openLog(
  config: Config,
  events: Events,
  redis: RedisStore,
  { keyring, ...surroundings }: LogSurroundings & { readonly keyring: Keyring },
): InvalidationLog {
  const { clock, random, logger } = config;
  const [slot] = keyring.slots({ kind: "log", id: "" });
  if (!slot) throw new Error("a keyring has one slot at least");
  return new InvalidationLog({
    wire: redisLog(slot.key, redis, surroundings),
    slot,
    clock,
    socketClock: surroundings.clock,
    random,
    onTransition: (available) => events.emit("cache", { tier: "log", available }),
    onUsable: (error) => {
      if (error === undefined) logger.info("portero: the log of invalidations can be used now");
      else logger.warn(unusable(errorCode(error)));
    },
  });
}

function unusable(code: string | undefined): string {
  const why =
    code === "NOPERM"
      ? `the user of Redis lacks rights (NOPERM): ${RIGHTS}`
      : "this Redis, or a proxy before it, takes no streams, which came with version 5";
  return `portero: there is no log of invalidations, so that other processes forget within cache.processTtlMs, not at once: ${why}`;
}
