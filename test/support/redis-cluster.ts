import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { slotOf } from "../../src/cache/cluster-slots.js";
import { connectAdmin, type RedisAdmin } from "./redis-admin.js";
import { type RedisServer, startRedisServer } from "./redis-process.js";

/** A real Redis Cluster of one suite, on free ports of this machine. */
export interface RedisClusterServers {
  /** Of all nodes. */
  readonly url: string;
  /** First the masters, then a replica of each, in the same order. */
  readonly nodes: readonly ClusterNode[];
  /** The nodes that are masters now, by the first slot that they have. */
  masters(): Promise<ClusterNode[]>;
  /** The master of a key. */
  masterOf(key: string): Promise<ClusterNode>;
  /** On each node. */
  onAll(...words: string[]): Promise<void>;
  /** Keys of all masters. */
  keys(): Promise<string[]>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ClusterNode extends RedisServer {
  readonly admin: RedisAdmin;
}

export interface RedisClusterOptions {
  /** Default 3. */
  masters?: number;
  /** A replica for each. Default `true`. */
  replicas?: boolean;
  /** More settings of each node. */
  settings?: (port: number) => readonly string[];
  /** Connects to a node. Default: at its URL. */
  connect?: (node: RedisServer) => Promise<RedisAdmin>;
}

const SLOTS = 16_384;
/** A node that is silent for so long is taken for dead, in milliseconds. */
const NODE_TIMEOUT_MS = 1000;
/** Nodes talk to each other at a port that is so much higher. */
const BUS_OFFSET = 10_000;
const READY_MS = 20_000;

export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisClusterServers> {
  const { masters = 3, replicas = true, connect = ({ url }: RedisServer) => connectAdmin(url) } = options;
  const folder = await mkdtemp(join(tmpdir(), "portero-cluster-"));
  const count = masters * (replicas ? 2 : 1);
  const start = async (): Promise<ClusterNode> => {
    const server = await startRedisServer({
      maxPort: 65_535 - BUS_OFFSET,
      commandLine: (port) => lineOf(port, folder, options),
    });
    return { ...server, admin: await connect(server) };
  };
  const nodes = await Promise.all(Array.from({ length: count }, start));
  await makeCluster(nodes, masters);
  const mastersNow = async () => {
    const found: ClusterNode[] = [];
    for (const [, , [, port]] of await slotsOf(nodes)) {
      const node = nodes.find((candidate) => candidate.port === port);
      if (node && !found.includes(node)) found.push(node);
    }
    return found;
  };
  const close = async () => {
    for (const { admin } of nodes) admin.close();
    await Promise.all(nodes.map((node) => node.kill()));
    await rm(folder, { recursive: true, force: true });
  };
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`,
    nodes,
    masters: mastersNow,
    async masterOf(key) {
      const slot = slotOf(key);
      const range = (await slotsOf(nodes)).find(([first, last]) => first <= slot && slot <= last);
      return nodes.find(({ port }) => port === range?.[2][1]) as ClusterNode;
    },
    async onAll(...words) {
      await Promise.all(nodes.map(({ admin }) => admin.command(...words)));
    },
    keys: async () => (await Promise.all((await mastersNow()).map(({ admin }) => admin.keys()))).flat(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function lineOf(port: number, folder: string, { settings }: RedisClusterOptions): string[] {
  return [
    ...["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
    ...["--cluster-enabled", "yes", "--cluster-config-file", `nodes-${port}.conf`],
    ...["--cluster-node-timeout", String(NODE_TIMEOUT_MS), "--cluster-require-full-coverage", "no"],
    ...["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0", "--dbfilename", `${port}.rdb`],
    ...["--repl-ping-replica-period", "1"], // an idle replica is not named before the first
    ...(settings?.(port) ?? []),
  ];
}

/** What `CLUSTER SLOTS` says, of the first node that answers. */
type Range = readonly [
  first: number,
  last: number,
  master: readonly [host: string, port: number],
  ...replicas: unknown[],
];

async function slotsOf(nodes: readonly ClusterNode[]): Promise<Range[]> {
  for (const { admin } of nodes) {
    const ranges = await Promise.race([admin.command("CLUSTER", "SLOTS"), sleep(300)]).catch(() => undefined);
    if (Array.isArray(ranges)) return (ranges as Range[]).sort(([a], [b]) => a - b);
  }
  throw new Error("no node answers");
}

/** Makes one cluster of the nodes, and waits until all of them know it. */
async function makeCluster(nodes: readonly ClusterNode[], masters: number): Promise<void> {
  const each = <T>(action: (node: ClusterNode, n: number) => Promise<T>) => Promise.all(nodes.map(action));
  const ids = await each(async ({ admin }) => String(await admin.command("CLUSTER", "MYID")));
  await each(async ({ admin }, n) => {
    await admin.command("CLUSTER", "SET-CONFIG-EPOCH", String(n + 1));
    for (const { port } of nodes.slice(0, n)) await admin.command("CLUSTER", "MEET", "127.0.0.1", String(port));
    if (n >= masters) return;
    const [first, end] = [n, n + 1].map((at) => Math.floor((at * SLOTS) / masters)) as [number, number];
    await admin.command("CLUSTER", "ADDSLOTS", ...Array.from({ length: end - first }, (_, at) => String(first + at)));
  });
  const says = (admin: RedisAdmin, ...words: string[]) => admin.command(...words).then(String);
  await untilAll(nodes, async ({ admin }) =>
    (await says(admin, "CLUSTER", "INFO")).includes(`cluster_known_nodes:${nodes.length}`),
  );
  await untilAll(nodes, async ({ admin }) => !(await says(admin, "CLUSTER", "NODES")).includes("handshake"));
  await each(async ({ admin }, n) => {
    if (n >= masters) await admin.command("CLUSTER", "REPLICATE", ids[n - masters] as string);
  });
  await untilAll(nodes, async ({ admin }, n) => {
    const slots = (await admin.command("CLUSTER", "SLOTS")) as Range[];
    const isWhole =
      slots.length === masters && slots.every((range) => range.length === (nodes.length > masters ? 4 : 3));
    const isOk = (await says(admin, "CLUSTER", "INFO")).includes("cluster_state:ok");
    const isLinked = n < masters || (await says(admin, "INFO", "replication")).includes("master_link_status:up");
    return isWhole && isOk && isLinked;
  });
}

async function untilAll(nodes: readonly ClusterNode[], isSo: (node: ClusterNode, n: number) => Promise<boolean>) {
  const end = performance.now() + READY_MS;
  for (const [n, node] of nodes.entries()) {
    while (!(await isSo(node, n))) {
      if (performance.now() > end) throw new Error("the cluster does not come about");
      await sleep(20);
    }
  }
}
