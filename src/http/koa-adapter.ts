import type { AuthError } from "../auth/errors.js";
import { isPromise } from "../runtime/is-promise.js";
import type { AuthenticateOptions } from "./auth-options.js";
import type { KoaContext } from "./koa-context.js";
import type { Failure, Step } from "./middleware.js";
import { noKoaContext } from "./misuse.js";
import { named } from "./named.js";
import { toProblem } from "./problem.js";
import { watchUnanswered } from "./unanswered.js";

export type KoaNext = () => Promise<unknown>;
export type KoaMiddleware<C = KoaContext> = (ctx: C, next: KoaNext) => Promise<unknown>;

export interface KoaAuthOptions<C extends KoaContext = KoaContext> extends AuthenticateOptions<C> {
  /**
   * Answers in place of the default, here and in the guards behind. Throw the error to hand it on to Koa. Whatever it does, the request
   * goes no further. If its promise has not settled within the client's `deadlineMs`, one log line names it.
   */
  onError?: (error: AuthError, ctx: C) => unknown;
}

type OnError<C extends KoaContext> = NonNullable<KoaAuthOptions<C>["onError"]>;

/** Makes a middleware of a step. */
export function toKoaMiddleware<C extends KoaContext>(step: Step<C>): KoaMiddleware<C> {
  const { name, run } = step;
  return named(name, (ctx, next) => {
    if (!ctx.req) throw noKoaContext(`${name}()`); // at once: both Express hand it on, and only one of them a rejection
    let passed: undefined | Promise<undefined>;
    try {
      passed = run(ctx, ctx.req, ctx.state);
    } catch (error) {
      return answer(step, error, ctx);
    }
    if (!passed) return callNext(next); // in the same tick
    return passed.then(
      () => next(),
      (error) => answer(step, error, ctx),
    );
  });
}

/** A promise in any case, as from an async function; the one of `next` where it has one, as it has in Koa. */
function callNext(next: KoaNext): Promise<unknown> {
  try {
    return Promise.resolve(next());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** Answers an `AuthError`, unless the app wants to; everything else is thrown, for Koa. */
async function answer<C extends KoaContext>(step: Step<C>, thrown: unknown, ctx: C): Promise<unknown> {
  const failure = step.failureOf(thrown, ctx.req);
  const { error, settings } = failure;
  if (settings.onError) return watched((settings.onError as OnError<C>)(error, ctx), failure, ctx);
  if (ctx.res.headersSent) throw error; // Koa would append the answer to what was begun
  const { status, headers, body } = toProblem(error);
  ctx.status = status;
  ctx.set({ ...headers });
  ctx.body = body;
  return undefined;
}

/** Koa waits for what an `onError` returns. */
function watched(answered: unknown, failure: Failure, { res }: KoaContext): unknown {
  if (!isPromise(answered)) return answered;
  const stop = watchUnanswered(failure, res, "not settled");
  answered.then(stop, stop);
  return answered;
}
