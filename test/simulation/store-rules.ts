import { markOf } from "./archive.js";
import { REFRESH_SHARE, ttlOf } from "./flight-rules.js";
import { mayHaveFloor } from "./floor-rules.js";
import { INVALIDATION_MS, ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { type Answer, type Ask, hasMeaningOf, isSameUser, type Question, subjectOf } from "./records.js";
import { budgets } from "./settings.js";
import type { Use, Witness } from "./use.js";

/** What lies close to its end, or has just been written, may be there or not. */
const MARGIN_MS = SHARED_LOOKUP_MS + INVALIDATION_MS + ROUNDING_MS;

/** What went on before the store was well may take so long to come to an end. */
const SETTLED_MS = 300;
/** Of more strangers than these at a time some go on without a look: 128 reads are under way at once, two for each. */
const MOST_LOOKING = 64;

/** Why a request must not have been turned away: the answer of an honest store that has always been well, which nothing contradicts. */
export function whyStoreSufficed(answers: readonly Answer[], use: Use): string | undefined {
  const { by, request } = use;
  if (by.settings.store !== "honest" || by.wasStoreTroubled || request.fresh || by.journal.closed) return undefined;
  if (by.journal.mostLooking > MOST_LOOKING || by.journal.newsAt >= request.began.at - SETTLED_MS) return undefined;
  if (mayHaveJoinedOneThatWaits(use)) return undefined;
  const suits = answers.find((answer) => isStored(answer, use) && !isContradicted(answer, request.question, by));
  return suits && `though the store has held ${markOf(suits)} since ${by.storedAs(markOf(suits) ?? "")?.writtenAt}`;
}

/** What waits for our own credentials has looked into the store before, perhaps too early; a caller that joins it is told what it is. */
function mayHaveJoinedOneThatWaits({ by, request }: Use): boolean {
  return by.journal.credentialFaults.some(({ began, ended }) => began <= request.began.at && ended > request.began.at);
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
function isContradicted(answer: Answer, asked: Question, by: Witness): boolean {
  const subject = subjectOf(answer);
  const everyJournal = [by, ...by.peers].map(({ journal }) => journal);
  const isInvalidated = everyJournal.some(({ invalidations }) =>
    invalidations.some(
      ({ question, user }) =>
        (question && hasMeaningOf(question, answer.question)) || (user && subject && isSameUser(user, subject)),
    ),
  );
  const others = by.journal.asksOf(asked).filter((ask) => ask !== answer.attempt.ask);
  const isTold = by.log && everyJournal.some((journal) => journal.contradicted.includes(asked));
  return isInvalidated || isTold || others.length > 0 || mayHaveFloor({ ...by, journal: by.journal, everyJournal });
}

/** No longer than this does a question take from the store to the service, where nothing holds it up. */
const AT_ONCE_MS = 10;
/** With more places than these nobody waits for one. */
const MANY_PLACES = 16;

/** Why the service need not have been asked: an honest store had just brought a good answer, which nothing contradicts. */
export function whyStoreWasEnough({ question, began }: Ask, by: Witness, now: number): string | undefined {
  const { settings, journal } = by;
  const { store, headers, limit } = settings;
  if (store !== "honest" || headers === "function" || limit.maxConcurrent <= MANY_PLACES) return undefined;
  const [first, another] = journal.brought.get(question) ?? [];
  if (!first || another) return undefined; // of several, who would say which counts?
  const [answer, at] = first;
  if (at < now - AT_ONCE_MS || by.storeCalmSince > at - SETTLED_MS || journal.newsAt > at - SETTLED_MS)
    return undefined;
  const { ask } = answer.attempt;
  if (journal.clockSetAt >= ask.began.at) return undefined; // set forward, it ends what is kept
  if (journal.hasExcuse(question, began.at - SETTLED_MS - budgets(settings).deadlineMs)) return undefined;
  const stored = by.storedAs(markOf(answer) ?? "");
  if (!stored || !isYoung(stored.text, question, by, now - ask.began.at) || isContradicted(answer, question, by))
    return undefined;
  return `the store had brought ${markOf(answer)} at ${at}`;
}

/** Whether it will hold for a while, and is not to be refreshed. */
function isYoung(text: string, question: Question, { settings, wall }: Witness, ageMs: number): boolean {
  const { askedAt, expiresAt } = JSON.parse(text) as { askedAt: number; expiresAt: number };
  const { authority, token } = question;
  const livesMs = Math.min(expiresAt - askedAt, ttlOf(question, settings));
  // By either clock: that of the one that put it there may be ahead.
  if (askedAt > wall || ageMs + MARGIN_MS >= livesMs * REFRESH_SHARE) return false;
  const ends = Math.min(
    askedAt + livesMs * REFRESH_SHARE,
    token === undefined ? Number.POSITIVE_INFINITY : authority.expOf(token),
  );
  return wall + MARGIN_MS < ends;
}
