import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";
import { isPromise } from "../runtime/is-promise.js";
import { AttachedAuth, attachAuth, attachedAuthOf } from "./attached-auth.js";
import type { AttachOptions, AuthenticateOptions } from "./auth-options.js";
import { createAuthenticator } from "./authenticator.js";
import { Door } from "./door.js";
import { assertRequest } from "./misuse.js";
import { type MaybeHeaded, nodeOf } from "./request.js";

/**
 * Authenticates anything that has headers: a WebSocket upgrade, a GraphQL context, a Fetch `Request`, an event.
 *
 * @throws AuthError as a rejection; see its `code`. TypeError, too, for headers or a token in the place of a request
 */
export async function authenticate<R extends MaybeHeaded>(
  request: R,
  options: AuthenticateOptions<R> & AttachOptions = {},
): Promise<VerifiedToken> {
  const { settings, tokenOf, verify } = createAuthenticator<R>("authenticate", options);
  assertRequest("authenticate()", request, options.token !== undefined);
  const node = nodeOf(request);
  const door = new Door(settings);
  let token: Token | undefined;
  const attach = (state: AttachedAuth) => {
    if (options.attach) attachAuth(node, placeOf(request, node), state, attachedAuthOf(node));
  };
  try {
    token = tokenOf(request, request, node);
    const verified = verify(token, request, attachedAuthOf(node));
    const auth = await verified;
    attach(new AttachedAuth(settings, auth, token, isPromise(verified)));
    door.letIn(request, auth, token);
    return auth;
  } catch (error) {
    door.turnedAway(request, error, token);
    attach(new AttachedAuth(settings, undefined, undefined)); // the guards behind must not see the user of an earlier middleware
    throw error instanceof AuthError ? error.inRealm(settings.realm, settings.resourceMetadata) : error;
  }
}

/** Where handlers look for the user: the state of Koa's context, else the request itself. */
function placeOf(request: MaybeHeaded, node: object): object {
  if (node === request) return request;
  const { state, ctx } = request as { state?: unknown; ctx?: { state?: unknown } };
  return [state, ctx?.state].find(isObject) ?? request;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
