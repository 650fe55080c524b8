import { type ConfigProblem, show } from "./config-error.js";
import { misspelt } from "./misspelt.js";
import type { AuthClientOptions } from "./options.js";
import type { Origins, SettingOrigin } from "./setting-reader.js";
import { showUrl } from "./shown-url.js";
import { DEFAULT_GRPC_PORT } from "./upstreams.js";

/** The options that come from variables, by path. */
const VARIABLES = {
  "grpc.timeoutMs": { name: "AUTH_GRPC_TIMEOUT", seconds: true },
  "rest.timeoutMs": { name: "AUTH_REST_TIMEOUT", seconds: true },
  "breaker.failureThreshold": { name: "CIRCUIT_BREAKER_FAILURE_THRESHOLD", seconds: false },
  "breaker.windowMs": { name: "CIRCUIT_BREAKER_TIMEOUT", seconds: true },
  "breaker.recoveryMs": { name: "CIRCUIT_BREAKER_RECOVERY_TIMEOUT", seconds: true },
  deadlineMs: { name: "AUTH_DEADLINE", seconds: true },
} as const;

/** All that are read. */
const NAMES = [
  ...Object.values(VARIABLES).map(({ name }) => name),
  ...["AUTH_GRPC_URL", "AUTH_GRPC_HOST", "AUTH_GRPC_PORT", "AUTH_REST_URL", "REDIS_URL"],
  ...["AUTH_CACHE_SECRET", "AUTH_CACHE_NAMESPACE", "AUTH_STRICT"],
];

const ANY_UPSTREAM = "AUTH_GRPC_URL or AUTH_REST_URL";
const HOST_ALONE = "a host name or an IP address alone: a port goes into AUTH_GRPC_PORT, a URL into AUTH_GRPC_URL";

/** What is known of options that were read from an environment. */
interface Environment {
  readonly origins: Origins;
  readonly problems: readonly ConfigProblem[];
  /** Timeouts of upstreams that are not there: checked all the same, they will be needed when the upstream comes. */
  readonly spare: Readonly<Record<string, number>>;
}

/** Travels with the options, through a spread too, so that a mistake is reported under the variable's name. */
const ENVIRONMENT: unique symbol = Symbol.for("portero.environment") as never;

export function environmentOf(options: AuthClientOptions): Environment {
  const found = (options as { [ENVIRONMENT]?: Environment } | null)?.[ENVIRONMENT];
  if (!found) return { origins: {}, problems: [], spare: {} };
  if (!options.grpc && !options.rest) return found;
  return { ...found, problems: found.problems.filter(({ name }) => name !== ANY_UPSTREAM) }; // code has named one
}

/**
 * The options that the environment names; times there are in seconds, timeouts and the deadline at most 300. An empty variable counts
 * as not set, but for `AUTH_CACHE_SECRET`, which is an error.
 *
 * | variable | option | default |
 * |---|---|---|
 * | `AUTH_GRPC_URL` | `grpc.url` | – |
 * | `AUTH_GRPC_HOST`, `AUTH_GRPC_PORT`: the same in two parts | `grpc.url` | –, 50051 |
 * | `AUTH_GRPC_TIMEOUT` | `grpc.timeoutMs` | 1 |
 * | `AUTH_REST_URL` | `rest.url` | – |
 * | `AUTH_REST_TIMEOUT` | `rest.timeoutMs` | 2 |
 * | `CIRCUIT_BREAKER_FAILURE_THRESHOLD` | `breaker.failureThreshold` | 5 |
 * | `CIRCUIT_BREAKER_TIMEOUT` | `breaker.windowMs` | 60 |
 * | `CIRCUIT_BREAKER_RECOVERY_TIMEOUT` | `breaker.recoveryMs` | 30 |
 * | `AUTH_DEADLINE` | `deadlineMs` | the sum of the timeouts |
 * | `REDIS_URL` | `cache.redisUrl` | – |
 * | `AUTH_CACHE_SECRET` (a list by commas) | `cache.secret` | – |
 * | `AUTH_CACHE_NAMESPACE` | `cache.namespace` | the URLs |
 * | `AUTH_STRICT`, 1 or `cache` | `strict` | – |
 *
 * Nothing is validated here: `createAuthClient` does, and names the variable. A name that is nearly one of these, which is not set
 * itself, is an error too.
 *
 * @example createAuthClient({ ...optionsFromEnv(), logger: pino() })
 */
export function optionsFromEnv(env: Readonly<Record<string, string | undefined>> = process.env): AuthClientOptions {
  const variable = (name: string) => env[name]?.trim() || undefined;
  const origins: Record<string, SettingOrigin> = {};
  const problems: ConfigProblem[] = [];

  const text = (path: string, name: string): string | undefined => {
    const value = variable(name);
    if (value !== undefined) origins[path] = { name, value };
    return value;
  };
  const number = (path: keyof typeof VARIABLES): number | undefined => {
    const { name, seconds } = VARIABLES[path];
    const value = variable(name);
    if (value === undefined) return undefined;
    origins[path] = { name, value, seconds };
    const parsed = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(value) ? Number(value) : Number.NaN;
    return seconds ? parsed * 1000 : parsed;
  };
  const grpcUrl = (): string | undefined => {
    const host = variable("AUTH_GRPC_HOST");
    if (variable("AUTH_GRPC_URL") !== undefined || host === undefined) return text("grpc.url", "AUTH_GRPC_URL");
    const port = variable("AUTH_GRPC_PORT") ?? DEFAULT_GRPC_PORT;
    origins["grpc.url"] = { name: "AUTH_GRPC_HOST", value: host };
    const hostOk = /^(\[[\da-f:.]+\]|[\w.-]+|[\da-f]*:[\da-f:.]+)$/i.test(host);
    if (!hostOk) problems.push({ name: "AUTH_GRPC_HOST", value: showUrl(host), expected: HOST_ALONE });
    const portOk = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
    if (!portOk) problems.push({ name: "AUTH_GRPC_PORT", value: showPort(port), expected: "a port from 1 to 65535" });
    const authority = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
    return hostOk && portOk ? `http://${authority}:${port}` : undefined;
  };

  const url = grpcUrl();
  const restUrl = text("rest.url", "AUTH_REST_URL");
  const secrets = (text("cache.secret", "AUTH_CACHE_SECRET") ?? "")
    .split(",")
    .map((secret) => secret.trim())
    .filter((secret) => secret !== "");
  const timeoutMs = number("grpc.timeoutMs");
  const restTimeoutMs = number("rest.timeoutMs");
  const spare: Record<string, number> = {};
  if (url === undefined && timeoutMs !== undefined) spare["grpc.timeoutMs"] = timeoutMs;
  if (restUrl === undefined && restTimeoutMs !== undefined) spare["rest.timeoutMs"] = restTimeoutMs;
  const options: AuthClientOptions = {
    ...(url !== undefined && { grpc: { url, timeoutMs } }),
    ...(restUrl !== undefined && { rest: { url: restUrl, timeoutMs: restTimeoutMs } }),
    breaker: {
      failureThreshold: number("breaker.failureThreshold"),
      windowMs: number("breaker.windowMs"),
      recoveryMs: number("breaker.recoveryMs"),
    },
    cache: {
      redisUrl: text("cache.redisUrl", "REDIS_URL"),
      secret: secrets.length > 0 ? secrets : undefined,
      namespace: text("cache.namespace", "AUTH_CACHE_NAMESPACE"),
    },
    deadlineMs: number("deadlineMs"),
    strict: strictness(text("strict", "AUTH_STRICT")),
  };
  /** Host and port say nothing beside the URL. */
  const isSet = (name: string) =>
    variable(name) !== undefined || (/^AUTH_GRPC_(HOST|PORT)$/.test(name) && variable("AUTH_GRPC_URL") !== undefined);
  problems.push(...misspelt(env, NAMES, isSet));
  if (url === undefined && restUrl === undefined && !problems.some(({ name }) => /URL|URI|HOST|PORT/i.test(name))) {
    problems.push({
      name: ANY_UPSTREAM,
      value: "nothing",
      expected: "the URL of the auth service",
    });
  }
  if (env.AUTH_CACHE_SECRET !== undefined && secrets.length === 0) {
    // A deployment that lost its secret on the way must not run without a seal.
    problems.push({
      name: "AUTH_CACHE_SECRET",
      value: "nothing but blanks and commas",
      expected: "a secret of at least 32 bytes, or no such variable",
    });
  }
  return Object.assign(options, { [ENVIRONMENT]: { origins, problems, spare } });
}

/** Another value is passed on, so that it is named when the client is made. */
function strictness(given: string | undefined): AuthClientOptions["strict"] {
  return given === "1" ? true : (given as "cache" | undefined);
}

/** A number, or the URL that Kubernetes puts into such a variable. */
function showPort(port: string): string {
  return /^[\d+.-]{1,12}$/.test(port) ? show(port) : showUrl(port);
}
