import { ConfigError, show } from "../auth/config/config-error.js";
import { SettingReader } from "../auth/config/setting-reader.js";
import { AuthError } from "../auth/errors.js";
import { headerOf, type MaybeHeaded } from "./request.js";

export interface CookieTokenOptions {
  /** Other origins whose pages may send the cookie with unsafe methods: `"https://app.example.com"`. Default: none. */
  trustedOrigins?: readonly string[];
}

const SAFE_METHODS: readonly (string | undefined)[] = ["GET", "HEAD", "OPTIONS"];

/**
 * A token source that reads a cookie: `requireAuth({ token: cookieToken("session") })`. Its value is decoded once
 * (`decodeURIComponent`); what cannot be decoded, and a second cookie of the name with another value, is `invalid_request`.
 *
 * Browsers send cookies with requests that other sites make. On unsafe methods, and on WebSocket upgrades, a request that a browser
 * marks as coming from another origin is refused with `cross_site`, by the rules of Go's `http.CrossOriginProtection`:
 * `Sec-Fetch-Site`, else `Origin` against `Host`; a request with neither does not come from a browser.
 *
 * @throws ConfigError when the name is no cookie's name, or an origin is none
 */
export function cookieToken(
  name: string,
  options: CookieTokenOptions = {},
): (request: MaybeHeaded) => string | undefined {
  if (typeof name !== "string" || !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) {
    throw new ConfigError([
      {
        name: "cookieToken(name)",
        value: show(name),
        expected: "the name of a cookie, without spaces and signs such as = and ;",
      },
    ]);
  }
  const trusted = new Set(readTrustedOrigins(options).map(parseOrigin));
  return (request) => {
    const values = cookieValues(headerOf(request, "cookie"), name);
    if (values.every((value) => value === "")) return undefined;
    if (isCrossOrigin(request, trusted)) throw new AuthError("cross_site");
    const [token, ...others] = values.map(decode);
    // A second one may have been planted by a neighbouring domain: which one is ours cannot be told.
    if (others.some((other) => other !== token)) throw new AuthError("invalid_request");
    return token;
  };
}

function readTrustedOrigins(options: CookieTokenOptions): readonly string[] {
  const read = new SettingReader({}, []);
  const { trustedOrigins } = read.section("cookieToken", options, ["trustedOrigins"]);
  const origins = read.optional("trustedOrigins", trustedOrigins, Array.isArray, "a list of origins");
  read.throwIfAny();
  return origins ?? [];
}

/** The value of each cookie of the name, without its quotes. */
function cookieValues(header: string | undefined, name: string): readonly string[] {
  const values: string[] = [];
  for (const pair of header?.split(";") ?? []) {
    const equals = pair.indexOf("=");
    if (equals < 0 || withoutBlanks(pair.slice(0, equals)) !== name) continue;
    const value = withoutBlanks(pair.slice(equals + 1));
    values.push(value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value);
  }
  return values;
}

/** Once, as `res.cookie()` of Express encodes it: what is left then is looked at as any token is. */
function decode(value: string): string {
  try {
    return value.includes("%") ? decodeURIComponent(value) : value;
  } catch {
    throw new AuthError("invalid_request");
  }
}

/** Without spaces and tabs at its ends (RFC 6265 §5.2). `trim` takes what a browser takes for a part of the name: another cookie's. */
function withoutBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function isCrossOrigin(request: MaybeHeaded, trusted: ReadonlySet<string>): boolean {
  const upgrades = headerOf(request, "upgrade") !== undefined; // a GET, but what follows is not safe
  if (SAFE_METHODS.includes(request.method) && !upgrades) return false;
  const origin = headerOf(request, "origin");
  if (origin !== undefined && trusted.has(origin)) return false;
  const site = headerOf(request, "sec-fetch-site");
  if (site !== undefined && site !== "") return site !== "same-origin" && site !== "none";
  if (origin === undefined || origin === "") return false;
  const host = headerOf(request, "host") ?? headerOf(request, ":authority");
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

function parseOrigin(origin: string): string {
  const parsed = URL.canParse(origin) ? new URL(origin).origin : undefined;
  if (parsed !== origin) {
    const expected = "an origin such as https://app.example.com";
    throw new ConfigError([{ name: "trustedOrigins", value: show(origin), expected }]);
  }
  return origin;
}
