import type { Clock } from "./clock.js";
import { MedianWindow } from "./median-window.js";

const WINDOW_MS = 300_000;
/** The limit falls to this part of itself … */
const DOWN = 0.7;
/** … when an answer took so many times as long as usual … */
const SLOW = 2;
/** … and never below this. */
const LEAST = 16;
/** An answer is not slow because it took some milliseconds instead of two: a busy event loop takes as long. */
const LEAST_USUAL_MS = 25;
/** What is usual before it was measured, in milliseconds. */
const UNKNOWN_USUAL_MS = 100;
/** Answers tell what is usual while no more than this part of the limit is under way, or no more than the least limit. */
const QUIET_SHARE = 1 / 4;

/** How many places known questions have for themselves: a quarter, at least one where there are two. */
export function knownAlone(places: number): number {
  return places === 1 ? 0 : Math.max(1, Math.floor(places / 4));
}

/** How many places strangers have for themselves: an eighth. */
export function strangersAlone(places: number): number {
  return Math.floor(places / 8);
}

/** One call, as its limit learns from it. */
export interface Lesson {
  readonly known: boolean;
  /** What takes equally long as a rule: answers and refusals of one operation are two of these. */
  readonly sort: string;
  /** How long the upstream took, in milliseconds. */
  readonly ms: number;
  /** `cut short`: it was given less time than usual, and took it all. */
  readonly end: "answered" | "timed out" | "cut short";
  /** Few others were under way when it began. */
  readonly isQuiet: boolean;
  /** No more of its class could have been under way: then what took long was too much at once. */
  readonly isFull: boolean;
}

/**
 * How many questions an upstream takes at once. It begins at the ceiling, and falls when answers take longer than twice the median of the
 * last five minutes, or time out, while it is full: once in such a median at most. By each round of answers it rises by one.
 *
 * What is usual is measured while little is under way: else an overload that lasts would be the new usual time.
 *
 * Strangers have a limit of their own within the whole, and theirs alone is lowered by their questions.
 */
export class AdaptiveLimit {
  readonly #clock: Clock;
  readonly #whole: Part;
  readonly #strangers: Part;
  readonly #usual = new Map<string, MedianWindow>();

  /** @param ceiling most places, at least 1 */
  constructor(clock: Clock, ceiling: number) {
    this.#clock = clock;
    this.#whole = new Part(ceiling);
    this.#strangers = new Part(ceiling - knownAlone(ceiling));
  }

  get places(): number {
    return this.#whole.places;
  }

  /** How many of them strangers may have. */
  get strangers(): number {
    const { places } = this.#whole;
    return Math.min(this.#strangers.places, places - knownAlone(places));
  }

  /** Whether it has fallen, for that class. */
  isLowered(known: boolean): boolean {
    return this.#whole.isLowered || (!known && this.#strangers.isLowered);
  }

  /** Up to so many under way are few. */
  get quiet(): number {
    return Math.max(LEAST, this.strangers * QUIET_SHARE);
  }

  learn({ known, sort, ms, end, isQuiet, isFull }: Lesson): void {
    const part = known ? this.#whole : this.#strangers;
    const window = this.#windowOf(sort);
    const { median } = window;
    if (isQuiet && end === "answered") window.add(ms);
    const usualMs = Math.max(LEAST_USUAL_MS, median ?? UNKNOWN_USUAL_MS);
    const isSlow = end === "timed out" || (median !== undefined && ms > SLOW * usualMs);
    if (isSlow && isFull) part.overran(this.#clock.monotonic(), usualMs);
    else if (!isSlow && end === "answered") part.answered();
  }

  #windowOf(sort: string): MedianWindow {
    let window = this.#usual.get(sort);
    if (!window) {
      window = new MedianWindow(this.#clock, WINDOW_MS);
      this.#usual.set(sort, window);
    }
    return window;
  }
}

class Part {
  readonly #ceiling: number;
  readonly #least: number;
  places: number;
  #answers = 0;
  #loweredAt = Number.NEGATIVE_INFINITY;

  constructor(ceiling: number) {
    this.#ceiling = ceiling;
    this.#least = Math.min(LEAST, ceiling);
    this.places = ceiling;
  }

  get isLowered(): boolean {
    return this.places < this.#ceiling;
  }

  answered(): void {
    if (++this.#answers < this.places) return;
    this.#answers = 0;
    this.places = Math.min(this.#ceiling, this.places + 1);
  }

  overran(now: number, usualMs: number): void {
    if (now - this.#loweredAt < usualMs) return;
    this.#loweredAt = now;
    this.#answers = 0;
    this.places = Math.max(this.#least, Math.floor(this.places * DOWN));
  }
}
