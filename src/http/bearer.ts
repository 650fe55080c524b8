import { AuthError } from "../auth/errors.js";
import { isToken, Token, type TokenSyntax } from "../auth/token.js";
import type { TokenAccess } from "../auth/token-api.js";
import { headerOf, isRepeated, type MaybeHeaded, rawHeadersOf } from "./request.js";

const SCHEME = "bearer";
const SPACE = 0x20;

/** The token syntax of {@link bearerToken}: while a middleware reads its source, that of its client. */
let currentSyntax: TokenSyntax = isToken;

/** Reads a token source by the token syntax of a client. A source is never async: the syntax holds for exactly this call. */
export function withTokenSyntax<T>(syntax: TokenSyntax, read: () => T): T {
  const outer = currentSyntax;
  currentSyntax = syntax;
  try {
    return read();
  } finally {
    currentSyntax = outer;
  }
}

/**
 * The bearer token of the `Authorization` header; `undefined` when there is none, or it is of another scheme.
 *
 * The scheme in any case, one or more spaces, then exactly one `token68` of at most 8 KiB (RFC 6750 §2.1, RFC 7235 §2.1); in a token
 * source, one token by `tokenSyntax` and `maxTokenBytes` of the middleware's client.
 *
 * @example requireAuth({ token: (req) => bearerToken(req) ?? cookieToken("session")(req) })
 * @throws AuthError `invalid_request` for anything else, and for a second `Authorization` header
 */
export function bearerToken(request: MaybeHeaded): string | undefined {
  const header = authorizationOf(request);
  const credentials = header === undefined ? undefined : credentialsIn(header);
  if (credentials !== undefined && !currentSyntax(credentials)) throw new AuthError("invalid_request");
  return credentials;
}

/**
 * The token that `bearerToken` returns, unchecked: one that the cache knows was checked before, so that a hit spares the check.
 *
 * @param known finds the token of a header that the client has let in: that text was read before
 * @throws AuthError `invalid_request` for a second `Authorization` header, and where nothing, or no space, follows the scheme
 */
export function headerToken(request: MaybeHeaded, known: Pick<TokenAccess, "find">): Token | undefined {
  const header = authorizationOf(request);
  if (header === undefined) return undefined;
  const recent = known.find(header);
  if (recent) return recent;
  const credentials = credentialsIn(header);
  return credentials === undefined ? undefined : new Token(credentials, header);
}

/** The only `Authorization` header. */
function authorizationOf(request: MaybeHeaded): string | undefined {
  const rawHeaders = rawHeadersOf(request);
  const value = headerOf(request, "authorization", rawHeaders);
  if (value !== undefined && isRepeated(request, "authorization", rawHeaders)) {
    throw new AuthError("invalid_request", { message: "The request carries more than one Authorization header." });
  }
  return value;
}

/** The text after the scheme, to the end of the header. */
function credentialsIn(header: string): string | undefined {
  if (header.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined;
  let at = SCHEME.length;
  while (header.charCodeAt(at) === SPACE) at++;
  if (at > SCHEME.length && at < header.length) return header.slice(at);
  if (at < header.length && isSchemeCharacter(header.charCodeAt(at))) return undefined; // "Bearerish"
  throw new AuthError("invalid_request");
}

/** The characters of a scheme's name (`tchar`, RFC 9110 §5.6.2). */
function isSchemeCharacter(code: number): boolean {
  return /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code));
}
