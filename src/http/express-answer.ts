import type { IncomingMessage, ServerResponse } from "node:http";
import { AuthError } from "../auth/errors.js";
import type { AuthenticateOptions } from "./authenticator.js";
import type { Next } from "./express-request.js";
import { toProblem } from "./problem.js";

export interface AuthOptions<R extends IncomingMessage = IncomingMessage> extends AuthenticateOptions<R> {
  /**
   * Answers in place of the default, here and in the guards behind. `next(error)` hands it on to the app's error handler; so does
   * `next()`, for no request gets past its refusal: `optionalAuth` is for those without credentials.
   */
  onError?(error: AuthError, req: R, res: ServerResponse, next: Next): void;
}

/** Answers an `AuthError`, unless the app wants to; everything else is for the app's error handler. */
export function answer<R extends IncomingMessage>(
  error: unknown,
  realm: string,
  onError: AuthOptions<R>["onError"],
  req: R,
  res: ServerResponse,
  next: Next,
): void {
  if (!(error instanceof AuthError)) return next(toStopping(error));
  let own: AuthError;
  try {
    own = error.inRealm(realm);
    if (!onError && !res.headersSent) return write(own, res);
  } catch (thrown) {
    return next(toStopping(thrown)); // nobody waits for the promise of a verification: the request would hang, and the process end
  }
  if (onError) void handOver(onError, own, req, res, next);
  else next(own);
}

/** In two statements: a session middleware may have put its own `writeHead` there, and it need not return the response. */
function write(error: AuthError, res: ServerResponse): void {
  const { status, headers, body } = toProblem(error);
  res.writeHead(status, headers);
  res.end(body);
}

/**
 * What an app's own `onError` throws, now or later, is for the app's error handler. And whatever it calls `next` with, an error goes
 * on.
 */
async function handOver<R extends IncomingMessage>(
  onError: NonNullable<AuthOptions<R>["onError"]>,
  ...[error, req, res, next]: Parameters<NonNullable<AuthOptions<R>["onError"]>>
): Promise<void> {
  const onwards: Next = (given) => next(stops(given) ? given : error);
  try {
    await onError(error, req, res, onwards);
  } catch (thrown) {
    next(toStopping(thrown));
  }
}

/** Whether Express takes it for an error. With nothing, what is falsy, `"route"` or `"router"` the request would go past its refusal. */
function stops(given: unknown): boolean {
  return Boolean(given) && given !== "route" && given !== "router";
}

/** What was thrown, where it stops a request: `Promise.reject()` rejects with nothing. */
function toStopping(thrown: unknown): unknown {
  return stops(thrown) ? thrown : new Error("what was thrown here is no error", { cause: thrown });
}
