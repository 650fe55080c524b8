import type { Clock } from "../runtime/clock.js";

/** Calls are counted for so many slices of time, each so long, in milliseconds: the minute is one to 5 s. */
const [SLICES, SLICE_MS] = [12, 5000];

interface Slice {
  readonly at: number;
  calls: number;
  failed: number;
}

/** How many calls of the last minute failed. */
export class LastMinute {
  readonly #clock: Clock;
  /** The oldest first. */
  readonly #slices: Slice[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(failed: boolean): void {
    const at = this.#sliceAt();
    this.#forget(at);
    const last = this.#slices.at(-1);
    const slice = last?.at === at ? last : { at, calls: 0, failed: 0 };
    if (slice !== last) this.#slices.push(slice);
    slice.calls++;
    if (failed) slice.failed++;
  }

  get counts(): { readonly calls: number; readonly failed: number } {
    this.#forget(this.#sliceAt());
    const sum = { calls: 0, failed: 0 };
    for (const { calls, failed } of this.#slices) {
      sum.calls += calls;
      sum.failed += failed;
    }
    return sum;
  }

  #sliceAt(): number {
    return Math.floor(this.#clock.monotonic() / SLICE_MS);
  }

  #forget(now: number): void {
    while (this.#slices[0] && this.#slices[0].at <= now - SLICES) this.#slices.shift();
  }
}
