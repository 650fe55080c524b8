/** The parts of a URL that may be shown: they hold no password. */
export interface ShownUrl {
  /** With its colon. */
  readonly protocol: string;
  /** With the port, unless that is the scheme's own; several, by commas, of a cluster and of sentinels. */
  readonly host: string;
  /** `/…` where it holds more than plain segments: an `&api_key=` behind a wrong sign is a path. */
  readonly path: string;
  readonly hasUserInfo: boolean;
}

const PARTS = /^([a-z][a-z\d+.-]*:)\/\/([^\s\p{Cc}\\/?#]+)([^\s\p{Cc}\\]*)$/iu;
const PLAIN_HOST = /^([\w.-]+|\[[\da-f:.]+\])$/i;
const PLAIN_PATH = /^[\w.~/-]*$/;
const PATH_PATTERN = /^[\w.~/{}-]*$/;
const PLAIN_ADDRESS = /^([\w.-]+|\[[\da-f:.]+\])(:\d{1,5})?$/i;
/** The number of a database. */
const REDIS_PATH = /^\/?\d*$/;
/** Schemes of several addresses, of which the URL class knows nothing. */
const LIST = /^(redis|valkey)s?[+-](cluster|sentinel)s?:$/i;

/**
 * Takes a URL apart; `undefined` for a text that is none, and where the host cannot be told for certain: an `@` past the authority, or a
 * `#` behind user-info, belongs to a password that was not encoded.
 */
export function takeApart(value: unknown): ShownUrl | undefined {
  const [, scheme = "", authority = "", rest = ""] = (typeof value === "string" && PARTS.exec(value)) || [];
  const hasUserInfo = authority.includes("@");
  if (authority === "" || rest.includes("@") || (hasUserInfo && rest.includes("#"))) return undefined;
  const addresses = authority.slice(authority.lastIndexOf("@") + 1);
  if (LIST.test(scheme) || (/^(redis|valkey)s?:$/i.test(scheme) && addresses.includes(","))) {
    if (!addresses.split(",").every((address) => PLAIN_ADDRESS.test(address))) return undefined;
    const [path = ""] = rest.split(/[?#]/);
    return { protocol: scheme.toLowerCase(), host: addresses, path: PLAIN_PATH.test(path) ? path : "/…", hasUserInfo };
  }
  if (!URL.canParse(value as string)) return undefined;
  const { protocol, host, hostname, pathname } = new URL(value as string);
  if (!PLAIN_HOST.test(hostname)) return undefined;
  const isPlain = (protocol.startsWith("redis") ? REDIS_PATH : PLAIN_PATH).test(pathname);
  return { protocol, host, path: isPlain ? pathname : "/…", hasUserInfo };
}

/** Scheme, host, port and path of a URL, for log lines and `status()`. */
export function shownUrl(url: string | undefined): string | undefined {
  const parts = takeApart(url);
  return parts && `${parts.protocol}//${parts.host}${parts.path}`;
}

/** {@link shownUrl} of several, by commas; `undefined` where one of them cannot be shown. */
export function shownUrls(urls: readonly string[]): string | undefined {
  const shown = urls.map(shownUrl);
  return shown.length > 0 && !shown.includes(undefined) ? shown.join(",") : undefined;
}

/** A path of `rest.paths` with its placeholders, without its query: that may be a key. */
export function shownPath(path: string): string {
  const [plain = ""] = path.split(/[?#]/, 1);
  return PATH_PATTERN.test(plain) ? plain : "/…";
}

/** {@link shownUrl} of the value of a setting that should be a URL; of another text, nothing. */
export function showUrl(value: unknown): string {
  const parts = takeApart(value);
  if (!parts) return value === "" ? '""' : "something that is no URL (not shown)";
  const { protocol, host, path, hasUserInfo } = parts;
  const isBare = path === "/" && !/:\/\/[^/]*\//.test(String(value));
  const shown = `${protocol}//${hasUserInfo ? "…@" : ""}${host}${isBare ? "" : path}`;
  return JSON.stringify(shown.length > 80 ? `${shown.slice(0, 79)}…` : shown);
}
