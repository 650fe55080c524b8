import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import type { Clock } from "../runtime/clock.js";

/** Kept apart and few, so that a flood of garbage can evict no good entry. */
const MAX_REFUSALS = 10_000;

/** The service's refusals, remembered for a moment, in this process alone. */
export class NegativeCache<R> {
  readonly #clock: Clock;
  /** Made when it is needed: it reserves its room at once. */
  #refusals: BoundedMap<{ readonly reason: R; readonly until: number }> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  reason(id: string): R | undefined {
    const refusal = this.#refusals?.get(id);
    return refusal && this.#clock.monotonic() < refusal.until ? refusal.reason : undefined;
  }

  remember(id: string, reason: R, ttlMs: number): void {
    if (ttlMs <= 0) return;
    this.#refusals ??= createBoundedMap({ maxEntries: MAX_REFUSALS });
    this.#refusals.set(id, { reason, until: this.#clock.monotonic() + ttlMs });
  }

  forget(id: string): void {
    this.#refusals?.delete(id);
  }
}
