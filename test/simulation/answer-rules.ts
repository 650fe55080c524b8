import { markOf } from "./archive.js";
import { ttlOf } from "./flight-rules.js";
import { mayHaveForgotten } from "./floor-rules.js";
import { INVALIDATION_MS, ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { whyNotTold } from "./log-rules.js";
import { couldNotTell } from "./outage-rules.js";
import { type Answer, hasMeaningOf, isSameUser, subjectOf } from "./records.js";
import type { Use, Witness } from "./use.js";

/** Why this answer must not have been used for this request at this moment; `undefined` when it may be. */
export function whyNot(answer: Answer, use: Use): string | undefined {
  const { request, by, source } = use;
  if (answer.question !== request.question) return "it answers another question";
  const { closed } = by.journal;
  if (closed && closed.order < request.began.order) return "the client was closed";
  return (
    (cameBack(answer, by) ? undefined : forgotten(answer, use)) ??
    (isDirect(answer, use) ? whyNotDirect(answer, use) : whyNotKept(answer, use)) ??
    elsewhere(answer, by, use, source) ??
    whyNotTold(answer, use)
  );
}

/** Whether it is what the service has just said to this process. */
function isDirect({ attempt }: Answer, { by, when, source }: Use): boolean {
  const isHere = by.journal.asksOf(attempt.ask.question).includes(attempt.ask);
  const isNow = attempt.ask.verdict === attempt && attempt.ended?.at === when.at;
  return source === "grpc" || source === "rest" || (source === undefined && isHere && isNow);
}

function whyNotDirect({ attempt }: Answer, { by, request, when, source }: Use): string | undefined {
  const { ask, upstream, ended } = attempt;
  if (!by.journal.asksOf(ask.question).includes(ask)) return "it was said to another process";
  if (ask.verdict !== attempt) return "it came too late to be the answer";
  if (source !== undefined && upstream !== source) return `it came from ${upstream}, and says ${source}`;
  if (ended?.at !== when.at) return `it came at ${ended?.at}, and was kept`;
  if (request.fresh && ask.began.order < request.began.order) return "it was asked before the fresh request came";
  return undefined;
}

function whyNotKept(answer: Answer, use: Use): string | undefined {
  const { by, request, when, source } = use;
  const { attempt, question } = answer;
  const { cache, store } = by.settings;
  const isStale = source === "stale";
  if (request.fresh) return "a fresh request must not be answered from what is kept";
  if (source === "shared" && store === "none") return "there is no shared cache";
  // What somebody else brought while the caller looked into the shared cache is met after that.
  const lookupMs = store === "none" ? 0 : by.journal.lookupMs(request.began.at);
  const mayBeNew = when.at <= request.began.at + lookupMs;
  if (source === "process" && !mayBeNew) return "the process knew it, and made the caller wait";
  const mayBeStale = cache.staleIfErrorMs > 0 && (isStale || source === undefined);
  const untilMs = ttlOf(question, by.settings) + (mayBeStale ? cache.staleIfErrorMs : 0);
  const askedAt = attempt.ask.began.at;
  const age = when.at - askedAt;
  const slackMs = ROUNDING_MS + by.clockSlackMs;
  if (age >= untilMs + slackMs) return `it is ${age} ms old, and ${untilMs} are allowed`;
  if (question.token !== undefined && by.wall > question.authority.expOf(question.token)) return "the token has ended";
  const isExpired = age >= ttlOf(question, by.settings) + slackMs;
  if ((isStale || isExpired) && !by.isSaturated && !couldNotTell(use))
    return "it stood in for a service that could be asked";
  if (source === "process" && store !== "none") {
    const arrived = arrivalOf(answer, by);
    if (arrived !== undefined && when.at >= arrived + SHARED_LOOKUP_MS + cache.processTtlMs + ROUNDING_MS) {
      return `the process has kept it since ${arrived}`;
    }
    const { beganAs } = by.log ?? {};
    if (arrived !== undefined && beganAs && arrived < beganAs.at && beganAs.order < request.began.order)
      return `it was kept since ${arrived}, and not looked up when the log began, or had a gap, at ${beganAs.at}`;
  }
  return (cameBack(answer, by) ? undefined : refusedSince(answer, use)) ?? refusedElsewhere(answer, use);
}

/** Whether the store brought it to a process that may have forgotten what contradicts it. */
function cameBack(answer: Answer, by: Witness): boolean {
  const { journal, settings } = by;
  return (
    (settings.secrets.length > 0 || journal.brought.get(answer.question)?.has(answer) === true) && mayHaveForgotten(by)
  );
}

/** When it came into the process; `undefined` where that cannot be seen. */
function arrivalOf(answer: Answer, { journal, settings }: Witness): number | undefined {
  if (settings.secrets.length > 0) return undefined;
  const mark = markOf(answer);
  return mark === undefined ? undefined : (journal.arrivals.get(mark) ?? Number.NEGATIVE_INFINITY);
}

/** What was invalidated here, before the request came, is not used any more, wherever it comes from. */
function forgotten(answer: Answer, { by, request }: Use): string | undefined {
  const subject = subjectOf(answer);
  const made = by.journal.invalidations.find(
    ({ called, question, user }) =>
      called.order < request.began.order &&
      answer.attempt.ask.began.order < called.order &&
      ((question && hasMeaningOf(question, answer.question)) || (user && subject && isSameUser(user, subject))),
  );
  return made && `it was invalidated here at ${made.called.at}`;
}

/** A refusal that this process has seen, and that is newer, ends it. */
function refusedSince(answer: Answer, { by, request, source, when }: Use): string | undefined {
  const { attempt, question, lookedAt } = answer;
  const isHere = by.journal.asksOf(question).includes(attempt.ask);
  const refusals = by.journal.asksOf(question).filter(({ verdict }) => verdict?.result.kind === "refused");
  const endsAt = attempt.ask.began.at + ttlOf(question, by.settings) + ROUNDING_MS + by.clockSlackMs;
  for (const ask of refusals) {
    const { verdict, began } = ask;
    const { result, ended, began: asked } = verdict!;
    if (result.kind !== "refused" || ended.order > request.began.order) continue;
    if (by.journal.isDoubted(ask)) {
      if (asked.order < attempt.ended!.order || (source !== "stale" && when.at < endsAt)) continue;
      return `it was refused at ${ended.at}, when everybody was, and served past its end`;
    }
    if (asked.order > attempt.ended!.order) return `the service was asked again, and refused it at ${ended.at}`;
    // Both were under way at once: the one that set out later is the newer one, where it can be seen who did.
    const isOrdered = isHere && hidesNothing(by) && attempt.ask.began.order < began.order;
    if (isOrdered && ended.order < attempt.ended!.order && lookedAt < result.lookedAt) {
      return `it set out before the refusal that came at ${ended.at}, and came after it`;
    }
  }
  return undefined;
}

/**
 * What another process was refused is not shared any more, where the store has always been well. Who did not find it there, because
 * it was being written, has nothing to delete.
 */
function refusedElsewhere(answer: Answer, { by, request, source }: Use): string | undefined {
  if (source !== "shared" || by.wasStoreTroubled) return undefined;
  const landed = answer.attempt.ended!.at;
  for (const { journal, name } of by.peers) {
    const last = journal.asksOf(answer.question).findLast(({ verdict }) => verdict);
    const { verdict, began } = last ?? {};
    if (!last || verdict?.result.kind !== "refused" || !began || last.mayBeDoubted) continue;
    const isLater = began.at > landed + 2 * SHARED_LOOKUP_MS;
    const isDeleted = request.began.at > verdict.ended.at + INVALIDATION_MS + SHARED_LOOKUP_MS + ROUNDING_MS;
    if (isLater && isDeleted && journal.invalidations.length === 0) {
      return `${name} was refused it at ${verdict.ended.at}`;
    }
  }
  return undefined;
}

/** Whether flights leave this process in the order in which they were begun. */
export function hidesNothing({ settings }: Witness): boolean {
  return settings.store === "none" && settings.headers !== "function";
}

/** What was invalidated in another process is forgotten here too, a while later, as long as the store tells the truth. */
function elsewhere(answer: Answer, by: Witness, { when }: Use, source: Use["source"]): string | undefined {
  const { settings } = by;
  const mayBeStale = source === "stale" || (source === undefined && settings.cache.staleIfErrorMs > 0);
  if (settings.store !== "honest" || mayBeStale) return undefined;
  const subject = subjectOf(answer);
  // Who looks into the store after it has been told finds nothing; who knew it before may go on with that for a while.
  const keptMs = source === "shared" ? 0 : settings.cache.processTtlMs + INVALIDATION_MS;
  const graceMs = keptMs + SHARED_LOOKUP_MS + ROUNDING_MS;
  for (const { journal, name } of by.peers) {
    for (const { called, resolved, question, user } of journal.invalidations) {
      if (!resolved || answer.attempt.ask.began.order > called.order || by.hasLost(called.at, resolved.at)) continue;
      const landed = answer.attempt.ended!.at;
      if (user && subject && isSameUser(user, subject)) {
        if (when.at > Math.max(resolved.at, landed) + graceMs) return `${name} invalidated its user at ${called.at}`;
      } else if (question === answer.question && when.at > resolved.at + graceMs) {
        if (wasRewritten(answer, by, called.at)) continue;
        return `${name} invalidated it at ${called.at}`;
      }
    }
  }
  return undefined;
}

/** A flight of another process may bring back what was deleted while it was under way. */
export function wasRewritten(answer: Answer, by: Witness, since: number): boolean {
  if (by.settings.secrets.length > 0) return true; // nobody can see what is written
  const mark = markOf(answer);
  return mark === undefined || (by.writtenAt(mark) ?? Number.POSITIVE_INFINITY) >= since;
}
