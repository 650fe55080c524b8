import { parseRedisUrl } from "../../cache/redis-target.js";
import { idOf } from "../../cache/redis-topology.js";
import type { CacheConfig } from "./cache.js";
import { reachOf } from "./local-host.js";
import type { AuthClientOptions } from "./options.js";
import type { SettingReader } from "./setting-reader.js";
import { shownUrl } from "./shown-url.js";
import type { GrpcConfig, RestConfig } from "./upstreams.js";

const LONG_TTL_MS = 3_600_000;
const LONG_STALE_MS = 24 * 3_600_000;

export interface RiskySettings {
  readonly grpc: GrpcConfig | undefined;
  readonly rest: RestConfig | undefined;
  readonly cache: CacheConfig;
  /** The option that names Redis. */
  readonly redisSetting: string;
  readonly hasNamespace: boolean;
}

type Setting = readonly [path: string, url: string];

/**
 * Settings that work, and let in more than their author may think, or are in another unit than was meant: in words, or a problem for each where `strict` says so.
 *
 * @param strict `true`: the cache must be sealed, and nothing may leave the network in clear text; `"cache"`: the first alone
 */
export function readRisks(
  read: SettingReader,
  settings: RiskySettings,
  strict: AuthClientOptions["strict"],
): readonly string[] {
  const { cache } = settings;
  const risks: string[] = [];
  const isShared = cache.store !== undefined || cache.redisUrl !== undefined;
  if (isShared && cache.secrets.length === 0) {
    if (strict) read.problem("cache.secret", undefined, "a secret (AUTH_CACHE_SECRET): strict wants a sealed cache");
    risks.push(
      "the shared cache has no secret: whoever can write to it can make a user; see cache.secret (AUTH_CACHE_SECRET)",
    );
  }
  const open = cleartextOf(settings);
  if (open.length > 0) {
    for (const [path, url] of strict === true ? open : []) {
      const protocol = /^redis/i.test(url) ? url.replace(/^redis(\+\w+)?:.*$/i, "rediss$1") : "https";
      read.urlProblem(path, url, `a URL that begins with ${protocol}://, or a local host: strict wants TLS`);
    }
    risks.push(
      `tokens or entries go in clear text to ${named(open)}: whoever reads one on the way can use it; write https:// and rediss://`,
    );
  }
  const local = isShared && !settings.hasNamespace ? upstreamsOf(settings).filter(isAmbiguous) : [];
  if (local.length > 0) {
    risks.push(
      `the shared cache cannot tell ${named(local)} from another environment's of the same URL: ` +
        "what one lets in, so does the other; see cache.namespace (AUTH_CACHE_NAMESPACE)",
    );
  }
  if (cache.ttlMs > LONG_TTL_MS) {
    risks.push(`a revoked token gets in for longer than an hour; see cache.ttlMs, at most ${LONG_TTL_MS}`);
  }
  if (cache.staleIfErrorMs > LONG_STALE_MS) {
    risks.push(
      `in an outage a revoked token gets in for longer than a day; see cache.staleIfErrorMs, at most ${LONG_STALE_MS}`,
    );
  }
  risks.push(...read.slips);
  return risks;
}

function upstreamsOf({ grpc, rest }: RiskySettings): Setting[] {
  const urls = grpc?.urls ?? [];
  return [...urls.flatMap((url) => given("grpc.url", url)), ...given("rest.url", rest?.url)];
}

function cleartextOf(settings: RiskySettings): Setting[] {
  const all = [...upstreamsOf(settings), ...given(settings.redisSetting, settings.cache.redisUrl)];
  return all.filter(([, url]) => /^(http|redis(\+\w+)?):/i.test(url) && leadsOutside(url));
}

/** One host of several is enough. */
function leadsOutside(url: string): boolean {
  const hosts = parseRedisUrl(url)?.hosts.map((host) => `redis://${idOf(host)}`);
  return (hosts ?? [url]).some((each) => reachOf(each) === "public");
}

/** A loopback address says that it means this machine; a name or a private address looks as if it meant one service. */
function isAmbiguous([, url]: Setting): boolean {
  return reachOf(url) === "private";
}

function given(path: string, url: string | undefined): Setting[] {
  return url !== undefined && (URL.canParse(url) || parseRedisUrl(url)) ? [[path, url]] : [];
}

function named(settings: readonly Setting[]): string {
  return settings.map(([path, url]) => `${path} ${shownUrl(url) ?? "(not shown)"}`).join(" and ");
}
