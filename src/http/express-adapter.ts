import type { IncomingMessage, ServerResponse } from "node:http";
import { AuthError } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { isPromise } from "../runtime/is-promise.js";
import { createAuthenticator } from "./authenticator.js";
import { type AuthOptions, answer } from "./express-answer.js";
import type { ExpressRequest, Handler, Next } from "./express-request.js";
import type { Guard } from "./guards.js";
import { attachAuth, authOf, requestAuthOf } from "./request-auth.js";
import { assertNoRequest, noExpressNext } from "./wrong-use.js";

/** Authenticates every request; with `optional`, lets those without credentials through as anonymous. */
export function authMiddleware<R extends IncomingMessage>(
  options: AuthOptions<R>,
  { optional }: { optional: boolean },
): Handler<R> {
  const maker = optional ? "optionalAuth" : "requireAuth";
  assertNoRequest(maker, options);
  const { client, realm, authenticate } = createAuthenticator(options);
  const { onError } = options;

  function attach(auth: VerifiedToken | undefined, req: ExpressRequest, next: Next): void {
    try {
      attachAuth(req, req, { client, auth, realm, onError });
    } catch (error) {
      return next(error); // a request that cannot be written to
    }
    next();
  }
  function fail(error: unknown, req: R, res: ServerResponse, next: Next): void {
    if (optional && error instanceof AuthError && error.code === "missing_token") attach(undefined, req, next);
    else answer(error, realm, onError, req, res, next);
  }
  return (req, res, next) => {
    if (!next) throw noExpressNext(`${maker}()`);
    let auth: VerifiedToken | Promise<VerifiedToken>;
    try {
      auth = authenticate(req, req);
    } catch (error) {
      return fail(error, req, res, next);
    }
    if (!isPromise(auth)) return attach(auth, req, next); // in the same tick, and nothing made for it
    auth.then(
      (verified) => attach(verified, req, next),
      (error) => fail(error, req, res, next),
    );
  };
}

/** Makes a handler of a guard. */
export function liftGuard<R extends IncomingMessage>(name: string, guard: Guard<R>): Handler<R> {
  return (req, res, next) => {
    if (!next) throw noExpressNext(name);
    const fail = (error: unknown) => {
      const state = requestAuthOf(req);
      answer(error, state?.realm ?? "api", state?.onError as AuthOptions<R>["onError"], req, res, next);
    };
    let passed: undefined | Promise<undefined>;
    try {
      const auth = authOf(req, name);
      passed = guard({ auth, client: requestAuthOf(req)!.client, request: req });
    } catch (error) {
      return fail(error);
    }
    if (passed) passed.then(() => next(), fail);
    else next();
  };
}
