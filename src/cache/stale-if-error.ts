import type { Clock } from "../runtime/clock.js";
import { type Asking, type Invalidation, isNewer } from "./invalidation.js";
import type { ProcessView } from "./process-cache.js";
import type { SharedLookup } from "./shared-cache.js";
import type { Entry } from "./spec.js";

/** What the shared cache brought a load, and what of that was accepted. */
export interface Looked<V> {
  readonly lookup: SharedLookup<V> | undefined;
  readonly entry: Entry<V> | undefined;
}

export interface StaleIfErrorOptions {
  readonly clock: Clock;
  /** How long past its end an entry may be served while the service is unavailable, in milliseconds. */
  readonly staleIfErrorMs: number;
}

/** Knows which expired entry may be served while the service is unavailable. */
export class StaleIfError<Q, V, P> {
  readonly #process: ProcessView<Q, V, P>;
  readonly #invalidation: Invalidation;
  readonly #options: StaleIfErrorOptions;

  constructor(process: ProcessView<Q, V, P>, invalidation: Invalidation, options: StaleIfErrorOptions) {
    this.#process = process;
    this.#invalidation = invalidation;
    this.#options = options;
  }

  /**
   * A store that could be read has the last word: an entry that is missing or in doubt there may have been refused elsewhere, and one that
   * is older than what is held may have been written after that had been deleted.
   */
  find(asking: Asking, { lookup, entry }: Looked<V>): V | P | undefined {
    if (!lookup?.wasRead) return this.#process.findStale(asking.id)?.hit;
    return entry && this.#shared(asking, entry);
  }

  #shared(asking: Asking, entry: Entry<V>): V | P | undefined {
    const { clock, staleIfErrorMs } = this.#options;
    const held = this.#process.findStale(asking.id);
    if (held && isNewer(held, entry)) return held.hit; // another load has brought it since
    if (clock.monotonic() >= entry.endsAt + staleIfErrorMs) return undefined;
    if (clock.now() >= entry.expiresAt + staleIfErrorMs) return undefined;
    // Once more: meanwhile its id may have been invalidated, or refused.
    if (this.#invalidation.isVoidInStore(asking, entry, this.#process.peek(asking.id))) return undefined;
    if (this.#invalidation.isUnproven(entry) || this.#invalidation.wasRefusedWithAll(asking.id, entry))
      return undefined;
    // That was asked of the question. The entry is older: what has been answered since it was accepted has the last word.
    const { order } = entry;
    const { history } = asking;
    return this.#invalidation.isDiscarded({ order, triedAs: order, history }) ? undefined : entry.value;
  }
}
