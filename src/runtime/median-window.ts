import type { Clock } from "./clock.js";

/** The window is let go of in so many slices. */
const SLICES = 5;
/** Buckets for each doubling: a median is right to within a fifth. */
const PER_DOUBLING = 4;
/** The first bucket ends here, in milliseconds; the last one begins at hours. */
const LEAST_MS = 0.125;
const BUCKETS = 100;
/** Fewer tell nothing. */
const MIN_SAMPLES = 10;
/** The median is reckoned anew after so many more. */
const RECKONED_EVERY = 32;

interface Slice {
  readonly samples: Uint32Array;
  /** Monotonic, in milliseconds. */
  readonly endsAt: number;
}

/** The median of the times of the last minutes, roughly: a histogram in slices, whatever their number. */
export class MedianWindow {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #totals = new Uint32Array(BUCKETS);
  readonly #slices: Slice[] = [];
  #samples = 0;
  #sinceReckoned = RECKONED_EVERY;
  #median: number | undefined;

  constructor(clock: Clock, windowMs: number) {
    this.#clock = clock;
    this.#sliceMs = windowMs / SLICES;
  }

  add(ms: number): void {
    const bucket = bucketOf(ms);
    const slice = this.#slice();
    slice[bucket] = (slice[bucket] as number) + 1;
    this.#totals[bucket] = (this.#totals[bucket] as number) + 1;
    this.#samples++;
    if (++this.#sinceReckoned >= RECKONED_EVERY || this.#samples === MIN_SAMPLES) this.#reckon();
  }

  /** In milliseconds. Where nothing was added lately it stays what it was. */
  get median(): number | undefined {
    return this.#median;
  }

  /** The slice of this moment. */
  #slice(): Uint32Array {
    const now = this.#clock.monotonic();
    const latest = this.#slices.at(-1);
    if (latest && now < latest.endsAt) return latest.samples;
    this.#letGo(now - SLICES * this.#sliceMs);
    const slice = { samples: new Uint32Array(BUCKETS), endsAt: now + this.#sliceMs };
    this.#slices.push(slice);
    this.#sinceReckoned = RECKONED_EVERY;
    return slice.samples;
  }

  #letGo(before: number): void {
    while (this.#slices[0] && this.#slices[0].endsAt <= before) {
      this.#slices.shift()?.samples.forEach((samples, bucket) => {
        this.#totals[bucket] = (this.#totals[bucket] as number) - samples;
        this.#samples -= samples;
      });
    }
  }

  #reckon(): void {
    if (this.#samples < MIN_SAMPLES) return;
    this.#sinceReckoned = 0;
    let bucket = 0;
    for (let below = this.#totals[0] as number; 2 * below < this.#samples; ) below += this.#totals[++bucket] as number;
    this.#median = LEAST_MS * 2 ** ((bucket - 0.5) / PER_DOUBLING);
  }
}

function bucketOf(ms: number): number {
  const bucket = Math.ceil(PER_DOUBLING * Math.log2(ms / LEAST_MS));
  return Math.max(0, Math.min(BUCKETS - 1, bucket)); // of 0 ms, -∞
}
