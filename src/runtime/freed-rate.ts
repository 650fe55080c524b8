/** What was counted before so much time is let go of; less time tells nothing: it may be one stall. In milliseconds. */
const WINDOW_MS = 1000;
/** Fewer tell nothing. */
const MIN_FREED = 8;
/** A rate that was measured longer ago than this may be that of another load, in milliseconds. */
const HOLDS_MS = 2000;

/**
 * How many places a second are handed to a line while it waits, from one to the next: what comes before the first is not counted. An upstream
 * that hangs frees none, and takes away no room in the line.
 */
export class FreedRate {
  #freed = 0;
  #ms = 0;
  #formerFreed = 0;
  #formerMs = 0;
  /** The longest time between two, in either: it may be a stall of this process, which says nothing of the upstream. */
  #longest = 0;
  #formerLongest = 0;
  #last: number | undefined;
  #measuredAt = Number.NEGATIVE_INFINITY;

  /** The line was empty, and one waits now. All times are monotonic, in milliseconds. */
  waits(now: number): void {
    this.#last = undefined;
    if (now - this.#measuredAt > HOLDS_MS)
      this.#freed = this.#ms = this.#longest = this.#formerFreed = this.#formerMs = this.#formerLongest = 0;
  }

  /** One that waited got a place. */
  freed(now: number): void {
    if (this.#last !== undefined) this.#measured(now, now - this.#last);
    this.#last = now;
  }

  #measured(now: number, ms: number): void {
    this.#measuredAt = now;
    this.#freed++;
    this.#ms += ms;
    this.#longest = Math.max(ms, this.#longest);
    if (this.#ms < WINDOW_MS || this.#freed < MIN_FREED) return;
    this.#formerFreed = this.#freed;
    this.#formerMs = this.#ms;
    this.#formerLongest = this.#longest;
    this.#freed = this.#ms = this.#longest = 0;
  }

  /** Infinite where it is not known. */
  get perMs(): number {
    const [freed, ms] = [this.#freed + this.#formerFreed, this.#ms + this.#formerMs];
    if (freed < MIN_FREED || ms < WINDOW_MS) return Number.POSITIVE_INFINITY;
    return (freed - 1) / (ms - Math.max(this.#longest, this.#formerLongest));
  }
}
