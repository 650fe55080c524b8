import type { Clock } from "../runtime/clock.js";
import { LogBatch } from "./log-batch.js";
import { FIRST_PAUSE_MS, LogPauses, MAX_PAUSE_MS } from "./log-pauses.js";
import { LogProof } from "./log-proof.js";
import {
  isBroken,
  isElsewhere,
  isRefused,
  isUnreadable,
  isUnusable,
  type LogConnection,
  type LogRecord,
  type LogWire,
  RIGHTS_PAUSE_MS,
} from "./log-wire.js";

export interface LogReaderOptions {
  readonly wire: LogWire;
  /** Of the sockets: for waits between attempts. */
  readonly socketClock: Clock;
  /** By which a read is too long ago. */
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** What the stream brought, the oldest first. */
  readonly onRecords: (records: readonly LogRecord[]) => void;
  /** What was told so far may not be known here: nothing that is kept by now may be served without a look into the store. */
  readonly onDoubt: () => void;
  /** The same, and something was lost: found missing by what was read first of another master, or elsewhere. */
  readonly onGap: (isOtherMaster: boolean) => void;
  /** Asked about what was told from here, on each new connection, before anything is believed of it. */
  readonly onConnected: (connection: LogConnection, isOtherMaster: boolean) => Promise<void>;
  /** With what says that it is unusable. */
  readonly onChange: (state: ReaderState, error?: unknown) => void;
}

interface Reading {
  /** The last entry that it brought. */
  readonly last: string | undefined;
  /** It is the first of another master. */
  readonly isOther: boolean;
}

/** `unusable`: Redis says that it cannot be read, which is asked again once in a while. */
export type ReaderState = "behind" | "live" | "unusable";

/** A read waits for so long: two commands in that time, the read and the proof, are all that an idle process sends. In milliseconds. */
const WAIT_MS = 2400;
/** A read that returned so long ago says nothing about now, in milliseconds. */
const CONFIRMED_MS = 3000;
/** A connection that was followed for so long was well, in milliseconds. */
const WELL_MS = 5000;
/** A stream that had to be deleted may be spoilt again: in milliseconds. */
const SPOILT_PAUSE_MS = 1000;

/**
 * Follows the stream, and notices when something was told that it has not read: trimming takes the oldest entries first, so that nothing
 * behind one that is still there was lost. That is asked *after* the read whose entries it is to vouch for: asked before, what was
 * trimmed between both would not be missed. It is asked on each new connection, after a read that brought as many as it could, and once
 * while a read may wait: also a stream that was deleted and begun anew is noticed.
 */
export class LogReader {
  readonly #options: LogReaderOptions;
  #state: ReaderState = "behind";
  #closed = false;
  #connection: LogConnection | undefined;
  #connectedAt = 0;
  #master: string | undefined;
  readonly #closing = new AbortController();
  readonly #pauses: LogPauses;
  /** The entry that was read last; `undefined` until its place is known. */
  #last: string | undefined;
  readonly #batch = new LogBatch();
  /** The newest entry so far may be one that cannot be read: the place to begin is one that is added. */
  #skips = false;
  readonly #proof: LogProof;
  /** When a read returned last, by both clocks: it is not live before one did. */
  #readAt!: { wall: number; monotonic: number };
  #running: Promise<void> | undefined;
  /** Settles when the first attempt to read has ended, either way. */
  readonly ready: Promise<void>;
  #isReady!: () => void;
  gaps = 0;
  /** When a read returned last, and nothing was missing before what it brought: by the clock of the sockets. */
  wellAt = Number.NEGATIVE_INFINITY;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#pauses = new LogPauses(options.socketClock, options.random);
    this.#proof = new LogProof(options.socketClock);
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
  }

  get state(): ReaderState {
    return this.#state === "live" && !this.#isConfirmed() ? "behind" : this.#state;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** The store has a new connection: what ended the one before may have ended this one, unnoticed, unless it is as new. */
  renew(): void {
    if (this.#options.socketClock.monotonic() - this.#connectedAt >= CONFIRMED_MS) this.#connection?.end();
  }

  /** The stream was deleted: what follows on the newest entry is read from here on. */
  reset(): void {
    this.#missed();
    this.#last = undefined;
    this.#connection?.end();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    this.#connection?.end();
    this.#pauses.end();
    this.#isReady();
    await this.#running;
  }

  /** By both clocks: either may stand still, or be set. */
  #isConfirmed(): boolean {
    const { clock } = this.#options;
    const sinceMs = clock.now() - this.#readAt.wall;
    return clock.monotonic() - this.#readAt.monotonic < CONFIRMED_MS && Math.abs(sinceMs) < CONFIRMED_MS;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const { socketClock } = this.#options;
      const begunAt = socketClock.monotonic();
      let pauseMs: number | undefined;
      let refusal: unknown;
      try {
        this.#connection = await this.#options.wire.connect(this.#closing.signal);
        this.#connectedAt = socketClock.monotonic();
        await this.#follow(this.#connection);
      } catch (error) {
        if (this.#connection ? isRefused(error) : isUnusable(error)) [refusal, pauseMs] = [error, RIGHTS_PAUSE_MS];
        else if (isElsewhere(error)) pauseMs = MAX_PAUSE_MS;
        else if (isBroken(error)) pauseMs = await this.#clear();
        else if (isUnreadable(error)) pauseMs = this.#readLess();
      } finally {
        this.#connection?.end();
        this.#connection = undefined;
        this.#isReady();
      }
      this.#move(refusal === undefined ? "behind" : "unusable", refusal);
      if (socketClock.monotonic() - begunAt >= WELL_MS) this.#pauses.reset();
      if (!this.#closed) await this.#pauses.wait(pauseMs);
    }
  }

  async #follow(connection: LogConnection): Promise<void> {
    const isOther = this.#master !== undefined && this.#master !== connection.master;
    this.#master = connection.master;
    let isNew = true;
    let isPositionProven = false;
    while (!this.#closed) {
      if (this.#last === undefined) {
        await this.#begin(connection);
        isPositionProven = true;
      }
      const [before, count] = [this.#last as string, this.#batch.size];
      const records = await connection.read(before, count, isNew ? undefined : WAIT_MS);
      const [last, areAll] = [records.at(-1)?.id, records.length < count];
      this.#last = last ?? this.#last;
      this.#options.onRecords(records);
      if (!isPositionProven || !areAll || this.#proof.isOlderThan(WAIT_MS))
        await this.#prove(connection, isPositionProven ? undefined : before, { last, isOther: isOther && isNew });
      if (this.#last === undefined) continue;
      isPositionProven = true;
      if (isNew) await this.#options.onConnected(connection, isOther);
      isNew = false;
      this.#confirm();
      this.#isReady();
      if (!areAll) continue;
      this.#batch.reset();
      this.#move("live");
    }
  }

  /** Finds the place from which on everything is read. What was told before, and contradicts what was kept before, is not known. */
  async #begin(connection: LogConnection): Promise<void> {
    this.#last = await connection.tail(this.#skips);
    this.#skips = false;
    this.#options.onDoubt();
    this.#proof.vouch(this.#last);
  }

  /**
   * Notices a gap before what was read last.
   *
   * @param before see log-proof.ts
   */
  async #prove(connection: LogConnection, before: string | undefined, read: Reading): Promise<void> {
    if (await this.#proof.holds(connection, before)) return this.#proof.vouch(this.#last as string);
    this.#missed(read.isOther);
    if (read.last !== undefined) this.#proof.vouch(read.last);
    else this.#last = undefined; // it may have been begun anew, with smaller ids
  }

  /** The next entries are more than one answer may hold. One that is so alone is skipped, with what else is there. */
  #readLess(): number | undefined {
    const isPlaced = this.#last !== undefined;
    if (isPlaced && this.#batch.halve()) return FIRST_PAUSE_MS;
    this.#last = undefined;
    this.#skips = true;
    if (isPlaced) this.#missed();
    return undefined; // and where nothing makes sense, ever longer
  }

  #missed(isOtherMaster = false): void {
    this.gaps++;
    this.#options.onGap(isOtherMaster);
  }

  #confirm(): void {
    const { clock, socketClock } = this.#options;
    this.#readAt = { wall: clock.now(), monotonic: clock.monotonic() };
    this.wellAt = socketClock.monotonic();
  }

  /** Something lies there that is no stream, or takes no more: when it is gone, every process notices a gap. */
  async #clear(): Promise<number> {
    await this.#options.wire.delete().catch(() => undefined);
    this.#last = undefined;
    this.#missed();
    return SPOILT_PAUSE_MS;
  }

  #move(state: ReaderState, error?: unknown): void {
    if (state === this.#state || this.#closed) return;
    this.#state = state;
    this.#options.onChange(state, error);
  }
}
