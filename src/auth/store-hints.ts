import { errorCode } from "../cache/store-error.js";
import { dependencyIn } from "./failure-hints.js";
import { findHint, type Hint, OTHER_TLS, TLS_HINTS } from "./tls-hints.js";

/** Of a Redis, by the codes of Node and its own. The first one holds. */
const OF_REDIS: readonly Hint<"redis">[] = [
  ...TLS_HINTS,
  OTHER_TLS,
  { when: /^ECONNREFUSED$/, says: "nothing listens there: are host and port right? Redis' own is 6379" },
  { when: /^(ENOTFOUND|EAI_AGAIN)$/, says: "no name server knows the host: is it spelt right?" },
  { when: /^(EHOSTUNREACH|ENETUNREACH)$/, says: "no network leads there: is the address right?" },
  {
    when: /^NOAUTH$/,
    says: "it wants a password: write redis://:…@host:port, or redis://user:…@host:port where it has ACL users, each encoded",
  },
  { when: /^UNKNOWN_MASTER$/, says: "the sentinels watch no master of that name" },
  { when: /^WRONGPASS$/, says: "user or password are wrong: are both encoded, # as %23?" },
  { when: /^NOPERM$/, says: "its user may not do this: README has the ACL that is needed" },
  { when: /^OOM$/, says: "it is full: raise maxmemory, or give it to nothing else" },
  {
    when: /^NOREPLICAS$/,
    says: "too few replicas follow it (min-replicas-to-write): bring them back, or ask for fewer",
  },
  { when: /^MISCONF$/, says: "it cannot save to its disk: look at its log, and at the room that is left there" },
  { when: /^BUSY$/, says: "a script holds it up: SCRIPT KILL, or FUNCTION KILL, ends that" },
  {
    when: /^CLUSTERDOWN$/,
    says: "the cluster is down: is a master lost, were its slots never given out? Look at CLUSTER INFO",
  },
  { when: /^LOADING$/, says: "it is reading its data from disk: wait until that has ended" },
  { when: /^MASTERDOWN$/, says: "it is a replica that has lost its master: name the master, or bring it back" },
  { when: /^DENIED$/, says: "its protected mode lets in its own machine alone: give it a password" },
];

/** What Redis says under `ERR`, a code for many things. Looked at, and never shown. */
const OF_TEXTS: readonly { readonly when: RegExp; readonly says: string }[] = [
  { when: /max number of clients/i, says: "it has no room for one more: raise maxclients, or look at CLIENT LIST" },
  {
    when: /DB index/i,
    says: "it has no database of that number: the one behind the last / of REDIS_URL is at most databases - 1, of redis.conf; 15 by default",
  },
  { when: /AUTH.*without any password/i, says: "it has no password: take it out of the URL" },
  {
    when: /^ERR unknown command/i,
    says: "is it renamed (rename-command), does a proxy refuse it? UNLINK came with Redis 4, streams with Redis 5",
  },
];

/** What probably is wrong with a shared cache. */
export function storeHintOf(error: unknown): string | undefined {
  const dependency = dependencyIn(error);
  if (dependency) return dependency.message;
  const code = errorCode(error);
  if (code === undefined) return undefined;
  if (code !== "ERR") return findHint(OF_REDIS, code, "redis");
  const text = String((error as { message?: unknown }).message);
  return OF_TEXTS.find(({ when }) => when.test(text))?.says;
}
