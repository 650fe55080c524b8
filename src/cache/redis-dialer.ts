import { AsyncResource } from "node:async_hooks";
import { inBackground } from "../runtime/channels.js";
import type { Timer } from "../runtime/clock.js";
import { isElsewhere, RedisConnection, type RedisConnectionOptions, type RedisWire } from "./redis-connection.js";
import { NotConnectedError } from "./store-error.js";

export interface RedisDialerOptions extends Omit<RedisConnectionOptions, "onPong" | "onEnd"> {
  /** Makes a client for a new connection. */
  makeWire: () => Promise<RedisWire>;
  random: () => number;
}

/** A connection that lived for so long was well, in milliseconds. */
const WELL_MS = 5000;
/** Between attempts while nobody can be reached, in milliseconds: doubled from one to the next, and half of it by chance. */
const [FIRST_WAIT_MS, MAX_WAIT_MS] = [50, 2000];
/**
 * Between attempts while the address leads to a Redis that is no primary, in milliseconds: not in step with other processes, and within
 * 2 s of the moment when it leads to another one, with some time for connecting.
 */
const [MIN_PACE_MS, MAX_PACE_MS] = [1000, 1700];

/**
 * Keeps one connection to Redis, and makes a new one, with a new client, when it has ended. A client that connects anew by itself keeps
 * a connection that works no more but stands.
 */
export class RedisDialer {
  readonly #options: RedisDialerOptions;
  readonly #listeners: (() => void)[] = [];
  /** Of the constructor: listeners are the application's work too, and no upkeep. */
  readonly #scope = new AsyncResource("portero.redis");
  readonly #pongListeners: (() => void)[] = [];
  /** Settles when the first attempt has ended at the address that there is by then; rejects when it failed. */
  readonly ready: Promise<void>;
  #first!: { resolve(): void; reject(error: unknown): void };
  /** The one that can be used. */
  #connection: RedisConnection | undefined;
  /** The one that was made last. */
  #latest: RedisConnection | undefined;
  #dialling: Promise<void>;
  #wait: Timer | undefined;
  #dialledAt = 0;
  #failures = 0;
  /** The next attempt is the first one at its address. */
  #atOnce = false;
  #failure: unknown;
  #lostAt: number | undefined;
  #closed = false;

  constructor(options: RedisDialerOptions) {
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#first = { resolve, reject };
    });
    this.ready.catch(() => undefined); // every operation meets the failure, and counts as a miss
    this.#dialling = inBackground(() => this.#dial());
  }

  /** When the connection was lost, while no other one has done anything: monotonic, in milliseconds. */
  get lostAt(): number | undefined {
    return this.#lostAt;
  }

  /** Tells of each connection that can be used. */
  onConnected(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Tells of each ping that was answered in time. */
  onPong(listener: () => void): void {
    this.#pongListeners.push(listener);
  }

  run<T>(operation: (wire: RedisWire) => Promise<T>): Promise<T> {
    const connection = this.#connection;
    if (!connection) return Promise.reject(new NotConnectedError(this.#failure));
    const running = connection.run(operation);
    return this.#lostAt === undefined ? running : this.#found(connection, running);
  }

  /** Leaves the connection that there is, and makes a new one at once: the address is another one. */
  redial(): void {
    if (this.#closed) return;
    this.#atOnce = true;
    this.#failures = 0;
    this.#latest?.end(new Error("the master is another one"));
    if (!this.#wait) return;
    this.#wait.clear();
    this.#redial();
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wait?.clear();
    this.#latest?.end(new Error("the client is closed"));
    this.#first.reject(new Error("the client is closed"));
    await this.#dialling;
  }

  readonly #redial = () => {
    this.#wait = undefined;
    this.#atOnce = false;
    this.#dialling = inBackground(() => this.#dial());
  };

  async #dial(): Promise<void> {
    const { clock, makeWire } = this.#options;
    this.#dialledAt = clock.monotonic();
    let connection: RedisConnection | undefined;
    try {
      const wire = await makeWire();
      const onEnd = (error: unknown) => this.#ended(error);
      const onPong = () => {
        if (connection === this.#connection) this.#lostAt = undefined;
        for (const listener of this.#pongListeners) listener();
      };
      connection = new RedisConnection(wire, { ...this.#options, onPong, onEnd });
      this.#latest = connection;
      if (this.#closed) return connection.end(new Error("the client is closed"));
      if (this.#atOnce) return connection.end(new Error("the master is another one")); // it was made for the old address
      const opened = connection;
      const refusal = await inBackground(() => opened.open()); // later than the first, which may have come too early for a subscriber
      this.#connection = connection;
      if (refusal) return this.#first.reject(refusal);
      this.#first.resolve();
      for (const listener of this.#listeners) this.#scope.runInAsyncScope(listener);
      this.#lostAt = undefined;
    } catch (error) {
      this.#first.reject(error);
      if (!connection) this.#ended(error);
    }
  }

  /** A Redis that was still loading, or whose cluster was down, when it was connected to is there when it does something. */
  async #found<T>(connection: RedisConnection, running: Promise<T>): Promise<T> {
    const result = await running;
    if (connection === this.#connection) this.#lostAt = undefined;
    return result;
  }

  #ended(error: unknown): void {
    const { clock, random } = this.#options;
    this.#connection = undefined;
    this.#failure = error;
    this.#lostAt ??= clock.monotonic();
    if (this.#closed) return;
    const lifeMs = clock.monotonic() - this.#dialledAt;
    let waitMs: number;
    if (this.#atOnce) waitMs = 0;
    else if (isElsewhere(error)) waitMs = MIN_PACE_MS + random() * (MAX_PACE_MS - MIN_PACE_MS) - lifeMs;
    else if (lifeMs >= WELL_MS) waitMs = this.#failures = 0;
    else waitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures++) * (0.5 + random() / 2);
    this.#wait = clock.setTimeout(this.#redial, Math.max(0, waitMs));
  }
}
