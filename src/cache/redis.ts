import type { Clock } from "../runtime/clock.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { RedisCluster } from "./redis-cluster.js";
import { RedisDialer } from "./redis-dialer.js";
import { openWire } from "./redis-link.js";
import { sentinelTopology } from "./redis-sentinel.js";
import type { RedisTarget } from "./redis-target.js";
import { type RedisTopology, standaloneTopology } from "./redis-topology.js";
import type { SharedStore } from "./shared-store.js";

export interface RedisAddress {
  readonly target: RedisTarget;
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
  /** It is no cluster, though the URL says so. */
  onNoCluster: () => void;
}

/** Masters that may take with them what their replicas did not have yet. */
export interface RedisMasters {
  /** Tells of each that was replaced by another one, before that can be used. */
  onTakenOver(listener: () => void): void;
  /** When the first of them was lost that are away now: monotonic, in milliseconds; at the end of time where all are there. */
  readonly lostAt: number;
}

/** A shared store on Redis, and the way to end it. */
export interface RedisStore {
  readonly store: SharedStore;
  /** For connections besides those of the store. */
  readonly topology: RedisTopology;
  /** Of a cluster: masters that are replaced by others. */
  readonly masters?: RedisMasters;
  /** Any other command about a key, over the store's connection to the master that has it. What Redis answers must be flat. */
  send(key: string, words: readonly string[]): Promise<unknown>;
  close(): Promise<void>;
}

/** Keyv on Redis clients of our own, one for each connection. */
export function connectRedis(
  { target, tls, pingIntervalMs }: RedisAddress,
  { clock, random, onCluster, onNoCluster }: RedisSurroundings,
): RedisStore {
  const closing = new AbortController();
  const asking = { clock, signal: closing.signal };
  if (target.kind === "cluster") {
    const cluster = new RedisCluster({ target, tls, asking, clock, random, pingIntervalMs, onNoCluster });
    const close = () => {
      closing.abort();
      return cluster.close();
    };
    const { store, topology } = cluster;
    return { store, topology, masters: cluster, send: (key, words) => cluster.send(key, words), close };
  }
  const topology = target.kind === "sentinel" ? sentinelTopology(target, tls, asking) : standaloneTopology(target, tls);
  const makeWire = async () => openWire(await topology.masterOf(""));
  const dialer = new RedisDialer({ makeWire, clock, random, pingIntervalMs, onCluster });
  const close = () => {
    closing.abort();
    return dialer.close();
  };
  return { store: storeOn(dialer), topology, send: (_key, words) => dialer.run((wire) => wire.send(words)), close };
}

function storeOn(dialer: RedisDialer): SharedStore {
  // MGET also for one key: where a key holds no text, MGET takes it for missing; GET would fail, as if Redis were out of order.
  const getAll = (keys: readonly string[]) => dialer.run((wire) => wire.getAll(keys));
  return {
    ready: dialer.ready,
    onConnected: (listener) => dialer.onConnected(listener),
    onPong: (listener) => dialer.onPong(listener),
    get: async (key) => (await getAll([key]))[0],
    getAll,
    set: (key, value, ttlMs) => dialer.run((wire) => wire.set(key, value, ttlMs)),
    delete: (key) => dialer.run((wire) => wire.delete(key)),
  };
}
