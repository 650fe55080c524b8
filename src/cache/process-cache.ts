import { type BoundedMap, createBoundedMap } from "../runtime/bounded-map.js";
import type { Clock } from "../runtime/clock.js";
import type { Invalidation } from "./invalidation.js";
import type { CacheSpec, Entry } from "./spec.js";
import { SubjectShares } from "./subject-shares.js";

/** An entry of the process cache. Ends by two clocks are the earlier of both. */
export interface ProcessEntry<V, P> extends Pick<Entry<V>, "order" | "askedAt" | "isShared" | "subject" | "meaning"> {
  readonly id: string;
  /** What a hit hands out: made once, when the entry was stored. The value itself is not kept beside it. */
  hit: P;
  /** From here on it is no hit: monotonic … */
  readonly hitUntil: number;
  /** … and wall time, after `askedAt`. All of these are whole milliseconds, the last before the end: V8 keeps those in the entry itself. */
  readonly hitForMs: number;
  /** Until here it may be served while the service is unavailable: monotonic, and wall time after `askedAt`. */
  readonly staleUntil: number;
  readonly staleForMs: number;
  /** From here on it is refreshed in the background. Monotonic, in milliseconds. */
  refreshAt: number;
  /** Roughly what it takes, with its key. */
  readonly bytes: number;
}

/**
 * From a random point between these shares of its TTL on, an entry is refreshed while it still serves: entries that were asked for
 * together are not asked for together again, and of several processes one is the first.
 */
const [REFRESH_FROM, REFRESH_BY] = [0.6, 0.8];

/** What an entry takes besides its value and its key: entry object, bookkeeping. Rounded up from a measured heap. */
const ENTRY_BYTES = 480;

/** One subject has at most one part in so many of the room. */
export const SHARE_OF_SUBJECT = 8;

export interface ProcessCacheOptions {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Entries about one subject, of a spec that has many of them. */
  readonly maxPerSubject: number;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** How long past its end an entry may be served while the service is unavailable, in milliseconds. */
  readonly staleIfErrorMs: number;
}

/**
 * L1, in the process: everything that was asked, bounded by entries and by bytes, least recently used out first. One map for all specs,
 * and a view of it for each.
 */
export class ProcessCache {
  readonly #options: ProcessCacheOptions;
  readonly #map: BoundedMap<ProcessEntry<unknown, unknown>>;
  readonly #shares: SubjectShares;
  readonly #meanings = new Map<string, number>();
  /** Entries that had to make room. */
  evictions = 0;

  constructor(options: ProcessCacheOptions) {
    this.#options = options;
    const { maxEntries, maxBytes, maxPerSubject } = options;
    this.#shares = new SubjectShares({
      maxPerSubject,
      maxBytes: maxBytes / SHARE_OF_SUBJECT,
      bytesOf: (key) => (this.#map.peek(key) as ProcessEntry<unknown, unknown>).bytes,
      evict: (key) => {
        this.evictions++;
        this.#map.delete(key);
      },
    });
    this.#map = createBoundedMap({
      maxEntries,
      maxBytes,
      onEvict: () => void this.evictions++,
      onRemove: ({ subject, meaning, bytes }, key) => {
        this.#shares.remove(subject, key, bytes);
        count(this.#meanings, meaning, -1);
      },
    });
  }

  get size(): number {
    return this.#map.size;
  }

  get bytes(): number {
    return this.#map.calculatedSize;
  }

  view<Q, V, P>(spec: CacheSpec<Q, V, P, unknown>, invalidation: Invalidation): ProcessView<Q, V, P> {
    return new ProcessView(spec, invalidation, {
      map: this.#map,
      shares: this.#shares,
      meanings: this.#meanings,
      ...this.#options,
    });
  }
}

/** How long an entry may be kept in this tier, whatever its own end. */
export interface Stay {
  /** Monotonic, in milliseconds. */
  readonly tierEnd: number;
  /** By the question's own word, wall time in milliseconds. */
  readonly hardExpiry: number;
}

interface ViewOptions extends ProcessCacheOptions {
  readonly map: BoundedMap<ProcessEntry<unknown, unknown>>;
  readonly shares: SubjectShares;
  /** How many entries there are of each meaning: usually one. */
  readonly meanings: Map<string, number>;
}

/** The entries of one spec in the process cache. */
export class ProcessView<Q, V, P> {
  readonly #spec: CacheSpec<Q, V, P, unknown>;
  readonly #invalidation: Invalidation;
  readonly #map: BoundedMap<ProcessEntry<V, P>>;
  readonly #clock: Clock;
  readonly #options: ViewOptions;
  readonly #prefix: string;

  constructor(spec: CacheSpec<Q, V, P, unknown>, invalidation: Invalidation, options: ViewOptions) {
    this.#spec = spec;
    this.#invalidation = invalidation;
    this.#map = options.map as BoundedMap<ProcessEntry<V, P>>;
    this.#clock = options.clock;
    this.#options = options;
    this.#prefix = spec.hasDigestIds ? "" : `${spec.name}:`; // no digest has a colon in it
  }

  /**
   * The entry that may be used now.
   *
   * @param now monotonic, in milliseconds
   * @param wall wall time in milliseconds
   */
  findHit(id: string, now = this.#clock.monotonic(), wall = this.#clock.now()): ProcessEntry<V, P> | undefined {
    const entry = this.#map.get(this.#keyOf(id));
    if (entry === undefined || now >= entry.hitUntil || wall >= entry.askedAt + entry.hitForMs) return undefined;
    return this.#invalidation.isUnproven(entry) || this.#invalidation.isVoid(entry) ? undefined : entry;
  }

  /** The entry that may be used while the service is unavailable: past its end, or past its stay in the process alone. */
  findStale(id: string): ProcessEntry<V, P> | undefined {
    const entry = this.#map.get(this.#keyOf(id));
    if (entry === undefined || this.#options.staleIfErrorMs <= 0) return undefined;
    if (this.#clock.monotonic() >= entry.staleUntil) return undefined;
    if (this.#clock.now() >= entry.askedAt + entry.staleForMs) return undefined;
    if (this.#invalidation.isUnproven(entry)) return undefined;
    return this.#invalidation.isVoid(entry) || this.#invalidation.wasRefusedWithAll(id, entry) ? undefined : entry;
  }

  /** The entry that is held, void or expired though it is. Does not count as a use. */
  peek(id: string): ProcessEntry<V, P> | undefined {
    return this.#map.peek(this.#keyOf(id));
  }

  /** Whether there is an entry of that meaning, in any spelling. */
  holdsMeaning(meaning: string): boolean {
    return this.#options.meanings.has(meaning);
  }

  /** Keeps an answer for as long as it may; `undefined` where that is over already. */
  keep(id: string, entry: Entry<V>, { tierEnd, hardExpiry }: Stay): ProcessEntry<V, P> | undefined {
    const { shares, meanings, staleIfErrorMs, random } = this.#options;
    const { value, order, askedAt, isShared, expiresAt, endsAt, subject, meaning } = entry;
    const [now, wall] = [this.#clock.monotonic(), this.#clock.now()];
    const endsHard = now + (hardExpiry - wall);
    const hitUntil = Math.floor(Math.min(endsAt, tierEnd, endsHard));
    const hitForMs = Math.floor(Math.min(expiresAt, hardExpiry) - askedAt);
    if (hitUntil <= now || askedAt + hitForMs <= wall) {
      this.forget(id);
      return undefined;
    }
    const key = this.#keyOf(id);
    const refreshShare = REFRESH_BY - (REFRESH_BY - REFRESH_FROM) * random();
    const kept: ProcessEntry<V, P> = {
      id,
      hit: undefined as P,
      order,
      askedAt,
      isShared,
      hitUntil,
      hitForMs,
      staleUntil: Math.floor(Math.min(endsAt + staleIfErrorMs, endsHard)),
      staleForMs: Math.floor(Math.min(expiresAt + staleIfErrorMs, hardExpiry) - askedAt),
      refreshAt: Math.floor(endsAt - (expiresAt - askedAt) * (1 - refreshShare)), // where `hardExpiry` comes before that, never
      subject,
      meaning,
      bytes: this.#spec.bytesOf(value) + bytesOf(key) + bytesOf(subject) + bytesOf(meaning ?? "") + ENTRY_BYTES,
    };
    kept.hit = this.#spec.present(value, "process", hardExpiry, kept);
    this.#map.set(key, kept, { size: kept.bytes });
    if (this.#map.peek(key) !== kept) return kept; // it is larger than all the room
    count(meanings, meaning, 1);
    if (this.#spec.hasManyPerSubject) shares.add(subject, key);
    return kept;
  }

  /** Whether anything was held. */
  forget(id: string): boolean {
    return this.#map.delete(this.#keyOf(id));
  }

  /** Among the entries of all specs. */
  #keyOf(id: string): string {
    return this.#prefix + id;
  }
}

function count(counts: Map<string, number>, key: string | undefined, change: 1 | -1): void {
  if (key === undefined) return;
  const sum = (counts.get(key) ?? 0) + change;
  if (sum === 0) counts.delete(key);
  else counts.set(key, sum);
}

function bytesOf({ length }: string): number {
  return 2 * length;
}
