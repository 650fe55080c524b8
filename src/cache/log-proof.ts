import type { Clock } from "../runtime/clock.js";
import { type LogConnection, NO_RECORD } from "./log-wire.js";

/** Knows up to which entry of the stream nothing is missing. */
export class LogProof {
  readonly #clock: Clock;
  /** The last one of which that was known. */
  #proven = NO_RECORD;
  /** When it was, monotonic in milliseconds. */
  #provenAt = 0;

  /** @param clock of the sockets */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether the stream was empty when it was looked at last. */
  get isOfNothing(): boolean {
    return this.#proven === NO_RECORD;
  }

  /** Nothing before that entry is missing. */
  vouch(id: string): void {
    this.#proven = id;
    this.#provenAt = this.#clock.monotonic();
  }

  isOlderThan(ms: number): boolean {
    return this.#clock.monotonic() - this.#provenAt >= ms;
  }

  /**
   * Whether nothing is missing before what was read just now.
   *
   * @param before on a new connection, the entry behind which it was read: a master that took over may lack it, and count from before it
   * @param areAll nothing else is there
   */
  async holds(connection: LogConnection, before: string | undefined, areAll: boolean): Promise<boolean> {
    if (this.isOfNothing) return before === undefined && areAll; // nothing can be there still
    if (!(await connection.has(this.#proven))) return false;
    return before === undefined || before === this.#proven || (await connection.has(before));
  }
}
