import type { Clock } from "../runtime/clock.js";
import { lazyImport } from "../runtime/lazy-import.js";
import { currentTls, type TlsSource } from "../runtime/tls-options.js";
import type { RedisWire } from "./redis-connection.js";
import { RedisDialer } from "./redis-dialer.js";
import type { SharedStore } from "./shared-store.js";

export interface RedisAddress {
  readonly url: string;
  readonly tls?: TlsSource | undefined;
  /** When nothing was heard for so long, Redis is asked whether it is there, in milliseconds. */
  readonly pingIntervalMs: number;
}

export interface RedisSurroundings {
  /** Of the sockets. */
  clock: Clock;
  random: () => number;
  /** It is a cluster, of which one address cannot serve all keys. */
  onCluster: () => void;
}

/** A shared store on Redis, and the way to end it. */
export interface RedisStore {
  readonly store: SharedStore;
  close(): Promise<void>;
}

const loadKeyv = lazyImport(() => import("keyv"), "keyv");
const loadKeyvRedis = lazyImport(() => import("@keyv/redis"), "@keyv/redis");

/** To reach the address, in milliseconds. */
const CONNECT_MS = 500;

/**
 * Keyv on Redis clients of our own, one for each connection. The client that @keyv/redis makes by itself waits for ever while Redis is
 * down; these fail at once.
 */
export function connectRedis(
  { url, tls, pingIntervalMs }: RedisAddress,
  { clock, random, onCluster }: RedisSurroundings,
): RedisStore {
  const dialer = new RedisDialer({ makeWire: () => makeWire(url, tls), clock, random, pingIntervalMs, onCluster });
  // MGET also for one key: where a key holds no text, MGET takes it for missing; GET would fail, as if Redis were out of order.
  const getAll = (keys: readonly string[]) => dialer.run((wire) => wire.getAll(keys));
  return {
    store: {
      ready: dialer.ready,
      onConnected: (listener) => dialer.onConnected(listener),
      onPong: (listener) => dialer.onPong(listener),
      get: async (key) => (await getAll([key]))[0],
      getAll,
      set: (key, value, ttlMs) => dialer.run((wire) => wire.set(key, value, ttlMs)),
      delete: (key) => dialer.run((wire) => wire.delete(key)),
    },
    close: () => dialer.close(),
  };
}

async function makeWire(url: string, tls: TlsSource | undefined): Promise<RedisWire> {
  const { Keyv } = await loadKeyv(); // one after the other: Jest's loader fails when both ask for what they share
  const { default: KeyvRedis, createClient } = await loadKeyvRedis();
  const cut = new AbortController();
  const client = createClient({
    url,
    disableOfflineQueue: true,
    disableClientInfo: true, // a command that a user of few rights may not give
    socket: { ...currentTls(tls), connectTimeout: CONNECT_MS, reconnectStrategy: false, signal: cut.signal } as never,
  });
  const connect = client.connect.bind(client);
  client.connect = () => Promise.reject(new Error("one connection each")); // @keyv/redis connects a client that has ended anew
  const keyv = new Keyv(new KeyvRedis(client as never, { throwOnConnectError: false, throwOnErrors: true }) as never, {
    namespace: "", // our keys have a prefix of their own
    throwOnErrors: true,
    // Entries are text, and say themselves until when they hold: Keyv need not wrap them in JSON once more.
    serialize: ({ value }) => value as string,
  });
  keyv.on("error", () => undefined);
  return {
    connect,
    getAll: (keys) => client.mGet(keys as string[]), // past Keyv and its adapter, which take half of the time
    set: (key, value, ttlMs) => keyv.set(key, value, ttlMs),
    delete: (key) => keyv.delete(key),
    onError: (listener) => void client.on("error", listener),
    guard(accepts) {
      // The one place where bytes can be seen before they are decoded. A client without it has the other bounds alone.
      const socket = client._ejectSocket?.();
      if (!socket) return;
      const emit = socket.emit.bind(socket);
      socket.emit = (event: string | symbol, ...details: unknown[]) =>
        event === "data" && !accepts(details[0] as Buffer) ? false : emit(event, ...details);
      client._insertSocket(socket);
    },
    destroy() {
      if (client.isOpen) client.destroy();
      cut.abort(); // a client that is still connecting has no hold of its socket yet
    },
  };
}
