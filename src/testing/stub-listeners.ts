import type { InvalidationReason } from "../auth/invalidation-listeners.js";
import type { User, VerifiedToken } from "../auth/model.js";

interface Subscription {
  readonly token: string;
  readonly user: User;
  tell(): void;
}

/** `onInvalidated` of a client without a cache: of what is invalidated, or refused, with that client. */
export class StubListeners {
  readonly #tokens = new WeakMap<VerifiedToken, string>();
  readonly #subscriptions = new Set<Subscription>();

  made(auth: VerifiedToken, token: string): void {
    this.#tokens.set(auth, token);
  }

  add(auth: VerifiedToken, listener: (reason: InvalidationReason) => void): () => void {
    const token = this.#tokens.get(auth);
    if (token === undefined)
      throw new TypeError("onInvalidated takes what verifyToken or getAuth gave, and no copy of it");
    const subscription = { token, user: auth.user, tell: () => listener("invalidated") };
    this.#subscriptions.add(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  invalidated(concerns: (of: Subscription) => boolean): void {
    for (const subscription of [...this.#subscriptions].filter(concerns)) {
      this.#subscriptions.delete(subscription);
      subscription.tell();
    }
  }
}
