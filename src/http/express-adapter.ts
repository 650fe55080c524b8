import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthError } from "../auth/errors.js";
import type { AuthenticateOptions } from "./auth-options.js";
import type { Handler, Next } from "./express-request.js";
import type { Failure, Step } from "./middleware.js";
import { noExpressNext } from "./misuse.js";
import { named } from "./named.js";
import { toProblem } from "./problem.js";
import { watchUnanswered } from "./unanswered.js";

export interface AuthOptions<R extends IncomingMessage = IncomingMessage> extends AuthenticateOptions<R> {
  /**
   * Answers in place of the default, here and in the guards behind. `next(error)` hands the error on to the app's error handler; so does
   * `next()`, since no request may get past its refusal: `optionalAuth` is for requests without credentials.
   * If it neither answers nor calls `next` within the client's `deadlineMs`, one log line names it.
   */
  onError?(error: AuthError, req: R, res: ServerResponse, next: Next): void;
}

type OnError = NonNullable<AuthOptions["onError"]>;

/** Makes a handler of a step. */
export function toHandler<R extends IncomingMessage>(step: Step<R>): Handler<R> {
  const { name, run } = step;
  return named(name, (req, res, next) => {
    if (!next) throw noExpressNext(`${name}()`);
    let passed: undefined | Promise<undefined>;
    try {
      passed = run(req, req, req as object);
    } catch (error) {
      return answer(step, error, req, res, next);
    }
    if (!passed) return next(); // in the same tick
    passed.then(
      () => next(),
      (error) => answer(step, error, req, res, next),
    );
  });
}

/**
 * Answers an `AuthError`, unless the app wants to; everything else is for the app's error handler. Never throws: behind a promise, the
 * request would hang and the process end.
 */
function answer(step: Step<never>, thrown: unknown, req: IncomingMessage, res: ServerResponse, next: Next): void {
  try {
    const failure = step.failureOf(thrown, req);
    if (failure.settings.onError) void callOnError(failure, req, res, next);
    else if (res.headersSent) throw failure.error;
    else write(failure.error, res);
  } catch (error) {
    next(asExpressError(error));
  }
}

/** In two statements: a session middleware may have put its own `writeHead` there, and it need not return the response. */
function write(error: AuthError, res: ServerResponse): void {
  const { status, headers, body } = toProblem(error);
  res.writeHead(status, headers);
  res.end(body);
}

/** What an app's own `onError` throws, now or later, is for the app's error handler. */
async function callOnError(failure: Failure, req: IncomingMessage, res: ServerResponse, next: Next): Promise<void> {
  const { error, settings } = failure;
  let handedOn = false;
  let stopWatching: () => void = () => undefined;
  /** Whatever it is called with, an error goes on. */
  const nextWithError: Next = (given) => {
    handedOn = true;
    stopWatching();
    next(isExpressError(given) ? given : error);
  };
  try {
    const answered: unknown = (settings.onError as OnError)(error, req, res, nextWithError);
    if (!handedOn) stopWatching = watchUnanswered(failure, res, "neither answered nor called next");
    await answered;
  } catch (thrown) {
    stopWatching();
    next(asExpressError(thrown));
  }
}

/** With nothing, what is falsy, `"route"` or `"router"`, `next` would let the request go past its refusal. */
function isExpressError(given: unknown): boolean {
  return Boolean(given) && given !== "route" && given !== "router";
}

/** `Promise.reject()` rejects with nothing. */
function asExpressError(thrown: unknown): unknown {
  return isExpressError(thrown) ? thrown : new Error("what was thrown here is no error", { cause: thrown });
}
