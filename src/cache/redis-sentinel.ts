import type { TlsSource } from "../runtime/tls-options.js";
import { type AskingOptions, askOnce } from "./redis-ask.js";
import type { RedisHost, RedisTarget } from "./redis-target.js";
import { masterAt, type RedisMaster, type RedisTopology } from "./redis-topology.js";
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
  const words = ["SENTINEL", "get-master-addr-by-name", target.masterName ?? ""];
  const { secure, sentinelCredentials } = target;
  const ask = async ({ host, port }: RedisHost): Promise<RedisMaster> => {
    const reply = await askOnce({ host, port, ...sentinelCredentials, database: 0, secure, tls }, words, asking);
    if (reply === null) throw Object.assign(new Error("no such master"), { code: "UNKNOWN_MASTER" });
    const [masterHost, masterPort] = Array.isArray(reply) ? (reply as unknown[]) : [];
    if (typeof masterHost !== "string" || !/^[1-9]\d{0,4}$/.test(String(masterPort))) throw new Error("no address");
    return masterAt({ host: masterHost, port: Number(masterPort) }, target, tls);
  };
  return { masterOf: () => majorityOf(target.hosts.map(ask)), doubt: () => undefined };
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
