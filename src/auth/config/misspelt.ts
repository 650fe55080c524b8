import type { ConfigProblem } from "./config-error.js";
import { isOneSlip, nearest } from "./nearest.js";

const OURS = /^(AUTH|CIRCUIT_BREAKER|REDIS)_/i;
/** Near to one of ours, and common: the application's own. */
const OTHERS = ["REDIS_URI"];

/** Variables with nearly the name of one that is not set: a misspelt secret would leave the cache open. */
export function misspelt(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
  isSet: (name: string) => boolean,
): ConfigProblem[] {
  const missing = known.filter((name) => !isSet(name));
  return Object.keys(env).flatMap((name) => {
    if (known.includes(name) || OTHERS.includes(name) || !env[name]?.trim()) return [];
    const meant = OURS.test(name) ? nearest(name, known) : meantWithPrefix(name, known);
    if (meant === undefined || !missing.includes(meant)) return [];
    return {
      name,
      value: "something (not shown)", // it may be a secret under a wrong name
      expected: "no such variable",
      message: `there is no such variable; did you mean ${meant}?`,
    };
  });
}

/**
 * The name that was meant by one that begins as none of ours: one slip away. A letter before it, a number in it or another word makes a name of another
 * program: `OAUTH_…`, `REDIS2_URL`, `AUTO_…`.
 */
function meantWithPrefix(name: string, known: readonly string[]): string | undefined {
  if (/\d|^AUTO_/i.test(name)) return undefined;
  if (/^redis[^_]?url$/i.test(name)) return undefined; // of another Redis, as others write it: `redisUrl`, `redis.url`
  const given = name.toUpperCase();
  return known.find((each) => !given.endsWith(each) && isOneSlip(given, each));
}
