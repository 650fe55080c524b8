import { randomBytes } from "node:crypto";
import type { Clock } from "../runtime/clock.js";
import type { Slot } from "./keyring.js";
import { decodeFact, type Fact } from "./log-facts.js";
import type { Telling } from "./log-outbox.js";
import { LogReader, type ReaderState } from "./log-reader.js";
import { LogTeller } from "./log-teller.js";
import type { LogRecord, LogWire } from "./log-wire.js";

/** What becomes of what the log brings. */
export interface LogListener {
  /** Another process told it: once at least, and late where this process was cut off. */
  hear(fact: Fact): void;
  /** Something may have been missed: nothing that is kept by now may be served without a look into the store. */
  doubt(): void;
}

export interface InvalidationLogOptions {
  readonly wire: LogWire;
  /** Its key is the wire's. */
  readonly slot: Slot;
  readonly clock: Clock;
  /** Of the sockets. */
  readonly socketClock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Whether what is told elsewhere is heard. */
  readonly onTransition: (available: boolean) => void;
  /** Redis says that there can be no log, or, without an error, that there can be one again. */
  readonly onUsable: (error: unknown) => void;
}

export interface LogStatus {
  /**
   * `live`: all that had been told was read, and a read returned within the last 3 s; `behind`: that cannot be said; `none`: there is no
   * log.
   */
  readonly log: "none" | "live" | "behind";
  /** What this process told others. */
  readonly told: number;
  /** What it heard of others. */
  readonly heard: number;
  /** How often something may have been told that it did not hear. */
  readonly gaps: number;
  /** What could not be told yet. */
  readonly outbox: number;
}

/** Longer entries are none of ours, in characters. */
const MAX_RECORD_LENGTH = 16_384;

/** Before a log is started, and once it is closed. */
const NO_LISTENER: LogListener = { hear: () => undefined, doubt: () => undefined };

/**
 * The log of invalidations: what one process tells, all others on the same shared cache hear, within milliseconds. No bound relies
 * on it: a process that hears nothing forgets within `processTtlMs`, as it would without.
 */
export class InvalidationLog {
  readonly #options: InvalidationLogOptions;
  readonly #by = randomBytes(12).toString("base64url");
  readonly #teller: LogTeller;
  readonly #reader: LogReader;
  #listener = NO_LISTENER;
  /** What Redis says that cannot be done. */
  readonly #refused = new Set<"tell" | "hear">();
  #heard = 0;
  /** As it was said last. */
  #available = true;

  constructor(options: InvalidationLogOptions) {
    this.#options = options;
    const { wire, slot, clock, socketClock, random } = options;
    this.#teller = new LogTeller({
      wire,
      by: this.#by,
      seal: (text) => slot.seal(text),
      socketClock,
      wellAt: () => Math.min(this.#reader.wellAt, wire.lostAt),
      isReadable: () => !this.#refused.has("hear"),
      onDeleted: () => this.#reader.reset(),
      onUsable: (error) => this.#use("tell", error), // what others tell is heard all the same
    });
    this.#reader = new LogReader({
      wire,
      clock,
      socketClock,
      random,
      onRecords: (records) => {
        for (const record of records) this.#take(record);
      },
      onDoubt: () => this.#listener.doubt(),
      onGap: (isOtherMaster) => {
        this.#listener.doubt();
        if (!(isOtherMaster && this.#isMadeGood())) this.#teller.tellAgain();
      },
      onConnected: (connection, isOther) => this.#teller.check(connection, isOther && !this.#isMadeGood()),
      onChange: (state, error) => this.#onChange(state, error),
    });
  }

  /** Begins to listen as soon as the store has a connection. */
  start(listener: LogListener): void {
    this.#listener = listener;
    let isStarted = false;
    this.#options.wire.onConnected(() => {
      if (isStarted)
        this.#reader.renew(); // what ended that connection may have ended the reader's, unnoticed
      else this.#reader.start();
      isStarted = true;
    });
  }

  /** Settles when it was tried to read, where the store has a connection. */
  ready(): Promise<void> {
    return this.#reader.ready;
  }

  /** Resolves when the store has forgotten and the others are told; else it rejects, and they are told later. */
  tell(telling: Telling): Promise<unknown> {
    return this.#teller.tell(telling);
  }

  /** The same for a refusal, behind. */
  tellRefusal(telling: Telling): void {
    this.#teller.tellRefusal(telling);
  }

  status(): LogStatus {
    const log = this.#isUsable ? (this.#reader.state === "live" ? "live" : "behind") : "none";
    return { log, told: this.#teller.told, heard: this.#heard, gaps: this.#reader.gaps, outbox: this.#teller.waiting };
  }

  async close(): Promise<void> {
    this.#listener = NO_LISTENER;
    this.#teller.close();
    await this.#reader.close();
  }

  #take({ id, text }: LogRecord): void {
    if (text === undefined || text.length > MAX_RECORD_LENGTH) return;
    const opened = this.#options.slot.open(text);
    const told = opened === undefined ? undefined : decodeFact(opened);
    if (told === "unknown") return this.#listener.doubt(); // a newer version of this package invalidates something else
    if (!told) return;
    if (told.by === this.#by) return this.#teller.hasRead(id);
    this.#heard++;
    this.#listener.hear(told.fact);
  }

  /** The master that was replaced by this one is known of since everything was read last: what it may have lost is being told again. */
  #isMadeGood(): boolean {
    return this.#teller.toldAgainAt > this.#reader.wellAt;
  }

  #onChange(state: ReaderState, error: unknown): void {
    if (state === "live") this.#use("hear", undefined);
    else if (state === "unusable") {
      this.#use("hear", error);
      this.#teller.forgetLog();
    }
    this.#say(state === "live");
  }

  get #isUsable(): boolean {
    return this.#refused.size === 0;
  }

  #use(way: "tell" | "hear", error: unknown): void {
    const wasUsable = this.#isUsable;
    if (error === undefined) this.#refused.delete(way);
    else this.#refused.add(way);
    if (this.#isUsable !== wasUsable) this.#options.onUsable(error);
  }

  #say(available: boolean): void {
    if (available === this.#available) return;
    this.#available = available;
    this.#options.onTransition(available);
  }
}
