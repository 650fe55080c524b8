import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import type { ContextValues, Transport, UnaryResponse } from "@connectrpc/connect";
import type { CircuitBreaker } from "../runtime/circuit-breaker.js";
import type { Clock } from "../runtime/clock.js";
import { beginTry, isKnown, MIN_TRY_MS, setAnsweredBy, timeLeftMs } from "./call-context.js";
import { type Operation, operationOf } from "./operation.js";
import { breakerOpen, type Failure, UnavailableError, type Upstream, UpstreamError } from "./outcome.js";
import { forward, type UnaryCall, unaryTransport } from "./stage.js";

/** One upstream, behind its breaker. */
export interface UpstreamRoute {
  readonly upstream: Upstream;
  readonly transport: Transport;
  readonly breaker: CircuitBreaker;
  readonly timeoutMs: number;
  /** Whether such a question can be put to it at all. Default: any can. */
  takes?(question: Question): boolean;
}

/** A call of any type, as far as `takes` looks at it. */
export interface Question {
  readonly method: DescMethod;
  readonly message: unknown;
}

/** A question went to the second upstream. */
export interface Fallback {
  readonly operation: Operation;
  /** What the first one did: its breaker was not closed, it was out of reach or busy, or its answer was none. */
  readonly reason: "open" | "unreachable" | "busy" | "broken";
}

export interface FailoverOptions {
  clock: Clock;
  onFallback?: (fallback: Fallback) => void;
}

/**
 * Asks the first upstream, and the second when the first could not tell. A refusal is an answer: it ends the matter.
 *
 * The first one's timeout never eats the second one's: what is left is shared in proportion. The probe of a half-open breaker runs
 * beside the second upstream, so that it costs its caller nothing.
 */
export function failover(
  first: UpstreamRoute,
  second: UpstreamRoute | undefined,
  { clock, onFallback }: FailoverOptions,
): Transport {
  return unaryTransport(async (call) => {
    if (!second) return attempt(first, call, first.timeoutMs).catch(giveUp);

    const known = () => isKnown(call.context);
    const isOut = () => second.breaker.turnsAway(known()) || second.takes?.(call) === false;
    const fallBack = (reason: Fallback["reason"]) => {
      if (!isOut() && timeFor(call, second.timeoutMs) >= MIN_TRY_MS)
        onFallback?.({ operation: operationOf(call.method), reason });
      return attempt(second, call, second.timeoutMs);
    };
    const secondIsOut = isOut();
    if (first.breaker.turnsAway(known())) {
      const { retryAfterMs } = first.breaker;
      return orBoth(() => breakerOpen(first.upstream, retryAfterMs), fallBack("open"));
    }
    if (first.breaker.state === "half-open" && !secondIsOut) {
      return firstVerdict(attempt(first, call, first.timeoutMs), fallBack("open"));
    }
    const share = secondIsOut ? 1 : first.timeoutMs / (first.timeoutMs + second.timeoutMs);
    try {
      return await attempt(first, call, Math.min(first.timeoutMs, Math.ceil(timeLeftMs(call.context, clock) * share)));
    } catch (error) {
      if (!couldNotTell(error)) throw error;
      return blamedBy(error, fallBack(error.failure));
    }
  });

  async function attempt<I extends DescMessage, O extends DescMessage>(
    route: UpstreamRoute,
    call: UnaryCall<I, O>,
    budgetMs: number,
  ): Promise<UnaryResponse<I, O>> {
    const timeoutMs = timeFor(call, budgetMs);
    if (timeoutMs < MIN_TRY_MS)
      throw new UpstreamError(route.upstream, "unreachable", "no time left", { notAsked: true });
    const over = beginTry(call.context);
    try {
      const response = await forward(route.transport, { ...call, timeoutMs });
      setAnsweredBy(call.context, route.upstream);
      return response;
    } finally {
      over();
    }
  }

  function timeFor({ context }: { context?: ContextValues | undefined }, budgetMs: number): number {
    return Math.min(budgetMs, Math.ceil(timeLeftMs(context, clock)));
  }
}

/** The first answer or refusal of the two; when neither could tell, both failures. */
function firstVerdict<T>(probe: Promise<T>, answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const verdict = (error: unknown) => {
      if (!couldNotTell(error)) reject(error);
    };
    answer.then(resolve, verdict);
    probe.then(resolve, (error) => {
      verdict(error);
      if (couldNotTell(error)) blamedBy(error, answer).catch(reject);
    });
  });
}

/**
 * What the second upstream said while the first one could not be asked. That failure is made only when the second one could not tell
 * either: an outage of the first one lasts for many calls, and an error costs more than the rest of a stage.
 */
async function orBoth<T>(failure: () => UpstreamError, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!couldNotTell(error)) throw error;
    throw new UnavailableError([failure(), error]);
  }
}

/**
 * What the second upstream said after the first one's failure. A broken answer counts only when the second one answered: otherwise
 * a stranger's token that makes the first one throw, and that the second one refuses, would open the breaker.
 */
async function blamedBy<T>(failure: UpstreamError, answer: Promise<T>): Promise<T> {
  try {
    const response = await answer;
    failure.blame?.(true);
    return response;
  } catch (error) {
    failure.blame?.(false);
    if (!couldNotTell(error)) throw error;
    throw new UnavailableError([failure, error]);
  }
}

function giveUp(error: unknown): never {
  if (!couldNotTell(error)) throw error;
  error.blame?.(false); // there was no other one to contradict it
  throw new UnavailableError([error]);
}

function couldNotTell(error: unknown): error is UpstreamError & { failure: Exclude<Failure, "refused"> } {
  return error instanceof UpstreamError && error.failure !== "refused";
}
