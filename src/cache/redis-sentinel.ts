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
  const { secure, sentinelCredentials, masterName } = target;
  const ask = async ({ host, port }: RedisHost): Promise<RedisMaster> => {
    const endpoint = { host, port, ...sentinelCredentials, database: 0, secure, tls };
    const master = await askSentinel(endpoint, masterName as string, asking);
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
  const [host, port] = [reply].flat();
  if (typeof host !== "string" || !/^[1-9]\d{0,4}$/.test(String(port))) throw new Error("no address");
  return { host, port: Number(port) };
}

/** What more than half of them name, as soon as they do; when all have answered or failed, what most of them name. */
function majorityOf(answers: readonly Promise<RedisMaster>[]): Promise<RedisMaster> {
  /** By id, in the order in which they were named. */
  const votes = new Map<string, { readonly master: RedisMaster; count: number }>();
  return new Promise((resolve, reject) => {
    const counted = answers.map(async (answer) => {
      const master = await answer;
      const vote = votes.get(master.id) ?? { master, count: 0 };
      votes.set(master.id, vote);
      vote.count++;
      if (vote.count > answers.length / 2) resolve(master);
    });
    void Promise.allSettled(counted).then((results) => {
      const [most] = [...votes.values()].sort((one, other) => other.count - one.count);
      if (most) return resolve(most.master);
      const failures = (results as PromiseRejectedResult[]).map(({ reason }) => reason);
      reject(new NotConnectedError(failures.find(isAnswer) ?? failures[0]));
    });
  });
}

/** What a sentinel answered, or TLS found, says more than that another one is away: that has a code of Node's, or none. */
function isAnswer(error: unknown): boolean {
  const code = errorCode(error);
  return code !== undefined && !/^E(?!RR)/.test(code);
}
