import type { AuthClient, VerifyOptions } from "./auth-client.js";
import type { VerifiedToken } from "./model.js";
import type { RecentTokens } from "./recent-tokens.js";
import { Token } from "./token.js";

/** What a client does with a {@link Token}: nothing is checked or hashed twice. */
export interface TokenApi {
  readonly recent: RecentTokens;
  peek(token: Token): VerifiedToken | undefined;
  verify(token: Token, call: VerifyOptions): Promise<VerifiedToken>;
}

/** Keyed by the function, not by the client: an application that wraps `verifyToken` must have its own function called. */
const byPeekToken = new WeakMap<AuthClient["peekToken"], TokenApi>();
const byVerifyToken = new WeakMap<AuthClient["verifyToken"], TokenApi>();

/** The public `peekToken` and `verifyToken`, which take texts; {@link TokenAccess} finds the way around them. */
export function withTextApi(api: TokenApi): Pick<AuthClient, "peekToken" | "verifyToken"> {
  const peekToken: AuthClient["peekToken"] = (text) => api.peek(new Token(text));
  const verifyToken: AuthClient["verifyToken"] = (text, call = {}) => api.verify(new Token(text), call);
  byPeekToken.set(peekToken, api);
  byVerifyToken.set(verifyToken, api);
  return { peekToken, verifyToken };
}

/** A client, asked about {@link Token}s. */
export class TokenAccess {
  readonly #client: AuthClient;
  #peekToken: AuthClient["peekToken"] | undefined;
  #peekApi: TokenApi | undefined;

  constructor(client: AuthClient) {
    this.#client = client;
  }

  /** The token of this `Authorization` header, where the client has let it in lately. */
  find(header: string): Token | undefined {
    return this.#apiOfPeek()?.recent.find(header);
  }

  /** `client.peekToken(token.text)`; the client remembers the header of a token that it knows. */
  peek(token: Token): VerifiedToken | undefined {
    const api = this.#apiOfPeek();
    if (!api) return this.#client.peekToken(token.text);
    const known = api.peek(token);
    if (known !== undefined) api.recent.keep(token);
    return known;
  }

  /** `client.verifyToken(token.text, call)`. */
  verify(token: Token, call: VerifyOptions): Promise<VerifiedToken> {
    const api = byVerifyToken.get(this.#client.verifyToken);
    return api ? api.verify(token, call) : this.#client.verifyToken(token.text, call);
  }

  /** Looked up anew only where another function has taken its place: it is asked for with every request. */
  #apiOfPeek(): TokenApi | undefined {
    const { peekToken } = this.#client;
    if (this.#peekToken !== peekToken) {
      this.#peekToken = peekToken;
      this.#peekApi = byPeekToken.get(peekToken);
    }
    return this.#peekApi;
  }
}
