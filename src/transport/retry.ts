import type { Transport } from "@connectrpc/connect";
import { sleep } from "../runtime/abort.js";
import type { Clock } from "../runtime/clock.js";
import { isKnown, MIN_TRY_MS, timeLeftMs } from "./call-context.js";
import { UnavailableError } from "./outcome.js";
import { forward, unaryTransport } from "./stage.js";

export interface RetryOptions {
  /** Tries in all; 1 = no retry. */
  attempts: number;
  /** Upper bound of the first wait, in milliseconds; it doubles from try to try. */
  initialDelayMs: number;
  /** Upper bound of every wait, in milliseconds. */
  maxDelayMs: number;
  clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random: () => number;
  /** Whether any upstream would let a call through now, a known one or a stranger's. */
  canTry: (known: boolean) => boolean;
  /** Told of each retry. */
  onRetry?: () => void;
}

/**
 * Asks again when no upstream could answer and one was out of reach or busy: exponential back-off with full jitter, never shorter than
 * an upstream's `Retry-After`, never past the deadline, and throttled, so that retries do not prolong an outage.
 *
 * Only a failure that could be followed by another try pays: not nonsense, not an open breaker, not one that leaves no time. Otherwise
 * tokens that make both upstreams throw would take the retries of all other calls. Busy has a budget of its own: a rate limit that
 * strangers run into takes no retry from an outage. What failed on our own side pays nothing: it says nothing about an upstream.
 *
 * Known users and strangers have budgets apart: tokens that make an upstream hang take no retry from known users. An answer fills all of
 * them. So does the refusal of a known question, and not a stranger's: an upstream can hang at good tokens and refuse garbage at once, and
 * with garbage a stranger could keep the budgets full, so that everybody asks such an upstream again and again.
 */
export function withRetry(inner: Transport, options: RetryOptions): Transport {
  const { attempts, clock, random, canTry } = options;
  const budgets = { known: new RetryBudget(), strangers: new RetryBudget() };
  const succeeded = () => {
    budgets.known.succeeded();
    budgets.strangers.succeeded();
  };
  return unaryTransport(async (call) => {
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await forward(inner, call);
        succeeded();
        return response;
      } catch (error) {
        if (!(error instanceof UnavailableError)) {
          if (isKnown(call.context) && !call.signal?.aborted) succeeded(); // a refusal: the upstream works
          throw error;
        }
        const reason = error.retryReason;
        const known = isKnown(call.context);
        if (!reason || !canTry(known)) throw error;
        const ceiling = Math.min(options.maxDelayMs, options.initialDelayMs * 2 ** (attempt - 1));
        const delayMs = Math.max(random() * ceiling, error.requestedDelayMs);
        if (timeLeftMs(call.context, clock) - delayMs < MIN_TRY_MS) throw error;
        const throttle = reason === "ours" ? undefined : budgets[known ? "known" : "strangers"][reason];
        throttle?.failed(); // the last try's too: that asking again did not help is what the throttle is to learn
        if (attempt >= attempts || throttle?.allows === false) throw error;
        await sleep(clock, delayMs, call.signal);
        if (!canTry(isKnown(call.context))) throw error;
        options.onRetry?.();
      }
    }
  });
}

class RetryBudget {
  readonly outage = new RetryThrottle();
  readonly busy = new RetryThrottle();

  succeeded(): void {
    this.outage.succeeded();
    this.busy.succeeded();
  }
}

/** The token bucket of gRPC's retry throttling (gRFC A6): a failure takes one, a success gives a tenth, below half there are no retries. */
class RetryThrottle {
  static readonly #max = 10;
  static readonly #perSuccess = 0.1;
  #tokens = RetryThrottle.#max;

  get allows(): boolean {
    return this.#tokens >= RetryThrottle.#max / 2;
  }

  failed(): void {
    this.#tokens = Math.max(0, this.#tokens - 1);
  }

  succeeded(): void {
    this.#tokens = Math.min(RetryThrottle.#max, this.#tokens + RetryThrottle.#perSuccess);
  }
}
