import type { Clock, Timer } from "../../src/runtime/clock.js";

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #time: number;
  #wallAhead = 0;
  readonly #timers = new Set<{ at: number; order: number; callback: () => void }>();
  #order = 0;

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#time = startMs;
  }

  now(): number {
    return this.#time + this.#wallAhead;
  }

  monotonic(): number {
    return this.#time;
  }

  setTimeout(callback: () => void, ms: number): Timer {
    const timer = { at: this.#time + ms, order: this.#order++, callback };
    this.#timers.add(timer);
    return { clear: () => void this.#timers.delete(timer) };
  }

  /** Sets the wall clock forward, or back: no time passes by it. */
  setWall(ms: number): void {
    this.#wallAhead += ms;
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Moves the time on, and fires what is due on the way, in order; promises get their turn in between. */
  async advance(ms: number): Promise<void> {
    const target = this.#time + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers]
        .filter(({ at }) => at <= target)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (!due) break;
      this.#timers.delete(due);
      this.#time = Math.max(this.#time, due.at);
      due.callback();
      await settle();
    }
    this.#time = target;
    await settle();
  }
}

/** Lets everything run that waits for nothing but its turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
