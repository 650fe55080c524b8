import type { IncomingMessage, ServerResponse } from "node:http";
import { AuthError } from "../auth/errors.js";
import type { Mount } from "./attached-auth.js";
import type { AuthenticateOptions } from "./auth-options.js";
import type { Next } from "./express-request.js";
import { toProblem } from "./problem.js";
import { watchUnanswered } from "./unanswered.js";

export interface AuthOptions<R extends IncomingMessage = IncomingMessage> extends AuthenticateOptions<R> {
  /**
   * Answers in place of the default, here and in the guards behind. `next(error)` hands it on to the app's error handler; so does
   * `next()`, for no request gets past its refusal: `optionalAuth` is for those without credentials.
   * One that neither answers nor calls `next` within the client's `deadlineMs` is named in its log, once.
   */
  onError?(error: AuthError, req: R, res: ServerResponse, next: Next): void;
}

type OnError = NonNullable<AuthOptions["onError"]>;

/** An error, and the middleware whose answer it gets. */
export interface Failure {
  readonly error: unknown;
  /** The middleware before; an `AuthError` never comes without one. */
  readonly mount: Mount | undefined;
  /** The guard that it comes from, where it is not the middleware's own. */
  readonly guard?: string;
}

/** Answers an `AuthError`, unless the app wants to; everything else is for the app's error handler. */
export function answer(failure: Failure, req: IncomingMessage, res: ServerResponse, next: Next): void {
  const { error, mount } = failure;
  if (!(error instanceof AuthError) || !mount) return next(toStopping(error));
  let own: AuthError;
  try {
    own = error.inRealm(mount.realm, mount.resourceMetadata);
    if (!mount.onError && !res.headersSent) return write(own, res);
  } catch (thrown) {
    return next(toStopping(thrown)); // nobody waits for the promise of a verification: the request would hang, and the process end
  }
  if (mount.onError) void handOver({ ...failure, error: own, mount }, req, res, next);
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
async function handOver(
  { error, mount, guard }: Failure & { error: AuthError; mount: Mount },
  req: IncomingMessage,
  res: ServerResponse,
  next: Next,
): Promise<void> {
  let handedOn = false;
  let stopWatching: () => void = () => undefined;
  const onwards: Next = (given) => {
    handedOn = true;
    stopWatching();
    next(stops(given) ? given : error);
  };
  try {
    const answered: unknown = (mount.onError as OnError)(error, req, res, onwards);
    if (!handedOn) stopWatching = watchUnanswered(mount, guard, res, "neither answered nor called next");
    await answered;
  } catch (thrown) {
    stopWatching();
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
