import type { ClientTraits } from "../auth/client-traits.js";
import type { AuthErrorCode } from "../auth/errors.js";
import type { VerifiedToken } from "../auth/model.js";
import { FailureReport } from "../runtime/failure-report.js";
import { isPromise } from "../runtime/is-promise.js";

/** A request was let through or turned away. Without its token and its user. */
export interface Decision {
  /** The function that decided: `requireAuth`, `requireLocal`. */
  readonly by: string;
  readonly allowed: boolean;
  /** Why it was turned away; absent where it was let through, and where something else than an `AuthError` was thrown. */
  readonly code?: AuthErrorCode;
  /** Where the answer about the token came from; absent where there is no user. */
  readonly source?: VerifiedToken["source"];
  /**
   * The same for the same token: 16 characters of an HMAC-SHA-256, whose key is made of `cache.secret`, else drawn in each process. Absent
   * where no token was found.
   */
  readonly digest?: string;
}

/** Hands decisions to the application; what it does with them changes no answer. */
export type TellDecision = (decision: Decision, request: unknown) => void;

export function decisionTeller(
  onDecision: ((decision: Decision, request: never) => unknown) | undefined,
  { clock, logger }: ClientTraits,
): TellDecision | undefined {
  if (!onDecision) return undefined;
  const report = new FailureReport(clock, (name) =>
    logger.error(`portero: the function given as "onDecision" failed: ${name}`),
  );
  return (decision, request) => {
    try {
      const returned = onDecision(Object.freeze(decision), request as never);
      if (isPromise(returned)) {
        returned.then(
          () => report.succeeded(),
          (error) => report.failed(error),
        );
      } else report.succeeded();
    } catch (error) {
      report.failed(error);
    }
  };
}
