import { isTimeout } from "./grpc-outcome.js";
import { type Failure, UpstreamError } from "./outcome.js";

/** How a try ended. `cancelled`: nothing waits for it any more. */
export type CallOutcome = "answered" | Failure | "cancelled";

/** How often a try at an upstream has ended in each way. */
export type OutcomeCounts = Readonly<Record<CallOutcome, number>>;

/** How a try ended that brought no answer. */
export interface CallEnding {
  /** `undefined` where nothing was asked. */
  readonly outcome: CallOutcome | undefined;
  /** The gRPC code, HTTP status or system error code; `timeout`: it took longer than its timeout. */
  readonly errorType: string | undefined;
}

export function endingOf(error: unknown): CallEnding {
  if (error instanceof UpstreamError) {
    const { failure, detail, timedOut, network, notAsked } = error;
    // A DEADLINE_EXCEEDED that the service says itself is no timeout of this side.
    return { outcome: notAsked ? undefined : failure, errorType: timedOut && network ? "timeout" : detail };
  }
  if (isTimeout(error)) return { outcome: "unreachable", errorType: "timeout" };
  return { outcome: "cancelled", errorType: undefined };
}

/** Counts the tries at one upstream by how they end. */
export class OutcomeCounter {
  readonly #counts: Record<CallOutcome, number> = {
    ...{ answered: 0, refused: 0, unreachable: 0, busy: 0, broken: 0, cancelled: 0 },
  };

  /** @param outcome `undefined` where nothing was asked, which is no try */
  count(outcome: CallOutcome | undefined): void {
    if (outcome !== undefined) this.#counts[outcome]++;
  }

  get counts(): OutcomeCounts {
    return { ...this.#counts };
  }
}
