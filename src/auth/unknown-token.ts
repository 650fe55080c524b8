import type { Gate } from "../cache/load-task.js";
import { raceAbort, raceTimeout } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { errorName } from "../runtime/error-name.js";
import { isPromise } from "../runtime/is-promise.js";
import type { Logger } from "../runtime/logger.js";
import { AuthError } from "./errors.js";
import { claimsOf } from "./jwt.js";
import type { TokenFacts } from "./model.js";

/** The codes with which a token can be turned away before the service is asked. */
type TurnedAway = "overloaded" | "invalid_token";

/**
 * Why the service is not to be asked: a code, or an error with more to say (`new AuthError("overloaded", { retryAfterMs })`); nothing, and
 * it is asked.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return statement lets the service be asked
export type UnknownTokenVerdict = TurnedAway | AuthError<TurnedAway> | undefined | void;

/** At once, or later: then the request waits, for the client's `deadlineMs` at most. */
export type OnUnknownToken = (facts: TokenFacts) => UnknownTokenVerdict | Promise<UnknownTokenVerdict>;

export interface UnknownTokenOptions {
  clock: Clock;
  deadlineMs: number;
  logger: Logger;
  /** Ends every wait. */
  signal: AbortSignal;
}

/**
 * The gate before a question about a token that is not known. Whatever the application's function does, the gate lets nobody in and opens
 * or rejects in time: what it throws, or returns though it is no verdict, is an outage of our own.
 */
export function unknownTokenGate(
  token: string,
  onUnknown: OnUnknownToken,
  { clock, deadlineMs, logger, signal }: UnknownTokenOptions,
): Gate {
  const failed = (why: string): AuthError => {
    logger.error(`portero: the function given as "onUnknown" failed: ${why}`);
    return new AuthError("auth_unavailable", { cause: new Error(`onUnknown failed: ${why}`) });
  };
  const judge = (verdict: unknown) => {
    if (verdict === undefined) return;
    if (verdict === "overloaded") throw new AuthError("overloaded", { retryAfterMs: 1000 });
    if (verdict === "invalid_token") throw new AuthError("invalid_token");
    throw isTurnedAway(verdict) ? verdict : failed("it returned neither a code nor nothing");
  };
  const judgeThrown = (thrown: unknown): never => {
    throw isTurnedAway(thrown) ? thrown : failed(errorName(thrown));
  };
  return async () => {
    let returned: unknown;
    try {
      returned = onUnknown(claimsOf(token));
    } catch (thrown) {
      judgeThrown(thrown);
    }
    if (!isPromise(returned)) return judge(returned);
    const late = new LateError();
    const unlessClosed = raceAbort(Promise.resolve(returned), signal);
    const verdict = await raceTimeout(unlessClosed, clock, deadlineMs, () => late).catch((thrown: unknown) => {
      if (thrown === late) throw failed(`it took longer than ${deadlineMs} ms`);
      if (signal.aborted && thrown === signal.reason) throw thrown;
      return judgeThrown(thrown);
    });
    judge(verdict);
  };
}

class LateError extends Error {}

function isTurnedAway(value: unknown): value is AuthError<TurnedAway> {
  return value instanceof AuthError && (value.code === "overloaded" || value.code === "invalid_token");
}
