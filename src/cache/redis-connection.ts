import { inBackground } from "../runtime/channels.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import { type Waiting, WaitList } from "../runtime/wait-list.js";
import { MAX_REPLY_BYTES, ReplyGuard } from "./reply-guard.js";
import { errorCode, isReply, LostError, NotConnectedError } from "./store-error.js";

/** A Redis client for one connection. */
export interface RedisWire {
  /** Settles when Redis has taken name, password and database. */
  connect(): Promise<unknown>;
  getAll(keys: readonly string[]): Promise<readonly unknown[]>;
  set(key: string, value: string, ttlMs: number): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  /** Any command, in words; what Redis answers must be flat. */
  send(words: readonly string[]): Promise<unknown>;
  /** A command, in words, about a key whose slot is on its way to this master. */
  sendAsking(words: readonly string[]): Promise<unknown>;
  /** Calls back once at least when the connection is over, or what comes over it makes no sense. */
  onError(listener: (error: Error) => void): void;
  /** Asks about everything that comes in, before it is decoded. */
  guard(accepts: (chunk: Buffer) => boolean): void;
  /** Ends it at once, in whatever state it is; what waits for an answer rejects. */
  destroy(): void;
}

export interface RedisConnectionOptions {
  clock: Clock;
  /** Asks for a sign of life when nothing was heard for so long, in milliseconds. */
  pingIntervalMs: number;
  /** A ping was answered before an operation's caller would have given it up. */
  onPong: () => void;
  onEnd: (error: unknown) => void;
  /** Redis says that keys lie on several masters, though it was taken for the only one. */
  onCluster?: () => void;
  /** It is one master of several. */
  cluster?: ClusterSide;
}

/** What a master of a cluster needs, and tells. */
export interface ClusterSide {
  /** A key in a slot that it should have. */
  readonly proofKey: () => string;
  /** It says that another one has a slot, or that the cluster is down. */
  readonly onMoved: () => void;
}

/** To connect, to log in, and to prove itself, in milliseconds. */
const OPENING_MS = 1000;
/** A Redis that answers nothing for so long is not there any more, in milliseconds. */
const SILENCE_MS = 600;
const SILENT = "Redis does not answer";
/** When an operation's caller has given it up, in milliseconds. */
const GIVEN_UP_MS = 50;
/** Nothing lies there. Deleting it asks more than a ping: a primary that has become a replica refuses. */
export const NO_KEY = "portero:1:none";

/** Behind the same address there may be another Redis by now, which can do what this one can't. */
const ELSEWHERE: ReadonlySet<string | undefined> = new Set(["READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOAUTH"]);
/** In a cluster: what is true of it holds for the time that a replica takes to become master, and is no fault of the connection. */
const CLUSTERDOWN = "CLUSTERDOWN";
const CLUSTER: ReadonlySet<string | undefined> = new Set(["MOVED", "ASK", "CROSSSLOT"]);

/** Whether Redis itself said that it is not the one to ask. */
export function isElsewhere(error: unknown): boolean {
  return ELSEWHERE.has(errorCode(error));
}

interface Asked extends Waiting<Asked> {
  readonly at: number;
  readonly bytes: number;
}

/**
 * One connection to Redis, until it ends: by itself, because Redis says that it is no primary any more, is silent though it was asked,
 * or sends what can be no answer.
 */
export class RedisConnection {
  readonly #wire: RedisWire;
  readonly #options: RedisConnectionOptions;
  readonly #guard = new ReplyGuard();
  /** In the order in which they will be answered. */
  readonly #waiting = new WaitList<Asked>();
  #heardAt = 0;
  /** Something was answered since the watch over it began. */
  #hasAnswered!: boolean;
  #proved = false;
  #ended = false;
  #opening: Timer | undefined;
  #watch: Timer | undefined;
  #ping: Timer | undefined;

  constructor(wire: RedisWire, options: RedisConnectionOptions) {
    this.#wire = wire;
    this.#options = options;
    wire.onError((error) => this.end(error));
    wire.guard((chunk) => this.#accepts(chunk));
  }

  /** Resolves when operations can be tried; with the error where Redis is still loading. Rejects, and has ended, when they can't. */
  async open(): Promise<unknown> {
    const { clock } = this.#options;
    this.#opening = setPatientTimeout(clock, () => this.end(new Error(SILENT)), OPENING_MS);
    try {
      await this.#wire.connect();
      const refusal = await this.#prove();
      if (errorCode(refusal) === "MOVED") throw refusal;
      if (this.#ended) throw new Error("the connection ended");
      this.#proved = true;
      this.#opening.clear();
      this.#heardAt = clock.monotonic();
      this.#rest();
      return refusal;
    } catch (error) {
      this.end(error);
      throw error;
    }
  }

  async run<T>(operation: (wire: RedisWire) => Promise<T>): Promise<T> {
    if (!this.#proved || this.#ended) throw new NotConnectedError();
    const at = this.#options.clock.monotonic();
    const asked: Asked = { at, bytes: this.#guard.bytes, before: undefined, after: undefined };
    this.#waiting.add(asked);
    if (!this.#watch) this.#watchOver();
    try {
      return await operation(this.#wire);
    } catch (error) {
      throw this.#judge(error);
    } finally {
      this.#waiting.delete(asked);
      this.#hasAnswered = true;
      this.#heardAt = this.#options.clock.monotonic();
    }
  }

  end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const timer of [this.#opening, this.#watch, this.#ping]) timer?.clear();
    this.#wire.destroy();
    // Of a connection that was well, Node's code says how it ended, not what is wrong with Redis now.
    this.#options.onEnd(this.#proved && !isElsewhere(error) ? new Error("the connection was lost") : error);
  }

  /**
   * Deletes a key that is not there: a Redis that takes no writes shows itself. Resolves with the error where it is still loading, and in
   * a cluster that is down, or has its slots elsewhere.
   */
  async #prove(): Promise<unknown> {
    try {
      await this.#wire.delete(this.#options.cluster?.proofKey() ?? NO_KEY);
      return undefined;
    } catch (error) {
      if (this.#isUseless(error) || !isReply(error)) throw error;
      this.#tellOfCluster(error);
      const code = errorCode(error);
      return code === "LOADING" || code === CLUSTERDOWN || (this.#options.cluster && code === "MOVED")
        ? error
        : undefined;
    }
  }

  #judge(error: unknown): unknown {
    if (this.#ended) return isReply(error) ? new NotConnectedError(error) : new LostError();
    this.#tellOfCluster(error);
    if (!this.#isUseless(error)) return error;
    this.end(error);
    return new NotConnectedError(error);
  }

  #isUseless(error: unknown): boolean {
    return isElsewhere(error) && !(this.#options.cluster && errorCode(error) === CLUSTERDOWN);
  }

  #tellOfCluster(error: unknown): void {
    const { cluster, onCluster } = this.#options;
    const code = errorCode(error);
    if (!cluster) return CLUSTER.has(code) ? onCluster?.() : undefined;
    if (code === "MOVED" || code === CLUSTERDOWN) cluster.onMoved();
  }

  #accepts(chunk: Buffer): boolean {
    if (this.#ended) return false;
    if (this.#guard.accepts(chunk) && !this.#isFlooded()) return true;
    this.end(new Error("Redis sent what can be no answer"));
    return false;
  }

  /** Answers come in order: the first one that is waited for is the one that has waited longest. */
  #isFlooded(): boolean {
    const { first } = this.#waiting;
    if (!first || this.#guard.bytes - first.bytes <= MAX_REPLY_BYTES) return false;
    return this.#options.clock.monotonic() - first.at > GIVEN_UP_MS;
  }

  /** One timer for all operations, and none while nothing is asked. */
  #watchOver(): void {
    const { clock } = this.#options;
    this.#hasAnswered = false;
    const onDue = () => {
      if (!this.#waiting.first) this.#watch = undefined;
      else if (this.#hasAnswered) this.#watchOver();
      else this.end(new Error(SILENT));
    };
    this.#watch = setPatientTimeout(clock, onDue, SILENCE_MS, { background: true });
  }

  async #askForLife(): Promise<void> {
    const { clock, onPong } = this.#options;
    const askedAt = clock.monotonic();
    const refusal = await this.run(() => this.#prove());
    if (!refusal && clock.monotonic() - askedAt < GIVEN_UP_MS) onPong();
  }

  #rest(waitMs = this.#options.pingIntervalMs): void {
    const { clock, pingIntervalMs } = this.#options;
    this.#ping = clock.setTimeout(
      () => {
        const left = this.#heardAt + pingIntervalMs - clock.monotonic();
        if (left > 0) return this.#rest(left);
        inBackground(() => this.#askForLife()).catch(() => undefined); // whatever it says, the next operation meets it
        this.#rest();
      },
      waitMs,
      { background: true },
    );
  }
}
