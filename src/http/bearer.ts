import { AuthError } from "../auth/errors.js";
import { isToken, type TokenSyntax } from "../auth/token.js";
import { headerOf, isRepeated, type MaybeHeaded } from "./request.js";

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
  const credentials = bearerCredentials(request);
  if (credentials !== undefined && !currentSyntax(credentials)) throw new AuthError("invalid_request");
  return credentials;
}

/**
 * The text after the scheme, unchecked: a token that the cache knows was checked before, so that a hit spares the check.
 *
 * @throws AuthError `invalid_request` for a second `Authorization` header, and where nothing, or no space, follows the scheme
 */
export function bearerCredentials(request: MaybeHeaded): string | undefined {
  const value = headerOf(request, "authorization");
  if (value === undefined) return undefined;
  if (isRepeated(request, "authorization")) {
    throw new AuthError("invalid_request", { message: "The request carries more than one Authorization header." });
  }
  if (value.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined;
  let at = SCHEME.length;
  while (value.charCodeAt(at) === SPACE) at++;
  if (at > SCHEME.length && at < value.length) return value.slice(at);
  if (at < value.length && isSchemeCharacter(value.charCodeAt(at))) return undefined; // "Bearerish"
  throw new AuthError("invalid_request");
}

/** The characters of a scheme's name (`tchar`, RFC 9110 §5.6.2). */
function isSchemeCharacter(code: number): boolean {
  return /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code));
}
