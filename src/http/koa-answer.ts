import { AuthError } from "../auth/errors.js";
import { isPromise } from "../runtime/is-promise.js";
import type { Mount } from "./attached-auth.js";
import type { AuthenticateOptions } from "./auth-options.js";
import type { KoaContext } from "./koa-context.js";
import { toProblem } from "./problem.js";
import { watchUnanswered } from "./unanswered.js";

export interface KoaAuthOptions<C extends KoaContext = KoaContext> extends AuthenticateOptions<C> {
  /**
   * Answers in place of the default, here and in the guards behind. Throw the error to hand it on to Koa. Whatever it does, the request
   * goes no further. One whose promise has not settled within the client's `deadlineMs` is named in its log, once.
   */
  onError?: (error: AuthError, ctx: C) => unknown;
}

/**
 * Answers an `AuthError`, unless the app wants to; everything else is thrown, for Koa.
 *
 * @param guard the guard that it comes from, where it is not the middleware's own
 */
export function answer<C extends KoaContext>(
  error: unknown,
  mount: Mount | undefined,
  ctx: C,
  guard?: string,
): unknown {
  if (!(error instanceof AuthError) || !mount) throw error;
  const own = error.inRealm(mount.realm, mount.resourceMetadata);
  if (mount.onError) return watched((mount.onError as OnError<C>)(own, ctx), mount, ctx, guard);
  if (ctx.res.headersSent) throw own; // Koa would append the answer to what was begun
  const { status, headers, body } = toProblem(own);
  ctx.status = status;
  ctx.set({ ...headers });
  ctx.body = body;
  return undefined;
}

type OnError<C extends KoaContext> = NonNullable<KoaAuthOptions<C>["onError"]>;

/** Koa waits for what an `onError` returns. */
function watched(answered: unknown, mount: Mount, { res }: KoaContext, guard: string | undefined): unknown {
  if (!isPromise(answered)) return answered;
  const stop = watchUnanswered(mount, guard, res, "not settled");
  answered.then(stop, stop);
  return answered;
}
