import type { InvalidationReason } from "../auth/invalidation-listeners.js";
import type { User, VerifiedToken } from "../auth/model.js";

interface Subscription {
  readonly token: string;
  readonly user: User;
  tell(): void;
}

/** `onInvalidated` of a client without a cache: of what is invalidated, or refused, with that client. */
export class StubListeners {
  readonly #made = new WeakMap<VerifiedToken, { readonly token: string; readonly invalidations: number }>();
  readonly #subscriptions = new Set<Subscription>();
  #invalidations = 0;

  made(auth: VerifiedToken, token: string): void {
    this.#made.set(auth, { token, invalidations: this.#invalidations });
  }

  /** Whether anything was invalidated since the client gave the answer. */
  mayBeVoid(auth: VerifiedToken): boolean {
    return this.#made.get(auth)?.invalidations !== this.#invalidations;
  }

  add(auth: VerifiedToken, listener: (reason: InvalidationReason) => void): () => void {
    const token = this.#made.get(auth)?.token;
    if (token === undefined)
      throw new TypeError("onInvalidated takes what verifyToken or getAuth gave, and no copy of it");
    const subscription = { token, user: auth.user, tell: () => listener("invalidated") };
    this.#subscriptions.add(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  invalidated(concerns: (of: Subscription) => boolean): void {
    this.#invalidations++;
    for (const subscription of [...this.#subscriptions].filter(concerns)) {
      this.#subscriptions.delete(subscription);
      subscription.tell();
    }
  }
}
