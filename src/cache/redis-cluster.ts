import type { Clock } from "../runtime/clock.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { ClusterMap } from "./cluster-map.js";
import { askForSlots, SLOTS, type SlotRange, slotOf } from "./cluster-slots.js";
import type { AskingOptions } from "./redis-ask.js";
import type { RedisWire } from "./redis-connection.js";
import { openWire } from "./redis-link.js";
import { RedisShard } from "./redis-shard.js";
import type { RedisHost, RedisTarget } from "./redis-target.js";
import { idOf, masterAt, type RedisTopology } from "./redis-topology.js";
import type { SharedStore } from "./shared-store.js";
import { NotConnectedError } from "./store-error.js";

export interface RedisClusterOptions {
  readonly target: RedisTarget;
  readonly tls: TlsSource | undefined;
  readonly asking: AskingOptions;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pingIntervalMs: number;
  /** What answers is no cluster. */
  readonly onNoCluster: () => void;
}

/** What is done with a key: by a client, and in words where a slot is on its way to another master. */
interface KeyOperation<T> {
  readonly key: string;
  run(wire: RedisWire): Promise<T>;
  readonly words: readonly string[];
  read(reply: unknown): T;
}

/**
 * A cluster: a connection to each master, each of which is found again by itself. Connections of our own, because a client for clusters
 * stays with a dead master until that is back, and would need silence, garbage and missing rights noticed once more.
 */
export class RedisCluster {
  readonly #options: RedisClusterOptions;
  readonly #map: ClusterMap;
  /** The shard of each slot. */
  #bySlot: readonly (RedisShard | undefined)[] = [];
  #shards: readonly RedisShard[] = [];
  readonly #listeners: (() => void)[] = [];
  readonly #connectedListeners: (() => void)[] = [];
  readonly #takenOverListeners: (() => void)[] = [];
  #isDoubted = false;
  readonly store: SharedStore;
  readonly topology: RedisTopology;

  constructor(options: RedisClusterOptions) {
    this.#options = options;
    const { target, tls, clock, random } = options;
    const ask = (host: RedisHost) => this.#askForSlots(host);
    this.#map = new ClusterMap({
      hosts: target.hosts,
      ask,
      onRenewed: (ranges) => this.#follow(ranges),
      clock,
      random,
    });
    const getOne = (key: string) => this.#run(looked(key));
    this.store = {
      ready: this.#connectAll(),
      onConnected: (listener) => void this.#connectedListeners.push(listener),
      get: getOne,
      getAll: (keys) => Promise.all(keys.map(getOne)), // one after the other in the same write
      set: (key, value, ttlMs) => this.#run(written(key, value, ttlMs)),
      delete: (key) => this.#run(deleted(key)),
      parts: {
        all: () => this.#shards,
        of: (key) => this.#bySlot[slotOf(key)],
        onChanged: (listener) => void this.#listeners.push(listener),
      },
    };
    this.topology = {
      masterOf: async (key) => {
        if (this.#isDoubted || !this.#map.isKnown) await this.#map.renew();
        this.#isDoubted = false;
        const shard = this.#bySlot[slotOf(key)];
        if (!shard) throw new NotConnectedError();
        return masterAt(shard.host, target, tls);
      },
      doubt: () => {
        this.#isDoubted = true;
      },
    };
  }

  /** Tells of each master that was replaced by another one, before that can be used. */
  onTakenOver(listener: () => void): void {
    this.#takenOverListeners.push(listener);
  }

  /** When the first of the masters was lost that are away now: monotonic, in milliseconds; at the end of time where all are there. */
  get lostAt(): number {
    return Math.min(...this.#shards.map(({ lostAt }) => lostAt ?? Number.POSITIVE_INFINITY));
  }

  /** Any command about a key, in words. */
  send(key: string, words: readonly string[]): Promise<unknown> {
    return this.#run({ key, run: (wire) => wire.send(words), words, read: (reply) => reply });
  }

  #connectAll(): Promise<unknown> {
    const ready = this.#map.ready.then(() => Promise.allSettled(this.#shards.map((shard) => shard.ready)));
    ready.catch(() => undefined); // every operation meets the failure, and counts as a miss
    return ready;
  }

  async close(): Promise<void> {
    this.#map.close();
    await Promise.all(this.#shards.map((shard) => shard.close()));
  }

  #askForSlots({ host, port }: RedisHost): Promise<readonly SlotRange[]> {
    const { target, tls, asking, onNoCluster } = this.#options;
    return askForSlots(masterAt({ host, port }, target, tls), asking).catch((error: Error) => {
      if (/cluster support disabled/i.test(error.message)) onNoCluster();
      throw error;
    });
  }

  /** Shards stay what they are when a replica has taken their slots over, or slots have moved from one to the other. */
  #follow(ranges: readonly SlotRange[]): void {
    const before = new Map(this.#shards.map((shard) => [shard.name, shard]));
    const hosts = new Map(ranges.map(({ master }) => [idOf(master), master]));
    const leaderless = new Set(this.#shards.filter(({ name }) => !hosts.has(name)));
    const inherited = (shard: RedisShard | undefined) => (leaderless.delete(shard as RedisShard) ? shard : undefined);
    const shards = new Map<string, RedisShard>();
    const bySlot: (RedisShard | undefined)[] = new Array(SLOTS);
    for (const { first, master } of ranges) {
      const id = idOf(master);
      if (!shards.has(id)) shards.set(id, before.get(id) ?? inherited(this.#bySlot[first]) ?? this.#newShard(master));
    }
    for (const { first, last, master } of ranges) bySlot.fill(shards.get(idOf(master)), first, last + 1);
    this.#bySlot = bySlot;
    this.#shards = [...shards.values()];
    let isTakenOver = false;
    for (const [id, shard] of shards) if (shard.follow(hosts.get(id) as RedisHost)) isTakenOver = true;
    for (const shard of leaderless) void shard.close();
    for (const listener of this.#listeners) listener();
    if (isTakenOver) for (const listener of this.#takenOverListeners) listener();
  }

  #newShard(host: RedisHost): RedisShard {
    const { target, tls, clock, random, pingIntervalMs } = this.#options;
    const shard: RedisShard = new RedisShard({
      host,
      holds: (slot) => this.#bySlot[slot] === shard,
      openWire: (at) => openWire(masterAt(at, target, tls)),
      onDoubt: () => this.#map.doubt(),
      clock,
      random,
      pingIntervalMs,
    });
    shard.onConnected(() => {
      for (const listener of this.#connectedListeners) listener();
    });
    return shard;
  }

  async #run<T>(operation: KeyOperation<T>): Promise<T> {
    const shard = this.#bySlot[slotOf(operation.key)];
    if (!shard) throw new NotConnectedError();
    try {
      return await shard.run((wire) => operation.run(wire));
    } catch (error) {
      const redirection = redirectionIn(error);
      if (!redirection) throw error;
      const other = this.#shards.find(({ name }) => name === redirection.to);
      if (!other || other === shard) throw new NotConnectedError(error);
      if (!redirection.onItsWay) return other.run((wire) => operation.run(wire));
      return operation.read(await other.run((wire) => wire.sendAsking(operation.words)));
    }
  }
}

// MGET also for one key: where a key holds no text, MGET takes it for missing; GET would fail, as if Redis were out of order.
const looked = (key: string): KeyOperation<unknown> => ({
  key,
  run: async (wire) => (await wire.getAll([key]))[0],
  words: ["MGET", key],
  read: (reply) => (reply as unknown[])[0],
});

const written = (key: string, value: string, ttlMs: number): KeyOperation<unknown> => ({
  key,
  run: (wire) => wire.set(key, value, ttlMs),
  words: ["SET", key, value, "PX", String(ttlMs)],
  read: () => true,
});

const deleted = (key: string): KeyOperation<unknown> => ({
  key,
  run: (wire) => wire.delete(key),
  words: ["UNLINK", key],
  read: (reply) => reply === 1,
});

/** Where Redis says that a key lies. `onItsWay`: the slot is being moved there, and this key has arrived, or was never there. */
function redirectionIn(error: unknown): { readonly to: string; readonly onItsWay: boolean } | undefined {
  const [, kind, to] = /^(MOVED|ASK) \d+ (\S+)$/.exec((error as Error).message) ?? [];
  return to === undefined ? undefined : { to: withBrackets(to), onItsWay: kind === "ASK" };
}

/** Redis writes IPv6 without. */
function withBrackets(address: string): string {
  const colon = address.lastIndexOf(":");
  return idOf({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
}
