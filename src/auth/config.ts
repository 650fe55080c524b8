import type { Interceptor, Transport } from "@connectrpc/connect";
import type { SharedStore } from "../cache/shared-tier.js";
import { type Clock, systemClock } from "../runtime/clock.js";
import { type Logger, silentLogger } from "../runtime/logger.js";
import { MIN_TRY_MS } from "../transport/call-context.js";
import type { CredentialHeaders } from "../transport/credentials.js";
import type { TlsOptions } from "../transport/grpc-session.js";
import { DEFAULT_REST_PATHS, type RestPaths } from "../transport/rest-request.js";
import { environmentOf } from "./environment.js";
import type { AuthClientOptions, CacheOptions, GrpcOptions, RestOptions } from "./options.js";
import { SettingReader } from "./setting-reader.js";

/** The settings of a client: validated, complete, frozen. */
export interface Config {
  readonly grpc: GrpcConfig | undefined;
  readonly rest: RestConfig | undefined;
  readonly breaker: { readonly failureThreshold: number; readonly windowMs: number; readonly recoveryMs: number };
  readonly retry: { readonly attempts: number; readonly initialDelayMs: number; readonly maxDelayMs: number };
  readonly limit: { readonly maxConcurrent: number; readonly maxQueue: number };
  readonly cache: CacheConfig;
  readonly headers: CredentialHeaders | undefined;
  readonly maxAnswerBytes: number;
  readonly deadlineMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

interface UpstreamConfig {
  /** Its part of the deadline, where that is shorter than its own timeout. */
  readonly timeoutMs: number;
}

export interface GrpcConfig extends UpstreamConfig {
  /** `undefined` with a custom transport. */
  readonly url: string | undefined;
  readonly tls: TlsOptions | undefined;
  readonly interceptors: readonly Interceptor[];
  readonly transport: Transport | undefined;
}

export interface RestConfig extends UpstreamConfig {
  readonly url: string;
  readonly tls: TlsOptions | undefined;
  readonly paths: RestPaths;
}

export interface CacheConfig {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly localsTtlMs: number;
  readonly permissionsTtlMs: number;
  readonly organizationTtlMs: number;
  readonly refusalTtlMs: number;
  readonly processTtlMs: number;
  readonly staleIfErrorMs: number;
  readonly redisUrl: string | undefined;
  readonly store: SharedStore | undefined;
  /** Whose answers these are. */
  readonly identity: string;
  readonly secrets: readonly string[];
}

const MIN_SECRET_BYTES = 32;
const TLS_KEYS = ["ca", "cert", "key"] as const;
const HTTP = ["http:", "https:"] as const;

/**
 * Validates the options and fills in the defaults.
 *
 * @throws ConfigError that names everything that is wrong
 */
export function readConfig(given: AuthClientOptions): Config {
  const { origins, problems } = environmentOf(given);
  const read = new SettingReader(origins, problems);
  const options = read.section("", given, [
    "grpc",
    "rest",
    "breaker",
    "retry",
    "limit",
    "cache",
    "headers",
    "maxAnswerBytes",
    "deadlineMs",
    "logger",
    "clock",
    "random",
  ]);
  const grpc = readGrpc(read, options.grpc);
  const rest = readRest(read, options.rest);
  if (!options.grpc && !options.rest && problems.length === 0) {
    read.problem("grpc.url", undefined, "at least one upstream: grpc.url or rest.url (AUTH_GRPC_URL or AUTH_REST_URL)");
  }
  const { deadlineMs, shareOf } = readDeadline(read, options.deadlineMs, [grpc?.timeoutMs, rest?.timeoutMs]);
  const config: Config = {
    grpc: grpc && { ...grpc, timeoutMs: shareOf(grpc.timeoutMs) },
    rest: rest && { ...rest, timeoutMs: shareOf(rest.timeoutMs) },
    breaker: readBreaker(read, options.breaker),
    retry: readRetry(read, options.retry),
    limit: readLimit(read, options.limit),
    cache: readCache(read, options.cache, grpc, rest),
    headers: readHeaders(read, options.headers),
    maxAnswerBytes: read.integer("maxAnswerBytes", options.maxAnswerBytes, 1_048_576, 1, 2 ** 31 - 1),
    deadlineMs,
    logger: readLogger(read, options.logger),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
  read.throwIfAny();
  return Object.freeze(config);
}

function readGrpc(read: SettingReader, given: GrpcOptions | undefined): GrpcConfig | undefined {
  if (!given) return undefined;
  const options = read.section("grpc", given, ["url", "timeoutMs", "tls", "interceptors", "transport"]);
  const url = read.url("grpc.url", options.url, HTTP);
  if (options.transport && options.url !== undefined) {
    read.problem("grpc.transport", options.transport, "either grpc.url or grpc.transport");
  } else if (!options.transport && options.url === undefined) read.problem("grpc.url", undefined, "a URL");
  return {
    url,
    timeoutMs: read.duration("grpc.timeoutMs", options.timeoutMs, 1000, MIN_TRY_MS),
    tls: readTls(read, "grpc", options.tls, url),
    interceptors:
      read.optional("grpc.interceptors", options.interceptors, Array.isArray, "an array of Connect interceptors") ?? [],
    transport: read.optional(
      "grpc.transport",
      options.transport,
      (transport) => typeof transport?.unary === "function",
      "a Connect transport",
    ),
  };
}

function readRest(read: SettingReader, given: RestOptions | undefined): RestConfig | undefined {
  if (!given) return undefined;
  const options = read.section("rest", given, ["url", "timeoutMs", "tls", "paths"]);
  const url = read.url("rest.url", options.url, HTTP);
  if (options.url === undefined) read.problem("rest.url", undefined, "a URL");
  if (url && new URL(url).search !== "") read.problem("rest.url", url, "a URL without a query");
  return {
    url: url ?? "",
    timeoutMs: read.duration("rest.timeoutMs", options.timeoutMs, 2000, MIN_TRY_MS),
    tls: readTls(read, "rest", options.tls, url),
    paths: readPaths(read, options.paths),
  };
}

function readPaths(read: SettingReader, given: Partial<RestPaths> | undefined): RestPaths {
  const keys = Object.keys(DEFAULT_REST_PATHS) as (keyof RestPaths)[];
  const options = read.section("rest.paths", given, keys);
  const paths = { ...DEFAULT_REST_PATHS };
  for (const key of keys) {
    const placeholder = DEFAULT_REST_PATHS[key].match(/\{\w+\}/)?.[0] ?? "";
    const path = read.optional(
      `rest.paths.${key}`,
      options[key],
      (value) => typeof value === "string" && value.startsWith("/") && value.includes(placeholder),
      `a path that begins with / ${placeholder && `and holds ${placeholder}`}`.trimEnd(),
    );
    if (path !== undefined) paths[key] = path;
  }
  return paths;
}

function readTls(read: SettingReader, upstream: string, given: TlsOptions | undefined, url: string | undefined) {
  if (given === undefined) return undefined;
  const tls = read.section(`${upstream}.tls`, given, TLS_KEYS);
  if (url && new URL(url).protocol !== "https:")
    read.problem(`${upstream}.tls`, given, `no tls, or an https: URL in ${upstream}.url`);
  if ((tls.cert === undefined) !== (tls.key === undefined))
    read.secretProblem(`${upstream}.tls`, "cert and key together");
  return tls;
}

/** A deadline shorter than the sum of the timeouts is shared in proportion, so that a hung gRPC always leaves REST its part. */
function readDeadline(read: SettingReader, given: number | undefined, timeouts: readonly (number | undefined)[]) {
  const present = timeouts.filter((timeoutMs) => timeoutMs !== undefined);
  const sum = present.reduce((total, timeoutMs) => total + timeoutMs, 0);
  const shortest = Math.min(...present);
  const min = present.length > 0 ? Math.min(sum, Math.ceil((MIN_TRY_MS * sum) / shortest)) : MIN_TRY_MS;
  const deadlineMs = read.duration("deadlineMs", given, sum, min);
  return { deadlineMs, shareOf: (timeoutMs: number) => Math.min(timeoutMs, (deadlineMs * timeoutMs) / (sum || 1)) };
}

function readBreaker(read: SettingReader, given: AuthClientOptions["breaker"]): Config["breaker"] {
  const options = read.section("breaker", given, ["failureThreshold", "windowMs", "recoveryMs"]);
  return {
    failureThreshold: read.integer("breaker.failureThreshold", options.failureThreshold, 5, 1),
    windowMs: read.duration("breaker.windowMs", options.windowMs, 60_000, 1),
    recoveryMs: read.duration("breaker.recoveryMs", options.recoveryMs, 30_000, 1),
  };
}

function readRetry(read: SettingReader, given: AuthClientOptions["retry"]): Config["retry"] {
  const options = read.section("retry", given, ["attempts", "initialDelayMs", "maxDelayMs"]);
  return {
    attempts: read.integer("retry.attempts", options.attempts, 3, 1, 10),
    initialDelayMs: read.duration("retry.initialDelayMs", options.initialDelayMs, 50),
    maxDelayMs: read.duration("retry.maxDelayMs", options.maxDelayMs, 1000),
  };
}

function readLimit(read: SettingReader, given: AuthClientOptions["limit"]): Config["limit"] {
  const options = read.section("limit", given, ["maxConcurrent", "maxQueue"]);
  return {
    maxConcurrent: read.integer("limit.maxConcurrent", options.maxConcurrent, 256, 1),
    maxQueue: read.integer("limit.maxQueue", options.maxQueue, 1024, 0),
  };
}

function readCache(
  read: SettingReader,
  given: CacheOptions | undefined,
  grpc: GrpcConfig | undefined,
  rest: RestConfig | undefined,
): CacheConfig {
  const options = read.section("cache", given, [
    "maxEntries",
    "maxBytes",
    "ttlMs",
    "localsTtlMs",
    "permissionsTtlMs",
    "organizationTtlMs",
    "refusalTtlMs",
    "processTtlMs",
    "staleIfErrorMs",
    "redisUrl",
    "store",
    "namespace",
    "secret",
  ]);
  const redisUrl = read.url("cache.redisUrl", options.redisUrl, ["redis:", "rediss:"]);
  const store = read.optional(
    "cache.store",
    options.store,
    isStore,
    "a Keyv, or anything with its get, set and delete",
  );
  if (store && redisUrl) read.problem("cache.store", store, "either cache.store or cache.redisUrl");
  const namespace = read.optional("cache.namespace", options.namespace, isText, "a string that is not empty");
  if ((store || redisUrl) && grpc?.transport && namespace === undefined) {
    read.problem(
      "cache.namespace",
      undefined,
      "a name for this auth service: with grpc.transport no URL tells it from others",
    );
  }
  return {
    maxEntries: read.integer("cache.maxEntries", options.maxEntries, 20_000, 1, 2 ** 24),
    maxBytes: read.integer("cache.maxBytes", options.maxBytes, 67_108_864, 1),
    ttlMs: read.duration("cache.ttlMs", options.ttlMs, 300_000),
    localsTtlMs: read.duration("cache.localsTtlMs", options.localsTtlMs, 3_600_000),
    permissionsTtlMs: read.duration("cache.permissionsTtlMs", options.permissionsTtlMs, 300_000),
    organizationTtlMs: read.duration("cache.organizationTtlMs", options.organizationTtlMs, 3_600_000),
    refusalTtlMs: read.duration("cache.refusalTtlMs", options.refusalTtlMs, 10_000),
    processTtlMs: read.duration("cache.processTtlMs", options.processTtlMs, 30_000),
    staleIfErrorMs: read.duration("cache.staleIfErrorMs", options.staleIfErrorMs, 0),
    redisUrl,
    store,
    identity: namespace ?? JSON.stringify([withoutUserInfo(grpc?.url), withoutUserInfo(rest?.url)]),
    secrets: readSecrets(read, options.secret),
  };
}

function readSecrets(read: SettingReader, given: CacheOptions["secret"]): readonly string[] {
  if (given === undefined) return [];
  const secrets = typeof given === "string" ? [given] : given;
  const good = (secret: unknown) => typeof secret === "string" && Buffer.byteLength(secret) >= MIN_SECRET_BYTES;
  if (Array.isArray(secrets) && secrets.length > 0 && secrets.every(good)) return secrets;
  read.secretProblem("cache.secret", `a secret of at least ${MIN_SECRET_BYTES} bytes, or a list of such`);
  return [];
}

function readHeaders(read: SettingReader, headers: AuthClientOptions["headers"]): CredentialHeaders | undefined {
  if (headers === undefined || typeof headers === "function") return headers;
  try {
    new Headers(headers);
    return { ...headers };
  } catch {
    read.secretProblem("headers", "an object of header names and values, or a function that returns one");
    return undefined;
  }
}

function readLogger(read: SettingReader, logger: AuthClientOptions["logger"]): Logger {
  if (logger === false) return silentLogger;
  const isLogger = (value: Logger) =>
    (["info", "warn", "error"] as const).every((level) => typeof value?.[level] === "function");
  return read.optional("logger", logger, isLogger, "an object with info, warn and error, or false") ?? console;
}

function isStore(store: SharedStore): boolean {
  return (["get", "set", "delete"] as const).every((method) => typeof store?.[method] === "function");
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

/** A URL as it may be shown and compared. */
export function withoutUserInfo(url: string | undefined): string | undefined {
  if (url === undefined || !URL.canParse(url)) return undefined;
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}
