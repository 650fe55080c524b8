import type { Clock } from "../runtime/clock.js";
import { TimeLimit } from "../runtime/time-limit.js";
import { SHARED_LIFE_MS } from "./invalidation.js";
import { LogEchoes } from "./log-echoes.js";
import { encodeFact, type Fact, factKey } from "./log-facts.js";
import { LogOutbox, type Telling } from "./log-outbox.js";
import { type Attempt, LogRounds } from "./log-rounds.js";
import { isBroken, isRefused, type LogConnection, type LogWire, RIGHTS_PAUSE_MS } from "./log-wire.js";

export interface LogTellerOptions {
  readonly wire: LogWire;
  /** This process: it knows its own entries by that. */
  readonly by: string;
  readonly seal: (text: string) => string;
  /** Of the sockets: for waits between attempts, and what is a minute ago. */
  readonly socketClock: Clock;
  /** When the log and all of the store were known to be well last, by that clock; at the beginning of time where they never were. */
  readonly wellAt: () => number;
  /** Whether there can be a log, as far as those know that read it. */
  readonly isReadable: () => boolean;
  /** The stream took no more, and was deleted. */
  readonly onDeleted: () => void;
  /** Redis says that it takes no entries, or, without an error, takes some again. */
  readonly onUsable: (error: unknown) => void;
}

/** To add an entry, in milliseconds. */
const APPEND_MS = 100;
/** So many are remembered to be told again. */
const MAX_TOLD = 10_000;
/** Whether more than so many entries are there is not asked one by one, on a connection that is waited for: all is told again. */
const MAX_ASKED = 100;
/** What a failover may lose, from when the log was well last: it is told again. In milliseconds. */
const AGAIN_MS = 60_000;
/** More refusals than that in a second are no users' doing: each process notices them for itself. */
const MAX_REFUSALS_PER_S = 20;

interface Told {
  readonly telling: Telling;
  /** For the first time within what is told again: else it would be told again and again. Monotonic, in milliseconds. */
  readonly at: number;
}

/**
 * Tells the other processes of invalidations, in this order: the store has forgotten, and said so; then the log is told. A process that
 * heard before would take the entry back from the store.
 */
export class LogTeller {
  readonly #options: LogTellerOptions;
  readonly #limit: TimeLimit;
  readonly #outbox = new LogOutbox();
  readonly #rounds: LogRounds;
  /** What was told lately, the latest last. No refusals: the service says them again. */
  readonly #told = new Map<string, Told>();
  readonly #echoes = new LogEchoes();
  /** What the store has forgotten, as long as it has lost nothing. */
  #written = new WeakSet<Telling>();
  /** Monotonic, in milliseconds. */
  readonly #postponedAt = new WeakMap<Telling, number>();
  #closed = false;
  /**
   * When Redis said that it takes no entries: for a while none is tried. At the beginning of time where it takes some. Monotonic, in
   * milliseconds.
   */
  #refusedAt = Number.NEGATIVE_INFINITY;
  #refusals = { since: Number.NEGATIVE_INFINITY, count: 0 };
  told = 0;
  /** When something may have been lost last: all that was told by then is told again. Monotonic, in milliseconds. */
  toldAgainAt = Number.NEGATIVE_INFINITY;

  constructor(options: LogTellerOptions) {
    this.#options = options;
    this.#limit = new TimeLimit(options.socketClock, APPEND_MS, () => new Error("the log is slow"));
    const attempt = (telling: Telling) => this.#attempt(telling);
    this.#rounds = new LogRounds({ outbox: this.#outbox, clock: options.socketClock, attempt });
    options.wire.onConnected(() => this.#rounds.begin());
    options.wire.onTakenOver(() => this.tellAgain()); // what the store was told may lie there, and the log elsewhere
  }

  get waiting(): number {
    return this.#outbox.size;
  }

  /** Resolves when the store has forgotten and the log, where there can be one, is told; else it rejects, and is told later. */
  async tell(telling: Telling): Promise<void> {
    try {
      await this.#write(telling);
      await this.#add(telling);
    } catch (error) {
      this.#postpone(telling);
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

  /** An entry of this process was read. */
  hasRead(id: string): void {
    this.#echoes.read(id);
  }

  /** Asks a new connection of the reader whether all is there that this process has told and not read. */
  async check(connection: LogConnection, isOtherMaster: boolean): Promise<void> {
    const { unread } = this.#echoes;
    if (isOtherMaster || unread.length > MAX_ASKED) return this.tellAgain();
    for (const id of unread) if (!(await connection.has(id))) return this.tellAgain();
  }

  /** What was told lately may be lost, with what the store was told. */
  tellAgain(): void {
    this.toldAgainAt = this.#options.socketClock.monotonic();
    const since = this.#toldAgainSince();
    for (const { telling, at } of this.#told.values()) if (at >= since) this.#outbox.add(telling);
    this.#echoes.clear();
    this.#written = new WeakSet();
    this.#rounds.begin();
  }

  /** There can be no log: nothing is told again, and what waits only until the store has forgotten it. */
  forgetLog(): void {
    this.#outbox.keep((telling) => !this.#written.has(telling));
    this.#told.clear();
    this.#echoes.clear();
  }

  /** Nothing is told any more. */
  close(): void {
    this.#closed = true;
    this.#outbox.clear();
    this.forgetLog();
    this.#rounds.stop();
    this.#limit.rest();
  }

  async #write(telling: Telling): Promise<void> {
    await telling.write();
    this.#written.add(telling);
  }

  async #add(telling: Telling): Promise<void> {
    if (this.#closed) return;
    const id = this.#isRefused() ? undefined : await this.#append(telling.fact);
    this.#outbox.told(telling);
    if (id === undefined) return;
    this.told++;
    this.#echoes.added(id);
    this.#remember(telling);
  }

  #remember(telling: Telling): void {
    const { fact } = telling;
    if (fact.kind === "refusal") return;
    const key = factKey(fact);
    const known = this.#told.get(key);
    if (known && known.at >= this.#toldAgainSince() && fact.at <= known.telling.fact.at) return; // it was told again, or is older
    this.#told.delete(key);
    this.#told.set(key, { telling, at: this.#options.socketClock.monotonic() });
    this.#forgetOld();
  }

  /** `undefined` where there can be no log. */
  async #append(fact: Fact): Promise<string | undefined> {
    const { wire, by, seal, onDeleted } = this.#options;
    const text = seal(encodeFact(fact, by));
    try {
      const id = await this.#limit.race(wire.append(text));
      this.#accepted();
      return id;
    } catch (error) {
      if (isRefused(error)) return void this.#refused(error);
      if (!isBroken(error)) throw error;
    }
    await this.#limit.race(wire.delete());
    const id = await this.#limit.race(wire.append(text));
    onDeleted();
    return id;
  }

  #refused(error: unknown): void {
    this.#refusedAt = this.#options.socketClock.monotonic();
    this.forgetLog();
    this.#options.onUsable(error);
  }

  #accepted(): void {
    if (this.#refusedAt === Number.NEGATIVE_INFINITY) return;
    this.#refusedAt = Number.NEGATIVE_INFINITY;
    this.#options.onUsable(undefined);
  }

  #isRefused(): boolean {
    if (!this.#options.isReadable()) return true;
    return this.#options.socketClock.monotonic() - this.#refusedAt < RIGHTS_PAUSE_MS;
  }

  #postpone(telling: Telling): void {
    if (this.#closed) return;
    this.#postponedAt.set(telling, this.#options.socketClock.monotonic());
    this.#outbox.add(telling);
    this.#rounds.later();
  }

  #forgetOld(): void {
    const since = this.#toldAgainSince();
    for (const [key, { at }] of this.#told) {
      if (at >= since && this.#told.size <= MAX_TOLD) return;
      this.#told.delete(key);
    }
  }

  /** However long it took to notice that something was lost. */
  #toldAgainSince(): number {
    const { socketClock, wellAt } = this.#options;
    return Math.min(socketClock.monotonic(), wellAt()) - AGAIN_MS;
  }

  async #attempt(telling: Telling): Promise<Attempt> {
    let attempt: Attempt = "no store";
    const now = this.#options.socketClock.monotonic();
    if (now - (this.#postponedAt.get(telling) ?? now) >= SHARED_LIFE_MS) this.#outbox.told(telling); // it contradicts nothing any more
    if (!this.#outbox.has(telling)) return "told";
    try {
      await this.#write(telling);
      attempt = "no log";
      await this.#add(telling);
      return "told";
    } catch {
      return attempt;
    }
  }
}
