import { DEFAULT_REST_PATHS, type RestPaths } from "../../transport/rest-request.js";
import { keysOf } from "./declaration.js";
import type { SettingReader } from "./setting-reader.js";
import { shownPath, shownUrl } from "./shown-url.js";

const HTTP = ["http:", "https:"] as const;
/** The end of a URL of gRPC that has the path of the service, or of one of its methods. */
const GRPC_PATH = /\/auth\.AuthService(\/\w*)?$/i;
/** `{user_id}`, `{id}`, `:id`, `<id>`. */
const PLACEHOLDER = /^(\{.*\}|:\w+|<.*>)$/;

/** A URL that paths are appended to: behind a query they would be a part of it. */
export function readBase(
  read: SettingReader,
  path: string,
  given: string | undefined,
  defaultPort?: string,
): string | undefined {
  const url = read.url(path, given, HTTP, { ...(defaultPort !== undefined && { defaultPort }) });
  if (url?.includes("?")) read.urlProblem(path, url, "a URL without a query");
  // Some HTTP clients take this for a unix socket, all others for a host of that name.
  if (url && /^\w+:\/\/([^@/]*@)?unix:(?!\d)/i.test(url)) {
    const instead = path === "rest.url" ? "rest.agent with a socketPath" : "grpc.transport";
    read.urlProblem(path, url, `a URL with a host; for a unix socket, ${instead}`);
  }
  return url;
}

/** The service's own path would stand a second time behind it. */
export function assertGrpcBase(read: SettingReader, url: string): void {
  const shown = shownUrl(url)?.replace(/\/+$/, "");
  const [path] = (shown && GRPC_PATH.exec(shown)) || [];
  if (!shown || path === undefined) return;
  const base = shown.slice(0, -path.length);
  const expected = `the base URL alone, to which /auth.AuthService/VerifyToken is appended: write ${base}`;
  read.urlProblem("grpc.url", url, expected);
}

/** Behind the whole URL of an operation, its path would stand a second time. */
export function assertRestBase(read: SettingReader, url: string, paths: RestPaths): void {
  const shown = shownUrl(url)?.replace(/\/+$/, "");
  const given = segmentsOf(decoded(new URL(url).pathname));
  for (const key of keysOf(DEFAULT_REST_PATHS)) {
    const path = shownPath(paths[key]);
    if (path.length < 2 || path === "/…") continue;
    const end = segmentsOf(path);
    const isWhole = shown?.endsWith(path) || matches(given.slice(-end.length), end);
    const count = isWhole ? end.length : lengthOfEnd(given, end);
    if (count === 0) continue;
    const base = shownUrl(new URL(`/${given.slice(0, -count).join("/")}`, url).href)?.replace(/\/+$/, "");
    const other = isWhole ? "" : `; where that is another path, with rest.paths.${key}`;
    const expected = `the base URL alone, to which ${path} is appended${base ? `: write ${base}` : ""}${other}`;
    read.urlProblem("rest.url", url, expected);
    return;
  }
}

/** How many of the last segments are those of a path whose beginning is another; none without a placeholder, as a base may end with its words. */
function lengthOfEnd(given: readonly string[], end: readonly string[]): number {
  for (let count = Math.min(given.length, end.length); count > 1; count--) {
    const tail = given.slice(-count);
    if (tail.some((each) => PLACEHOLDER.test(each)) && matches(tail, end.slice(-count))) return count;
  }
  return 0;
}

function matches(given: readonly string[], path: readonly string[]): boolean {
  return (
    given.length === path.length &&
    path.every((each, at) => each === given[at] || (PLACEHOLDER.test(each) && PLACEHOLDER.test(given[at] ?? "")))
  );
}

function segmentsOf(path: string): readonly string[] {
  return path.split("/").filter((segment) => segment !== "");
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
