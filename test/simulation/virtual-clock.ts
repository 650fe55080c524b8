import type { Clock } from "../../src/runtime/clock.js";

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
  /** Told when it fires. */
  readonly onFire: (() => void) | undefined;
  cancelled: boolean;
}

/** Wall time and monotonic time have nothing in common but their pace: who mixes them up is far off. */
const WALL_START = Date.UTC(2026, 0, 1) + 0.375;
const MONOTONIC_START = 4096.5;

/** Fires at most so many timers between two steps of a simulation; more is a loop that never ends. */
const MAX_EVENTS = 100_000;

/**
 * Time that passes only when it is told to. Timers fire one by one, in order, and after each of them every promise that can go on
 * goes on: what happens depends on nothing but the order in which timers were set.
 */
export class VirtualClock {
  readonly #heap: Entry[] = [];
  #time = 0;
  #order = 0;

  /** Milliseconds since the simulation began, in eighths. */
  get time(): number {
    return this.#time;
  }

  get wall(): number {
    return Math.floor(WALL_START + this.#time);
  }

  get monotonic(): number {
    return MONOTONIC_START + this.#time;
  }

  /** Wall time, in whole milliseconds, at a time of the simulation. */
  wallAt(time: number): number {
    return Math.floor(WALL_START + time);
  }

  /** The first time of the simulation at which wall time is at least this; negative where that was before it began. */
  timeAtWall(wall: number): number {
    return Math.ceil((wall - WALL_START) * 8) / 8;
  }

  after(ms: number, callback: () => void, onFire?: () => void): Entry {
    const wait = Number.isFinite(ms) ? Math.max(0, Math.ceil(ms * 8) / 8) : 2 ** 31;
    const entry = { at: this.#time + wait, order: this.#order++, callback, onFire, cancelled: false };
    this.#push(entry);
    return entry;
  }

  /** Moves on to a time, and calls `afterEach` whenever something has happened on the way and everything has settled. */
  async advanceTo(target: number, afterEach: () => void): Promise<void> {
    for (let fired = 0; ; fired++) {
      const next = this.#heap[0];
      if (!next || next.at > target) break;
      this.#pop();
      if (next.cancelled) continue;
      if (fired > MAX_EVENTS) throw new Error("the clock never comes to rest");
      this.#time = next.at;
      next.cancelled = true; // clearing it from now on changes nothing
      next.onFire?.();
      next.callback();
      await settle();
      afterEach();
    }
    this.#time = Math.max(this.#time, target);
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

/** The clock as one client sees it. It counts what that client has set and not cleared. */
export class OwnedClock implements Clock {
  readonly #clock: VirtualClock;
  /** How far its wall clock is ahead, in milliseconds; and how far it ever was, both ways. */
  #aheadMs = 0;
  readonly aheadRange: [number, number] = [0, 0];
  #pending = 0;
  #background = 0;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Those among them that keep a process alive. */
  get pendingInForeground(): number {
    return this.#pending - this.#background;
  }

  get aheadMs(): number {
    return this.#aheadMs;
  }

  set aheadMs(ms: number) {
    this.#aheadMs = Math.round(ms);
    const [least, most] = this.aheadRange;
    this.aheadRange[0] = Math.min(least, this.#aheadMs);
    this.aheadRange[1] = Math.max(most, this.#aheadMs);
  }

  readonly now = () => this.#clock.wall + this.#aheadMs;
  readonly monotonic = () => this.#clock.monotonic;

  readonly setTimeout: Clock["setTimeout"] = (callback, ms, { background = false } = {}) => {
    let inBackground = 0;
    const keepAlive = (alive: boolean) => {
      this.#background -= inBackground;
      inBackground = alive ? 0 : 1;
      this.#background += inBackground;
    };
    const ended = () => {
      this.#pending--;
      keepAlive(true);
    };
    const entry = this.#clock.after(ms, callback, ended);
    this.#pending++;
    keepAlive(!background);
    return {
      keepAlive: (alive) => entry.cancelled || keepAlive(alive),
      clear: () => {
        if (entry.cancelled) return;
        entry.cancelled = true;
        ended();
      },
    };
  };
}

/** Lets every promise run that waits for nothing but its turn: all of them have had it when an immediate comes. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
