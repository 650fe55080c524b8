import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { isPromise } from "../runtime/is-promise.js";
import { createAuthenticator } from "./authenticator.js";
import type { Guard } from "./guards.js";
import { answer, type KoaAuthOptions } from "./koa-answer.js";
import type { KoaContext } from "./koa-context.js";
import { goOn, type KoaNext } from "./koa-next.js";
import { attachAuth, authOf, requestAuthOf } from "./request-auth.js";
import { assertNoRequest, noKoaContext } from "./wrong-use.js";

export type KoaMiddleware<C = KoaContext> = (ctx: C, next: KoaNext) => Promise<unknown>;

/** Authenticates every request; with `optional`, lets those without credentials through as anonymous. */
export function koaAuthMiddleware<C extends KoaContext>(
  options: KoaAuthOptions<C>,
  { optional }: { optional: boolean },
): KoaMiddleware<C> {
  const maker = optional ? "optionalAuth" : "requireAuth";
  assertNoRequest(maker, options);
  const { client, realm, authenticate } = createAuthenticator(options);
  const { onError } = options;

  function attach(auth: VerifiedToken | undefined, ctx: C, next: KoaNext): Promise<unknown> {
    try {
      attachAuth(ctx.req, ctx.state, { client, auth, realm, onError });
    } catch (error) {
      return Promise.reject(error); // a context that cannot be written to
    }
    return goOn(next);
  }
  async function fail(error: unknown, ctx: C, next: KoaNext): Promise<unknown> {
    const isAnonymous = optional && error instanceof AuthError && error.code === "missing_token";
    return isAnonymous ? attach(undefined, ctx, next) : answer(error, realm, onError, ctx);
  }
  return (ctx, next) => {
    if (!ctx.req) throw noKoaContext(`${maker}()`); // at once: both Express hand it on, and only one of them a rejection
    let auth: VerifiedToken | Promise<VerifiedToken>;
    try {
      auth = authenticate(ctx, ctx.req);
    } catch (error) {
      return fail(error, ctx, next);
    }
    if (!isPromise(auth)) return attach(auth, ctx, next); // in the same tick, and nothing made for it
    return auth.then(
      (verified) => attach(verified, ctx, next),
      (error) => fail(error, ctx, next),
    );
  };
}

/** Makes a middleware of a guard. */
export function liftKoaGuard<C extends KoaContext>(name: string, guard: Guard<C>): KoaMiddleware<C> {
  return (ctx, next) => {
    if (!ctx.req) throw noKoaContext(name);
    const fail = async (error: unknown) => {
      const state = requestAuthOf(ctx.req);
      return answer(error, state?.realm ?? "api", state?.onError as KoaAuthOptions<C>["onError"], ctx);
    };
    let passed: undefined | Promise<undefined>;
    try {
      const auth = authOf(ctx.req, name);
      passed = guard({ auth, client: requestAuthOf(ctx.req)!.client, request: ctx });
    } catch (error) {
      return fail(error);
    }
    return passed ? passed.then(() => next(), fail) : goOn(next);
  };
}
