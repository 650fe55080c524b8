import { types } from "node:util";
import { type Clock, systemClock } from "../../runtime/clock.js";
import { type Logger, silentLogger } from "../../runtime/logger.js";
import { unsetIn } from "../../runtime/unset-text.js";
import type { CredentialHeaders } from "../../transport/credentials.js";
import { type CacheConfig, readCache, redisSettingOf } from "./cache.js";
import { keysOf } from "./declaration.js";
import { environmentOf } from "./environment.js";
import type { AuthClientOptions } from "./options.js";
import { readRisks } from "./risks.js";
import { SettingReader } from "./setting-reader.js";
import { SETTINGS } from "./settings.js";
import { type GrpcConfig, type RestConfig, readDeadline, readGrpc, readRest } from "./upstreams.js";

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
  /** What lets in more than its author may think, or was probably meant in another unit or under another name: one line in the log at the start. */
  readonly risks: readonly string[];
}

/**
 * Validates the options and fills in the defaults.
 *
 * @throws ConfigError that names every option that cannot be used
 */
export function readConfig(given: AuthClientOptions): Config {
  const { origins, problems, unread, spare } = environmentOf(given);
  const read = new SettingReader(origins, problems);
  const options = read.section("", given, keysOf(SETTINGS));
  for (const upstream of ["grpc", "rest"] as const)
    read.number(SETTINGS[upstream].timeoutMs, spare[`${upstream}.timeoutMs`]);
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
    maxAnswerBytes: read.number(SETTINGS.maxAnswerBytes, options.maxAnswerBytes),
    deadlineMs,
    tokenSyntax: read.optional("tokenSyntax", options.tokenSyntax, types.isRegExp, "a regular expression"),
    maxTokenBytes: read.number(SETTINGS.maxTokenBytes, options.maxTokenBytes),
    logger: readLogger(read, options.logger),
    clock: readClock(read, options.clock),
    random: read.optional("random", options.random, isFunction, "a function") ?? Math.random,
    risks: [...readRisks(read, { grpc, rest, cache, redisSetting, hasNamespace }, strict), ...unread],
  };
  read.throwIfAny();
  return Object.freeze(config);
}

function readBreaker(read: SettingReader, given: AuthClientOptions["breaker"]): Config["breaker"] {
  const { breaker: setting } = SETTINGS;
  const options = read.section("breaker", given, keysOf(setting));
  return {
    failureThreshold: read.number(setting.failureThreshold, options.failureThreshold),
    windowMs: read.number(setting.windowMs, options.windowMs),
    recoveryMs: read.number(setting.recoveryMs, options.recoveryMs),
  };
}

function readRetry(read: SettingReader, given: AuthClientOptions["retry"]): Config["retry"] {
  const { retry: setting } = SETTINGS;
  const options = read.section("retry", given, keysOf(setting));
  return {
    attempts: read.number(setting.attempts, options.attempts),
    initialDelayMs: read.number(setting.initialDelayMs, options.initialDelayMs),
    maxDelayMs: read.number(setting.maxDelayMs, options.maxDelayMs),
  };
}

function readLimit(read: SettingReader, given: AuthClientOptions["limit"]): Config["limit"] {
  const { limit: setting } = SETTINGS;
  const options = read.section("limit", given, keysOf(setting));
  return {
    maxConcurrent: read.number(setting.maxConcurrent, options.maxConcurrent),
    maxQueue: read.number(setting.maxQueue, options.maxQueue),
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
    else {
      const unset = unsetIn(name, value);
      if (unset !== undefined)
        read.secretProblem(`headers.${name}`, "a value that is not empty", `${unset}: its variable is not set`);
    }
  }
  return { ...headers };
}

/** A plain object: a copy of a Map, or of Fetch's `Headers`, would hold no header. */
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
