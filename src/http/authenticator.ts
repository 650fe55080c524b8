import { getAuthClient } from "../auth/auth-client.js";
import type { AuthClient } from "../auth/client.js";
import { ConfigError, show } from "../auth/config-error.js";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { PresentedToken, peekPresented, verifyPresented } from "../auth/presented-token.js";
import { SettingReader } from "../auth/setting-reader.js";
import { isPromise } from "../runtime/is-promise.js";
import { forgetBearer, presentedBearer, rememberBearer } from "./presented-bearer.js";
import type { MaybeHeaded } from "./request.js";
import { requestAuthOf } from "./request-auth.js";

/** How requests are authenticated, whatever the framework. `R` is what the framework's handlers get: the request, or Koa's context. */
export interface AuthenticateOptions<R> {
  /** Default: the one of this process, made from the environment. */
  client?: AuthClient;
  /**
   * Where the token is found, at once. Default: the `Authorization` header. What it returns must be a `token68`; nothing, `null` or an
   * empty string is no token.
   */
  token?: (request: R) => string | null | undefined;
  /** The protection space that challenges name, in printable ASCII. Default `"api"`. */
  realm?: string;
  /** Ask the service for every request, skip the caches. Default `false`. */
  fresh?: boolean;
}

/** The options with their defaults. */
export interface Authenticator<R> {
  readonly client: AuthClient;
  readonly realm: string;
  /**
   * Whose request it is: at once when this process knows the token. Throws, or rejects with, an `AuthError`.
   *
   * @param node the request under the framework's, which keeps what an earlier middleware found
   */
  authenticate(request: R, node: MaybeHeaded): VerifiedToken | Promise<VerifiedToken>;
}

/** @throws ConfigError that names every option that cannot be used */
export function createAuthenticator<R>(options: AuthenticateOptions<R>): Authenticator<R> {
  if (isClient(options)) {
    const message = "pass { client }: what was given is the client itself";
    throw new ConfigError([
      { name: "options", value: "an AuthClient", expected: "an object with the client", message },
    ]);
  }
  const read = new SettingReader({}, []);
  const given = read.section<AuthenticateOptions<R> & { onError?: unknown }>("", options, [
    "client",
    "token",
    "realm",
    "fresh",
    "onError",
  ]);
  const isFunction = (value: unknown) => typeof value === "function";
  read.optional("client", given.client, isClient, "an AuthClient");
  read.optional("token", given.token, isFunction, "a function of the request");
  read.optional(
    "realm",
    given.realm,
    (realm) => typeof realm === "string" && /^[\x20-\x7e]+$/.test(realm), // what else a challenge cannot carry
    "printable ASCII that is not empty",
  );
  read.optional("fresh", given.fresh, (fresh) => typeof fresh === "boolean", "true or false");
  read.optional("onError", given.onError, isFunction, "a function");
  read.throwIfAny();
  const { client = getAuthClient(), token: ownSource, realm = "api", fresh = false } = given;

  return {
    client,
    realm,
    authenticate(request, node) {
      const earlier = requestAuthOf(node);
      if (earlier?.auth && earlier.client === client && !fresh) return earlier.auth;
      const token = ownSource ? presentedBy(ownSource, request) : presentedBearer(node);
      if (!token) throw new AuthError("missing_token");
      const known = fresh ? undefined : peekPresented(client, token);
      if (known) {
        if (!ownSource) rememberBearer(node, token);
        return known; // whatever is known has been looked at before: only a new one need be
      }
      forgetBearer(node);
      if (!token.isWellFormed) throw new AuthError("invalid_request");
      return verifyPresented(client, token, { fresh });
    },
  };
}

function isClient(value: unknown): boolean {
  return typeof (value as Partial<AuthClient> | null | undefined)?.verifyToken === "function";
}

function presentedBy<R>(source: NonNullable<AuthenticateOptions<R>["token"]>, request: R): PresentedToken | undefined {
  const token: unknown = source(request);
  if (token === undefined || token === null || token === "") return undefined;
  if (typeof token === "string") return new PresentedToken(token);
  const isAsync = isPromise(token);
  if (isAsync) token.then(undefined, () => undefined); // nobody waits for it, and its rejection would end the process
  if (!isAsync && isData(token)) throw new AuthError("invalid_request", { message: "The token is not one text." });
  const got = isAsync ? "a Promise: it must not be async" : show(token);
  throw new TypeError(`the option \`token\` must return a string or nothing, got ${got}`);
}

/** What a client can make of a query parameter, or of a field of its body: by repeating it, or writing `token[a]=b`, or in JSON. */
function isData(value: unknown): boolean {
  return ["object", "number", "boolean"].includes(typeof value);
}

/**
 * Authenticates anything that has headers: a WebSocket upgrade, a GraphQL context, a Fetch `Request`.
 *
 * @throws AuthError as a rejection; see its `code`
 */
export async function authenticate<R extends MaybeHeaded>(
  request: R,
  options: AuthenticateOptions<R> = {},
): Promise<VerifiedToken> {
  const { authenticate: run, realm } = createAuthenticator(options);
  try {
    return await run(request, request);
  } catch (error) {
    throw error instanceof AuthError ? error.inRealm(realm) : error;
  }
}
