import type { Clock, Timer } from "../runtime/clock.js";
import { TimeLimit } from "../runtime/time-limit.js";
import { encodeFact, type Fact, factKey } from "./log-facts.js";
import { isBroken, isUnusable, type LogConnection, type LogWire } from "./log-wire.js";

/** What the other processes are to learn. */
export interface Telling {
  readonly fact: Fact;
  /** Makes the store forget what the fact contradicts; rejects when it could not be told. Once more where it is told again. */
  readonly write: () => Promise<unknown>;
}

export interface LogTellerOptions {
  readonly wire: LogWire;
  /** This process: it knows its own entries by that. */
  readonly by: string;
  readonly seal: (text: string) => string;
  /** Of the sockets: for waits between attempts, and what is a minute ago. */
  readonly socketClock: Clock;
  /** The stream took no more, and was deleted. */
  readonly onDeleted: () => void;
  /** Redis says that there can be no log. */
  readonly onUnusable: (error: unknown) => void;
}

/** To add an entry, in milliseconds. */
const APPEND_MS = 100;
/** So many wait to be told, and as many are remembered to be told again. */
const MAX_TELLINGS = 10_000;
/** Between attempts to tell, in milliseconds, and so many at once. */
const RETRY_MS = 1000;
const AT_ONCE = 20;
/** What a failover may lose: it is told again. In milliseconds. */
const AGAIN_MS = 60_000;
/** More refusals than that in a second are no users' doing: each process notices them for itself. */
const MAX_REFUSALS_PER_S = 20;

interface Told {
  readonly telling: Telling;
  /** Monotonic, in milliseconds. */
  readonly at: number;
}

/**
 * Tells the other processes of invalidations, in this order: the store has forgotten, and said so; then the log is told. A process that
 * heard before would take the entry back from the store.
 */
export class LogTeller {
  readonly #options: LogTellerOptions;
  readonly #limit: TimeLimit;
  /** What could not be told, the newest of each subject and id. */
  readonly #outbox = new Map<string, Telling>();
  /** What was told lately, the latest last. */
  readonly #told = new Map<string, Told>();
  /** The latest entry of this process in the stream. */
  #newest: string | undefined;
  #retry: Timer | undefined;
  #flushing = false;
  #closed = false;
  #refusals = { since: Number.NEGATIVE_INFINITY, count: 0 };
  told = 0;

  constructor(options: LogTellerOptions) {
    this.#options = options;
    this.#limit = new TimeLimit(options.socketClock, APPEND_MS, () => new Error("the log is slow"));
    options.wire.onConnected(() => void this.#flush());
  }

  get waiting(): number {
    return this.#outbox.size;
  }

  /** Resolves when the store has forgotten and the log is told; else it rejects, and is told later. */
  async tell(telling: Telling): Promise<void> {
    const key = factKey(telling.fact);
    try {
      await this.#send(key, telling);
      this.#outbox.delete(key); // an older one
    } catch (error) {
      this.#postpone(key, telling);
      throw error;
    }
  }

  /** The same for a refusal, behind, unless there are too many: then the store alone is told. */
  tellRefusal(telling: Telling): void {
    const now = this.#options.socketClock.monotonic();
    if (now - this.#refusals.since >= 1000) this.#refusals = { since: now, count: 0 };
    const done = this.#refusals.count++ < MAX_REFUSALS_PER_S ? this.tell(telling) : telling.write();
    done.catch(() => undefined);
  }

  /** Asks a new connection of the reader whether the latest entry of this process is there. A failover loses the latest first. */
  async check(connection: LogConnection, isOtherMaster: boolean): Promise<void> {
    if (this.#newest === undefined) return;
    if (isOtherMaster || !(await connection.has(this.#newest))) this.tellAgain();
  }

  /** What was told in the last minute may be lost, with what the store was told. */
  tellAgain(): void {
    const since = this.#options.socketClock.monotonic() - AGAIN_MS;
    for (const [key, { telling, at }] of this.#told) if (at >= since && !this.#outbox.has(key)) this.#add(key, telling);
    this.#newest = undefined;
    this.#told.clear();
    void this.#flush();
  }

  /** What waits is not told, and nothing is told again. */
  forget(): void {
    this.#outbox.clear();
    this.#told.clear();
    this.#newest = undefined;
    this.#retry?.clear();
    this.#retry = undefined;
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.forget();
    this.#limit.rest();
  }

  async #send(key: string, telling: Telling): Promise<void> {
    await telling.write();
    if (this.#closed) return;
    const id = await this.#append(telling.fact);
    if (id === undefined) return;
    this.told++;
    this.#newest = id;
    this.#told.delete(key);
    this.#told.set(key, { telling, at: this.#options.socketClock.monotonic() });
    this.#forgetOld();
  }

  /** `undefined` where there can be no log. */
  async #append(fact: Fact): Promise<string | undefined> {
    const { wire, by, seal, onDeleted, onUnusable } = this.#options;
    const text = seal(encodeFact(fact, by));
    try {
      return await this.#limit.race(wire.append(text));
    } catch (error) {
      if (isUnusable(error)) return void onUnusable(error);
      if (!isBroken(error)) throw error;
    }
    await this.#limit.race(wire.delete());
    const id = await this.#limit.race(wire.append(text));
    onDeleted();
    return id;
  }

  #postpone(key: string, telling: Telling): void {
    if (this.#closed) return;
    this.#add(key, telling);
    this.#retryLater();
  }

  #add(key: string, telling: Telling): void {
    this.#outbox.delete(key);
    this.#outbox.set(key, telling);
    if (this.#outbox.size > MAX_TELLINGS) for (const [oldest] of firstOf(this.#outbox, 1)) this.#outbox.delete(oldest);
  }

  #forgetOld(): void {
    const since = this.#options.socketClock.monotonic() - AGAIN_MS;
    for (const [key, { at }] of this.#told) {
      if (at >= since && this.#told.size <= MAX_TELLINGS) return;
      this.#told.delete(key);
    }
  }

  #retryLater(): void {
    this.#retry ??= this.#options.socketClock.setTimeout(
      () => {
        this.#retry = undefined;
        void this.#flush();
      },
      RETRY_MS,
      { background: true },
    );
  }

  async #flush(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    let isWell = true;
    while (isWell && this.#outbox.size > 0) {
      const some = firstOf(this.#outbox, AT_ONCE);
      const sent = await Promise.all(some.map(([key, telling]) => this.#trySend(key, telling)));
      isWell = sent.every((each) => each);
    }
    this.#flushing = false;
    if (this.#outbox.size > 0) this.#retryLater();
  }

  async #trySend(key: string, telling: Telling): Promise<boolean> {
    try {
      await this.#send(key, telling);
      if (this.#outbox.get(key) === telling) this.#outbox.delete(key);
      return true;
    } catch {
      return false;
    }
  }
}

function firstOf<V>(map: ReadonlyMap<string, V>, count: number): [string, V][] {
  const first: [string, V][] = [];
  for (const entry of map) {
    if (first.length >= count) break;
    first.push(entry);
  }
  return first;
}
