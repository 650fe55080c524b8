import type { Histogram, Meter } from "@opentelemetry/api";
import type { QuestionMessage } from "../auth/question-channel.js";
import { channels } from "../runtime/channels.js";
import type { CallMessage } from "../transport/call-channel.js";
import { answerOf, outcomeOf, rpcEndOf, rpcOf } from "./attributes.js";
import type { Subscriber } from "./subscriber.js";

/** In seconds: Redis takes a tenth of a millisecond, an upstream's timeout some seconds. */
const BOUNDARIES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** As the semantic conventions for RPC have them. */
const RPC_BOUNDARIES = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Records how long things took that a request waits for anyway. */
export function recordDurations(subscriber: Subscriber, meter: Meter): void {
  const authentication = histogram(
    meter,
    "portero.authentication.duration",
    "Verifications that the process cache could not answer",
  );
  const queue = histogram(meter, "portero.upstream.queue.duration", "How long questions waited for a place");
  const call = histogram(meter, "portero.upstream.call.duration", "Tries at an upstream");
  const rpc = histogram(meter, "rpc.client.call.duration", "Tries over gRPC", RPC_BOUNDARIES);

  subscriber.on<QuestionMessage>(channels.question.asyncEnd, (question) => {
    const { kind, isRefresh, durationMs = 0, queuedMs } = question;
    if (queuedMs !== undefined) queue.record(queuedMs / 1000);
    if (kind === "token" && !isRefresh) authentication.record(durationMs / 1000, answerOf(question));
  });
  subscriber.on<CallMessage>(channels.call.asyncEnd, (message) => {
    const { upstream, operation, outcome, durationMs = 0 } = message;
    if (outcome === undefined) return; // nothing was asked
    const where = { "portero.upstream": upstream, "portero.operation": operation };
    call.record(durationMs / 1000, { ...where, ...outcomeOf(message) });
    if (upstream === "grpc") rpc.record(durationMs / 1000, { ...rpcOf(message), ...rpcEndOf(message) });
  });
}

function histogram(meter: Meter, name: string, description: string, explicitBucketBoundaries = BOUNDARIES): Histogram {
  return meter.createHistogram(name, { unit: "s", description, advice: { explicitBucketBoundaries } });
}
