import type { Upstream } from "../../src/transport/outcome.js";
import { failedTries } from "./call-watch.js";
import { ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { type Ask, triesOf } from "./records.js";
import { budgets, HAIR_MS } from "./settings.js";
import type { Use } from "./use.js";

/** Whether the service could really not tell: no upstream could answer the question that this request was waiting for. */
export function couldNotTell({ by, request, when }: Pick<Use, "by" | "request" | "when">): boolean {
  const { journal, breakers, settings } = by;
  if (journal.closed || breakers.refusesAll(false)) return true;
  const longestMs = SHARED_LOOKUP_MS + budgets(settings).deadlineMs + ROUNDING_MS;
  const since = request.began.at - longestMs;
  if (journal.credentialFaults.some(({ began, ended }) => began <= when.at && ended >= since)) return true;
  return journal.asksOf(request.question).some((ask) => ask.began.at >= since && gaveUp(ask, { by, when }));
}

/** Whether no upstream answered, and each of them was either asked in vain or not to be asked. */
function gaveUp(ask: Ask, { by, when }: Pick<Use, "by" | "when">): boolean {
  const tries = triesOf(ask);
  if (ask.verdict || tries.some(({ ended }) => !ended)) return false;
  const { grpcMs, restMs } = budgets(by.settings);
  const failed = failedTries(ask);
  const ranShort = tries.some(
    ({ upstream, timeoutMs }) => timeoutMs < ((upstream === "grpc" ? grpcMs : restMs) ?? 0) - HAIR_MS,
  );
  const upstreams = Object.keys(by.breakers.models) as Upstream[];
  return upstreams.every(
    (upstream) =>
      failed.some((attempt) => attempt.upstream === upstream) ||
      ranShort ||
      by.breakers.models[upstream]!.wasTroubledSince(by.breakers.now - (when.at - ask.began.at)),
  );
}
