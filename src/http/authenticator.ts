import { traitsOf } from "../auth/client-traits.js";
import { show } from "../auth/config/config-error.js";
import { AuthError } from "../auth/errors.js";
import { keepsScheme, malformedToken } from "../auth/malformed-token.js";
import type { VerifiedToken } from "../auth/model.js";
import { getAuthClient } from "../auth/shared-client.js";
import { isToken, Token, type TokenSyntax } from "../auth/token.js";
import { TokenAccess } from "../auth/token-api.js";
import { isPromise } from "../runtime/is-promise.js";
import type { AttachedAuth, MiddlewareSettings } from "./attached-auth.js";
import { type AuthenticateOptions, type GivenOptions, type Maker, readAuthOptions } from "./auth-options.js";
import { headerToken, withTokenSyntax } from "./bearer.js";
import { decisionTeller } from "./decision.js";
import { warnOfKeptScheme } from "./kept-scheme.js";
import { isRepeated, type MaybeHeaded } from "./request.js";
import { warnOfSecondSource } from "./second-source.js";
import { readingParsed } from "./unparsed-body.js";

/** The options of a middleware, read once, and what they do with a request. */
export interface Authenticator<R> {
  readonly settings: MiddlewareSettings;
  /**
   * The token of a request, by this middleware's own source and its checks, whatever an earlier middleware found.
   *
   * @param headed what has the headers
   * @param node what the auth is attached to
   * @throws AuthError where there is none
   */
  tokenOf(request: R, headed: MaybeHeaded, node: object): Token;
  /**
   * The user of the token: at once when this process knows it. Throws, or rejects with, an `AuthError`.
   *
   * @param earlier what an earlier middleware has attached
   */
  verify(token: Token, request: R, earlier: AttachedAuth | undefined): VerifiedToken | Promise<VerifiedToken>;
  /** Whether a request that failed with this error goes on as anonymous. */
  isAnonymous(error: unknown, headed: MaybeHeaded): boolean;
}

/** For a source of the application's own, which may look elsewhere than where the HTTP client has put the token. */
const NOT_WHERE_LOOKED = "The request carries no token where this service looks for one.";

/** @throws ConfigError that names every option that cannot be used */
export function createAuthenticator<R>(maker: Maker, options: GivenOptions<R>): Authenticator<R> {
  const given = readAuthOptions(maker, options);
  const { client = getAuthClient(), token: ownSource, realm = "api", fresh = false } = given;
  const { onUnknown, invalidToken, onError } = given;
  const traits = traitsOf(client);
  const { isToken: syntax } = traits;
  const tellDecision = decisionTeller(given.onDecision, traits);
  const tokens = new TokenAccess(client);
  const optional = maker === "optionalAuth";

  return {
    settings: { client, realm, resourceMetadata: given.resourceMetadata, onError, maker, traits, tellDecision },
    tokenOf(request, headed, node) {
      const token = ownSource ? readSource(ownSource, request, syntax) : headerToken(headed, tokens);
      if (token) return token;
      warnOfSecondSource(maker, client, node);
      throw ownSource ? new AuthError("missing_token", { message: NOT_WHERE_LOOKED }) : new AuthError("missing_token");
    },
    verify(token, request, earlier) {
      if (!fresh) {
        // Another version of this package may have attached it, without `answerOf`.
        const known = earlier?.answerOf?.(client, token) ?? tokens.peek(token);
        if (known) return known; // it was checked before it was cached
      }
      if (!token.fits(syntax)) {
        if (ownSource && keepsScheme(token.text)) warnOfKeptScheme(maker, client);
        throw malformedToken(token.text);
      }
      return tokens.verify(token, onUnknown ? { fresh, onUnknown: (facts) => onUnknown(facts, request) } : { fresh });
    },
    isAnonymous(error, headed) {
      if (!optional || !(error instanceof AuthError)) return false;
      if (error.code === "missing_token") return true;
      if (invalidToken !== "anonymous") return false;
      if (error.code === "invalid_token" || error.code === "inactive_user") return true;
      return error.code === "invalid_request" && ownSource !== undefined && !isRepeated(headed, "authorization");
    },
  };
}

type Source<R> = NonNullable<AuthenticateOptions<R>["token"]>;

/** Meanwhile `bearerToken` goes by the token syntax of the client. */
function readSource<R>(source: Source<R>, request: R, syntax: TokenSyntax): Token | undefined {
  const read = () => readingParsed("the option `token`", source, request);
  return toToken(syntax === isToken ? read() : withTokenSyntax(syntax, read));
}

function toToken(token: unknown): Token | undefined {
  if (token === undefined || token === null || token === "") return undefined;
  if (typeof token === "string") return new Token(token);
  const isAsync = isPromise(token);
  if (isAsync) token.then(undefined, () => undefined); // an unhandled rejection would end the process
  if (!isAsync && isData(token)) throw new AuthError("invalid_request", { message: "The token is not one text." });
  const got = isAsync ? "a Promise: it must not be async" : show(token);
  throw new TypeError(`the option \`token\` must return a string or nothing, got ${got}`);
}

/** Types that an HTTP client can give to a query parameter or a field of the body: by repeating it, by `token[a]=b`, or in JSON. */
function isData(value: unknown): boolean {
  return ["object", "number", "boolean"].includes(typeof value);
}
