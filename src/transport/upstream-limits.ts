import { AdaptiveLimit } from "../runtime/adaptive-limit.js";
import type { Clock } from "../runtime/clock.js";
import { type Load, Places } from "../runtime/places.js";
import type { Standing } from "../runtime/standing.js";
import { untraced } from "../runtime/untraced.js";
import { OverloadedError, type Upstream } from "./outcome.js";

export interface LimitOptions {
  /** Calls under way at once, at most: the limit of an upstream adapts below it. */
  maxConcurrent: number;
  /** Calls that wait for a place, at most, of known users and of strangers each. */
  maxQueue: number;
  clock: Clock;
  /** The upstream that is asked first at the moment: its limit is in force. */
  askedFirst: () => Upstream;
}

/** How many calls are under way, how many wait, and how many may be under way at the moment. */
export interface LimitStatus extends Load {
  /** How many calls may be under way at the moment: `limit.maxConcurrent`, or less while the service is slow or times out. */
  readonly limit: number;
  /** How many of these strangers may have. */
  readonly strangersLimit: number;
}

/** Each call has a place, those too that are made beyond the first to a question. What is returned gives it back. */
export interface ExtraPlaces {
  /** `undefined` while a question waits for a place, or the limit has fallen. */
  beside(standing: Standing): (() => void) | undefined;
  /** Also where none is free: few are made, and each must be. */
  anyway(standing: Standing): () => void;
}

/** The places for calls to the auth service, and a limit for each upstream that adapts. */
export class UpstreamLimits {
  readonly places: Places;
  readonly #limits: Readonly<Record<Upstream, AdaptiveLimit>>;
  readonly #askedFirst: () => Upstream;

  constructor({ maxConcurrent, maxQueue, clock, askedFirst }: LimitOptions) {
    this.#limits = { grpc: new AdaptiveLimit(clock, maxConcurrent), rest: new AdaptiveLimit(clock, maxConcurrent) };
    this.#askedFirst = askedFirst;
    this.places = new Places({
      allowance: () => this.#inForce,
      maxQueue,
      clock,
      overloaded: (reason, retryAfterMs) => untraced(() => new OverloadedError(reason, retryAfterMs)),
    });
  }

  get #inForce(): AdaptiveLimit {
    return this.#limits[this.#askedFirst()];
  }

  of(upstream: Upstream): AdaptiveLimit {
    return this.#limits[upstream];
  }

  /** Whether no more calls of that class can be under way. Of an upstream that is not asked first it is not known. */
  isFull(upstream: Upstream, known: boolean): boolean {
    return this.#askedFirst() === upstream && this.places.isFull(known);
  }

  /** Whether few calls are under way. */
  isQuiet(upstream: Upstream): boolean {
    return this.places.active <= this.of(upstream).quiet;
  }

  /** Places for calls of that upstream beyond the first to a question. */
  extraPlaces(upstream: Upstream): ExtraPlaces {
    const { places } = this;
    return {
      beside: (standing) => {
        if (places.load.queued > 0 || this.of(upstream).isLowered(standing.known)) return undefined;
        const place = places.take(standing);
        return place && (() => places.free(place));
      },
      anyway: (standing) => {
        const place = places.takeAnyway(standing);
        return () => places.free(place);
      },
    };
  }

  get status(): LimitStatus {
    const { places, strangers } = this.#inForce;
    return { ...this.places.load, limit: places, strangersLimit: strangers };
  }
}
