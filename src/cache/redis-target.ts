/** Host and port of one server. */
export interface RedisHost {
  readonly host: string;
  readonly port: number;
}

/** A name and a password, as Redis' ACL has them. */
export interface RedisCredentials {
  readonly username?: string;
  readonly password?: string;
}

/** What a URL of Redis says. */
export interface RedisTarget {
  /** `sentinel`: the hosts are sentinels, which know where the master is. */
  readonly kind: "standalone" | "cluster" | "sentinel";
  /** Whether to speak TLS, to sentinels too. */
  readonly secure: boolean;
  /** At least one. */
  readonly hosts: readonly RedisHost[];
  readonly credentials: RedisCredentials;
  readonly database: number;
  /** What the sentinels call the master. */
  readonly masterName?: string;
  readonly sentinelCredentials?: RedisCredentials;
}

const DEFAULT_PORT = { standalone: 6379, cluster: 6379, sentinel: 26_379 } as const;
const FORM = /^(rediss?)(?:\+(cluster|sentinel))?:\/\/([^/?#\\\s]+)(\/[^?#]*)?(?:\?([^#]*))?$/i;
/** What stands where in {@link FORM}. */
type Parts = readonly [
  string,
  scheme: string,
  kind: string | undefined,
  authority: string,
  path?: string,
  query?: string,
];
const SENTINEL_SETTING = /^sentinel_(username|password)=(.+)$/;

/** Takes a URL of Redis apart; `undefined` where no client could use it. */
export function parseRedisUrl(url: string): RedisTarget | undefined {
  const parts = FORM.exec(url) as Parts | null;
  if (!parts) return undefined;
  const [, scheme, given, authority, path = "", query = ""] = parts;
  const kind = (given?.toLowerCase() ?? "standalone") as RedisTarget["kind"];
  const at = authority.lastIndexOf("@");
  const credentials = credentialsIn(authority.slice(0, Math.max(at, 0)));
  const hosts = authority
    .slice(at + 1)
    .split(",")
    .map((host) => hostIn(host, DEFAULT_PORT[kind]));
  if (!credentials || !hosts.every((host) => host !== undefined)) return undefined;
  const common = { kind, secure: scheme.toLowerCase() === "rediss", hosts, credentials };
  if (kind === "sentinel") return withMaster(common, path, query);
  const fits =
    kind === "standalone" ? hosts.length === 1 && /^\/?\d*$/.test(path) : /^\/?0?$/.test(path) && query === "";
  return fits ? { ...common, database: Number(path.slice(1)) } : undefined;
}

type WithoutDatabase = Omit<RedisTarget, "database">;

function withMaster(common: WithoutDatabase, path: string, query: string): RedisTarget | undefined {
  const [, name, database = ""] = /^\/([^/]+)(?:\/(\d*))?$/.exec(path) ?? [];
  const masterName = decoded(name);
  const settings = new Map<string, string | undefined>();
  for (const pair of query === "" ? [] : query.split("&")) {
    const [, setting, value] = SENTINEL_SETTING.exec(pair) ?? [];
    if (setting === undefined || settings.has(setting)) return undefined;
    settings.set(setting, decoded(value));
  }
  const [username, password] = [settings.get("username"), settings.get("password")];
  const areWhole = [...settings.values()].every((value) => value !== undefined);
  if (masterName === undefined || !areWhole || (username !== undefined && password === undefined)) return undefined;
  return { ...common, database: Number(database), masterName, sentinelCredentials: given(username, password) };
}

function credentialsIn(userInfo: string): RedisCredentials | undefined {
  const colon = userInfo.indexOf(":");
  const [username, password] = colon < 0 ? [userInfo, ""] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  const parts = [decoded(username), decoded(password)];
  return parts.every((part) => part !== undefined) ? given(parts[0], parts[1]) : undefined;
}

function given(username: string | undefined, password: string | undefined): RedisCredentials {
  return { ...(username && { username }), ...(password && { password }) };
}

function hostIn(text: string, defaultPort: number): RedisHost | undefined {
  if (!URL.canParse(`redis://${text}`)) return undefined;
  const { hostname, port } = new URL(`redis://${text}`);
  if (hostname === "" || port === "0") return undefined;
  return { host: hostname.replace(/[[\]]/g, ""), port: port === "" ? defaultPort : Number(port) };
}

function decoded(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
