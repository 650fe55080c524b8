import { type ConfigProblem, show } from "./config-error.js";
import type { SettingWithVariable } from "./declaration.js";
import { misspelt } from "./misspelt.js";
import type { AuthClientOptions, GrpcOptions, RestOptions } from "./options.js";
import type { Origins } from "./setting-reader.js";
import { GRPC_ADDRESS, SECRET, SETTINGS, settingsWithVariable, VARIABLES } from "./settings.js";
import { showUrl } from "./shown-url.js";
import type { SettingOrigin } from "./unit-slip.js";
import { otherAddresses, unreadVariables } from "./unread.js";

const GRPC_URL_VARIABLE = SETTINGS.grpc.url.variable;
const SECRET_VARIABLE = SETTINGS.cache.secret.variable;
const ANY_UPSTREAM = "AUTH_GRPC_URL or AUTH_REST_URL";
const UPSTREAM_URL = "the URL of the auth service, as http://auth:50051 (gRPC) or http://auth:8001 (REST)";
const UPSTREAM_VARIABLE = /\bAUTH_(GRPC|REST)_(URL|HOST|PORT)\b/;
const HOST_ALONE = "a host name or an IP address alone: a port goes into AUTH_GRPC_PORT, a URL into AUTH_GRPC_URL";

/** How options were read from an environment. */
interface Environment {
  readonly origins: Origins;
  readonly problems: readonly ConfigProblem[];
  /** Variables that look like ours and are not read, in words. */
  readonly unread: readonly string[];
  /** Timeouts of upstreams that are not there: checked all the same, they will be needed when the upstream comes. */
  readonly spare: { readonly [K in "grpc.timeoutMs" | "rest.timeoutMs"]?: number | undefined };
}

/** Travels with the options, through a spread too, so that a mistake is reported under the variable's name. */
const ENVIRONMENT: unique symbol = Symbol.for("portero.environment") as never;

export function environmentOf(options: AuthClientOptions): Environment {
  const found = (options as { [ENVIRONMENT]?: Environment } | null)?.[ENVIRONMENT];
  if (!found) return { origins: {}, problems: [], unread: [], spare: {} };
  if (!options.grpc && !options.rest) return found;
  return { ...found, problems: found.problems.filter(({ name }) => name !== ANY_UPSTREAM) }; // code has named one
}

/**
 * The options that the environment names; times there are in seconds, timeouts and the deadline at most 300. An empty variable counts
 * as not set, but for `AUTH_CACHE_SECRET`, which is an error.
 *
 * | variable | option | default |
 * |---|---|---|
 * | `AUTH_GRPC_URL` (a list by commas) | `grpc.url` | – |
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
 * itself, is an error too; another one that begins as they do is named in the log.
 *
 * @example createAuthClient({ ...optionsFromEnv(), logger: pino() })
 */
export function optionsFromEnv(env: Readonly<Record<string, string | undefined>> = process.env): AuthClientOptions {
  const textOf = (name: string) => env[name]?.trim() || undefined;
  const origins: Record<string, SettingOrigin> = {};
  const problems: ConfigProblem[] = [];
  const found: Record<string, unknown> = {};
  for (const setting of settingsWithVariable) {
    const { path, variable, kind } = setting;
    const text = textOf(variable);
    found[path] = text === undefined ? undefined : optionOf(setting, text);
    if (text !== undefined) origins[path] = { name: variable, value: text, seconds: kind === "duration" };
  }
  const host = textOf(GRPC_ADDRESS.host);
  if (found["grpc.url"] === undefined && host !== undefined) {
    origins["grpc.url"] = { name: GRPC_ADDRESS.host, value: host };
    found["grpc.url"] = grpcUrl(host, textOf(GRPC_ADDRESS.port) ?? GRPC_ADDRESS.defaultPort, problems);
  }
  const { grpc, rest, ...others } = nested(found) as EnvironmentOptions;
  const options: AuthClientOptions = {
    ...(grpc.url !== undefined && { grpc }),
    ...(rest.url !== undefined && { rest: { ...rest, url: rest.url } }),
    ...others,
  };
  const spare = {
    ...(grpc.url === undefined && { "grpc.timeoutMs": grpc.timeoutMs }),
    ...(rest.url === undefined && { "rest.timeoutMs": rest.timeoutMs }),
  };

  const isSet = (name: string) => textOf(name) !== undefined || isNeedless(name, textOf);
  problems.push(...misspelt(env, VARIABLES, isSet));
  const namesAddress = problems.some(({ name, message = "" }) => UPSTREAM_VARIABLE.test(`${name} ${message}`));
  if (!options.grpc && !options.rest && !namesAddress) {
    const found = otherAddresses(env).join(", ");
    problems.push({ name: ANY_UPSTREAM, value: found ? `nothing but ${found}` : "nothing", expected: UPSTREAM_URL });
  }
  if (env[SECRET_VARIABLE] !== undefined && others.cache?.secret === undefined) {
    // A deployment that lost its secret on the way must not run without a seal.
    problems.push({
      name: SECRET_VARIABLE,
      value: "nothing but blanks and commas",
      expected: `a secret of at least ${SECRET.minBytes} bytes, or no such variable`,
    });
  }
  const isNamed = (name: string) => problems.some((problem) => problem.name === name);
  const unread = unreadVariables(env, VARIABLES, isSet).flatMap(({ name, line }) => (isNamed(name) ? [] : line));
  return Object.assign(options, { [ENVIRONMENT]: { origins, problems, unread, spare } });
}

/** The options that variables set. There, an upstream may have a timeout and no URL. */
type EnvironmentOptions = Omit<AuthClientOptions, "grpc" | "rest"> & {
  readonly grpc: GrpcOptions;
  readonly rest: Partial<RestOptions>;
};

/** The option that a variable's text means. One that cannot be read becomes `NaN`, or stays: it is named when the client is made. */
function optionOf(setting: SettingWithVariable, text: string): unknown {
  if (setting.kind === "value") return setting.parse ? setting.parse(text) : text;
  const number = /^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  return setting.kind === "duration" ? number * 1000 : number;
}

/** The URL of gRPC from its two parts; `undefined` where one cannot be used. */
function grpcUrl(host: string, port: string, problems: ConfigProblem[]): string | undefined {
  const hostOk = /^(\[[\da-f:.]+\]|[\w.-]+|[\da-f]*:[\da-f:.]+)$/i.test(host);
  if (!hostOk) problems.push({ name: GRPC_ADDRESS.host, value: showUrl(host), expected: HOST_ALONE });
  const portOk = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
  if (!portOk) problems.push({ name: GRPC_ADDRESS.port, value: showPort(port), expected: "a port from 1 to 65535" });
  const authority = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return hostOk && portOk ? `http://${authority}:${port}` : undefined;
}

/** Host and port have no effect beside the URL. */
function isNeedless(name: string, textOf: (name: string) => string | undefined): boolean {
  return (name === GRPC_ADDRESS.host || name === GRPC_ADDRESS.port) && textOf(GRPC_URL_VARIABLE) !== undefined;
}

/** A number, or the URL that Kubernetes puts into such a variable. */
function showPort(port: string): string {
  return /^[\d+.-]{1,12}$/.test(port) ? show(port) : showUrl(port);
}

/** Options by path, as the object that has them: `a.b` becomes `{ a: { b } }`. */
function nested(byPath: Readonly<Record<string, unknown>>): object {
  const whole: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(byPath)) {
    const [name = "", key] = path.split(".");
    whole[name] = key === undefined ? value : { ...(whole[name] as object | undefined), [key]: value };
  }
  return whole;
}
