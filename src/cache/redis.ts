import { lazyImport } from "../runtime/lazy-import.js";
import type { SharedStore } from "./shared-tier.js";

/** A shared store on Redis, and the way to end it. */
export interface RedisStore {
  readonly store: SharedStore;
  close(): Promise<void>;
}

const loadKeyv = lazyImport(() => import("keyv"), "keyv");
const loadKeyvRedis = lazyImport(() => import("@keyv/redis"), "@keyv/redis");

/**
 * Keyv on a Redis client of our own. The client that @keyv/redis makes by itself waits for ever while Redis is down; this one fails
 * at once, notices a silent server, and reconnects in the background.
 */
export function connectRedis(url: string): RedisStore {
  const connecting = connect(url);
  let client: Awaited<typeof connecting>["client"] | undefined;
  connecting.then(
    (connection) => {
      client = connection.client;
    },
    () => undefined,
  );
  const ready = connecting.then(({ connected }) => connected);
  ready.catch(() => undefined); // every operation meets the failure, and counts as a miss
  // On the way of every request that only Redis can answer: past Keyv and its adapter, whose part is not needed here and takes half of
  // the time. MGET also for one key: what is no text is missing there, and an error with GET, as if Redis were out of order.
  const getAll = (keys: readonly string[]) =>
    client?.mGet(keys as string[]) ?? connecting.then((connection) => connection.client.mGet(keys as string[]));
  let closed = false;
  /** @keyv/redis connects a client that was closed anew, and for ever. */
  const open = async () => {
    const { keyv } = await connecting;
    if (closed) throw new Error("the client is closed");
    return keyv;
  };
  return {
    store: {
      ready,
      get: async (key) => (await getAll([key]))[0],
      getAll,
      set: async (key, value, ttlMs) => (await open()).set(key, value, ttlMs),
      delete: async (key) => (await open()).delete(key),
    },
    close: async () => {
      closed = true;
      const connection = await connecting.catch(() => undefined);
      if (!connection) return; // there never was one
      await connection.settled().catch(() => undefined); // a client that is destroyed while it connects leaves its ping timer running for ever
      if (connection.client.isOpen) connection.client.destroy();
    },
  };
}

async function connect(url: string) {
  const { Keyv } = await loadKeyv(); // one after the other: Jest's loader fails when both ask for what they share
  const { default: KeyvRedis, createClient } = await loadKeyvRedis();
  const client = createClient({
    url,
    disableOfflineQueue: true,
    pingInterval: 200,
    socket: {
      connectTimeout: 500,
      socketTimeout: 600,
      reconnectStrategy: (retries) => Math.min(2000, 50 * 2 ** Math.min(retries, 10)) * (0.5 + Math.random() / 2),
    },
  });
  client.on("error", () => undefined); // the shared tier reports transitions; a line per attempt helps nobody
  const settled = attempts(client);
  const connected = settled(); // connect() itself settles only when it has succeeded
  connected.catch(() => undefined);
  client.connect().catch(() => undefined);
  const keyv = new Keyv(new KeyvRedis(client as never, { throwOnConnectError: false, throwOnErrors: true }) as never, {
    namespace: "", // our keys have a prefix of their own
    throwOnErrors: true,
    // Entries are text, and say themselves until when they hold: Keyv need not wrap them in JSON once more.
    serialize: ({ value }) => value as string,
  });
  keyv.on("error", () => undefined);
  return { client, keyv, connected, settled };
}

/** Follows the client's attempts to connect: settles when none is under way, and rejects when the one it waited for failed. */
function attempts(client: { on(event: string, listener: (error?: Error) => void): unknown }): () => Promise<void> {
  let attempting = true;
  let waiting: ((error?: Error) => void)[] = [];
  const ended = (error?: Error) => {
    attempting = false;
    for (const tell of waiting) tell(error);
    waiting = [];
  };
  client.on("ready", () => ended());
  client.on("error", ended);
  client.on("reconnecting", () => {
    attempting = true;
  });
  return () =>
    new Promise((resolve, reject) =>
      attempting ? waiting.push((error) => (error ? reject(error) : resolve())) : resolve(),
    );
}
