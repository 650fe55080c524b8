import type { Clock } from "../runtime/clock.js";
import { createBoundedMap } from "./bounded-map.js";

/** Kept apart and few, so that a flood of garbage can evict no good entry. */
const MAX_REFUSALS = 10_000;

interface Refusal<R> {
  readonly reason: R;
  /** When the service was asked, wall time in milliseconds. */
  readonly askedAt: number;
}

/** The service's noes, remembered for a moment, in this process alone. */
export class Refusals<R> {
  readonly #clock: Clock;
  readonly #refusals = createBoundedMap<Refusal<R> & { readonly until: number }>({ maxEntries: MAX_REFUSALS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  reason(id: string): R | undefined {
    const refusal = this.#refusals.get(id);
    return refusal && this.#clock.now() < refusal.until ? refusal.reason : undefined;
  }

  /** When the service was asked that last said no, 0 for never. Entries from before then are void, also when the no holds no more. */
  askedAt(id: string): number {
    return this.#refusals.peek(id)?.askedAt ?? 0;
  }

  remember(id: string, { ttlMs, ...refusal }: Refusal<R> & { ttlMs: number }): void {
    this.#refusals.set(id, { ...refusal, until: this.#clock.now() + ttlMs });
  }

  /** The no holds no more. What it overruled stays overruled. */
  lift(id: string): void {
    const refusal = this.#refusals.peek(id);
    if (refusal) this.#refusals.set(id, { ...refusal, until: Number.NEGATIVE_INFINITY });
  }
}
