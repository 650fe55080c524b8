import { inBackground } from "../runtime/channels.js";
import type { Clock, Timer } from "../runtime/clock.js";
import type { LogOutbox, Telling } from "./log-outbox.js";

/** How an attempt ended: where the store could not be told, another part of it may be well. */
export type Attempt = "told" | "no store" | "no log";

export interface LogRoundsOptions {
  readonly outbox: LogOutbox;
  /** Of the sockets. */
  readonly clock: Clock;
  readonly attempt: (telling: Telling) => Promise<Attempt>;
}

/** Between two rounds, in milliseconds. */
const RETRY_MS = 1000;
/** So many are tried at once. */
const AT_ONCE = 20;
/** For each that was tried, in milliseconds: the log of a fleet that tells faster would be trimmed before all have read it. */
const EACH_MS = 5;

/**
 * Empties an outbox in rounds, 200 in a second: each tries all that waits, so that what lies in a part of the store that is away holds up
 * nothing else. A round ends early where the log takes nothing.
 */
export class LogRounds {
  readonly #options: LogRoundsOptions;
  /** What is left of the round, the next one last. */
  #left: Telling[] = [];
  #timer: Timer | undefined;
  #isTrying = false;
  /** Nothing is tried before that: monotonic, in milliseconds. */
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor(options: LogRoundsOptions) {
    this.#options = options;
  }

  /** A round of all that waits, in place of the one that is under way. */
  begin(): void {
    this.#left = this.#options.outbox.all().reverse();
    if (!this.#isTrying) this.#goOn();
  }

  /** A round in a second, unless there is one sooner. */
  later(): void {
    if (!this.#isTrying) this.#timer ??= this.#in(RETRY_MS, () => this.begin());
  }

  stop(): void {
    this.#left = [];
    this.#timer?.clear();
    this.#timer = undefined;
  }

  #goOn(): void {
    this.#timer?.clear();
    this.#timer = undefined;
    const { outbox, clock } = this.#options;
    const waitMs = this.#restsUntil - clock.monotonic();
    if (this.#left.length === 0) return outbox.size > 0 ? this.later() : undefined;
    if (waitMs > 0) this.#timer = this.#in(waitMs, () => this.#goOn());
    else void this.#tryNext();
  }

  async #tryNext(): Promise<void> {
    const { outbox, clock, attempt } = this.#options;
    const next: Telling[] = [];
    for (let each = this.#left.pop(); each; each = next.length < AT_ONCE ? this.#left.pop() : undefined)
      if (outbox.has(each)) next.push(each);
    this.#restsUntil = clock.monotonic() + next.length * EACH_MS;
    this.#isTrying = true;
    const attempts = await Promise.all(next.map(attempt));
    this.#isTrying = false;
    for (const [n, telling] of next.entries()) if (attempts[n] !== "told") outbox.failed(telling);
    if (attempts.includes("no log") && !attempts.includes("told")) this.#left = [];
    this.#goOn();
  }

  #in(ms: number, callback: () => void): Timer {
    const onDue = () => {
      this.#timer = undefined;
      inBackground(callback);
    };
    return this.#options.clock.setTimeout(onDue, ms, { background: true });
  }
}
