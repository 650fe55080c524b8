import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { type AuthenticateOptions, createAuthenticator } from "./authenticator.js";
import type { Guard } from "./guards.js";
import type { KoaContext } from "./koa-context.js";
import { toProblem } from "./problem.js";
import { authOf, requestAuthOf, setRequestAuth } from "./request-auth.js";

export type KoaNext = () => Promise<unknown>;
export type KoaMiddleware<C = KoaContext> = (ctx: C, next: KoaNext) => Promise<unknown>;

export interface KoaAuthOptions<C extends KoaContext = KoaContext> extends AuthenticateOptions<C> {
  /** Answers in place of the default, here and in the guards behind. Throw the error to hand it on to Koa. */
  onError?: (error: AuthError, ctx: C) => unknown;
}

/** Authenticates every request; with `optional`, lets those without credentials through as anonymous. */
export function koaAuthMiddleware<C extends KoaContext>(
  options: KoaAuthOptions<C>,
  { optional }: { optional: boolean },
): KoaMiddleware<C> {
  const { client, realm, authenticate } = createAuthenticator(options);
  const { onError } = options;
  return async (ctx, next) => {
    let auth: VerifiedToken | undefined;
    try {
      auth = await authenticate(ctx, ctx.req);
    } catch (error) {
      const isAnonymous = optional && error instanceof AuthError && error.code === "missing_token";
      if (!isAnonymous) return answer(error, realm, onError, ctx);
    }
    const earlier = setRequestAuth(ctx.req, { client, auth, realm, onError });
    const attached = ctx.state as { user?: unknown; locals?: unknown };
    if (auth) Object.assign(attached, { user: auth.user, locals: auth.locals });
    else if (earlier?.auth && attached.user === earlier.auth.user) {
      Object.assign(attached, { user: undefined, locals: undefined }); // what is attached and what the guards see must not differ
    }
    return next();
  };
}

/** Makes a middleware of a guard. */
export function liftKoaGuard<C extends KoaContext>(name: string, guard: Guard<C>): KoaMiddleware<C> {
  return async (ctx, next) => {
    const state = requestAuthOf(ctx.req);
    try {
      const auth = authOf(ctx.req, name);
      await guard({ auth, client: state!.client, request: ctx });
    } catch (error) {
      return answer(error, state?.realm ?? "api", state?.onError as KoaAuthOptions<C>["onError"], ctx);
    }
    return next();
  };
}

function answer<C extends KoaContext>(
  error: unknown,
  realm: string,
  onError: KoaAuthOptions<C>["onError"],
  ctx: C,
): unknown {
  if (!(error instanceof AuthError)) throw error;
  const own = error.inRealm(realm);
  if (onError) return onError(own, ctx);
  const { status, headers, body } = toProblem(own);
  ctx.status = status;
  ctx.set({ ...headers });
  ctx.body = body;
  return undefined;
}
