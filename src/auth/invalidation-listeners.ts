import { contradicts } from "../cache/invalidation.js";
import type { Origin } from "../cache/spec.js";
import { subjectKey } from "../cache/subject-invalidations.js";
import type { Tombstone } from "../cache/tombstones.js";
import type { Clock, Timer } from "../runtime/clock.js";
import { isPromise } from "../runtime/is-promise.js";
import type { Logger } from "../runtime/logger.js";
import { subjectOf } from "./cache-specs.js";
import type { VerifiedToken } from "./model.js";
import { originOf } from "./origins.js";

/** Why a connection that was let in should be looked at again. */
export type InvalidationReason =
  /** The token or its user was invalidated, here or elsewhere, or the service refused the token. */
  | "invalidated"
  /** The token's own end came. */
  | "expired"
  /** An invalidation may have been missed. */
  | "gap";

export interface InvalidationListenersOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  /** Whether something has contradicted an answer about a user. */
  readonly isContradicted: (subject: string, origin: Origin) => boolean;
  /** Whether something that contradicts an answer may have been missed. */
  readonly isUnproven: (origin: Origin) => boolean;
}

interface Subscription {
  readonly keys: readonly string[];
  readonly origin: Origin;
  end(reason?: InvalidationReason): void;
  /** In a while: a gap concerns all, and all of them at once would be too many. */
  doubt(): void;
}

/** All that listen are told of a gap within so many milliseconds. */
const GAP_SPREAD_MS = 3000;

/** What timers can wait for, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Those that want to know when what they were let in with is void: each is told once. */
export class InvalidationListeners {
  readonly #options: InvalidationListenersOptions;
  /** By what is invalidated: subject, id and meaning. */
  readonly #byKey = new Map<string, Set<Subscription>>();

  constructor(options: InvalidationListenersOptions) {
    this.#options = options;
  }

  /** @throws TypeError unless the answer is one that the client gave, itself and no copy */
  add(auth: VerifiedToken, listener: (reason: InvalidationReason) => void): () => void {
    if (typeof listener !== "function") throw new TypeError("onInvalidated takes a function");
    const origin = originOf(auth);
    if (!origin) throw new TypeError("onInvalidated takes what verifyToken or getAuth gave, and no copy of it");
    const { expiresAt = Number.POSITIVE_INFINITY } = auth;
    const keys = [`subject ${subjectKey("user", subjectIn(auth))}`, `id ${origin.id}`, `meaning ${origin.meaning}`];
    const { clock, random } = this.#options;
    let timer: Timer | undefined;
    let doubtTimer: Timer | undefined;
    let isOver = false;
    const subscription: Subscription = {
      keys: origin.meaning === undefined ? keys.slice(0, 2) : keys,
      origin,
      end: (reason) => {
        if (isOver) return;
        isOver = true;
        timer?.clear();
        doubtTimer?.clear();
        this.#remove(subscription);
        if (reason) this.#tell(listener, reason);
      },
      doubt: () => {
        const tell = () => subscription.end("gap");
        doubtTimer ??= clock.setTimeout(tell, random() * GAP_SPREAD_MS, { background: true });
      },
    };
    for (const key of subscription.keys) {
      const set = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, set.add(subscription));
    }
    const wait = (then: () => void, ms: number) => {
      timer = clock.setTimeout(then, ms, { background: true });
    };
    const waitForEnd = () => {
      const ms = Math.min(Math.max(expiresAt - clock.now(), 0), MAX_TIMER_MS);
      wait(() => (clock.now() < expiresAt ? waitForEnd() : subscription.end("expired")), ms);
    };
    // Not before the caller has what it is to call to end it; and by a timer: were it a microtask, a listener that listens to the same answer
    // again would let nothing else have its turn.
    if (this.#isContradicted(auth, origin)) wait(() => subscription.end("invalidated"), 0);
    else if (Number.isFinite(expiresAt)) waitForEnd();
    if (this.#options.isUnproven(origin)) subscription.doubt();
    return () => subscription.end();
  }

  subjectInvalidated(key: string, until: Tombstone): void {
    this.#invalidated(`subject ${key}`, until);
  }

  tokenContradicted(id: string, meaning: string | undefined, until: Tombstone): void {
    this.#invalidated(`id ${id}`, until);
    if (meaning !== undefined) this.#invalidated(`meaning ${meaning}`, until);
  }

  /** Something may have been missed. */
  doubt(): void {
    for (const subscription of this.#all()) subscription.doubt();
  }

  /** Nothing is told any more. */
  clear(): void {
    for (const subscription of this.#all()) subscription.end();
  }

  /** Whether an answer is not to be used again: something contradicts it, or may have. Of a copy that is not known, and it is not either. */
  mayBeVoid(auth: VerifiedToken): boolean {
    const origin = originOf(auth);
    return !origin || this.#isContradicted(auth, origin) || this.#options.isUnproven(origin);
  }

  #isContradicted(auth: VerifiedToken, origin: Origin): boolean {
    return this.#options.isContradicted(subjectIn(auth), origin);
  }

  #all(): Set<Subscription> {
    return new Set([...this.#byKey.values()].flatMap((set) => [...set]));
  }

  #invalidated(key: string, until: Tombstone): void {
    const concerned = this.#byKey.get(key);
    if (!concerned) return;
    for (const subscription of [...concerned])
      if (contradicts(until, subscription.origin)) subscription.end("invalidated");
  }

  #remove(subscription: Subscription): void {
    for (const key of subscription.keys) {
      const set = this.#byKey.get(key);
      set?.delete(subscription);
      if (set?.size === 0) this.#byKey.delete(key);
    }
  }

  #tell(listener: (reason: InvalidationReason) => void, reason: InvalidationReason): void {
    const report = () => this.#options.logger.error("portero: a listener of onInvalidated threw");
    try {
      const returned: unknown = listener(reason);
      if (isPromise(returned)) returned.then(undefined, report);
    } catch {
      report();
    }
  }
}

function subjectIn({ user }: VerifiedToken): string {
  return subjectOf({ userId: user.id, organizationId: user.organizationId });
}
