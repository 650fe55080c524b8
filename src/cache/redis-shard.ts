import type { Clock } from "../runtime/clock.js";
import { keyInSlot } from "./cluster-slots.js";
import { NO_KEY, type RedisWire } from "./redis-connection.js";
import { RedisDialer } from "./redis-dialer.js";
import type { RedisHost } from "./redis-target.js";
import { idOf } from "./redis-topology.js";
import type { StorePart } from "./shared-store.js";

export interface ShardOptions {
  readonly host: RedisHost;
  /** Whether the cluster gives it that slot at the moment. */
  readonly holds: (slot: number) => boolean;
  readonly openWire: (host: RedisHost) => Promise<RedisWire>;
  /** It is being connected to, or says that another one has its slots: perhaps it is the master no more. */
  readonly onDoubt: () => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pingIntervalMs: number;
}

/** A part of a cluster: the slots of one master, whichever server that is. A replica that takes them over is the same part. */
export class RedisShard implements StorePart {
  readonly #options: ShardOptions;
  readonly #dialer: RedisDialer;
  #host: RedisHost;
  #proofKey: string | undefined;

  constructor(options: ShardOptions) {
    this.#options = options;
    this.#host = options.host;
    const { clock, random, pingIntervalMs, onDoubt, openWire } = options;
    let isFirst = true;
    const makeWire = () => {
      if (!isFirst) onDoubt();
      isFirst = false;
      return openWire(this.#host);
    };
    const cluster = { proofKey: () => this.#findProofKey(), onMoved: onDoubt };
    this.#dialer = new RedisDialer({ makeWire, clock, random, pingIntervalMs, cluster });
  }

  get host(): RedisHost {
    return this.#host;
  }

  /** When its master was lost, while there is no other one: monotonic, in milliseconds. */
  get lostAt(): number | undefined {
    return this.#dialer.lostAt;
  }

  /** Of its master. */
  get name(): string {
    return idOf(this.#host);
  }

  get ready(): Promise<void> {
    return this.#dialer.ready;
  }

  onConnected(listener: () => void): void {
    this.#dialer.onConnected(listener);
  }

  onPong(listener: () => void): void {
    this.#dialer.onPong(listener);
  }

  run<T>(operation: (wire: RedisWire) => Promise<T>): Promise<T> {
    return this.#dialer.run(operation);
  }

  /** Its slots have changed, and perhaps its master: whether that is so. */
  follow(host: RedisHost): boolean {
    this.#proofKey = undefined;
    if (idOf(host) === this.name) return false;
    this.#host = host;
    this.#dialer.redial();
    return true;
  }

  close(): Promise<void> {
    return this.#dialer.close();
  }

  /** A master answers for its own slots alone, a replica for none. */
  #findProofKey(): string {
    this.#proofKey ??= keyInSlot(NO_KEY, this.#options.holds);
    return this.#proofKey;
  }
}
