import { hidesNothing } from "./answer-rules.js";
import { ROUNDING_MS } from "./journal.js";
import type { Ask, RefusalReason } from "./records.js";
import type { Use } from "./use.js";

/** Why this request must not have been refused; `undefined` when it may be. */
export function whyNotRefused(reason: RefusalReason, use: Use): string | undefined {
  const { by, request, when } = use;
  const { journal, settings } = by;
  const asks = journal.asksOf(request.question);
  const said = asks.filter(({ verdict }) => verdict?.result.kind === "refused" && verdict.result.reason === reason);
  const isDirect = said.some(
    ({ verdict, began }) => verdict!.ended.at === when.at && (!request.fresh || began.order > request.began.order),
  );
  if (isDirect) return undefined;
  if (said.length === 0) return "the service never said so";
  if (request.fresh) return "it was asked for afresh, and the service has not said so since";
  // A no that was said to somebody else is met at once, or after a look into the shared cache.
  const lookupMs = settings.store === "none" ? 0 : journal.lookupMs(request.began.at);
  if (when.at > request.began.at + lookupMs) return "nobody said so at this moment";
  const keptMs = reason === "lookup_refused" ? 0 : settings.cache.refusalTtlMs;
  const kept = said.filter(({ verdict }) => when.at < verdict!.ended.at + keptMs + ROUNDING_MS);
  if (kept.length === 0) return "the refusal is too old";
  const last = Math.max(...kept.map(({ verdict }) => verdict!.ended.order));
  const forgotten = journal.invalidations.some(
    ({ called, question }) =>
      question === request.question && called.order > last && called.order < request.began.order,
  );
  if (forgotten) return "the token was invalidated since";
  const since = Math.min(...kept.map(({ began }) => began.order));
  // Who set out after the refusal had come, and was accepted, has overruled it; credentials that are slow to come hide who set out when.
  const isQuiet = settings.headers !== "function" && journal.invalidations.every(({ called }) => called.order < since);
  const accepted = asks.some(
    ({ verdict, began }) =>
      verdict?.result.kind === "answer" && began.order > last && verdict.ended.order < request.began.order,
  );
  if (!isQuiet) return undefined;
  if (accepted) return "the service has accepted it since";
  const isOld = hidesNothing(by) && kept.every((refused) => isOvertaken(refused, asks));
  return isOld ? "it set out before an answer that had come when it came" : undefined;
}

/** Whether somebody who set out later, and saw later how things are, had been accepted when the refusal came. */
function isOvertaken({ verdict: refusal, began: refused }: Ask, asks: readonly Ask[]): boolean {
  const { result: no, ended } = refusal!;
  return asks.some(({ verdict, began }) => {
    if (verdict?.result.kind !== "answer" || no.kind !== "refused") return false;
    const isLater = began.order > refused.order && verdict.result.answer.lookedAt > no.lookedAt;
    return isLater && verdict.ended.order < ended.order;
  });
}
