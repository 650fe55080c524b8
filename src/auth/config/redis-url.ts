import { parseRedisUrl, type RedisTarget } from "../../cache/redis-target.js";
import { meantUrl } from "./meant-url.js";
import type { SettingReader } from "./setting-reader.js";

/** A URL of Redis that can be used. */
export interface RedisUrl {
  readonly url: string;
  readonly target: RedisTarget;
}

const ENCODED = "user and password encoded: # as %23, / as %2F, ? as %3F, @ as %40, % as %25";
const ALONE = "redis://user:…@host:port/number";
const CLUSTER = "redis+cluster://user:…@a:6379,b:6379";
const SENTINEL = "redis+sentinel://user:…@s1:26379,s2:26379/mymaster/number?sentinel_username=…&sentinel_password=…";

/** Reads a setting that names Redis: one server, a cluster, or sentinels. */
export function readRedisUrl(read: SettingReader, path: string, value: string | undefined): RedisUrl | undefined {
  if (value === undefined) return undefined;
  const clean = typeof value === "string" && /^[^\s\p{Cc}\\#]+$/u.test(value);
  const target = clean ? parseRedisUrl(value) : undefined;
  if (target) return { url: value, target };
  read.urlProblem(path, value, expectedIn(value));
  return undefined;
}

function expectedIn(value: unknown): string {
  const [, scheme = "", kind] = /^([a-z]+)(?:\+([a-z]+))?:\/\//i.exec(typeof value === "string" ? value : "") ?? [];
  const isRedis = /^rediss?$/i.test(scheme);
  if (isRedis && /^cluster$/i.test(kind ?? ""))
    return `a cluster, which has no databases, as ${CLUSTER} with ${ENCODED}`;
  if (isRedis && /^sentinel$/i.test(kind ?? ""))
    return `sentinels and the name of the master as ${SENTINEL} with ${ENCODED}`;
  const meant = meantUrl(value, ["redis:", "rediss:"]);
  const expected = "a URL that begins with redis:// or rediss://, redis+cluster:// or redis+sentinel://";
  if (meant) return `${expected}: write ${meant}`;
  return isRedis && kind === undefined
    ? `a URL, as ${ALONE} with ${ENCODED}`
    : `${expected}, as ${ALONE} with ${ENCODED}`;
}
