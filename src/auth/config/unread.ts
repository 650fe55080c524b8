import { nearest } from "./nearest.js";

type Variables = Readonly<Record<string, string | undefined>>;

/** The beginnings that are ours alone. Others set `AUTH_…` and `REDIS_…` too. */
const OURS = /^(AUTH_(?:GRPC|REST|CACHE)|CIRCUIT_BREAKER)_/i;
/** Of a time: the unit in which it was meant. */
const UNIT = /_?(MS|MILLIS|MILLISECONDS|S|SEC|SECS|SECONDS)$/i;
/** What some call the variables of REST and of Redis. */
const OTHER_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^AUTH_(?:HTTPS?)_(URL|URI|HOST|ADDR|ADDRESS|ENDPOINT)$/i, "AUTH_REST_URL"],
  [/^AUTH_(?:REDIS)_(URL|URI|HOST|ADDR|ADDRESS)$/i, "REDIS_URL"],
];
/** Set in code alone. */
const TTL = /^AUTH_CACHE_(?:\w+_)?TTL(_\w+)?$/i;
/** Kubernetes sets them for a service, whatever that is called; its ports are URLs. */
const OF_KUBERNETES = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)$/i;
const PORT_OF_KUBERNETES = /^(tcp|udp|sctp):\/\//i;
/** An address of an auth service, by another name. */
const ADDRESS =
  /^(AUTH|GRPC)(\w*[_-])?(URL|URI|HOST|HOSTNAME|PORT|ADDR|ADDRESS|ENDPOINT|TARGET)S?$|^AUTH(\w*[_-])?(GRPC|REST)(?![A-Z])/i;
/** More names than these say no more. */
const MOST_NAMES = 5;

/** Variables that begin as ours do, or are in another unit, and are not read; with the words for a line of the log, which show no value. */
export function unreadVariables(
  env: Variables,
  known: readonly string[],
  isSet: (name: string) => boolean,
): { readonly name: string; readonly line: string }[] {
  return othersIn(env, known).flatMap((name) => {
    const inUnit = UNIT.test(name) ? known.find((each) => each === name.toUpperCase().replace(UNIT, "")) : undefined;
    const meant = inUnit ?? OTHER_NAMES.find(([pattern]) => pattern.test(name))?.[1] ?? meantBy(name, known);
    if (meant !== undefined && isSet(meant)) return [];
    if (meant !== undefined)
      return { name, line: `${name} is not read: write ${meant}${inUnit ? ", in seconds" : ""}` };
    if (TTL.test(name)) return { name, line: `${name} is not read: see cache.ttlMs, an option in milliseconds` };
    const [begins] = OURS.exec(name) ?? [];
    if (begins === undefined) return [];
    const all = known.filter((each) => each.startsWith(begins.toUpperCase()));
    return { name, line: `${name} is not read: write one of ${all.join(", ")}` };
  });
}

/** Names of variables that may have been meant as an address, where there is none. */
export function otherAddresses(env: Variables): readonly string[] {
  return othersIn(env, [])
    .filter((name) => ADDRESS.test(name) && /^[\w-]+$/.test(name) && !/TIMEOUT/i.test(name))
    .slice(0, MOST_NAMES);
}

/** Names that have a value, are not known and were not set by Kubernetes. */
function othersIn(env: Variables, known: readonly string[]): readonly string[] {
  return Object.keys(env).filter((name) => {
    const value = env[name]?.trim();
    if (!value || known.includes(name) || OF_KUBERNETES.test(name)) return false;
    return !(/_PORT$/i.test(name) && PORT_OF_KUBERNETES.test(value));
  });
}

/** Of the names that begin alike: the nearest, or one with the same words and some more or fewer. */
function meantBy(name: string, known: readonly string[]): string | undefined {
  if (!OURS.test(name)) return undefined;
  const words = name.toUpperCase().split("_");
  const hasAll = (all: readonly string[], some: readonly string[]) => some.every((word) => all.includes(word));
  return (
    nearest(name, known) ??
    known.find((each) => hasAll(each.split("_"), words)) ??
    known.find((each) => hasAll(words, each.split("_")))
  );
}
