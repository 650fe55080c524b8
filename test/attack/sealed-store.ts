import { createClient } from "@keyv/redis";
import type { CacheOptions } from "../../src/auth/config/options.js";
import type { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { startRedisServer } from "../support/redis-server.js";

/** A shared store, as somebody sees it who can do anything there. */
export interface OpenStore {
  /** How a client is given it. */
  readonly cache: Pick<CacheOptions, "store" | "redisUrl">;
  keys(kind: string): Promise<string[]>;
  read(key: string): Promise<string>;
  /** Puts the text there, for ever. */
  write(key: string, text: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** Everything, as it lies there. */
  dump(): Promise<string>;
}

type Afterwards = (end: () => unknown) => void;

export async function openMemory(_afterwards: Afterwards, clock: ManualClock): Promise<OpenStore> {
  const store = new MemoryStore(clock);
  return {
    cache: { store },
    keys: async (kind) => store.keys(kind),
    read: async (key) => String(store.texts.get(key)),
    write: async (key, text) => void (await store.set(key, text, Number.POSITIVE_INFINITY)),
    delete: async (key) => void store.texts.delete(key),
    dump: async () => JSON.stringify([...store.texts]),
  };
}

export async function openRedis(afterwards: Afterwards): Promise<OpenStore> {
  const server = await startRedisServer();
  afterwards(() => server.kill());
  const client = createClient({ url: server.url });
  client.on("error", () => undefined);
  await client.connect();
  afterwards(() => client.destroy());
  const all = async () => (await client.keys("*")).sort();
  const contentOf = (key: string) =>
    key.startsWith("portero:1:log:") ? client.sendCommand(["XRANGE", key, "-", "+"]) : client.get(key);
  return {
    cache: { redisUrl: server.url },
    keys: async (kind) => (await all()).filter((key) => key.split(":")[2] === kind),
    read: async (key) => String(await client.get(key)),
    write: async (key, text) => void (await client.set(key, text)),
    delete: async (key) => void (await client.del(key)),
    dump: async () => JSON.stringify(await Promise.all((await all()).map(async (key) => [key, await contentOf(key)]))),
  };
}
