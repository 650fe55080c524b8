import { type ShownUrl, takeApart } from "./shown-url.js";

/** Schemes of other protocols, and the one that is meant here. */
const MEANT: Readonly<Record<"http:" | "redis:", Readonly<Record<string, string>>>> = {
  "http:": { grpc: "http", grpcs: "https", h2c: "http", h2: "https", tcp: "http", ws: "http", wss: "https" },
  "redis:": {
    http: "redis",
    https: "rediss",
    tcp: "redis",
    tls: "rediss",
    valkey: "redis",
    valkeys: "rediss",
    "redis+tls": "rediss",
    "redis+ssl": "rediss",
  },
};

/** A gRPC target (`dns:///auth:50051`), or an address without a scheme. */
const ADDRESS = /^(?:(?:dns|passthrough|ipv4|ipv6):(?:\/\/[\w.:]*\/)?)?((?:[\w.-]+|\[[\da-f:.]+\]):\d{1,5})$/i;

/**
 * The URL that was probably meant, without user-info and query; `undefined` where that cannot be told.
 *
 * @param protocols those that can be used here, the first one without TLS
 * @param defaultPort for a scheme that has none of its own
 */
export function meantUrl(value: unknown, protocols: readonly string[], defaultPort?: string): string | undefined {
  if (typeof value !== "string") return undefined;
  const [plain] = protocols;
  if (plain !== "http:" && plain !== "redis:") return undefined;
  const parts = takeApart(value);
  const scheme = parts && (listSchemeOf(parts) ?? MEANT[plain][parts.protocol.slice(0, -1)]);
  if (parts && scheme) {
    const needsPort = scheme === "http" && defaultPort !== undefined && !/:\d+$/.test(parts.host);
    const path = parts.path === "/…" ? "" : parts.path;
    return `${scheme}://${parts.host}${needsPort ? `:${defaultPort}` : ""}${path === "/" ? "" : path}`;
  }
  const address = ADDRESS.exec(value)?.[1];
  return address && URL.canParse(`http://${address}`) ? `${plain}//${address}` : undefined;
}

/** Redis with several addresses: `redis-sentinel://` of other clients, or a cluster that is not called one. */
function listSchemeOf({ protocol, host }: ShownUrl): string | undefined {
  const [, secure, kind] = /^(?:redis|valkey)(s?)(?:[+-](cluster|sentinel)s?)?:$/.exec(protocol) ?? [];
  if (secure === undefined || (kind === undefined && !host.includes(","))) return undefined;
  return `redis${secure}+${kind ?? "cluster"}`;
}
