/**
 * How a question stands with the service, which has no room for all of them at once.
 *
 * It is *known* when it is asked for a user that this process knows:
 * - verification of a token that the process holds an entry for, or the shared cache has one, void or expired though that is;
 * - a guard's look-up about the user that it let in, or that user's organization;
 * - a refresh of an entry that the process holds.
 *
 * All else is a *stranger's*, look-ups by the application too: what a stranger can make many of must not take the room of others.
 * A stranger's question moves up when a known one joins it.
 */
export class Standing {
  #user: string | undefined;
  /** Called when it moves up. */
  onMoveUp: (() => void) | undefined;

  /** @param user whose share of the room it takes, if it is known */
  constructor(user?: string) {
    this.#user = user;
  }

  get known(): boolean {
    return this.#user !== undefined;
  }

  /** Whose share of the room it takes; `undefined` for a stranger's. */
  get user(): string | undefined {
    return this.#user;
  }

  /** A known question is the same as this one. One that is known already stays as it is; nothing moves down. */
  moveUp(user: string): void {
    if (this.#user !== undefined) return;
    this.#user = user;
    this.onMoveUp?.();
  }
}
