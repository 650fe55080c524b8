import fc from "fast-check";
import { type Config, readConfig } from "../../src/auth/config/config.js";
import { ConfigError, optionsFromEnv } from "../../src/client.js";

/** Every variable, with a value that is good. */
export const GOOD = {
  AUTH_GRPC_URL: "http://auth:50051",
  AUTH_GRPC_HOST: "auth",
  AUTH_GRPC_PORT: "50051",
  AUTH_GRPC_TIMEOUT: "1",
  AUTH_REST_URL: "https://auth:8001/base",
  AUTH_REST_TIMEOUT: "2",
  AUTH_DEADLINE: "3",
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: "5",
  CIRCUIT_BREAKER_TIMEOUT: "60",
  CIRCUIT_BREAKER_RECOVERY_TIMEOUT: "30",
  REDIS_URL: "redis://cache:6379",
  AUTH_CACHE_SECRET: "0123456789abcdef0123456789abcdef",
} as const;

export type Variable = keyof typeof GOOD;
export type Environment = Partial<Record<Variable, string>>;

export const VARIABLES = Object.keys(GOOD) as Variable[];
/** With the URL set, host and port say nothing. */
export const byHost = (env: Environment): Environment => ({ ...env, AUTH_GRPC_URL: undefined });

/** Pieces of URLs, numbers and lists, glued together: near misses of everything. */
const piece = fc.constantFrom(
  ...[
    "http://",
    "https://",
    "redis://",
    "ftp://",
    "//",
    "/",
    ":",
    "@",
    "?",
    "#",
    "%",
    "%zz",
    "\\",
    ",",
    " ",
    "\n",
    "\0",
    "[::1]",
    "::1",
  ],
  ...[
    "auth",
    "localhost",
    "127.0.0.1",
    "user:pass",
    "8001",
    "65536",
    "0",
    "-1",
    "1",
    ".5",
    "1e3",
    "Infinity",
    "NaN",
    "0x10",
    "ñ",
    "😀",
  ],
  ...["0123456789abcdef0123456789abcdef", "x".repeat(32), "99999999999", "__proto__", "\ud800", "true", "null"],
);
export const value = fc.oneof(
  fc
    .tuple(
      fc.constantFrom("http://", "https://", "redis://", "rediss://", "redis+cluster://", "redis+sentinel://"),
      fc.array(piece, { maxLength: 4 }),
    )
    .map(([scheme, pieces]) => scheme + pieces.join("")),
  fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join("")),
  fc.string({ unit: "binary" }),
  fc.double().map(String),
  fc.webUrl(),
  fc.ipV6(),
);

/** A configuration, or the error; anything else that is thrown fails the test. */
export function read(env: Environment): Config | ConfigError {
  try {
    return readConfig(optionsFromEnv(env));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error;
  }
}
