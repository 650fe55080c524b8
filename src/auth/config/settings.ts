import { SHARE_OF_SUBJECT } from "../../cache/process-cache.js";
import { MIN_TRY_MS } from "../../transport/call-context.js";
import { MAX_TOKEN_BYTES } from "../token.js";
import type { AuthClientOptions } from "./options.js";

/** A number: its default, its bounds, and the variable that sets it. */
export interface NumberSetting<F extends number | undefined = number | undefined> {
  /** A duration is in milliseconds, and its variable in seconds. */
  readonly kind: "duration" | "integer";
  /** The default; `undefined` where it follows from other settings. */
  readonly fallback: F;
  readonly min: number;
  readonly max: number;
  readonly variable?: string;
}

/** A setting that is no number. Its values are checked where it is read. */
export interface ValueSetting {
  readonly kind: "value";
  readonly variable?: string;
  /** Makes the option of the variable's text, where it is another. */
  readonly parse?: (text: string) => unknown;
}

type Setting = NumberSetting | ValueSetting;

/** One declaration for each option, a number for a number. */
type Declared<O> = {
  readonly [K in keyof Required<O>]: NonNullable<O[K]> extends number
    ? NumberSetting
    : ValueSetting | Declared<NonNullable<O[K]>>;
};

/** The same declarations, each with the path of its option: `cache.ttlMs`. */
export type Placed<T> = T extends Setting ? T & { readonly path: string } : { readonly [K in keyof T]: Placed<T[K]> };

export type SettingWithVariable = Placed<Setting> & { readonly variable: string };

type OwnBounds = Partial<Pick<NumberSetting, "min" | "max" | "variable">>;

/** The longest that a timer of Node takes, in milliseconds. */
export const MAX_TIMER_MS = 2 ** 31 - 1;
/** A longer timeout was meant in another unit. */
const MAX_TIMEOUT_MS = 300_000;
/** A longer limit was meant in another unit: no server takes a megabyte of headers. */
const LONGEST_TOKEN_BYTES = 1_048_576;

/** `AUTH_GRPC_URL` in two parts. */
export const GRPC_ADDRESS = { host: "AUTH_GRPC_HOST", port: "AUTH_GRPC_PORT", defaultPort: "50051" } as const;
export const SECRET = { minBytes: 32, minDifferentBytes: 8 } as const;

const inCode: ValueSetting = { kind: "value" };
const TLS = { ca: inCode, cert: inCode, key: inCode };
const TIMEOUT = { min: MIN_TRY_MS, max: MAX_TIMEOUT_MS };

/**
 * Every setting of a client: its name, its variable, its default and its bounds are said here and nowhere else. Types and README are
 * compared with this table by a test.
 */
export const SETTINGS = placed("", {
  grpc: {
    url: variable("AUTH_GRPC_URL"),
    timeoutMs: duration(1000, { ...TIMEOUT, variable: "AUTH_GRPC_TIMEOUT" }),
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
    ttlMs: duration(300_000),
    localsTtlMs: duration(3_600_000),
    permissionsTtlMs: duration(300_000),
    organizationTtlMs: duration(3_600_000),
    refusalTtlMs: duration(10_000),
    processTtlMs: duration(30_000),
    staleIfErrorMs: duration(0),
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

/** The options of a section, in the order in which an error names them. */
export function keysOf<T extends object>(section: T): readonly (keyof T & string)[] {
  return Object.keys(section) as (keyof T & string)[];
}

/** Every setting in a part of the table. */
export function settingsIn(section: object): Placed<Setting>[] {
  return Object.values(section).flatMap((each) => (isSetting(each) ? [each as Placed<Setting>] : settingsIn(each)));
}

function duration<F extends number | undefined>(fallback: F, own: OwnBounds = {}): NumberSetting<F> {
  return { kind: "duration", fallback, min: 0, max: MAX_TIMER_MS, ...own };
}

function integer<F extends number | undefined>(fallback: F, own: OwnBounds = {}): NumberSetting<F> {
  return { kind: "integer", fallback, min: 0, max: Number.MAX_SAFE_INTEGER, ...own };
}

function variable(name: string, parse?: (text: string) => unknown): ValueSetting & { readonly variable: string } {
  return { kind: "value", variable: name, ...(parse && { parse }) };
}

/** A list by commas; `undefined` where nothing stands between them. */
function listOf(text: string): readonly string[] | undefined {
  const items = text.split(",").map((item) => item.trim());
  const given = items.filter((item) => item !== "");
  return given.length > 0 ? given : undefined;
}

function placed<T extends object>(prefix: string, section: T): Placed<T> {
  const entries = Object.entries(section).map(([key, value]) => {
    const path = prefix + key;
    return [key, isSetting(value) ? Object.freeze({ ...value, path }) : placed(`${path}.`, value as object)];
  });
  return Object.freeze(Object.fromEntries(entries)) as Placed<T>;
}

function isSetting(value: object): value is Setting {
  return "kind" in value;
}
