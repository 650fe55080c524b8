import type { Clock } from "../runtime/clock.js";
import type { LogConnection } from "./log-wire.js";

/** Knows up to which entry of the stream nothing is missing. */
export class LogProof {
  readonly #clock: Clock;
  /** The last one of which that was known: one was vouched for before anything is asked. */
  #proven!: string;
  /** When it was, monotonic in milliseconds. */
  #provenAt = 0;

  /** @param clock of the sockets */
  constructor(clock: Clock) {
    this.#clock = clock;
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
   */
  async holds(connection: LogConnection, before: string | undefined): Promise<boolean> {
    if (!(await connection.has(this.#proven))) return false;
    return before === undefined || before === this.#proven || (await connection.has(before));
  }
}
