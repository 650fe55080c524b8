import type { Agent } from "node:http";
import type { Interceptor, Transport } from "@connectrpc/connect";
import type { TlsSource } from "../../runtime/tls-options.js";
import type { ConnectionBounds } from "../../transport/address-choice.js";
import { MIN_TRY_MS } from "../../transport/call-context.js";
import { DEFAULT_REST_PATHS, type RestPaths } from "../../transport/rest-request.js";
import { assertGrpcBase, assertRestBase, readBase } from "./base-url.js";
import { keysOf } from "./declaration.js";
import type { GrpcOptions, RestOptions } from "./options.js";
import type { SettingReader } from "./setting-reader.js";
import { GRPC_ADDRESS, SETTINGS } from "./settings.js";
import { readTls } from "./tls.js";

interface UpstreamConfig {
  /** Its part of the deadline, where that is shorter than its own timeout. */
  readonly timeoutMs: number;
}

export interface GrpcConfig extends UpstreamConfig {
  /** None with a custom transport. */
  readonly urls: readonly string[];
  readonly connections: ConnectionBounds;
  readonly hedgeMs: number;
  readonly tls: TlsSource | undefined;
  readonly interceptors: readonly Interceptor[];
  readonly transport: Transport | undefined;
}

export interface RestConfig extends UpstreamConfig {
  readonly url: string;
  readonly tls: TlsSource | undefined;
  readonly agent: Agent | undefined;
  readonly paths: RestPaths;
}

export function readGrpc(read: SettingReader, given: GrpcOptions | undefined): GrpcConfig | undefined {
  if (!given) return undefined;
  const options = read.section("grpc", given, keysOf(SETTINGS.grpc));
  const urls = readUrls(read, options.url);
  if (options.transport && options.url !== undefined) {
    read.problem("grpc.transport", options.transport, "either grpc.url or grpc.transport");
  } else if (!options.transport && options.url === undefined) read.problem("grpc.url", undefined, "a URL");
  return {
    urls,
    timeoutMs: read.number(SETTINGS.grpc.timeoutMs, options.timeoutMs),
    connections: readConnections(read, options.connections),
    hedgeMs: read.number(SETTINGS.grpc.hedgeMs, options.hedgeMs),
    tls: readTls(read, "grpc", options.tls, urls),
    interceptors:
      read.optional(
        "grpc.interceptors",
        options.interceptors,
        (interceptors) => Array.isArray(interceptors) && interceptors.every((each) => typeof each === "function"),
        "an array of Connect interceptors",
      ) ?? [],
    transport: read.hidden(
      "grpc.transport",
      options.transport,
      (transport) => typeof transport?.unary === "function",
      "a Connect transport",
    ),
  };
}

export function readRest(read: SettingReader, given: RestOptions | undefined): RestConfig | undefined {
  if (!given) return undefined;
  const options = read.section("rest", given, keysOf(SETTINGS.rest));
  const url = readBase(read, "rest.url", options.url);
  if (options.url === undefined) read.problem("rest.url", undefined, "a URL");
  const paths = readPaths(read, options.paths);
  if (url !== undefined) assertRestBase(read, url, paths);
  return {
    url: url ?? "",
    timeoutMs: read.number(SETTINGS.rest.timeoutMs, options.timeoutMs),
    tls: readTls(read, "rest", options.tls, url === undefined ? [] : [url]),
    agent: readAgent(read, options, url),
    paths,
  };
}

/** One, or several of replicas that DNS does not know by one name. */
function readUrls(read: SettingReader, given: GrpcOptions["url"]): readonly string[] {
  if (given === undefined) return [];
  if (Array.isArray(given) && given.length === 0) read.problem("grpc.url", given, "a URL, or a list of URLs");
  const urls = (Array.isArray(given) ? given : [given]).map((url) => {
    if (url === undefined) read.problem("grpc.url", url, "a URL in each place of the list");
    const base = readBase(read, "grpc.url", url, GRPC_ADDRESS.defaultPort);
    if (base !== undefined) assertGrpcBase(read, base);
    return base;
  });
  return [...new Set(urls.filter((url) => url !== undefined))];
}

function readConnections(read: SettingReader, given: GrpcOptions["connections"]): ConnectionBounds {
  const setting = SETTINGS.grpc.connections;
  const options = read.section("grpc.connections", given, keysOf(setting));
  return { min: read.number(setting.min, options.min), max: read.number(setting.max, options.max) };
}

function readAgent(read: SettingReader, { agent, tls }: RestOptions, url: string | undefined) {
  if (agent === undefined) return undefined;
  const scheme = url?.startsWith("https:") ? "https" : "http";
  const expected = `an agent of node:${scheme}, or one made like it`;
  if (tls !== undefined)
    read.problem("rest.agent", agent, "either rest.agent, with TLS settings of its own, or rest.tls");
  return read.hidden("rest.agent", agent, (given) => isAgentFor(scheme, given), expected);
}

/** By shape, as Node looks at it. One of Node's own serves its own scheme alone; one made like it often serves both. */
function isAgentFor(scheme: "http" | "https", agent: Agent): boolean {
  if (typeof (agent as { addRequest?: unknown } | null)?.addRequest !== "function") return false;
  const protocol: unknown = Object.getOwnPropertyDescriptor(agent, "protocol")?.value;
  return protocol === undefined || protocol === `${scheme}:`;
}

function readPaths(read: SettingReader, given: Partial<RestPaths> | undefined): RestPaths {
  const keys = keysOf(SETTINGS.rest.paths);
  const options = read.section("rest.paths", given, keys);
  const paths = { ...DEFAULT_REST_PATHS };
  for (const key of keys) {
    const placeholder = DEFAULT_REST_PATHS[key].match(/\{\w+\}/)?.[0] ?? "";
    const path = read.hidden(
      `rest.paths.${key}`,
      options[key],
      (value) => typeof value === "string" && value.startsWith("/") && value.includes(placeholder),
      `a path that begins with / ${placeholder && `and holds ${placeholder}`}`.trimEnd(),
    );
    if (path !== undefined) paths[key] = path;
  }
  return paths;
}

/** A deadline shorter than the sum of the timeouts is shared in proportion, so that a hung gRPC always leaves REST its part. */
export function readDeadline(
  read: SettingReader,
  given: number | undefined,
  timeouts: readonly (number | undefined)[],
) {
  const present = timeouts.filter((timeoutMs) => timeoutMs !== undefined);
  const sum = present.reduce((total, timeoutMs) => total + timeoutMs, 0);
  const shortest = Math.min(...present);
  const setting = SETTINGS.deadlineMs;
  const min = present.length > 0 ? Math.min(sum, Math.ceil((MIN_TRY_MS * sum) / shortest)) : setting.min;
  const deadlineMs = read.number({ ...setting, fallback: sum, min, max: Math.max(setting.max, min) }, given);
  const share = given === undefined ? 1 : Math.min(1, deadlineMs / (sum || 1));
  return { deadlineMs, shareOf: (timeoutMs: number) => timeoutMs * share };
}
