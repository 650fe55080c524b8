import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock, Timer } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import type { Standing } from "../runtime/standing.js";
import { UpstreamError } from "./outcome.js";
import type { Replica } from "./replica.js";
import type { ReplicaSet } from "./replica-set.js";
import type { ExtraPlaces } from "./upstream-limits.js";

/** A question that has been put to another replica. */
export interface DoubledQuestion {
  readonly standing: Standing;
  readonly timeoutMs: number | undefined;
  /** What it ends with there. */
  readonly answer: Promise<unknown>;
  /** Puts it to this one, too. */
  ask(limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<unknown>;
}

export interface DoubleOptions {
  readonly replicas: ReplicaSet;
  readonly clock: Clock;
  /** Of one call, in milliseconds. */
  readonly timeoutMs: number;
  /** It has so long to answer after the other one did, in milliseconds. */
  readonly hedgeMs: number;
  readonly places: ExtraPlaces;
}

/**
 * Puts a question also to a replica that was out, to see whether it is well again. Its answer goes nowhere, and no caller waits for it. It
 * does not come back by answering later than others would be asked.
 */
export function askBeside(
  replica: Replica,
  { standing, answer, ask, ...question }: DoubledQuestion,
  { replicas, clock, timeoutMs, hedgeMs, places }: DoubleOptions,
): void {
  const since = { period: replica.health.period, counted: replica.health.counted };
  const leave = places.anyway(standing);
  const controller = new AbortController();
  const limitMs = question.timeoutMs ?? timeoutMs;
  const timers = new Set<Timer>();
  const after = (ms: number, then: () => void) =>
    void timers.add(setPatientTimeout(clock, then, ms, { background: true }));
  let isOver = false;
  let isAnswered = false;
  const finish = (tell: () => void) => {
    if (isOver) return;
    isOver = true;
    for (const timer of timers) timer.clear();
    replica.isOnTrial = false;
    replica.end();
    leave();
    tell();
  };
  const end = (tell: () => void, reason: string, code: Code) => {
    finish(tell);
    controller.abort(new ConnectError(reason, code));
  };
  replica.isOnTrial = true;
  replica.begin();
  const timedOut = new UpstreamError("grpc", "unreachable", "timeout", { timedOut: true });
  after(limitMs, () => end(() => failed(timedOut), "timeout", Code.DeadlineExceeded));
  answer.then(
    () => {
      isAnswered = true;
      if (isOver) return;
      after(hedgeMs, () => end(() => replicas.lostRace(replica, since), "another replica answered", Code.Canceled));
    },
    () => undefined,
  );
  ask({ timeoutMs: limitMs, signal: controller.signal }).then(
    () => finish(() => replicas.succeeded(replica, since)),
    (error: unknown) => finish(() => failed(error)),
  );

  function failed(error: unknown): void {
    if (!(error instanceof UpstreamError)) return replicas.postpone(replica, since);
    const { failure } = error;
    // A token can hang at every replica.
    if (error.timedOut && !isAnswered) replicas.postpone(replica, since);
    else if (failure === "unreachable") replicas.failed(replica, error, since);
    else if (failure === "broken") {
      replicas.postpone(replica, since);
      // Alone it says nothing: a token can make every replica throw.
      answer.then(
        () => replicas.strike(replica, "broken answers", since),
        () => undefined,
      );
    } else if (failure === "refused" && standing.known) replicas.succeeded(replica, since);
    else replicas.alive(replica, since);
  }
}
