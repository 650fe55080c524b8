import type { AuthClient, VerifyOptions } from "./auth-client.js";
import type { VerifiedToken } from "./model.js";
import { Token } from "./token.js";

/** What a client does with a {@link Token}: nothing is checked or hashed twice. */
export interface TokenApi {
  peek(token: Token): VerifiedToken | undefined;
  verify(token: Token, call: VerifyOptions): Promise<VerifiedToken>;
}

/** Keyed by the function, not by the client: an application that wraps `verifyToken` must have its own function called. */
const peeks = new WeakMap<AuthClient["peekToken"], TokenApi["peek"]>();
const verifies = new WeakMap<AuthClient["verifyToken"], TokenApi["verify"]>();

/** The public `peekToken` and `verifyToken`, which take texts; {@link peek} and {@link verify} find the way around them. */
export function withTextApi(api: TokenApi): Pick<AuthClient, "peekToken" | "verifyToken"> {
  const peekToken: AuthClient["peekToken"] = (text) => api.peek(new Token(text));
  const verifyToken: AuthClient["verifyToken"] = (text, call = {}) => api.verify(new Token(text), call);
  peeks.set(peekToken, api.peek);
  verifies.set(verifyToken, api.verify);
  return { peekToken, verifyToken };
}

/** `client.peekToken(token.text)`. */
export function peek(client: AuthClient, token: Token): VerifiedToken | undefined {
  const peekOwn = peeks.get(client.peekToken);
  return peekOwn ? peekOwn(token) : client.peekToken(token.text);
}

/** `client.verifyToken(token.text, call)`. */
export function verify(client: AuthClient, token: Token, call: VerifyOptions): Promise<VerifiedToken> {
  const verifyOwn = verifies.get(client.verifyToken);
  return verifyOwn ? verifyOwn(token, call) : client.verifyToken(token.text, call);
}
