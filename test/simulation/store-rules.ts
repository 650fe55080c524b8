import { markOf } from "./archive.js";
import { ttlOf } from "./flight-rules.js";
import { INVALIDATION_MS, ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { type Answer, hasMeaningOf, isSameUser, subjectOf } from "./records.js";
import type { Use } from "./use.js";

/** What lies close to its end, or has just been written, may be there or not. */
const MARGIN_MS = SHARED_LOOKUP_MS + INVALIDATION_MS + ROUNDING_MS;

/** Why a request must not have been turned away: the answer of an honest store that has always been well, which nothing contradicts. */
export function whyStoreSufficed(answers: readonly Answer[], use: Use): string | undefined {
  const { by, request } = use;
  if (by.settings.store !== "honest" || by.wasStoreTroubled || request.fresh || by.journal.closed) return undefined;
  const suits = answers.find((answer) => isStored(answer, use) && !isContradicted(answer, use));
  return suits && `though the store has held ${markOf(suits)} since ${by.storedAs(markOf(suits) ?? "")?.writtenAt}`;
}

/** Whether it was there when the request came, and holds when that is turned away. */
function isStored(answer: Answer, { by, request }: Use): boolean {
  const mark = markOf(answer);
  const stored = mark === undefined ? undefined : by.storedAs(mark);
  if (!stored || stored.writtenAt > request.began.at - MARGIN_MS) return false;
  const { askedAt, expiresAt } = JSON.parse(stored.text) as { askedAt: number; expiresAt: number };
  const { authority, token } = request.question;
  const ends = Math.min(expiresAt, askedAt + ttlOf(request.question, by.settings));
  return by.wall + MARGIN_MS < Math.min(ends, token === undefined ? Number.POSITIVE_INFINITY : authority.expOf(token));
}

/** Whether any process has invalidated it, or this one was told something else. That may be too much: the rest is enough. */
function isContradicted(answer: Answer, { by, request }: Use): boolean {
  const subject = subjectOf(answer);
  const isInvalidated = [by, ...by.peers].some(({ journal }) =>
    journal.invalidations.some(
      ({ question, user }) =>
        (question && hasMeaningOf(question, answer.question)) || (user && subject && isSameUser(user, subject)),
    ),
  );
  const others = by.journal.asksOf(request.question).filter((ask) => ask !== answer.attempt.ask);
  return isInvalidated || others.length > 0;
}
