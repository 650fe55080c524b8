import type { TlsSource } from "../runtime/tls-options.js";
import { type AskingOptions, askOnce } from "./redis-ask.js";
import type { RedisHost, RedisTarget } from "./redis-target.js";
import { masterAt, type RedisEndpoint, type RedisMaster, type RedisTopology } from "./redis-topology.js";
import { errorCode, NotConnectedError } from "./store-error.js";

/**
 * The master that sentinels name. All are asked, each time: one that was cut off while a successor was chosen still names the old one,
 * which may take writes.
 */
export function sentinelTopology(
  target: RedisTarget,
  tls: TlsSource | undefined,
  asking: AskingOptions,
): RedisTopology {
  const { secure, sentinelCredentials, masterName = "" } = target;
  const ask = async ({ host, port }: RedisHost): Promise<RedisMaster> => {
    const endpoint = { host, port, ...sentinelCredentials, database: 0, secure, tls };
    const master = await askSentinel(endpoint, masterName, asking);
    if (!master) throw Object.assign(new Error("no such master"), { code: "UNKNOWN_MASTER" });
    return masterAt(master, target, tls);
  };
  return { masterOf: () => majorityOf(target.hosts.map(ask)), doubt: () => undefined };
}

/** The master that a sentinel names; `null`: it knows of none by that name. */
export async function askSentinel(
  endpoint: RedisEndpoint,
  masterName: string,
  asking: AskingOptions,
): Promise<RedisHost | null> {
  const reply = await askOnce(endpoint, ["SENTINEL", "get-master-addr-by-name", masterName], asking);
  if (reply === null) return null;
  const [host, port] = Array.isArray(reply) ? (reply as unknown[]) : [];
  if (typeof host !== "string" || !/^[1-9]\d{0,4}$/.test(String(port))) throw new Error("no address");
  return { host, port: Number(port) };
}

/** What more than half of them name, as soon as they do; when all have answered or failed, what most of them name. */
function majorityOf(answers: readonly Promise<RedisMaster>[]): Promise<RedisMaster> {
  const votes = new Map<string, number>();
  const named: RedisMaster[] = [];
  return new Promise((resolve, reject) => {
    const counted = answers.map(async (answer) => {
      const master = await answer;
      const count = (votes.get(master.id) ?? 0) + 1;
      votes.set(master.id, count);
      named.push(master);
      if (count > answers.length / 2) resolve(master);
    });
    void Promise.allSettled(counted).then((results) => {
      const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
      const most = Math.max(...votes.values());
      const master = named.find(({ id }) => votes.get(id) === most);
      if (master) resolve(master);
      else reject(new NotConnectedError(failures.find(isAnswer) ?? failures[0]));
    });
  });
}

/** What a sentinel answered says more than that another one is away. */
function isAnswer(error: unknown): boolean {
  return !/^E[A-Z]+$/.test(errorCode(error) ?? "E");
}
