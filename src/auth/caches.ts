import { createKeyring } from "../cache/keyring.js";
import type { Kind } from "../cache/kind.js";
import { errorCode } from "../cache/not-connected.js";
import { createProcessTier } from "../cache/process-tier.js";
import { connectRedis, type RedisStore } from "../cache/redis.js";
import { SharedTier } from "../cache/shared-tier.js";
import { type CacheCounts, TieredCache } from "../cache/tiered-cache.js";
import { UserInvalidations } from "../cache/user-invalidations.js";
import { systemClock } from "../runtime/clock.js";
import { UnavailableError } from "../transport/outcome.js";
import type { RemoteAuthService } from "./auth-service.js";
import { type CacheKinds, createCacheKinds, subjectOf } from "./cache-kinds.js";
import type { AuthClientStatus } from "./client.js";
import type { Config } from "./config.js";
import type { Events } from "./events.js";
import type { UserRef } from "./model.js";
import { shownUrl } from "./shown-url.js";
import type { StringLists } from "./string-lists.js";

type CacheOf<K> = K extends Kind<infer Q, infer V, infer P, infer R> ? TieredCache<Q, V, P, R> : never;

/** A cache for each question, on the same tiers. */
export type Caches = { readonly [K in keyof CacheKinds]: CacheOf<CacheKinds[K]> } & {
  invalidateUser(user: UserRef): Promise<void>;
  status(): AuthClientStatus["cache"];
  /** Settles when the shared tier's first attempt to connect has ended, either way. */
  ready(): Promise<void>;
  /** Questions that somebody waits for. */
  inFlight(): number;
  close(): Promise<void>;
};

export function createCaches(service: RemoteAuthService, config: Config, events: Events, lists: StringLists): Caches {
  const { clock, random } = config;
  const process = createProcessTier(config.cache);
  const { shared, redis } = connectShared(config, events);
  const users = new UserInvalidations({ shared, clock });
  const tiers = { process, shared, users };
  const options = {
    clock,
    random,
    processTtlMs: config.cache.processTtlMs,
    staleIfErrorMs: config.cache.staleIfErrorMs,
    isOutage: (error: unknown) => error instanceof UnavailableError, // not when there was no place to ask
  };
  const kinds = createCacheKinds(service, config.cache, lists);
  const caches = {
    token: new TieredCache(kinds.token, tiers, options),
    locals: new TieredCache(kinds.locals, tiers, options),
    permissions: new TieredCache(kinds.permissions, tiers, options),
    organization: new TieredCache(kinds.organization, tiers, options),
  };
  const all = Object.values(caches) as readonly { counts: CacheCounts; inFlight: number }[];
  const total = (count: keyof CacheCounts) => all.reduce((sum, { counts }) => sum + counts[count], 0);
  return {
    ...caches,
    invalidateUser: (user) => users.invalidate(subjectOf(user)),
    status: () => ({
      entries: process.size,
      bytes: process.calculatedSize,
      shared: shared ? (shared.available ? "available" : "unavailable") : "none",
      ...(shared && { sharedWrites: shared.takesWrites ? "ok" : "failing" }),
      hits: total("hits"),
      sharedHits: total("sharedHits"),
      refusals: total("refusals"),
      misses: total("misses"),
      stale: total("stale"),
    }),
    ready: async () => shared?.ready(),
    inFlight: () => all.reduce((sum, { inFlight }) => sum + inFlight, 0),
    close: async () => {
      await shared?.close();
      await redis?.close();
    },
  };
}

function connectShared(config: Config, events: Events): { shared?: SharedTier; redis?: RedisStore } {
  const { cache, clock, random, logger } = config;
  const url = shownUrl(cache.redisUrl);
  const name = url === undefined ? "the shared cache" : `the shared cache ${url}`;
  const onCluster = once(() =>
    logger.error(`portero: ${name} answers MOVED: this is a cluster, and redis:// speaks to a single Redis`),
  );
  const redis = cache.redis && connectRedis(cache.redis, { clock: systemClock, random, onCluster });
  const store = redis?.store ?? cache.store;
  if (!store) return {};
  const shared = new SharedTier({
    store,
    clock,
    keyring: createKeyring({ identity: cache.identity, secrets: cache.secrets }),
    onTransition: (available, error) => {
      if (available) logger.info(`portero: ${name} is back`);
      else logger.warn(`portero: ${name} cannot be reached${reason(error)}: going on without it`);
      events.emit("cache", { tier: "shared", available });
    },
    onWriteTransition: (works, error) => {
      if (works) logger.info(`portero: ${name} takes writes again`);
      else
        logger.warn(
          `portero: ${name} takes no writes${reason(error)}: new entries are not shared, or invalidations are not`,
        );
    },
  });
  return { shared, redis };
}

function reason(error: unknown): string {
  const code = errorCode(error);
  return code ? ` (${code})` : "";
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
