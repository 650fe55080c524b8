import type { Clock } from "../runtime/clock.js";
import { createBoundedMap } from "./bounded-map.js";

/** Kept apart and few, so that a flood of garbage can evict no good entry. */
const MAX_REFUSALS = 10_000;

interface Refusal<R> {
  readonly reason: R;
  readonly until: number;
  readonly flight: number;
}

/** The service's noes, remembered for a moment, in this process alone. */
export class Refusals<R> {
  readonly #clock: Clock;
  readonly #refusals = createBoundedMap<Refusal<R>>({ maxEntries: MAX_REFUSALS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  reason(id: string): R | undefined {
    const refusal = this.#refusals.get(id);
    return refusal && this.#clock.now() < refusal.until ? refusal.reason : undefined;
  }

  /** The flight that brought the last no, 0 for none. */
  flight(id: string): number {
    return this.#refusals.peek(id)?.flight ?? 0;
  }

  remember(id: string, reason: R, flight: number, ttlMs: number): void {
    this.#refusals.set(id, { reason, until: this.#clock.now() + ttlMs, flight });
  }

  forget(id: string): void {
    this.#refusals.delete(id);
  }
}
