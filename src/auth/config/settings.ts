import { SHARE_OF_SUBJECT } from "../../cache/process-cache.js";
import { MIN_TRY_MS } from "../../transport/call-context.js";
import { MAX_TOKEN_BYTES } from "../token.js";
import {
  type Declared,
  duration,
  inCode,
  integer,
  listOf,
  placed,
  type SettingWithVariable,
  settingsIn,
  ttl,
  urlsOf,
  variable,
} from "./declaration.js";
import type { AuthClientOptions } from "./options.js";

/** A longer timeout was meant in another unit. */
const MAX_TIMEOUT_MS = 300_000;
/** A longer limit was meant in another unit: no server takes a megabyte of headers. */
const LONGEST_TOKEN_BYTES = 1_048_576;

/** `AUTH_GRPC_URL` in two parts. */
export const GRPC_ADDRESS = { host: "AUTH_GRPC_HOST", port: "AUTH_GRPC_PORT", defaultPort: "50051" } as const;
export const SECRET = { minBytes: 32, minDifferentBytes: 8 } as const;

const TLS = { ca: inCode, cert: inCode, key: inCode };
const CONNECTIONS = { min: 1, max: 256 };
const TIMEOUT = { min: MIN_TRY_MS, max: MAX_TIMEOUT_MS };

/**
 * Every setting of a client: its name, its variable, its default and its bounds are said here and nowhere else. Types and README are
 * compared with this table by a test.
 */
export const SETTINGS = placed("", {
  grpc: {
    url: variable("AUTH_GRPC_URL", urlsOf),
    timeoutMs: duration(1000, { ...TIMEOUT, variable: "AUTH_GRPC_TIMEOUT" }),
    connections: { min: integer(2, CONNECTIONS), max: integer(8, CONNECTIONS) },
    hedgeMs: duration(100),
    tls: TLS,
    interceptors: inCode,
    transport: inCode,
  },
  rest: {
    url: variable("AUTH_REST_URL"),
    timeoutMs: duration(2000, { ...TIMEOUT, variable: "AUTH_REST_TIMEOUT" }),
    tls: TLS,
    agent: inCode,
    paths: { verifyToken: inCode, userLocals: inCode, userPermissions: inCode, organization: inCode },
  },
  breaker: {
    failureThreshold: integer(5, { min: 1, variable: "CIRCUIT_BREAKER_FAILURE_THRESHOLD" }),
    windowMs: duration(60_000, { min: 1, variable: "CIRCUIT_BREAKER_TIMEOUT" }),
    recoveryMs: duration(30_000, { min: 1, variable: "CIRCUIT_BREAKER_RECOVERY_TIMEOUT" }),
  },
  retry: {
    attempts: integer(3, { min: 1, max: 10 }),
    initialDelayMs: duration(50),
    maxDelayMs: duration(1000),
  },
  limit: {
    maxConcurrent: integer(256, { min: 1 }),
    maxQueue: integer(1024),
  },
  cache: {
    maxEntries: integer(20_000, { min: 1, max: 2 ** 24 }),
    maxBytes: integer(67_108_864, { min: 1 }),
    maxTokensPerUser: integer(undefined, { min: 1 }),
    recentBytes: integer(16_777_216),
    ttlMs: ttl(300_000),
    localsTtlMs: ttl(3_600_000),
    permissionsTtlMs: ttl(300_000),
    organizationTtlMs: ttl(3_600_000),
    refusalTtlMs: ttl(10_000),
    processTtlMs: ttl(30_000),
    staleIfErrorMs: ttl(0),
    redisUrl: variable("REDIS_URL"),
    redis: { url: inCode, tls: TLS, pingIntervalMs: duration(10_000, { min: 1 }) },
    store: inCode,
    namespace: variable("AUTH_CACHE_NAMESPACE"),
    secret: variable("AUTH_CACHE_SECRET", listOf),
  },
  headers: inCode,
  maxAnswerBytes: integer(1_048_576, { min: 1, max: 2 ** 31 - 1 }),
  deadlineMs: duration(undefined, { ...TIMEOUT, variable: "AUTH_DEADLINE" }),
  tokenSyntax: inCode,
  maxTokenBytes: integer(MAX_TOKEN_BYTES, { min: 1, max: LONGEST_TOKEN_BYTES }),
  logger: inCode,
  clock: inCode,
  random: inCode,
  strict: variable("AUTH_STRICT", (text) => text === "1" || text),
} satisfies Declared<AuthClientOptions>);

/** The default of `cache.maxTokensPerUser`. */
export function tokensPerUserOf(maxEntries: number): number {
  return Math.max(1, Math.floor(maxEntries / SHARE_OF_SUBJECT));
}

/** The settings that a variable sets. */
export const settingsWithVariable = settingsIn(SETTINGS).filter(
  (setting): setting is SettingWithVariable => setting.variable !== undefined,
);

/** Every variable that is read. */
export const VARIABLES: readonly string[] = [
  ...settingsWithVariable.map((setting) => setting.variable),
  GRPC_ADDRESS.host,
  GRPC_ADDRESS.port,
];
