import type { BreakerState } from "../../src/runtime/circuit-breaker.js";

export interface BreakerRules {
  readonly failureThreshold: number;
  readonly windowMs: number;
  readonly recoveryMs: number;
}

/** Leave to call. */
export interface Ticket {
  /** Which it was given in: each transition begins a new one. */
  readonly epoch: number;
  /** The failure that was counted last when it was given. */
  readonly lastCounted: object | undefined;
}

export interface Transition {
  readonly at: number;
  readonly from: BreakerState;
  readonly to: BreakerState;
}

/**
 * What the specification says of a circuit breaker, written down as a history: nothing but the transitions, the failures since the
 * last success, and whether the probe is out. Times are monotonic.
 */
export class BreakerModel {
  readonly transitions: Transition[] = [];
  readonly #rules: BreakerRules;
  #failedAt: number[] = [];
  #lastCounted: object | undefined;
  #isProbeOut = false;

  constructor(rules: BreakerRules) {
    this.#rules = rules;
  }

  get #last(): Transition | undefined {
    return this.transitions[this.transitions.length - 1];
  }

  /** The state as of the last transition. */
  get #stored(): BreakerState {
    return this.#last?.to ?? "closed";
  }

  state(now: number): BreakerState {
    return this.#stored === "open" && this.retryAfterMs(now) === 0 ? "half-open" : this.#stored;
  }

  retryAfterMs(now: number): number {
    return this.#stored === "open" ? Math.max(0, this.#last!.at + this.#rules.recoveryMs - now) : 0;
  }

  failures(now: number): number {
    return this.#stored === "closed" ? this.#counted(now).length : 0;
  }

  admits(now: number): boolean {
    const state = this.state(now);
    return state === "closed" || (state === "half-open" && !this.#isProbeOut);
  }

  admit(now: number): Ticket {
    if (this.#stored === "open") this.#move("half-open", now);
    if (this.#stored === "half-open") this.#isProbeOut = true;
    return { epoch: this.transitions.length, lastCounted: this.#lastCounted };
  }

  succeed(ticket: Ticket, now: number): void {
    if (ticket.epoch !== this.transitions.length) return;
    if (this.#stored === "half-open") this.#move("closed", now);
    this.#failedAt = [];
  }

  fail(ticket: Ticket, now: number): void {
    if (ticket.epoch !== this.transitions.length) return;
    this.#lastCounted = {};
    if (this.#stored === "half-open") return this.#move("open", now);
    this.#failedAt = [...this.#counted(now), now];
    if (this.#failedAt.length >= this.#rules.failureThreshold) this.#move("open", now);
  }

  /** The network failed it. What began before the last counted failure was known fell with it, or by what it told of. */
  fall(ticket: Ticket, now: number): void {
    if (ticket.lastCounted === this.#lastCounted) this.fail(ticket, now);
    else this.saysNothing(ticket);
  }

  saysNothing(ticket: Ticket): void {
    if (ticket.epoch === this.transitions.length) this.#isProbeOut = false;
  }

  /** Whether it was, at any time since then, anything but closed. */
  wasTroubledSince(then: number): boolean {
    const index = this.transitions.findLastIndex(({ at }) => at < then);
    const before = index < 0 ? "closed" : this.transitions[index]!.to;
    return before !== "closed" || this.transitions.length > index + 1;
  }

  #counted(now: number): number[] {
    return this.#failedAt.filter((at) => now - at < this.#rules.windowMs);
  }

  #move(to: BreakerState, at: number): void {
    this.transitions.push({ at, from: this.#stored, to });
    this.#failedAt = [];
    this.#isProbeOut = false;
  }
}
