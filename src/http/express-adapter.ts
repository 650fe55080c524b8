import type { IncomingMessage, ServerResponse } from "node:http";
import type { VerifiedToken } from "../auth/model.js";
import type { Token } from "../auth/token.js";
import { isPromise } from "../runtime/is-promise.js";
import { attachAuth, authOf, RequestAuth, requestAuthOf } from "./attached-auth.js";
import type { OptionalAuthOptions } from "./auth-options.js";
import { createAuthenticator } from "./authenticator.js";
import { type AuthOptions, answer } from "./express-answer.js";
import type { ExpressRequest, Handler, Next } from "./express-request.js";
import type { Guard } from "./guards.js";
import { assertNoRequest, noExpressNext } from "./misuse.js";
import { named } from "./named.js";

/** Authenticates every request; `optionalAuth` lets those without credentials through as anonymous. */
export function authMiddleware<R extends IncomingMessage>(
  maker: "requireAuth" | "optionalAuth",
  options: AuthOptions<R> & OptionalAuthOptions,
): Handler<R> {
  assertNoRequest(maker, options);
  const { mount, present, verify, isAnonymous } = createAuthenticator<R>(maker, options);

  function attach(state: RequestAuth, req: ExpressRequest, next: Next): void {
    try {
      attachAuth(req, req, state);
    } catch (error) {
      return next(error); // a request that cannot be written to
    }
    next();
  }
  function fail(error: unknown, req: R, res: ServerResponse, next: Next): void {
    if (isAnonymous(error, req)) attach(new RequestAuth(mount, undefined, undefined), req, next);
    else answer({ error, mount }, req, res, next);
  }
  return named(maker, (req, res, next) => {
    if (!next) throw noExpressNext(`${maker}()`);
    let token: Token;
    let auth: VerifiedToken | Promise<VerifiedToken>;
    try {
      token = present(req, req, req);
      auth = verify(token, req, req);
    } catch (error) {
      return fail(error, req, res, next);
    }
    if (!isPromise(auth)) return attach(new RequestAuth(mount, auth, token), req, next); // in the same tick
    auth.then(
      (verified) => attach(new RequestAuth(mount, verified, token, true), req, next),
      (error) => fail(error, req, res, next),
    );
  });
}

/** Makes a handler of a guard. */
export function liftGuard<R extends IncomingMessage>(name: string, guard: Guard<R>): Handler<R> {
  const caller = `${name}()`;
  return named(name, (req, res, next) => {
    if (!next) throw noExpressNext(caller);
    const fail = (error: unknown) => answer({ error, mount: requestAuthOf(req), guard: caller }, req, res, next);
    let passed: undefined | Promise<undefined>;
    try {
      const auth = authOf(req, caller);
      passed = guard({ auth, client: requestAuthOf(req)!.client, request: req });
    } catch (error) {
      return fail(error);
    }
    if (passed) passed.then(() => next(), fail);
    else next();
  });
}
