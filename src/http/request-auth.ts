import type { AuthClient } from "../auth/client.js";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";

/** What `requireAuth` left on a request for guards and `getAuth`: never `req.user`, which others may have set. */
export interface RequestAuth {
  readonly client: AuthClient;
  /** `undefined`: let through as anonymous. */
  readonly auth: VerifiedToken | undefined;
  readonly realm: string;
  /** The `onError` of the middleware, which serves the guards behind it too. */
  readonly onError: unknown;
}

/** Both module formats of this package find it. */
const KEY: unique symbol = Symbol.for("portero.request") as never;

export function requestAuthOf(request: object): RequestAuth | undefined {
  return (request as { [KEY]?: RequestAuth })[KEY];
}

/** Where handlers find it: the request of Express, the state of Koa. */
interface Attached {
  user?: unknown;
  locals?: unknown;
}

/** Attaches it to the request, and the user and the locals to where handlers look for them. */
export function attachAuth(request: object, attached: Attached, state: RequestAuth): void {
  const earlier = requestAuthOf(request);
  (request as { [KEY]?: RequestAuth })[KEY] = state;
  if (state.auth) {
    attached.user = state.auth.user;
    attached.locals = state.auth.locals;
  } else if (earlier?.auth && attached.user === earlier.auth.user) {
    attached.user = undefined; // anonymous now: what is attached and what the guards see must not differ
    attached.locals = undefined;
  }
}

/** Whom the request was let through for. */
export function authOf(request: object, caller: string): VerifiedToken {
  const state = requestAuthOf(request);
  if (!state) throw new Error(`${caller} needs requireAuth() before it: no auth was attached to this request`);
  if (!state.auth) throw new AuthError("missing_token", { realm: state.realm });
  return state.auth;
}
