import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connectAdmin } from "./redis-admin.js";
import { type RedisServer, startRedisServer } from "./redis-process.js";

/** A real master with a replica, and three sentinels that watch them, on free ports of this machine. */
export interface RedisSentinelServers {
  /** Of the sentinels and the master. */
  readonly url: string;
  /** The master at first, and its replica. */
  readonly servers: readonly [RedisServer, RedisServer];
  readonly sentinels: readonly RedisServer[];
  /** The port of the master by what the sentinels say, when all of them say the same. */
  masterPort(): Promise<number | undefined>;
  close(): Promise<void>;
}

export interface RedisSentinelOptions {
  /** Of master and replica. */
  readonly settings?: readonly string[];
  /** Lines for the configuration of the sentinels. */
  readonly sentinelLines?: readonly string[];
  /** Between `redis+sentinel://` and the sentinels: user and password with an `@`. */
  readonly userInfo?: string;
}

const NAME = "mymaster";
/** A master that is silent for so long is taken for dead, in milliseconds. */
const DOWN_AFTER_MS = 500;
const READY_MS = 20_000;

export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinelServers> {
  const { settings = [], sentinelLines = [], userInfo = "" } = options;
  const folder = await mkdtemp(join(tmpdir(), "portero-sentinel-"));
  const master = await startRedisServer({ settings });
  const replicaOf = ["--replicaof", `127.0.0.1 ${master.port}`, "--repl-diskless-sync-delay", "0", "--dbfilename", ""];
  const replica = await startRedisServer({ settings: [...settings, ...replicaOf.slice(0, 4)] });
  const servers = [master, replica] as const;
  const lines = [
    `sentinel monitor ${NAME} 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${NAME} 3000`,
    ...sentinelLines,
  ];
  const commandLine = async (port: number) => {
    const file = join(folder, `sentinel-${port}.conf`);
    await writeFile(file, [`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, ...lines, ""].join("\n"));
    return [file, "--sentinel"];
  };
  const replicaAdmin = await connectAdmin(replica.url);
  await until(async () => String(await replicaAdmin.command("INFO", "replication")).includes("master_link_status:up"));
  replicaAdmin.close();
  const sentinels = await Promise.all([1, 2, 3].map(() => startRedisServer({ commandLine })));
  const admins = await Promise.all(sentinels.map(({ url }) => connectAdmin(url)));
  for (const admin of admins) {
    // Redis 7 can be told to look more often than once in ten seconds; older ones are waited for.
    await admin.command("SENTINEL", "DEBUG", "info-period", "500", "publish-period", "200").catch(() => undefined);
  }
  for (const admin of admins) {
    await until(async () => {
      const said = pairsOf(await admin.command("SENTINEL", "MASTER", NAME));
      return said.get("num-other-sentinels") === "2" && said.get("num-slaves") === "1";
    });
  }
  return {
    url: `redis+sentinel://${userInfo}${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(",")}/${NAME}`,
    servers,
    sentinels,
    async masterPort() {
      const said = await Promise.all(admins.map((admin) => admin.command("SENTINEL", "get-master-addr-by-name", NAME)));
      const ports = new Set(said.map((address) => Number((address as string[])[1])));
      return ports.size === 1 ? [...ports][0] : undefined;
    },
    async close() {
      for (const admin of admins) admin.close();
      await Promise.all([...servers, ...sentinels].map((server) => server.kill()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function pairsOf(reply: unknown): Map<string, string> {
  const words = reply as string[];
  return new Map(words.flatMap((word, at) => (at % 2 === 0 ? [[word, words[at + 1] as string] as const] : [])));
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + READY_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error("the sentinels do not come about");
    await sleep(20);
  }
}
