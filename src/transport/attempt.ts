import type { UpstreamError } from "./outcome.js";
import type { Replica } from "./replica.js";
import type { Since } from "./replica-health.js";
import type { ReplicaSet } from "./replica-set.js";

/** One call to one replica. */
export class Attempt implements Since {
  readonly replica: Replica;
  readonly timeoutMs: number | undefined;
  /** The question's own, or one for this call alone. */
  readonly controller: AbortController;
  /** Monotonic, in milliseconds. */
  readonly began: number;
  /** How often others had answered when it began. */
  readonly answersBeside: number;
  readonly period: number;
  readonly counted: number;
  isPending = true;
  /** Gives back its place, where that is not the question's own. */
  leave: (() => void) | undefined = undefined;
  /** Says that this try is over, where it is one beside another. */
  endTry: (() => void) | undefined = undefined;

  constructor(
    replica: Replica,
    {
      timeoutMs,
      controller,
      began,
      answersBeside,
    }: Pick<Attempt, "timeoutMs" | "controller" | "began" | "answersBeside">,
  ) {
    this.replica = replica;
    this.timeoutMs = timeoutMs;
    this.controller = controller;
    this.began = began;
    this.answersBeside = answersBeside;
    this.period = replica.health.period;
    this.counted = replica.health.counted;
  }
}

/**
 * Whether the end of a question says nothing about the upstream: one replica alone could not tell, and another one answers or would have
 * been asked.
 *
 * @param failures of those of its attempts that are over
 * @param lacksBudget there was another one, and nothing to pay for asking it
 */
export function isUnconfirmed(
  attempts: readonly Attempt[],
  failures: readonly UpstreamError[],
  lacksBudget: boolean,
  replicas: ReplicaSet,
): boolean {
  const failed = failures.filter(({ failure, ours }) => failure === "unreachable" && !ours).length;
  if (failed + attempts.filter(({ isPending }) => isPending).length > 1) return false;
  if (attempts.length > 1 || lacksBudget) return true;
  return attempts.some(({ replica, answersBeside }) => replicas.answersBeside(replica) > answersBeside);
}
