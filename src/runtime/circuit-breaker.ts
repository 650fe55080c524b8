import type { Clock } from "./clock.js";

/** What a breaker can be seen as from outside. */
export type BreakerState = "closed" | "open" | "half-open";

export interface CircuitBreakerOptions {
  /** Failures in a row that open it. */
  failureThreshold: number;
  /** The failures must lie within this many milliseconds. */
  windowMs: number;
  /** Milliseconds from open to half-open. */
  recoveryMs: number;
  clock: Clock;
  onTransition?: (from: BreakerState, to: BreakerState) => void;
}

/**
 * Leave to make one call. Its result must be told exactly once; a result that comes after the breaker has moved on changes nothing.
 */
export interface Admission {
  /** The one call that decides whether a half-open breaker closes. */
  readonly probe: boolean;
  succeeded(): void;
  failed(): void;
  /**
   * It failed by an event that ends many calls at once, such as the reset of their connection: counts only if the call began after the
   * last counted failure was known.
   */
  fellWithOthers(): void;
  /**
   * The upstream is alive, and whether it does its work was not seen: neither counts nor wipes failures. As a probe's result it closes the
   * breaker on trial: one failure opens it again, a success ends the trial.
   */
  alive(): void;
  /** The call says nothing about the upstream: it was cancelled, or had no fair chance. A probe's place becomes free again. */
  inconclusive(): void;
}

type Result = "succeeded" | "failed" | "fell with others" | "alive" | "inconclusive";

type State =
  | { readonly name: "closed"; readonly failures: number[] }
  | { readonly name: "open"; readonly until: number }
  | { readonly name: "half-open"; readonly probe: Probe | undefined };

/** The probe that is under way. Only one that is not preferred makes room for one that is. */
interface Probe {
  readonly preferred: boolean;
}

type Tell = (call: OneCall, result: Result) => void;

/** Leave for one call, under the state that it was given in. */
class OneCall implements Admission {
  readonly admitted: State;
  /** How many failures had been counted when it began. */
  readonly countedBefore: number;
  #tell: Tell | undefined;

  constructor(admitted: State, countedBefore: number, tell: Tell) {
    this.admitted = admitted;
    this.countedBefore = countedBefore;
    this.#tell = tell;
  }

  get probe(): boolean {
    return this.admitted.name === "half-open";
  }

  succeeded(): void {
    this.#end("succeeded");
  }

  failed(): void {
    this.#end("failed");
  }

  fellWithOthers(): void {
    this.#end("fell with others");
  }

  alive(): void {
    this.#end("alive");
  }

  inconclusive(): void {
    this.#end("inconclusive");
  }

  /** The first result counts. */
  #end(result: Result): void {
    const tell = this.#tell;
    this.#tell = undefined;
    tell?.(this, result);
  }
}

/**
 * A circuit breaker: closed → open after `failureThreshold` failures in a row within `windowMs`; open → half-open after `recoveryMs`;
 * half-open admits one probe at a time, which closes it or opens it again. A preferred call takes the place of a probe that is none: then
 * that one's result changes nothing.
 *
 * It is the mechanism alone: what counts as a failure is its caller's business.
 */
export class CircuitBreaker {
  readonly #options: CircuitBreakerOptions;
  #state: State = { name: "closed", failures: [] };
  /** Failures counted so far, whatever became of them. */
  #counted = 0;

  constructor(options: CircuitBreakerOptions) {
    this.#options = options;
  }

  /** As a caller would find it now: an open breaker whose recovery time is over counts as half-open. */
  get state(): BreakerState {
    return this.#state.name === "open" && this.#recovered(this.#state) ? "half-open" : this.#state.name;
  }

  /** Failures in a row that are counted at the moment. */
  get failures(): number {
    return this.#state.name === "closed" ? this.#recent(this.#state.failures).length : 0;
  }

  /** Milliseconds until a probe may be admitted; 0 when it is not open. */
  get retryAfterMs(): number {
    if (this.#state.name !== "open") return 0;
    return Math.max(0, this.#state.until - this.#options.clock.monotonic());
  }

  /** Whether {@link admit} would refuse now. */
  turnsAway(preferred: boolean): boolean {
    const state = this.#state;
    if (state.name === "closed") return false;
    if (state.name === "open") return !this.#recovered(state);
    return state.probe !== undefined && (!preferred || state.probe.preferred);
  }

  /**
   * Leave to call, or `undefined` when the call must not be made.
   *
   * @param preferred its result says more about the upstream than that of others
   */
  admit(preferred = false): Admission | undefined {
    if (this.turnsAway(preferred)) return undefined;
    // The probe's place is taken before anybody hears of it: a listener may ask at once.
    if (this.#state.name !== "closed") this.#moveTo({ name: "half-open", probe: { preferred } });
    return new OneCall(this.#state, this.#counted, this.#tell);
  }

  readonly #tell: Tell = ({ admitted, countedBefore }, result) => {
    // Identity is enough: each transition makes a new state, so a result that began under another one is late.
    if (this.#state !== admitted) return;
    switch (result) {
      case "succeeded":
        if (admitted.name === "closed") admitted.failures.length = 0;
        else this.#moveTo({ name: "closed", failures: [] });
        break;
      case "fell with others":
        if (countedBefore === this.#counted) this.#failed(admitted); // a probe always does: nothing else is counted meanwhile
        break;
      case "failed":
        this.#failed(admitted);
        break;
      case "alive":
        if (admitted.name === "half-open") this.#moveTo({ name: "closed", failures: this.#onTrial() });
        break;
      case "inconclusive":
        if (admitted.name === "half-open") this.#moveTo({ name: "half-open", probe: undefined });
    }
  };

  /** One failure less than open it. */
  #onTrial(): number[] {
    return Array.from({ length: this.#options.failureThreshold - 1 }, () => this.#options.clock.monotonic());
  }

  #failed(admitted: State): void {
    this.#counted++;
    if (admitted.name === "closed") this.#countFailure(admitted.failures);
    else this.#open();
  }

  #countFailure(failures: number[]): void {
    const recent = this.#recent(failures);
    recent.push(this.#options.clock.monotonic());
    if (recent.length >= this.#options.failureThreshold) this.#open();
    else failures.splice(0, failures.length, ...recent);
  }

  #recent(failures: readonly number[]): number[] {
    const oldest = this.#options.clock.monotonic() - this.#options.windowMs;
    return failures.filter((at) => at > oldest);
  }

  #recovered(state: { readonly until: number }): boolean {
    return this.#options.clock.monotonic() >= state.until;
  }

  #open(): void {
    this.#moveTo({ name: "open", until: this.#options.clock.monotonic() + this.#options.recoveryMs });
  }

  #moveTo(next: State): void {
    const from = this.#state.name;
    this.#state = next;
    if (next.name !== from) this.#options.onTransition?.(from, next.name);
  }
}
