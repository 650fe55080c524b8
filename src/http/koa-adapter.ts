import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";
import { isPromise } from "../runtime/is-promise.js";
import { attachAuth, authOf, RequestAuth, requestAuthOf } from "./attached-auth.js";
import type { OptionalAuthOptions } from "./auth-options.js";
import { createAuthenticator } from "./authenticator.js";
import type { Guard } from "./guards.js";
import { answer, type KoaAuthOptions } from "./koa-answer.js";
import type { KoaContext } from "./koa-context.js";
import { goOn, type KoaNext } from "./koa-next.js";
import { assertNoRequest, noKoaContext } from "./misuse.js";
import { named } from "./named.js";

export type KoaMiddleware<C = KoaContext> = (ctx: C, next: KoaNext) => Promise<unknown>;

/** Authenticates every request; `optionalAuth` lets those without credentials through as anonymous. */
export function koaAuthMiddleware<C extends KoaContext>(
  maker: "requireAuth" | "optionalAuth",
  options: KoaAuthOptions<C> & OptionalAuthOptions,
): KoaMiddleware<C> {
  assertNoRequest(maker, options);
  const { mount, present, verify, isAnonymous } = createAuthenticator<C>(maker, options);

  function attach(state: RequestAuth, ctx: C, next: KoaNext): Promise<unknown> {
    try {
      attachAuth(ctx.req, ctx.state, state);
    } catch (error) {
      return Promise.reject(error); // a context that cannot be written to
    }
    return goOn(next);
  }
  async function fail(error: unknown, ctx: C, next: KoaNext): Promise<unknown> {
    if (isAnonymous(error, ctx.req)) return attach(new RequestAuth(mount, undefined, undefined), ctx, next);
    return answer(error, mount, ctx);
  }
  return named(maker, (ctx, next) => {
    if (!ctx.req) throw noKoaContext(`${maker}()`); // at once: both Express hand it on, and only one of them a rejection
    let token: Token;
    let auth: VerifiedToken | Promise<VerifiedToken>;
    try {
      token = present(ctx, ctx.req, ctx.req);
      auth = verify(token, ctx.req, ctx.req);
    } catch (error) {
      return fail(error, ctx, next);
    }
    if (!isPromise(auth)) return attach(new RequestAuth(mount, auth, token), ctx, next); // in the same tick
    return auth.then(
      (verified) => attach(new RequestAuth(mount, verified, token, true), ctx, next),
      (error) => fail(error, ctx, next),
    );
  });
}

/** Makes a middleware of a guard. */
export function liftKoaGuard<C extends KoaContext>(name: string, guard: Guard<C>): KoaMiddleware<C> {
  const caller = `${name}()`;
  return named(name, (ctx, next) => {
    if (!ctx.req) throw noKoaContext(caller);
    const fail = async (error: unknown) => answer(error, requestAuthOf(ctx.req), ctx, caller);
    let passed: undefined | Promise<undefined>;
    try {
      const auth = authOf(ctx.req, caller);
      passed = guard({ auth, client: requestAuthOf(ctx.req)!.client, request: ctx });
    } catch (error) {
      return fail(error);
    }
    return passed ? passed.then(() => next(), fail) : goOn(next);
  });
}
