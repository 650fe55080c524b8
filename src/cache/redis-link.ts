import { lazyImport } from "../runtime/lazy-import.js";
import { currentTls } from "../runtime/tls-options.js";
import type { RedisWire } from "./redis-connection.js";
import type { RedisEndpoint } from "./redis-topology.js";

const loadKeyv = lazyImport(() => import("keyv"), "keyv");
const loadKeyvRedis = lazyImport(() => import("@keyv/redis"), "@keyv/redis");

/** To reach the address, in milliseconds. */
const CONNECT_MS = 500;

/** A Redis client for one connection, which is not made anew when it has ended. */
export interface RedisLink {
  /** Settles when Redis has taken name, password and database. */
  connect(): Promise<unknown>;
  /** Any command, in words; what Redis answers. Rejects where it refuses, and when the connection ends. */
  send(words: readonly string[]): Promise<unknown>;
  /** Calls back once at least when the connection is over, or what comes over it makes no sense. */
  onError(listener: (error: Error) => void): void;
  /** Asks about everything that comes in, before it is decoded: see reply-guard.ts. */
  guard(accepts: (chunk: Buffer) => boolean): void;
  /** Ends it at once, in whatever state it is; what waits for an answer rejects. */
  destroy(): void;
}

/**
 * A client that is not connected yet.
 *
 * @throws TlsSettingsError where a function brings no usable certificates
 */
export async function openLink(endpoint: RedisEndpoint): Promise<RedisLink> {
  return (await makeClient(endpoint)).link;
}

/**
 * The same with Keyv, through which entries are written. The client that @keyv/redis makes by itself waits for ever while Redis is down;
 * this one fails at once.
 */
export async function openWire(endpoint: RedisEndpoint): Promise<RedisWire> {
  const { Keyv } = await loadKeyv(); // one after the other: Jest's loader fails when both ask for what they share
  const { default: KeyvRedis } = await loadKeyvRedis();
  const { client, link } = await makeClient(endpoint);
  client.connect = (() => undefined) as never; // @keyv/redis connects a client that has ended anew: it stays ended
  const keyv = new Keyv(new KeyvRedis(client as never, { throwOnErrors: true }) as never, {
    namespace: "", // our keys have a prefix of their own
    throwOnErrors: true,
    // Entries are text, and say themselves until when they hold: Keyv need not wrap them in JSON once more.
    serialize: ({ value }) => value as string,
  });
  keyv.on("error", () => undefined);
  return {
    ...link,
    getAll: (keys) => client.mGet(keys as string[]), // past Keyv and its adapter, which take half of the time
    set: (key, value, ttlMs) => keyv.set(key, value, ttlMs),
    delete: (key) => keyv.delete(key),
    sendAsking: (words) => {
      client.sendCommand(["ASKING"]).catch(() => undefined); // what it says, the command itself meets
      return client.sendCommand(words as string[]);
    },
  };
}

async function makeClient(endpoint: RedisEndpoint) {
  const { createClient } = await loadKeyvRedis();
  const { host, port, secure, tls, username, password, database } = endpoint;
  const cut = new AbortController();
  const client = createClient({
    username,
    password,
    database,
    disableOfflineQueue: true,
    disableClientInfo: true, // a command that a user of few rights may not give
    socket: {
      host,
      port,
      ...(secure && { tls: true, ...currentTls(tls) }),
      connectTimeout: CONNECT_MS,
      reconnectStrategy: false,
      signal: cut.signal,
    } as never,
  });
  const connect = client.connect.bind(client);
  const link: RedisLink = {
    connect,
    send: (words) => client.sendCommand(words as string[]),
    onError: (listener) => void client.on("error", listener),
    guard(accepts) {
      // The one place where bytes can be seen before they are decoded. A client without it has the other bounds alone.
      const socket = client._ejectSocket?.();
      if (!socket) return;
      const emit = socket.emit.bind(socket);
      socket.emit = (event: string | symbol, ...details: unknown[]) =>
        (event !== "data" || accepts(details[0] as Buffer)) && emit(event, ...details);
      client._insertSocket(socket);
    },
    destroy() {
      if (client.isOpen) client.destroy();
      cut.abort(); // a client that is still connecting has no hold of its socket yet
    },
  };
  return { client, link };
}
