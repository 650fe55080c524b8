import { type Admission, CircuitBreaker, type CircuitBreakerOptions } from "../../src/runtime/circuit-breaker.js";
import { ManualClock } from "../support/manual-clock.js";

export const THRESHOLD = 3;
export const WINDOW_MS = 1000;
export const RECOVERY_MS = 500;

/** A breaker on a clock of its own, and what it told. */
export function createBreaker(options: Partial<CircuitBreakerOptions> = {}) {
  const clock = new ManualClock();
  const moves: string[] = [];
  const breaker = new CircuitBreaker({
    failureThreshold: THRESHOLD,
    windowMs: WINDOW_MS,
    recoveryMs: RECOVERY_MS,
    clock,
    onTransition: (from, to) => moves.push(`${from} → ${to}`),
    ...options,
  });
  const admitted = (): Admission => {
    const admission = breaker.admit();
    if (!admission) throw new Error("the breaker let nobody through");
    return admission;
  };
  const fail = (times: number) => {
    for (let time = 0; time < times; time++) admitted().failed();
  };
  /** Everything that is seen from outside. */
  const seen = () => ({
    state: breaker.state,
    refuses: breaker.turnsAway(false),
    failures: breaker.failures,
    retryAfterMs: breaker.retryAfterMs,
    moves: [...moves],
  });
  return { breaker, clock, admitted, fail, seen };
}
