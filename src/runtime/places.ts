import { strangersAlone } from "./adaptive-limit.js";
import type { Clock } from "./clock.js";
import { FreedRate } from "./freed-rate.js";
import type { Standing } from "./standing.js";
import { LatestFirst, TurnsByUser } from "./waiting-lines.js";
import { type Place, WaitingQuestion, type WaitingRoom } from "./waiting-question.js";

/** One user has at most one part in so many of the places for known questions. */
const SHARE_OF_USER = 8;
const MIN_RETRY_AFTER_MS = 1000;
const MAX_RETRY_AFTER_MS = 30_000;

/** How many may be under way at the moment. */
export interface Allowance {
  readonly places: number;
  /** How many of them strangers may have. */
  readonly strangers: number;
}

export interface PlacesOptions {
  allowance: () => Allowance;
  /** Most questions that wait, of known users and of strangers each. */
  maxQueue: number;
  clock: Clock;
  /** What a question gets that does not get a place. */
  overloaded: (reason: string, retryAfterMs: number) => Error;
}

/** How many questions are under way and how many wait. */
export interface Load {
  /** Calls under way … */
  readonly active: number;
  /** … and those that wait for a place, */
  readonly queued: number;
  /** of users that are known, */
  readonly queuedKnown: number;
  /** and of strangers. */
  readonly queuedStrangers: number;
}

/**
 * The places for questions under way, and the lines before them. Known questions have a quarter of the places for themselves, strangers an
 * eighth, and of the rest known ones come first.
 *
 * A line holds what can be served before the deadline of the newcomer, by the rate at which places are freed. Of known questions the
 * newcomer is turned away when it is full, or that of a user that waits with more; of strangers' the oldest.
 */
export class Places {
  readonly #options: PlacesOptions;
  readonly #known = new TurnsByUser<WaitingQuestion>();
  readonly #strangers = new LatestFirst<WaitingQuestion>();
  readonly #rates = { known: new FreedRate(), strangers: new FreedRate() };
  readonly #activeOf = new Map<string, number>();
  readonly #room: WaitingRoom = {
    left: (question) => this.#left(question),
    movedUp: (question) => this.#movedUp(question),
    overloaded: (known, reason) => this.#overloaded(known, reason),
  };
  #activeKnown = 0;
  #activeStrangers = 0;

  constructor(options: PlacesOptions) {
    this.#options = options;
  }

  get active(): number {
    return this.#activeKnown + this.#activeStrangers;
  }

  get load(): Load {
    const [queuedKnown, queuedStrangers] = [this.#known.size, this.#strangers.size];
    return { active: this.active, queued: queuedKnown + queuedStrangers, queuedKnown, queuedStrangers };
  }

  /** Whether no more of its class can be under way. */
  isFull(known: boolean): boolean {
    const { places, strangers } = this.#options.allowance();
    if (this.active >= places) return true;
    return known ? this.#activeKnown >= this.#maxKnown() : this.#activeStrangers >= strangers;
  }

  /** A place, where one is free. */
  take({ user }: Standing): Place | undefined {
    if (this.#known.size + this.#strangers.size > 0) this.#letIn(); // there may be more places than when one was freed last
    const mayTake = user === undefined ? !this.isFull(false) : this.#mayTake(user);
    return mayTake ? this.#occupy(user) : undefined;
  }

  /** A place whether or not one is free: for what must be done, however much is under way. */
  takeAnyway({ user }: Standing): Place {
    return this.#occupy(user);
  }

  free({ user }: Place): void {
    if (user === undefined) this.#activeStrangers--;
    else {
      this.#activeKnown--;
      const left = (this.#activeOf.get(user) as number) - 1;
      if (left > 0) this.#activeOf.set(user, left);
      else this.#activeOf.delete(user);
    }
    this.#letIn();
  }

  /**
   * Waits for a place.
   *
   * @param leftMs how long it may wait, in milliseconds
   * @param onWait called at once where it gets into the line: not where it is turned away
   */
  wait(standing: Standing, leftMs: number, signal: AbortSignal | undefined, onWait?: () => void): Promise<Place> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const full = this.#makeRoom(standing.user, leftMs);
    if (full) return Promise.reject(full);
    const waiting = new WaitingQuestion(standing, this.#room, { clock: this.#options.clock, leftMs, signal });
    this.#join(waiting);
    onWait?.();
    return waiting.place;
  }

  #join(waiting: WaitingQuestion): void {
    const now = this.#options.clock.monotonic();
    const { user } = waiting.standing;
    if (user === undefined) {
      if (this.#strangers.size === 0) this.#rates.strangers.waits(now);
      this.#strangers.add(waiting);
    } else {
      if (this.#known.size === 0) this.#rates.known.waits(now);
      this.#known.add(user, waiting);
    }
  }

  #left(waiting: WaitingQuestion): void {
    const { user } = waiting.standing;
    if (user !== undefined) this.#known.delete(user, waiting);
    this.#strangers.delete(waiting);
  }

  #movedUp(waiting: WaitingQuestion): void {
    this.#strangers.delete(waiting);
    this.#join(waiting);
    this.#letIn();
  }

  /** Turns away what must make room for a newcomer; returns what the newcomer gets where that must go itself. */
  #makeRoom(user: string | undefined, leftMs: number): Error | undefined {
    const { maxQueue } = this.#options;
    const left = Math.max(0, leftMs);
    if (user === undefined) {
      // One at least: with none that waits, the rate could not be measured anew.
      const held = left > 0 ? Math.min(maxQueue, Math.max(1, Math.floor(this.#rates.strangers.perMs * left))) : 0;
      if (held === 0) return this.#overloaded(false, "no place, and no time to wait for one");
      while (this.#strangers.size >= held) this.#strangers.oldest?.turnAway("later ones go first");
      return undefined;
    }
    if (this.#known.aheadOf(user) >= this.#rates.known.perMs * left) return this.#overloaded(true, "no place in time");
    if (this.#known.size < maxQueue) return undefined;
    const longest = this.#known.latestOfLongest;
    if (!longest || longest.size <= this.#known.sizeOf(user) + 1) return this.#overloaded(true, "too many wait");
    longest.item.turnAway("others wait with fewer");
    return undefined;
  }

  /** Hands over what is free: known ones first. */
  #letIn(): void {
    for (;;) {
      const waiting = this.#nextKnown() ?? (this.isFull(false) ? undefined : this.#strangers.next());
      if (!waiting) return;
      const { known, user } = waiting.standing;
      this.#rates[known ? "known" : "strangers"].freed(this.#options.clock.monotonic());
      waiting.enter(this.#occupy(user));
    }
  }

  #nextKnown(): WaitingQuestion | undefined {
    return this.#known.size === 0 ? undefined : this.#known.next((user) => this.#mayTake(user));
  }

  #mayTake(user: string): boolean {
    if (this.isFull(true)) return false;
    const share = Math.max(1, Math.floor(this.#maxKnown() / SHARE_OF_USER));
    return (this.#activeOf.get(user) ?? 0) < share;
  }

  #maxKnown(): number {
    const { places, strangers } = this.#options.allowance();
    return places - Math.min(strangersAlone(places), strangers);
  }

  #occupy(user: string | undefined): Place {
    if (user === undefined) this.#activeStrangers++;
    else {
      this.#activeKnown++;
      this.#activeOf.set(user, (this.#activeOf.get(user) ?? 0) + 1);
    }
    return { user };
  }

  #overloaded(known: boolean, reason: string): Error {
    const [size, { perMs }] = known
      ? [this.#known.size, this.#rates.known]
      : [this.#strangers.size, this.#rates.strangers];
    const retryAfterMs = Math.min(MAX_RETRY_AFTER_MS, Math.max(MIN_RETRY_AFTER_MS, size / perMs || 0));
    return this.#options.overloaded(`${reason}: ${this.active} calls under way, ${size} waiting`, retryAfterMs);
  }
}
