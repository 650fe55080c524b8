import { createClient } from "@keyv/redis";

/** Full access to a Redis, past portero. */
export interface RedisAdmin {
  command(...words: string[]): Promise<unknown>;
  /** Keys of all entries. */
  keys(): Promise<string[]>;
  /** What lies there; of anything but a text, its type. */
  entry(key: string): Promise<string>;
  close(): void;
}

/** @param tls certificates, for a `rediss:` URL */
export async function connectAdmin(url: string, tls: object = {}): Promise<RedisAdmin> {
  const client = createClient({ url, ...(url.startsWith("rediss:") && { socket: { tls: true, ...tls } as never }) });
  client.on("error", () => undefined); // a server that a test kills
  await client.connect();
  return {
    command: (...words) => client.sendCommand(words),
    keys: async () => (await client.sendCommand(["KEYS", "*"])) as string[],
    async entry(key) {
      const type = String(await client.sendCommand(["TYPE", key]));
      return type === "string" ? String(await client.sendCommand(["GET", key])) : type;
    },
    close: () => client.destroy(),
  };
}
