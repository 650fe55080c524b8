import type { Socket } from "node:net";
import { slotOf } from "../../src/cache/cluster-slots.js";
import type { RedisHost } from "../../src/cache/redis-target.js";
import { type FakeRedis, startFakeRedis } from "./redis-fake.js";

/** A node of a cluster that is played: it knows all keys that were written to it. */
export interface FakeNode extends RedisHost {
  /** `host:port`, as a redirection has it. */
  readonly id: string;
  readonly redis: FakeRedis;
  readonly texts: Map<string, string>;
  /** Commands about keys that came, in words. */
  readonly asked: string[][];
  /** An error for a command in place of its answer, or nothing at all; `undefined` lets it be. */
  refuse: (words: readonly string[]) => string | "silence" | undefined;
}

export type FakeNodes = readonly [FakeNode, FakeNode, FakeNode, ...FakeNode[]];

/** Nodes of a cluster that is played, and what all of them say of its slots. */
export interface FakeCluster {
  readonly nodes: FakeNodes;
  readonly url: string;
  /** What `CLUSTER SLOTS` is answered with; bytes as they are. */
  slots: unknown;
  /** How often that was asked. */
  readonly looks: number;
  close(): Promise<void>;
}

/** @param count three at least */
export async function startFakeCluster(count: number): Promise<FakeCluster> {
  const cluster = { slots: [] as unknown, looks: 0 };
  const look = () => {
    cluster.looks++;
    return cluster.slots;
  };
  const started = Array.from({ length: count }, () => startNode(look));
  const nodes = (await Promise.all(started)) as unknown as FakeNodes;
  return Object.assign(cluster, {
    nodes,
    url: `redis+cluster://${nodes.map(({ id }) => id).join(",")}`,
    close: async () => void (await Promise.all(nodes.map(({ redis }) => redis.close()))),
  });
}

/** An entry of what `CLUSTER SLOTS` says, as Redis 7 has it. */
export function slotEntry(first: number, last: number, { host, port }: RedisHost, ...replicas: unknown[]): unknown {
  return [first, last, [host, port, "id", ["hostname", "a.example"]], ...replicas];
}

/** A key whose slot fits. */
export function keyWhere(fits: (slot: number) => boolean, beginning = "key"): string {
  for (let n = 0; ; n++) if (fits(slotOf(`${beginning}-${n}`))) return `${beginning}-${n}`;
}

async function startNode(slots: () => unknown): Promise<FakeNode> {
  const texts = new Map<string, string>();
  const asked: string[][] = [];
  const answers: Record<string, (words: readonly string[]) => unknown> = {
    MGET: ([, ...keys]) => keys.map((key) => texts.get(key) ?? null),
    SET: ([, key = "", text = ""]) => void texts.set(key, text),
    UNLINK: ([, key = ""]) => Number(texts.delete(key)),
    CLUSTER: ([, question]) => (question === "SLOTS" ? slots() : new Error("ERR unknown subcommand")),
  };
  const redis = await startFakeRedis((words, socket) => {
    const name = words[0] as string;
    if (name !== "CLUSTER") asked.push(words);
    const refusal = node.refuse(words);
    if (refusal !== "silence") write(socket, refusal === undefined ? answers[name]?.(words) : new Error(refusal));
  });
  const port = Number(new URL(redis.url).port);
  const node: FakeNode = {
    ...{ host: "127.0.0.1", port, id: `127.0.0.1:${port}` },
    ...{ redis, texts, asked, refuse: () => undefined },
  };
  return node;
}

const write = (socket: Socket, answer: unknown) => void socket.write(Buffer.isBuffer(answer) ? answer : inResp(answer));

/** As RESP2 has it; `undefined` is `OK`. */
function inResp(answer: unknown): string {
  if (answer === undefined) return "+OK\r\n";
  if (answer === null) return "$-1\r\n";
  if (answer instanceof Error) return `-${answer.message}\r\n`;
  if (typeof answer === "number") return `:${answer}\r\n`;
  if (Array.isArray(answer)) return `*${answer.length}\r\n${answer.map(inResp).join("")}`;
  return `$${Buffer.byteLength(String(answer))}\r\n${answer}\r\n`;
}
