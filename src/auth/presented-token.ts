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

type Peek = (token: PresentedToken) => VerifiedToken | undefined;

/** By the very function that a client has: whoever puts another one in its place, or around it, is asked that one. */
const peeks = new WeakMap<AuthClient["peekToken"], Peek>();

/** A client's `peekToken`, made of one that takes presented tokens. */
export function createPeek(peek: Peek): AuthClient["peekToken"] {
  const peekToken = (token: string) => peek(new PresentedToken(token));
  peeks.set(peekToken, peek);
  return peekToken;
}

/** `client.peekToken(token.text)`. */
export function peekPresented(client: AuthClient, token: PresentedToken): VerifiedToken | undefined {
  const peek = peeks.get(client.peekToken);
  return peek ? peek(token) : client.peekToken(token.text);
}
