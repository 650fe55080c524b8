import { createBoundedMap } from "./bounded-map.js";

/** So many are remembered one by one. */
const MAX_SUBJECTS = 10_000;

/**
 * Who was invalidated – users, or single answers – and when: what was asked about them before then is not to be used any more.
 *
 * Bounded. What is forgotten for want of room raises a floor under everybody: too much is asked again, never too little.
 */
export class Tombstones {
  #floor = Number.NEGATIVE_INFINITY;
  readonly #at = createBoundedMap<number>({
    maxEntries: MAX_SUBJECTS,
    onEvict: (at) => {
      this.#floor = Math.max(this.#floor, at);
    },
  });

  /** @param at wall time in milliseconds */
  record(subject: string, at: number): void {
    this.#at.set(subject, Math.max(at, this.#at.peek(subject) ?? at));
  }

  /** Whether what was asked about the subject at that time is void. */
  covers(subject: string, askedAt: number): boolean {
    if (askedAt <= this.#floor) return true;
    if (this.#at.size === 0) return false; // the usual case, on every request
    return askedAt <= (this.#at.peek(subject) ?? Number.NEGATIVE_INFINITY);
  }
}
