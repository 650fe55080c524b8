import type { DescMessage } from "@bufbuild/protobuf";
import type { UnaryResponse } from "@connectrpc/connect";
import { raceAbort } from "../runtime/abort.js";
import { isKnown, isUntold, setUntold, standingOf } from "./call-context.js";
import { askBeside } from "./double.js";
import { ExtraBudget } from "./extra-budget.js";
import { Race, type RaceCounts, type RaceOptions } from "./race.js";
import type { Replica } from "./replica.js";
import type { ReplicaSet, ReplicaStatus } from "./replica-set.js";
import { forward, type UnaryCall } from "./stage.js";
import type { ControlledHandler, TryController } from "./timeout.js";

/** How the replicas of an upstream stand, and what was asked of them beyond the first. */
export interface ReplicasStatus extends Readonly<RaceCounts> {
  readonly replicas: readonly ReplicaStatus[];
}

/**
 * Asks one of the replicas, and another one when the first is out of reach before its time, or has not answered for a while: each once, as
 * far as there is a budget, apart for known users and strangers. The first verdict counts, a refusal too, and ends the others. Nothing is
 * refused here: a failure is passed up when two replicas could not tell, or no other one could be asked.
 */
export function withReplicas(
  replicas: ReplicaSet,
  options: RaceOptions,
): { ask: ControlledHandler; counts: Readonly<RaceCounts> } {
  const { hedgeMs } = options;
  const shared = { replicas, options, counts: { hedged: 0, secondTries: 0 } };
  const budgets = { known: new ExtraBudget(), strangers: new ExtraBudget() };
  return { ask, counts: shared.counts };

  function ask<I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
    controller: TryController,
  ): Promise<UnaryResponse<I, O>> {
    replicas.begin();
    if (replicas.only) return askOnly(replicas, replicas.only, call);
    return replicas.size > 0 ? askOneOf(call, controller) : askLater(call, controller);
  }

  function askOneOf<I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
    controller: TryController,
  ): Promise<UnaryResponse<I, O>> {
    const budget = isKnown(call.context) ? budgets.known : budgets.strangers;
    budget.earn();
    const tested = hedgeMs === 0 ? replicas.due() : undefined;
    const first = tested?.link.isReady ? tested : (replicas.pick() as Replica);
    const due = replicas.due(first);
    const { context, timeoutMs } = call;
    const answer = new Race<UnaryResponse<I, O>>(
      { context, controller, timeoutMs, ask: (replica, limits) => forward(replica.transport, call, limits) },
      budget,
      shared,
    ).run(first);
    if (first === tested) {
      tested.isOnTrial = true;
      const over = () => {
        tested.isOnTrial = false;
      };
      answer.then(over, over);
    } else if (due) {
      // The context stays behind: it tells how old the answer of the question itself is.
      const own = isUntold(context) ? setUntold() : undefined;
      const askDue = (limits: Pick<UnaryCall, "timeoutMs" | "signal">) =>
        forward(due.transport, { ...call, context: own, ...limits });
      const doubled = { standing: standingOf(context), timeoutMs, answer, ask: askDue };
      replicas.prepare(due, () => {
        if (hedgeMs > 0 && budget.spend()) askBeside(due, doubled, { ...options, replicas });
      });
    }
    return answer;
  }

  /** Where no address is known yet. */
  async function askLater<I extends DescMessage, O extends DescMessage>(
    call: UnaryCall<I, O>,
    controller: TryController,
  ): Promise<UnaryResponse<I, O>> {
    const began = options.clock.monotonic();
    await raceAbort(replicas.first(), call.signal);
    const timeoutMs = call.timeoutMs && call.timeoutMs - (options.clock.monotonic() - began);
    return ask({ ...call, timeoutMs }, controller);
  }
}

/** There is no other one: it is asked whatever it did before. */
async function askOnly<I extends DescMessage, O extends DescMessage>(
  replicas: ReplicaSet,
  replica: Replica,
  call: UnaryCall<I, O>,
): Promise<UnaryResponse<I, O>> {
  const { isOut, period, counted } = replica.health;
  replica.begin();
  try {
    const response = await forward(replica.transport, call);
    if (isOut) replicas.succeeded(replica, { period, counted });
    return response;
  } finally {
    replica.end();
  }
}
