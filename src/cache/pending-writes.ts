import type { Clock } from "../runtime/clock.js";
import { LostError } from "./store-error.js";

/** More than any process writes at once; what a store never ends is not remembered for ever. */
const MAX_PENDING = 10_000;
/** A write that was lost with its connection may lie in buffers on the way, and arrive so much later, in milliseconds. */
const LOST_MS = 5000;

/** Writes that a store has not ended, by key: it may take longer for one than anybody waits. */
export class PendingWrites {
  readonly #clock: Clock;
  /** In the order they began. */
  readonly #pending = new Map<string, Promise<unknown>>();
  /** Until when a lost one may arrive, monotonic in milliseconds; in the order they were lost. */
  readonly #lost = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin<T>(key: string, write: () => Promise<T>): Promise<T> {
    const writing = write();
    const ended: Promise<unknown> = Promise.allSettled([this.#pending.get(key), writing]).then(([, result]) => {
      if (result.status === "rejected" && result.reason instanceof LostError) this.#lose(key);
      if (this.#pending.get(key) === ended) this.#pending.delete(key);
    });
    this.#pending.delete(key); // the latest of its writes counts
    makeRoom(this.#pending);
    this.#pending.set(key, ended);
    return writing;
  }

  /** Resolves when all writes of the key have ended, either way. */
  of(key: string): Promise<unknown> | undefined {
    return this.#pending.get(key);
  }

  /** For how much longer a write of the key may arrive that was lost, in milliseconds; 0 where there is none. */
  lostFor(key: string): number {
    return Math.max(0, (this.#lost.get(key) ?? 0) - this.#clock.monotonic());
  }

  all(): Iterable<Promise<unknown>> {
    return this.#pending.values();
  }

  #lose(key: string): void {
    this.#lost.delete(key); // the latest of its losses counts
    makeRoom(this.#lost); // the oldest, which is over where any is
    this.#lost.set(key, this.#clock.monotonic() + LOST_MS);
  }
}

function makeRoom(map: Map<string, unknown>): void {
  if (map.size < MAX_PENDING) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
