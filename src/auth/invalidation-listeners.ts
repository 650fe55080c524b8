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
  /** Whether something has contradicted an answer about a user. */
  readonly isContradicted: (subject: string, origin: Origin) => boolean;
}

interface Subscription {
  readonly keys: readonly string[];
  readonly origin: Origin;
  end(reason?: InvalidationReason): void;
}

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
    const { user, expiresAt = Number.POSITIVE_INFINITY } = auth;
    const subject = subjectOf({ userId: user.id, organizationId: user.organizationId });
    const keys = [`subject ${subjectKey("user", subject)}`, `id ${origin.id}`, `meaning ${origin.meaning}`];
    let timer: Timer | undefined;
    let isOver = false;
    const subscription: Subscription = {
      keys: origin.meaning === undefined ? keys.slice(0, 2) : keys,
      origin,
      end: (reason) => {
        if (isOver) return;
        isOver = true;
        timer?.clear();
        this.#remove(subscription);
        if (reason) this.#tell(listener, reason);
      },
    };
    for (const key of subscription.keys) {
      const set = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, set.add(subscription));
    }
    const { clock, isContradicted } = this.#options;
    const untilItEnds = () => {
      const leftMs = expiresAt - clock.now();
      if (leftMs <= 0) return subscription.end("expired");
      const ms = Math.min(leftMs, MAX_TIMER_MS);
      if (!isOver && Number.isFinite(ms)) timer = clock.setTimeout(untilItEnds, ms, { background: true });
    };
    // Not before the caller has what it is to call to end it.
    if (isContradicted(subject, origin)) queueMicrotask(() => subscription.end("invalidated"));
    else if (Number.isFinite(expiresAt)) queueMicrotask(untilItEnds);
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
    this.#endAll("gap");
  }

  /** Nothing is told any more. */
  clear(): void {
    this.#endAll();
  }

  #endAll(reason?: InvalidationReason): void {
    const all = new Set([...this.#byKey.values()].flatMap((set) => [...set]));
    for (const subscription of all) subscription.end(reason);
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
