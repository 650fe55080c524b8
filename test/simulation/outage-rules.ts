import type { Upstream } from "../../src/transport/outcome.js";
import { failedTries, LEAST_MS } from "./call-watch.js";
import { ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { type Ask, triesOf } from "./records.js";
import { budgets, HAIR_MS } from "./settings.js";
import type { Use } from "./use.js";

/** Whether the service could really not tell: no upstream could answer the question that this request was waiting for. */
export function couldNotTell({ by, request, when }: Pick<Use, "by" | "request" | "when">): boolean {
  const { journal, breakers, settings } = by;
  if (journal.closed || breakers.refusesAll(false)) return true;
  if (cameTooLate({ by, request, when })) return true;
  const longestMs = SHARED_LOOKUP_MS + budgets(settings).deadlineMs + ROUNDING_MS;
  const since = request.began.at - longestMs;
  if (journal.credentialFaults.some(({ began, ended }) => began <= when.at && ended >= since)) return true;
  return journal.asksOf(request.question).some((ask) => ask.began.at >= since && gaveUp(ask, { by, when }));
}

/** A fresh question waits for the end of the one before it, and its deadline goes on meanwhile: then no try may have time enough. */
function cameTooLate({ by: { journal, settings }, request, when }: Pick<Use, "by" | "request" | "when">): boolean {
  const enoughMs = budgets(settings).deadlineMs - LEAST_MS - ROUNDING_MS;
  const asks = journal.asksOf(request.question);
  return (journal.freshRequests.get(request.question) ?? []).some(
    ({ at, order }) =>
      order <= request.began.order &&
      when.at - at > enoughMs &&
      asks.flatMap(triesOf).some(({ began, ended }) => began.order < when.order && !(ended && ended.order < order)),
  );
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
