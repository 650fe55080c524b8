import { types } from "node:util";
import { type Clock, systemClock } from "../../runtime/clock.js";
import { type Logger, silentLogger } from "../../runtime/logger.js";
import { MIN_TRY_MS } from "../../transport/call-context.js";
import type { CredentialHeaders } from "../../transport/credentials.js";
import { MAX_TOKEN_BYTES } from "../token.js";
import { type CacheConfig, readCache, redisSettingOf } from "./cache.js";
import { environmentOf } from "./environment.js";
import type { AuthClientOptions } from "./options.js";
import { readRisks } from "./risks.js";
import { SettingReader } from "./setting-reader.js";
import { type GrpcConfig, MAX_TIMEOUT_MS, type RestConfig, readDeadline, readGrpc, readRest } from "./upstreams.js";

/** A longer limit was meant in another unit: no server takes a megabyte of headers. */
const LONGEST_TOKEN_BYTES = 1_048_576;

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
  readonly tokenSyntax: RegExp | undefined;
  readonly maxTokenBytes: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  /** The one line that is logged at the start, where something lets in more than its author may think. */
  readonly warning: string | undefined;
}

/**
 * Validates the options and fills in the defaults.
 *
 * @throws ConfigError that names everything that is wrong
 */
export function readConfig(given: AuthClientOptions): Config {
  const { origins, problems, spare } = environmentOf(given);
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
    "tokenSyntax",
    "maxTokenBytes",
    "logger",
    "clock",
    "random",
    "strict",
  ]);
  for (const [path, value] of Object.entries(spare)) read.duration(path, value, 0, MIN_TRY_MS, MAX_TIMEOUT_MS);
  const grpc = readGrpc(read, options.grpc);
  const rest = readRest(read, options.rest);
  if (!options.grpc && !options.rest && problems.length === 0) {
    read.problem("grpc.url or rest.url", undefined, "at least one upstream (AUTH_GRPC_URL or AUTH_REST_URL)");
  }
  const headers = readHeaders(read, options.headers);
  const { deadlineMs, shareOf } = readDeadline(read, options.deadlineMs, [grpc?.timeoutMs, rest?.timeoutMs]);
  const cache = readCache(read, options.cache, { grpc, rest, headers });
  const redisSetting = redisSettingOf(options.cache ?? {});
  const hasNamespace = options.cache?.namespace !== undefined;
  const strict = read.optional(
    "strict",
    options.strict,
    isStrictness,
    'true, false or "cache"; AUTH_STRICT is 1 or cache',
  );
  const config: Config = {
    grpc: grpc && { ...grpc, timeoutMs: shareOf(grpc.timeoutMs) },
    rest: rest && { ...rest, timeoutMs: shareOf(rest.timeoutMs) },
    breaker: readBreaker(read, options.breaker),
    retry: readRetry(read, options.retry),
    limit: readLimit(read, options.limit),
    cache,
    headers,
    maxAnswerBytes: read.integer("maxAnswerBytes", options.maxAnswerBytes, 1_048_576, 1, 2 ** 31 - 1),
    deadlineMs,
    tokenSyntax: read.optional("tokenSyntax", options.tokenSyntax, types.isRegExp, "a regular expression"),
    maxTokenBytes: read.integer("maxTokenBytes", options.maxTokenBytes, MAX_TOKEN_BYTES, 1, LONGEST_TOKEN_BYTES),
    logger: readLogger(read, options.logger),
    clock: readClock(read, options.clock),
    random: read.optional("random", options.random, isFunction, "a function") ?? Math.random,
    warning: readRisks(read, { grpc, rest, cache, redisSetting, hasNamespace }, strict),
  };
  read.throwIfAny();
  return Object.freeze(config);
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

function readHeaders(read: SettingReader, headers: AuthClientOptions["headers"]): CredentialHeaders | undefined {
  if (headers === undefined || typeof headers === "function") return headers;
  if (!isHeaders(headers)) {
    read.secretProblem("headers", "an object of header names and values, or a function that returns one");
    return undefined;
  }
  for (const [name, value] of Object.entries(headers) as [string, unknown][]) {
    if (value === undefined || value === null || isBlank(value)) {
      read.problem(`headers.${name}`, value, "a value that is not empty");
    } else if (typeof value !== "string") read.secretProblem(`headers.${name}`, "a string");
  }
  return { ...headers };
}

/** A plain object: of what iterates, as a Map and Fetch's `Headers` do, a copy would hold no header. */
function isHeaders(headers: object): boolean {
  if (typeof headers !== "object" || headers === null || Symbol.iterator in headers) return false;
  try {
    new Headers(headers as Record<string, string>);
    return true;
  } catch {
    return false;
  }
}

function isBlank(value: unknown): boolean {
  return typeof value === "string" && value.trim() === "";
}

function readClock(read: SettingReader, clock: AuthClientOptions["clock"]): Clock {
  const isClock = (value: Clock) =>
    (["now", "monotonic", "setTimeout"] as const).every((name) => isFunction(value?.[name]));
  return read.optional("clock", clock, isClock, "an object with now, monotonic and setTimeout") ?? systemClock;
}

function isStrictness(value: unknown): boolean {
  return typeof value === "boolean" || value === "cache";
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function readLogger(read: SettingReader, logger: AuthClientOptions["logger"]): Logger {
  if (logger === false) return silentLogger;
  const isLogger = (value: Logger) =>
    (["info", "warn", "error"] as const).every((level) => typeof value?.[level] === "function");
  return read.optional("logger", logger, isLogger, "an object with info, warn and error, or false") ?? console;
}
