import type { SharedStore } from "../../cache/guarded-store.js";
import { SHARE_OF_SUBJECT } from "../../cache/process-cache.js";
import type { RedisAddress } from "../../cache/redis.js";
import { type AnswerSources, identityOf, shapersOf } from "./cache-identity.js";
import type { CacheOptions } from "./options.js";
import type { SettingReader } from "./setting-reader.js";
import { readTls } from "./upstreams.js";

export interface CacheConfig {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly maxTokensPerUser: number;
  readonly ttlMs: number;
  readonly localsTtlMs: number;
  readonly permissionsTtlMs: number;
  readonly organizationTtlMs: number;
  readonly refusalTtlMs: number;
  readonly processTtlMs: number;
  readonly staleIfErrorMs: number;
  /** Of `redis`, in whichever form it was given. */
  readonly redisUrl: string | undefined;
  readonly redis: RedisAddress | undefined;
  readonly store: SharedStore | undefined;
  /** Whose answers these are. */
  readonly identity: string;
  readonly secrets: readonly string[];
}

const MIN_SECRET_BYTES = 32;
const MIN_DIFFERENT_BYTES = 8;
const ENCODED =
  ", as redis://user:…@host:port/number with user and password encoded: # as %23, / as %2F, ? as %3F, @ as %40, % as %25";

export function readCache(read: SettingReader, given: CacheOptions | undefined, sources: AnswerSources): CacheConfig {
  const options = read.section("cache", given, [
    "maxEntries",
    "maxBytes",
    "maxTokensPerUser",
    "ttlMs",
    "localsTtlMs",
    "permissionsTtlMs",
    "organizationTtlMs",
    "refusalTtlMs",
    "processTtlMs",
    "staleIfErrorMs",
    "redisUrl",
    "redis",
    "store",
    "namespace",
    "secret",
  ]);
  const redis = readRedis(read, options);
  const store = read.hidden("cache.store", options.store, isStore, "a Keyv, or anything with its get, set and delete");
  if (store && (options.redisUrl ?? options.redis) !== undefined)
    read.problem("cache.store", store, `either cache.store or ${redisSettingOf(options)}`);
  const namespace = read.optional("cache.namespace", options.namespace, isText, "a string that is not empty");
  const shapers = shapersOf(sources);
  if ((store || redis) && shapers.length > 0 && options.namespace === undefined) {
    const what = shapers.join(" and ");
    read.problem(
      "cache.namespace",
      undefined,
      `a name for this auth service (AUTH_CACHE_NAMESPACE): ${what} can change its answers, and in a shared cache only a name tells them from another's`,
    );
  }
  const maxEntries = read.integer("cache.maxEntries", options.maxEntries, 20_000, 1, 2 ** 24);
  return {
    maxEntries,
    maxTokensPerUser: read.integer(
      "cache.maxTokensPerUser",
      options.maxTokensPerUser,
      Math.max(1, Math.floor(maxEntries / SHARE_OF_SUBJECT)),
      1,
    ),
    maxBytes: read.integer("cache.maxBytes", options.maxBytes, 67_108_864, 1),
    ttlMs: read.duration("cache.ttlMs", options.ttlMs, 300_000),
    localsTtlMs: read.duration("cache.localsTtlMs", options.localsTtlMs, 3_600_000),
    permissionsTtlMs: read.duration("cache.permissionsTtlMs", options.permissionsTtlMs, 300_000),
    organizationTtlMs: read.duration("cache.organizationTtlMs", options.organizationTtlMs, 3_600_000),
    refusalTtlMs: read.duration("cache.refusalTtlMs", options.refusalTtlMs, 10_000),
    processTtlMs: read.duration("cache.processTtlMs", options.processTtlMs, 30_000),
    staleIfErrorMs: read.duration("cache.staleIfErrorMs", options.staleIfErrorMs, 0),
    redisUrl: redis?.url,
    redis,
    store,
    identity: namespace ?? identityOf(sources),
    secrets: readSecrets(read, options.secret),
  };
}

function readSecrets(read: SettingReader, given: CacheOptions["secret"]): readonly string[] {
  if (given === undefined) return [];
  const secrets = typeof given === "string" ? [given] : given;
  if (!Array.isArray(secrets) || secrets.length === 0 || !secrets.every((secret) => typeof secret === "string")) {
    read.secretProblem("cache.secret", `a secret of at least ${MIN_SECRET_BYTES} bytes, or a list of such`);
    return [];
  }
  secrets.forEach((secret: string, at) => {
    const bytes = Buffer.from(secret);
    const different = new Set(bytes).size;
    const which = secrets.length > 1 ? ` (secret ${at + 1} of ${secrets.length})` : "";
    if (bytes.length < MIN_SECRET_BYTES)
      read.secretProblem("cache.secret", `at least ${MIN_SECRET_BYTES} bytes`, `${bytes.length}${which}`);
    else if (different < MIN_DIFFERENT_BYTES)
      read.secretProblem("cache.secret", `at least ${MIN_DIFFERENT_BYTES} different bytes`, `${different}${which}`);
  });
  return [...secrets];
}

/** The option that names Redis. */
export function redisSettingOf(options: CacheOptions): "cache.redisUrl" | "cache.redis.url" {
  return options.redis === undefined ? "cache.redisUrl" : "cache.redis.url";
}

/** `redisUrl` is the short form of `redis: { url }`. */
function readRedis(read: SettingReader, options: CacheOptions): RedisAddress | undefined {
  const { redisUrl, redis } = options;
  if (redisUrl !== undefined && redis !== undefined) {
    read.secretProblem("cache.redis", "either cache.redis or cache.redisUrl", "both");
  }
  const given = read.section("cache.redis", redis, ["url", "tls", "pingIntervalMs"]);
  const path = redisSettingOf(options);
  const value = redis === undefined ? redisUrl : given.url;
  const url = read.url(path, value, ["redis:", "rediss:"], { hint: ENCODED });
  if (url !== undefined && !isRedisUrl(url)) read.urlProblem(path, url, `a URL${ENCODED}`);
  if (redis && typeof redis === "object" && value === undefined) read.problem(path, undefined, "a URL");
  const pingIntervalMs = read.duration("cache.redis.pingIntervalMs", given.pingIntervalMs, 10_000, 1);
  const tls = readTls(read, "cache.redis", given.tls, url, "rediss:");
  return url === undefined ? undefined : { url, tls, pingIntervalMs };
}

/** What the Redis client would refuse, but only when it is made, which is later. */
function isRedisUrl(url: string): boolean {
  const { username, password, pathname } = new URL(url);
  try {
    decodeURIComponent(username + password);
  } catch {
    return false;
  }
  return /^\/?\d*$/.test(pathname);
}

function isStore(store: SharedStore): boolean {
  return (["get", "set", "delete"] as const).every((method) => typeof store?.[method] === "function");
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}
