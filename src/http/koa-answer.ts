import { AuthError } from "../auth/errors.js";
import type { AuthenticateOptions } from "./authenticator.js";
import type { KoaContext } from "./koa-context.js";
import { toProblem } from "./problem.js";

export interface KoaAuthOptions<C extends KoaContext = KoaContext> extends AuthenticateOptions<C> {
  /**
   * Answers in place of the default, here and in the guards behind. Throw the error to hand it on to Koa. Whatever it does, the request
   * goes no further.
   */
  onError?: (error: AuthError, ctx: C) => unknown;
}

/** Answers an `AuthError`, unless the app wants to; everything else is thrown, for Koa. */
export function answer<C extends KoaContext>(
  error: unknown,
  realm: string,
  onError: KoaAuthOptions<C>["onError"],
  ctx: C,
): unknown {
  if (!(error instanceof AuthError)) throw error;
  const own = error.inRealm(realm);
  if (onError) return onError(own, ctx);
  if (ctx.res.headersSent) throw own; // Koa would append the answer to what was begun
  const { status, headers, body } = toProblem(own);
  ctx.status = status;
  ctx.set({ ...headers });
  ctx.body = body;
  return undefined;
}
