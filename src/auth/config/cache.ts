import type { RedisAddress } from "../../cache/redis.js";
import type { SharedStore } from "../../cache/shared-store.js";
import { type AnswerSources, identityOf, shapersOf } from "./cache-identity.js";
import { keysOf } from "./declaration.js";
import type { CacheOptions } from "./options.js";
import { readRedisUrl } from "./redis-url.js";
import type { SettingReader } from "./setting-reader.js";
import { SECRET, SETTINGS, tokensPerUserOf } from "./settings.js";
import { readTls } from "./tls.js";

export interface CacheConfig {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly maxTokensPerUser: number;
  readonly recentBytes: number;
  readonly ttlMs: number;
  readonly localsTtlMs: number;
  readonly permissionsTtlMs: number;
  readonly organizationTtlMs: number;
  readonly refusalTtlMs: number;
  readonly processTtlMs: number;
  readonly staleIfErrorMs: number;
  /** From `redis` or `redisUrl`. */
  readonly redisUrl: string | undefined;
  readonly redis: RedisAddress | undefined;
  readonly store: SharedStore | undefined;
  /** The auth service whose answers are cached: a part of every key in a shared cache. */
  readonly identity: string;
  readonly secrets: readonly string[];
}

export function readCache(read: SettingReader, given: CacheOptions | undefined, sources: AnswerSources): CacheConfig {
  const options = read.section("cache", given, keysOf(SETTINGS.cache));
  const redis = readRedis(read, options);
  const store = read.hidden("cache.store", options.store, isStore, storeExpected(options.store));
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
  const setting = SETTINGS.cache;
  const maxEntries = read.number(setting.maxEntries, options.maxEntries);
  const maxTokensPerUser = { ...setting.maxTokensPerUser, fallback: tokensPerUserOf(maxEntries) };
  return {
    maxEntries,
    maxTokensPerUser: read.number(maxTokensPerUser, options.maxTokensPerUser),
    maxBytes: read.number(setting.maxBytes, options.maxBytes),
    recentBytes: read.number(setting.recentBytes, options.recentBytes),
    ttlMs: read.number(setting.ttlMs, options.ttlMs),
    localsTtlMs: read.number(setting.localsTtlMs, options.localsTtlMs),
    permissionsTtlMs: read.number(setting.permissionsTtlMs, options.permissionsTtlMs),
    organizationTtlMs: read.number(setting.organizationTtlMs, options.organizationTtlMs),
    refusalTtlMs: read.number(setting.refusalTtlMs, options.refusalTtlMs),
    processTtlMs: read.number(setting.processTtlMs, options.processTtlMs),
    staleIfErrorMs: read.number(setting.staleIfErrorMs, options.staleIfErrorMs),
    redisUrl: redis?.url,
    redis: redis?.address,
    store,
    identity: namespace ?? identityOf(sources),
    secrets: readSecrets(read, options.secret),
  };
}

function readSecrets(read: SettingReader, given: CacheOptions["secret"]): readonly string[] {
  if (given === undefined) return [];
  const secrets = typeof given === "string" ? [given] : given;
  if (!Array.isArray(secrets) || secrets.length === 0 || !secrets.every((secret) => typeof secret === "string")) {
    read.secretProblem("cache.secret", `a secret of at least ${SECRET.minBytes} bytes, or a list of such`);
    return [];
  }
  secrets.forEach((secret: string, at) => {
    const bytes = Buffer.from(secret);
    const different = new Set(bytes).size;
    const which = secrets.length > 1 ? ` (secret ${at + 1} of ${secrets.length})` : "";
    if (bytes.length < SECRET.minBytes)
      read.secretProblem("cache.secret", `at least ${SECRET.minBytes} bytes`, `${bytes.length}${which}`);
    else if (different < SECRET.minDifferentBytes)
      read.secretProblem(
        "cache.secret",
        `at least ${SECRET.minDifferentBytes} different bytes`,
        `${different}${which}`,
      );
  });
  return [...secrets];
}

/** The option that names Redis. */
export function redisSettingOf(options: CacheOptions): "cache.redisUrl" | "cache.redis.url" {
  return options.redis === undefined ? "cache.redisUrl" : "cache.redis.url";
}

/** `redisUrl` is the short form of `redis: { url }`. */
function readRedis(
  read: SettingReader,
  options: CacheOptions,
): { readonly url: string; readonly address: RedisAddress } | undefined {
  const { redisUrl, redis } = options;
  if (redisUrl !== undefined && redis !== undefined) {
    read.secretProblem("cache.redis", "either cache.redis or cache.redisUrl", "both");
  }
  const given = read.section("cache.redis", redis, keysOf(SETTINGS.cache.redis));
  const path = redisSettingOf(options);
  const value = redis === undefined ? redisUrl : given.url;
  const named = readRedisUrl(read, path, value);
  if (redis && typeof redis === "object" && value === undefined) read.problem(path, undefined, "a URL");
  const pingIntervalMs = read.number(SETTINGS.cache.redis.pingIntervalMs, given.pingIntervalMs);
  const tls = readTls(read, "cache.redis", given.tls, named ? [named.url] : [], "rediss:");
  return named && { url: named.url, address: { target: named.target, tls, pingIntervalMs } };
}

function isStore(store: SharedStore): boolean {
  return (["get", "set", "delete"] as const).every((method) => typeof store?.[method] === "function");
}

function storeExpected(store: unknown): string {
  const methods = ["get", "set", "delete"] as const;
  const missing = methods.filter((method) => typeof (store as SharedStore | null)?.[method] !== "function");
  const which = missing.length < methods.length ? `: ${missing.join(" and ")} is missing` : "";
  return `a Keyv, or anything with its get, set and delete${which}`;
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.trim() !== "";
}
