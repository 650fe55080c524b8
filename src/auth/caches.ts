import { GuardedStore } from "../cache/guarded-store.js";
import { createKeyring } from "../cache/keyring.js";
import { ProcessCache } from "../cache/process-cache.js";
import { connectRedis, type RedisStore } from "../cache/redis.js";
import type { CacheSpec } from "../cache/spec.js";
import { errorCode } from "../cache/store-error.js";
import { SubjectInvalidations } from "../cache/subject-invalidations.js";
import { type CacheCounts, TieredCache } from "../cache/tiered-cache.js";
import { Timeline } from "../cache/timeline.js";
import { systemClock } from "../runtime/clock.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import { type CacheSpecs, createCacheSpecs, subjectOf } from "./cache-specs.js";
import type { AuthClientStatus } from "./client-status.js";
import type { Config } from "./config/config.js";
import { shownUrl } from "./config/shown-url.js";
import type { Events } from "./events.js";
import { dependencyIn, storeHintOf } from "./failure-hints.js";
import type { MassRefusals } from "./mass-refusals.js";
import type { UserRef } from "./model.js";
import type { RemoteAuthService } from "./service-calls.js";
import type { StringLists } from "./string-lists.js";

type CacheOf<S> = S extends CacheSpec<infer Q, infer V, infer P, infer R> ? TieredCache<Q, V, P, R> : never;

/** A cache for each question, all of them on the same process cache and shared cache. */
export type Caches = { readonly [S in keyof CacheSpecs]: CacheOf<CacheSpecs[S]> } & {
  invalidateUser(user: UserRef): Promise<void>;
  invalidateOrganization(organizationId: string): Promise<void>;
  status(): AuthClientStatus["cache"];
  /** Resolves when the store's first attempt to connect has ended, either way. */
  ready(): Promise<void>;
  /** Questions under way. */
  inFlight(): number;
  close(): Promise<void>;
};

export interface CachesOptions {
  readonly config: Config;
  readonly events: Events;
  readonly lists: StringLists;
  readonly refusals: MassRefusals;
  /** See tombstones.ts; fewer than usual in simulations, which cannot make ten thousand. */
  readonly maxTombstones?: number | undefined;
}

export function createCaches(
  service: RemoteAuthService,
  { config, events, lists, refusals, maxTombstones }: CachesOptions,
): Caches {
  const { clock, random } = config;
  const { staleIfErrorMs, maxTokensPerUser: maxPerSubject } = config.cache;
  const process = new ProcessCache({ ...config.cache, maxPerSubject, clock, random });
  const { store, redis } = connectStore(config, events);
  const timeline = new Timeline(clock);
  const subjects = new SubjectInvalidations({ store, timeline, maxTombstones });
  const tiers = { process, store, subjects, timeline };
  const options = {
    clock,
    random,
    processTtlMs: config.cache.processTtlMs,
    staleIfErrorMs,
    couldNotAsk: (error: unknown) => error instanceof UnavailableError || error instanceof OverloadedError,
  };
  const [ofTokens, ofLookups] = [
    { ...options, refusals: refusals.watch("tokens") },
    { ...options, refusals: refusals.watch("look-ups") },
  ];
  const specs = createCacheSpecs(service, config.cache, lists);
  const caches = {
    token: new TieredCache(specs.token, tiers, ofTokens),
    locals: new TieredCache(specs.locals, tiers, ofLookups),
    permissions: new TieredCache(specs.permissions, tiers, ofLookups),
    organization: new TieredCache(specs.organization, tiers, ofLookups),
  };
  const all = Object.values(caches) as readonly { counts: CacheCounts; inFlight: number }[];
  const total = (count: keyof CacheCounts) => all.reduce((sum, { counts }) => sum + counts[count], 0);
  return {
    ...caches,
    invalidateUser: (user) => subjects.invalidate("user", subjectOf(user)),
    invalidateOrganization: (organizationId) => subjects.invalidate("organization", organizationId),
    status: () => ({
      entries: process.size,
      bytes: process.bytes,
      shared: store ? (store.available ? "available" : "unavailable") : "none",
      ...(store && { sharedWrites: store.takesWrites ? "ok" : "failing" }),
      hits: total("hits"),
      sharedHits: total("sharedHits"),
      refusals: total("refusals"),
      misses: total("misses"),
      stale: total("stale"),
    }),
    ready: async () => store?.ready(),
    inFlight: () => all.reduce((sum, { inFlight }) => sum + inFlight, 0),
    close: async () => {
      await store?.close();
      await redis?.close();
    },
  };
}

function connectStore(config: Config, events: Events): { store?: GuardedStore; redis?: RedisStore } {
  const { cache, clock, random, logger } = config;
  const url = shownUrl(cache.redisUrl);
  const name = url === undefined ? "the shared cache" : `the shared cache ${url}`;
  const onCluster = once(() =>
    logger.error(`portero: ${name} answers MOVED: this is a cluster, and redis:// speaks to a single Redis`),
  );
  const redis = cache.redis && connectRedis(cache.redis, { clock: systemClock, random, onCluster });
  const given = redis?.store ?? cache.store;
  if (!given) return {};
  given.ready?.catch((error: unknown) => {
    // At the start, not when it is first needed: this does not mend itself.
    if (dependencyIn(error)) logger.error(`portero: ${name} cannot be used: ${dependencyIn(error)?.message}`);
  });
  const store = new GuardedStore({
    store: given,
    clock,
    keyring: createKeyring({ identity: cache.identity, secrets: cache.secrets }),
    onTransition: (available, error) => {
      if (available) logger.info(`portero: ${name} is back`);
      else logger.warn(`portero: ${name} cannot be reached${reason(error)}: going on without it${hint(error)}`);
      events.emit("cache", { tier: "shared", available });
    },
    onWriteTransition: (works, error) => {
      if (works) logger.info(`portero: ${name} takes writes again`);
      else
        logger.warn(
          `portero: ${name} takes no writes${reason(error)}: new entries are not shared, or invalidations are not${hint(error)}`,
        );
    },
  });
  return { store, redis };
}

function reason(error: unknown): string {
  const code = errorCode(error);
  return code ? ` (${code})` : "";
}

function hint(error: unknown): string {
  const found = storeHintOf(error);
  return found === undefined ? "" : `; ${found}`;
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
