import { GuardedStore } from "../cache/guarded-store.js";
import type { InvalidationLog, LogStatus } from "../cache/invalidation-log.js";
import { createKeyring } from "../cache/keyring.js";
import { ProcessCache } from "../cache/process-cache.js";
import type { QuestionWatch } from "../cache/question-watch.js";
import { connectRedis, type RedisStore } from "../cache/redis.js";
import { openLink } from "../cache/redis-link.js";
import type { LogSurroundings } from "../cache/redis-log.js";
import type { CacheSpec } from "../cache/spec.js";
import { errorCode, newStoreErrors, type StoreErrors } from "../cache/store-error.js";
import { SubjectInvalidations } from "../cache/subject-invalidations.js";
import { type CacheCounts, TieredCache } from "../cache/tiered-cache.js";
import { Timeline } from "../cache/timeline.js";
import { systemClock } from "../runtime/clock.js";
import { OverloadedError, UnavailableError } from "../transport/outcome.js";
import { openLog } from "./cache-log.js";
import { type CacheSpecs, createCacheSpecs, subjectOf } from "./cache-specs.js";
import type { AuthClientStatus } from "./client-status.js";
import type { Config } from "./config/config.js";
import { shownUrl } from "./config/shown-url.js";
import type { Events } from "./events.js";
import { dependencyIn } from "./failure-hints.js";
import { InvalidationListeners, type InvalidationReason } from "./invalidation-listeners.js";
import type { MassRefusals } from "./mass-refusals.js";
import type { UserRef, VerifiedToken } from "./model.js";
import type { RemoteAuthService } from "./service-calls.js";
import { storeHintOf } from "./store-hints.js";
import type { StringLists } from "./string-lists.js";

type CacheOf<S> = S extends CacheSpec<infer Q, infer V, infer P, infer R> ? TieredCache<Q, V, P, R> : never;

/** A cache for each question, all of them on the same process cache and shared cache. */
export type Caches = { readonly [S in keyof CacheSpecs]: CacheOf<CacheSpecs[S]> } & {
  onInvalidated(auth: VerifiedToken, listener: (reason: InvalidationReason) => void): () => void;
  /** Whether something contradicts an answer, or may. */
  mayBeVoid(auth: VerifiedToken): boolean;
  invalidateUser(user: UserRef): Promise<void>;
  invalidateOrganization(organizationId: string): Promise<void>;
  status(): AuthClientStatus["cache"];
  /** Resolves when the store's first attempt to connect has ended, either way. */
  ready(): Promise<void>;
  /** Questions under way. */
  inFlight(): number;
  close(): Promise<void>;
};

/** What simulations put in the place of the usual. */
export interface CacheSurroundings {
  /** See tombstones.ts; fewer than usual, since a simulation cannot make ten thousand. */
  readonly maxTombstones?: number | undefined;
  /** Default: the one that the options name. */
  readonly redis?: (RedisStore & LogSurroundings) | undefined;
}

export interface CachesOptions {
  readonly config: Config;
  readonly events: Events;
  readonly lists: StringLists;
  readonly refusals: MassRefusals;
  readonly watch: QuestionWatch;
  readonly surroundings?: CacheSurroundings | undefined;
}

export function createCaches(
  service: RemoteAuthService,
  { config, events, lists, refusals, watch, surroundings = {} }: CachesOptions,
): Caches {
  const { clock, random } = config;
  const { staleIfErrorMs, maxTokensPerUser: maxPerSubject } = config.cache;
  const process = new ProcessCache({ ...config.cache, maxPerSubject, clock, random });
  const sharedErrors = newStoreErrors();
  const { store, redis, log } = connectStore(config, events, sharedErrors, surroundings.redis);
  const timeline = new Timeline(clock);
  const listeners: InvalidationListeners = new InvalidationListeners({
    clock,
    random,
    logger: config.logger,
    isContradicted: (subject, origin) => caches.token.isContradicted(subject, origin),
    isUnproven: (origin) => caches.token.isUnproven(origin),
  });
  const subjects = new SubjectInvalidations({
    ...{ store, timeline, log, maxTombstones: surroundings.maxTombstones },
    onInvalidated: (key, until) => listeners.subjectInvalidated(key, until),
  });
  const tiers = { process, store, subjects, timeline, log };
  const options = {
    clock,
    random,
    processTtlMs: config.cache.processTtlMs,
    staleIfErrorMs,
    couldNotAsk: (error: unknown) => error instanceof UnavailableError || error instanceof OverloadedError,
    watch,
  };
  const [ofTokens, ofLookups] = [
    {
      ...options,
      refusals: refusals.watch("tokens"),
      onContradicted: listeners.tokenContradicted.bind(listeners),
    },
    { ...options, refusals: refusals.watch("look-ups") },
  ];
  const specs = createCacheSpecs(service, config.cache, lists);
  const caches: { readonly [S in keyof CacheSpecs]: CacheOf<CacheSpecs[S]> } = {
    token: new TieredCache(specs.token, tiers, ofTokens),
    locals: new TieredCache(specs.locals, tiers, ofLookups),
    permissions: new TieredCache(specs.permissions, tiers, ofLookups),
    organization: new TieredCache(specs.organization, tiers, ofLookups),
  };
  log?.start({
    hear(fact) {
      if ("subject" in fact) subjects.hearTold(fact.kind, fact.subject, fact.at);
      else caches.token.hear(fact);
      events.emit("invalidation", { by: "log", kind: fact.kind });
    },
    doubt() {
      subjects.doubt();
      listeners.doubt();
    },
  });
  const all = Object.values(caches) as readonly { counts: CacheCounts; inFlight: number }[];
  const total = (count: keyof CacheCounts) => all.reduce((sum, { counts }) => sum + counts[count], 0);
  return {
    ...caches,
    onInvalidated: (auth, listener) => listeners.add(auth, listener),
    mayBeVoid: (auth) => listeners.mayBeVoid(auth),
    invalidateUser: (user) => subjects.invalidate("user", subjectOf(user)),
    invalidateOrganization: (organizationId) => subjects.invalidate("organization", organizationId),
    status: () => ({
      entries: process.size,
      bytes: process.bytes,
      shared: store ? (store.available ? "available" : "unavailable") : "none",
      ...(store && { sharedWrites: store.takesWrites ? "ok" : "failing" }),
      ...(store?.partCounts && { sharedMasters: store.partCounts }),
      hits: total("hits"),
      sharedHits: total("sharedHits"),
      refusals: total("refusals"),
      misses: total("misses"),
      stale: total("stale"),
      renewals: total("renewals"),
      evictions: process.evictions,
      lookups: {
        token: { ...caches.token.counts },
        locals: { ...caches.locals.counts },
        permissions: { ...caches.permissions.counts },
        organization: { ...caches.organization.counts },
      },
      invalidations: events.counts.invalidations,
      sharedErrors: { ...sharedErrors },
      sharedTransitions: { ...events.counts.shared },
      ...(log?.status() ?? NO_LOG),
    }),
    async ready() {
      await store?.ready();
      if (store?.available) await log?.ready();
    },
    inFlight: () => all.reduce((sum, { inFlight }) => sum + inFlight, 0),
    close: async () => {
      listeners.clear();
      await log?.close();
      await store?.close();
      await redis?.close();
    },
  };
}

const NO_LOG: LogStatus = { log: "none", told: 0, heard: 0, gaps: 0, outbox: 0 };

const systemSurroundings: LogSurroundings = { clock: systemClock, openLink };

interface SharedTier {
  readonly store?: GuardedStore;
  readonly redis?: RedisStore | undefined;
  readonly log?: InvalidationLog | undefined;
}

function connectStore(
  config: Config,
  events: Events,
  errors: StoreErrors,
  simulated: CacheSurroundings["redis"],
): SharedTier {
  const { cache, clock, random, logger } = config;
  const url = shownUrl(cache.redisUrl);
  const name = url === undefined ? "the shared cache" : `the shared cache ${url}`;
  const onCluster = once(() =>
    logger.error(`portero: ${name} answers MOVED: this is a cluster: write redis+cluster:// for redis://`),
  );
  const onNoCluster = once(() =>
    logger.error(`portero: ${name} has no cluster support: this is one Redis: write redis:// for redis+cluster://`),
  );
  const { clock: socketClock } = simulated ?? systemSurroundings;
  const real = cache.redis && connectRedis(cache.redis, { clock: socketClock, random, onCluster, onNoCluster });
  const redis = simulated ?? real;
  const given = redis?.store ?? cache.store;
  if (!given) return {};
  given.ready?.catch((error: unknown) => {
    // At the start, not when it is first needed: this does not mend itself.
    if (dependencyIn(error)) logger.error(`portero: ${name} cannot be used: ${dependencyIn(error)?.message}`);
  });
  const keyring = createKeyring({ identity: cache.identity, secrets: cache.secrets });
  const store = new GuardedStore({
    store: given,
    clock,
    keyring,
    errors,
    onTransition: (available, error) => {
      if (available) logger.info(`portero: ${name} is back`);
      else logger.warn(`portero: ${name} cannot be reached${reason(error)}: going on without it${hint(error)}`);
      events.emit("cache", { tier: "shared", available });
    },
    onPartTransition: (at, available, error) => {
      if (available) logger.info(`portero: ${name}: its keys on ${at} can be reached again`);
      else logger.warn(`portero: ${name}: its keys on ${at} cannot be reached${reason(error)}: going on without them`);
    },
    onWriteTransition: (works, error) => {
      if (works) logger.info(`portero: ${name} takes writes again`);
      else
        logger.warn(
          `portero: ${name} takes no writes${reason(error)}: new entries are not shared, or invalidations are not${hint(error)}`,
        );
    },
  });
  return {
    store,
    redis,
    log: redis && openLog(config, events, redis, { ...(simulated ?? systemSurroundings), keyring }),
  };
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
