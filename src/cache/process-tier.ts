import { type BoundedMap, createBoundedMap } from "./bounded-map.js";

/** One entry of the process tier. All times are wall time in milliseconds. */
export interface ProcessEntry<V, P> {
  readonly value: V;
  /** What a hit hands out: made once, when the entry was stored. */
  readonly hit: P;
  /** When the service was asked. */
  readonly askedAt: number;
  /** From here on it is no hit. */
  readonly freshUntil: number;
  /** Until here it may stand in while the service is unavailable. */
  readonly staleUntil: number;
  /** From here on it is refreshed in the background. */
  refreshAt: number;
  /** Whose invalidation makes it void. */
  readonly subject: string | undefined;
}

/** The tier in the process: everything that was asked, bounded by entries and by bytes, least recently used out first. */
export type ProcessTier = BoundedMap<ProcessEntry<unknown, unknown>>;

/** What an entry takes besides its value: key, entry object, bookkeeping. Rounded up from a measured heap. */
const ENTRY_BYTES = 400;

export function createProcessTier(options: { maxEntries: number; maxBytes: number }): ProcessTier {
  return createBoundedMap(options);
}

/** Stores an entry whose value takes about `bytes`. */
export function storeIn(tier: ProcessTier, key: string, entry: ProcessEntry<unknown, unknown>, bytes: number): void {
  tier.set(key, entry, { size: bytes + ENTRY_BYTES });
}
