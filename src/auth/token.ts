import { tokenId } from "../cache/keyring.js";
import type { AuthClient, CallOptions } from "./auth-client.js";
import type { VerifiedToken } from "./model.js";
import { isToken, type TokenSyntax } from "./token-syntax.js";

/** A token as somebody presents it: looked at once, and hashed once, however often it is asked about. */
export class PresentedToken {
  readonly text: string;
  /** Kept with a connection, which presents this very object again. */
  isKept = false;
  #id: string | undefined;
  #fitted: TokenSyntax | undefined;
  #fits = false;

  constructor(text: string) {
    this.text = text;
  }

  /** Its key in the process: nothing but its text decides it. */
  get id(): string {
    this.#id ??= tokenId(this.text);
    return this.#id;
  }

  /** Whether it can be a token at all, by the rule of those who ask. */
  fits(isToken: TokenSyntax): boolean {
    if (this.#fitted !== isToken) {
      this.#fitted = isToken;
      this.#fits = typeof this.text === "string" && isToken(this.text);
    }
    return this.#fits;
  }

  /** Whether it can be a token by the default rule. */
  get isWellFormed(): boolean {
    return this.fits(isToken);
  }
}

/** What a client does with presented tokens. */
export interface PresentedTokens {
  peek(token: PresentedToken): VerifiedToken | undefined;
  verify(token: PresentedToken, call: CallOptions): Promise<VerifiedToken>;
}

/** By the very functions that a client has: whoever puts others in their place, or around them, is asked those. */
const peeks = new WeakMap<AuthClient["peekToken"], PresentedTokens["peek"]>();
const verifies = new WeakMap<AuthClient["verifyToken"], PresentedTokens["verify"]>();

/** A client's `peekToken` and `verifyToken`, made of those that take presented tokens. */
export function takingTexts({ peek, verify }: PresentedTokens): Pick<AuthClient, "peekToken" | "verifyToken"> {
  const peekToken: AuthClient["peekToken"] = (token) => peek(new PresentedToken(token));
  const verifyToken: AuthClient["verifyToken"] = (token, call = {}) => verify(new PresentedToken(token), call);
  peeks.set(peekToken, peek);
  verifies.set(verifyToken, verify);
  return { peekToken, verifyToken };
}

/** `client.peekToken(token.text)`. */
export function peekPresented(client: AuthClient, token: PresentedToken): VerifiedToken | undefined {
  const peek = peeks.get(client.peekToken);
  return peek ? peek(token) : client.peekToken(token.text);
}

/** `client.verifyToken(token.text, call)`. */
export function verifyPresented(client: AuthClient, token: PresentedToken, call: CallOptions): Promise<VerifiedToken> {
  const verify = verifies.get(client.verifyToken);
  return verify ? verify(token, call) : client.verifyToken(token.text, call);
}
