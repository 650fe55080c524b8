import { tokenId } from "../cache/keyring.js";
import type { AuthClient } from "./client.js";
import type { VerifiedToken } from "./model.js";

/** A token as somebody presents it. Who presents the same one again spares it the hash. */
export class PresentedToken {
  readonly text: string;
  #id: string | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** Its key in the process: nothing but its text decides it. */
  get id(): string {
    this.#id ??= tokenId(this.text);
    return this.#id;
  }
}

/** On `peekToken` itself: whoever puts another function in its place is asked that one. */
const PRESENTED: unique symbol = Symbol("portero.presented");

type Peek<T> = (token: T) => VerifiedToken | undefined;

/** A client's `peekToken`, made of one that takes presented tokens. */
export function createPeek(peek: Peek<PresentedToken>): AuthClient["peekToken"] {
  return Object.assign((token: string) => peek(new PresentedToken(token)), { [PRESENTED]: peek });
}

/** `client.peekToken(token.text)`. */
export function peekPresented(client: AuthClient, token: PresentedToken): VerifiedToken | undefined {
  const peek = (client.peekToken as { [PRESENTED]?: Peek<PresentedToken> })[PRESENTED];
  return peek ? peek(token) : client.peekToken(token.text);
}
