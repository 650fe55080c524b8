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
  /** The probe that it is, if it is one. */
  readonly probe: Probe | undefined;
}

interface Probe {
  readonly known: boolean;
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
  /** The one that decides. */
  #probe: Probe | undefined;

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

  /** @param known a known user asks: its question takes the place of a stranger's probe */
  admits(now: number, known = false): boolean {
    const state = this.state(now);
    return state === "closed" || (state === "half-open" && (!this.#probe || (known && !this.#probe.known)));
  }

  admit(now: number, known = false): Ticket {
    if (this.#stored === "open") this.#move("half-open", now);
    if (this.#stored === "half-open") this.#probe = { known };
    return { epoch: this.transitions.length, lastCounted: this.#lastCounted, probe: this.#probe };
  }

  succeed(ticket: Ticket, now: number): void {
    if (this.#isLate(ticket)) return;
    if (this.#stored === "half-open") this.#move("closed", now);
    this.#failedAt = [];
  }

  /** It is alive, and no more: on trial it stands one failure below the threshold. */
  showsLife(ticket: Ticket, now: number): void {
    if (this.#isLate(ticket) || this.#stored !== "half-open") return;
    this.#move("closed", now);
    this.#failedAt = new Array(this.#rules.failureThreshold - 1).fill(now);
  }

  fail(ticket: Ticket, now: number): void {
    if (this.#isLate(ticket)) return;
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
    if (!this.#isLate(ticket)) this.#probe = undefined;
  }

  /** Whether it was, at any time since then, anything but closed. */
  wasTroubledSince(then: number): boolean {
    const index = this.transitions.findLastIndex(({ at }) => at < then);
    const before = index < 0 ? "closed" : this.transitions[index]!.to;
    return before !== "closed" || this.transitions.length > index + 1;
  }

  #isLate({ epoch, probe }: Ticket): boolean {
    return epoch !== this.transitions.length || probe !== this.#probe;
  }

  #counted(now: number): number[] {
    return this.#failedAt.filter((at) => now - at < this.#rules.windowMs);
  }

  #move(to: BreakerState, at: number): void {
    this.transitions.push({ at, from: this.#stored, to });
    this.#failedAt = [];
    this.#probe = undefined;
  }
}
