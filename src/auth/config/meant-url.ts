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

/** Quotes of an env file that its reader has left in, or of a list, at one end. */
const QUOTED = /^(["'`])|(["'`])$/;
/** A port, with or without something behind it that is no path. An `@` past it belongs to a password that was not encoded. */
const PORT = /^[a-z][a-z\d+.-]*:\/\/(?:[^/?#]*@)?(?:[\w.-]+|\[[\da-f:.]+\]):(\d+)([;.'"`)\]}>]+)?(?:$|[/?#][^@]*$)/i;

/**
 * What to write instead, in words; `undefined` where that cannot be told. User-info and query are not in it.
 *
 * @param protocols those that can be used here, the first one without TLS
 * @param defaultPort for a scheme that has none of its own
 */
export function meantUrl(value: unknown, protocols: readonly string[], defaultPort?: string): string | undefined {
  if (typeof value !== "string") return undefined;
  if (QUOTED.test(value)) {
    const bare = value.replace(/^["'`]+|["'`]+$/g, "");
    const url = urlIn(bare, protocols) ?? otherUrl(bare, protocols, defaultPort);
    return url === undefined ? "it without the quotes" : `${url}, without the quotes`;
  }
  const [, port, behind] = PORT.exec(value) ?? [];
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return "a port from 1 to 65535";
  return behind === undefined ? otherUrl(value, protocols, defaultPort) : "nothing behind the port but a path";
}

/** A URL that can be used, as it can be shown. */
function urlIn(value: string, protocols: readonly string[]): string | undefined {
  const parts = takeApart(value);
  if (!parts || !protocols.includes(parts.protocol)) return undefined;
  return `${parts.protocol}//${parts.host}${parts.path === "/" || parts.path === "/…" ? "" : parts.path}`;
}

/** The same of another protocol, or of none. */
function otherUrl(value: string, protocols: readonly string[], defaultPort: string | undefined): string | undefined {
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
