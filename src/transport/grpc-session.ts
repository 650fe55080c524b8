import { raceTimeout } from "../runtime/abort.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { drawLife } from "./connection-life.js";
import { GrpcConnection } from "./grpc-connection.js";
import { dropped } from "./grpc-fate.js";

/** It goes on for so long where no other one could be made, in milliseconds. */
const EXTENSION_MS = 60_000;
/** An idle connection has this part of a call's timeout to say that it is there, within bounds in milliseconds. */
const [PING_SHARE, MIN_PING_MS, MAX_PING_MS] = [1 / 4, 50, 500];

export interface SessionOptions {
  url: string | URL;
  /** The IP address to dial. Default: the host of the URL, looked up for each connection. */
  host?: string;
  tls: TlsSource | undefined;
  /** Of one call, in milliseconds. */
  timeoutMs: number;
  clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random: () => number;
  /** Told when the server has greeted the connection, or that has ended. */
  onChange?: () => void;
}

/**
 * The HTTP/2 connection of the gRPC transport: dialled when a call needs it, and followed by another one when the server says goodbye,
 * refuses a call or is gone, when it was idle and does not answer a PING, or when it is old. Calls that are under way stay on theirs.
 *
 * {@link replace} is the way out of a dead one that is not idle: a server that was paused, or a network that swallows packets, leaves a
 * connection that looks alive for ever.
 */
export class ReplaceableSession {
  readonly #url: URL;
  readonly #options: SessionOptions;
  readonly #pingMs: number;
  /** Of which something is left, with the end of their life once they are made. */
  readonly #connections = new Map<GrpcConnection, Timer | undefined>();
  #current: GrpcConnection | undefined;
  /** While it is being made, to take the place of the current one. */
  #successor: GrpcConnection | undefined;
  #signsOfLife = 0;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#url = new URL(options.url);
    this.#options = options;
    this.#pingMs = Math.min(MAX_PING_MS, Math.max(MIN_PING_MS, options.timeoutMs * PING_SHARE));
  }

  /** Grows whenever the server sends something of an answer. */
  get signsOfLife(): number {
    return this.#signsOfLife;
  }

  /** Whether a connection stands on which the server has spoken. It may have been idle for long. */
  get isReady(): boolean {
    const current = this.#current;
    return current ? current.isGreeted && current.accepts : false;
  }

  /** Resolves when there is one. Rejects with what prevented that. */
  async greeted(): Promise<void> {
    const connection = await this.ready();
    await connection.greeted();
  }

  /** The connection for the next call, if that can be put on it at once. */
  get standing(): GrpcConnection | undefined {
    return this.#current?.stands ? this.#current : undefined;
  }

  /** The same, dialled if need be. Rejects with what prevented that. */
  async ready(): Promise<GrpcConnection> {
    for (;;) {
      const connection = this.#connection();
      if (await connection.ready()) return connection; // the next one is new, and not asked
    }
  }

  /** To be told when a part of an answer has come. */
  noteSignOfLife(): void {
    this.#signsOfLife++;
  }

  /** Makes the next call take a new connection; those under way stay on theirs. */
  retire(): void {
    this.#current?.retire();
  }

  /** Drops the connection and every call on it. */
  replace(): void {
    this.#current?.cutOff();
  }

  /** Drops what is left of all of them. */
  close(): void {
    this.#isClosed = true;
    for (const [connection, life] of this.#connections) {
      life?.clear();
      connection.cutOff();
    }
  }

  #connection(): GrpcConnection {
    if (this.#current?.accepts) return this.#current;
    if (this.#isClosed) throw dropped();
    this.#current = this.#successor?.accepts ? this.#successor : this.#dial();
    return this.#current;
  }

  #dial(): GrpcConnection {
    const { tls, clock, host, onChange } = this.#options;
    const options = { tls, clock, host, pingMs: this.#pingMs };
    const connection: GrpcConnection = new GrpcConnection(this.#url, options, {
      onMade: () => this.#live(connection),
      onAnswer: () => this.#signsOfLife++,
      onEnd: () => {
        this.#connections.get(connection)?.clear();
        this.#connections.delete(connection);
        if (connection === this.#current) onChange?.();
      },
    });
    if (onChange) connection.greeted().then(onChange, () => undefined);
    this.#connections.set(connection, undefined);
    return connection;
  }

  #live(connection: GrpcConnection, ms?: number): void {
    const { clock, random } = this.#options;
    const life = clock.setTimeout(() => this.#onOld(connection), drawLife(random, ms), { background: true });
    this.#connections.set(connection, life);
  }

  /** One that is idle needs no successor before there is a call. */
  #onOld(connection: GrpcConnection): void {
    if (connection !== this.#current || !connection.accepts) return;
    if (connection.isIdle) connection.retire();
    else void this.#succeed(connection);
  }

  async #succeed(old: GrpcConnection): Promise<void> {
    const { clock, timeoutMs } = this.#options;
    let successor: GrpcConnection | undefined;
    try {
      successor = this.#dial();
      this.#successor = successor;
      await raceTimeout(successor.greeted(), clock, timeoutMs, () => new Error("no greeting"));
      if (this.#current === old) this.#current = successor;
      old.retire();
    } catch {
      if (old.accepts) this.#live(old, EXTENSION_MS);
    } finally {
      this.#successor = undefined;
      if (this.#current !== successor) successor?.cutOff(); // there is another one by now, or it was not made in time
    }
  }
}
