import { wasRewritten } from "./answer-rules.js";
import { mayHaveForgotten } from "./floor-rules.js";
import { type Answer, hasMeaningOf, type Invalidation, isSameUser, subjectOf } from "./records.js";
import type { Use, Witness } from "./use.js";

/**
 * While a process says that it hears, nothing is missed for longer than this: two reads that wait, a read that counts for so long, and the
 * commands between. In milliseconds.
 */
const NOTICED_MS = 2 * 2400 + 3000 + 700;
/** What a failover lost is told again within that time of the promotion, where nothing else is wrong, in milliseconds. */
export const MADE_GOOD_MS = 10_000;

/**
 * What another process has invalidated is not used any more: as soon as this one has been handed what was told by then; and, whatever was
 * lost on the way, not for long while it says that it hears.
 */
export function whyNotTold(answer: Answer, use: Use): string | undefined {
  const { by, request } = use;
  const { log } = by;
  if (!log || mayHaveForgotten(by)) return undefined;
  const asked = answer.attempt.ask.began.order;
  for (const peer of by.peers.filter((each) => log.isOf(each))) {
    for (const invalidation of peer.journal.invalidations) {
      const { called, resolved } = invalidation;
      if (!resolved || asked > called.order || resolved.order > request.began.order) continue;
      if (!concerns(invalidation, answer, by)) continue;
      const how = whyKnown(invalidation, peer, use);
      if (how) return `${peer.name} invalidated it at ${called.at}, and ${how}`;
    }
  }
  return undefined;
}

function concerns({ called, question, user }: Invalidation, answer: Answer, by: Witness): boolean {
  const subject = subjectOf(answer);
  if (user) return subject !== undefined && isSameUser(user, subject);
  if (!question) return false;
  const isHeard = by.journal.doubtedAt < called.at;
  if (isHeard) return hasMeaningOf(question, answer.question);
  return question === answer.question && !wasRewritten(answer, by, called.at);
}

function whyKnown(invalidation: Invalidation, peer: Witness, { by, request }: Use): string | undefined {
  const { called, resolved } = invalidation;
  const { caughtUpAs, disturbedAt, isLive, isMadeGood } = by.log!;
  const isHandedOver =
    caughtUpAs &&
    resolved!.order < caughtUpAs.order &&
    caughtUpAs.order < request.began.order &&
    disturbedAt < called.at;
  if (isHandedOver) return `this process had been told all by ${caughtUpAs.at}`;
  if (!isLive || request.began.at <= resolved!.at + NOTICED_MS) return undefined;
  return isMadeGood(invalidation, peer) ? "this process says that it hears" : undefined;
}

/** What a process had been told of is not written to the store any more: an answer that was asked for before, and came after. */
export function whyNotShared(answer: Answer, by: Witness): string | undefined {
  const { caughtUpAs, disturbedAt } = by.log ?? {};
  if (!caughtUpAs || disturbedAt === undefined) return undefined;
  const subject = subjectOf(answer);
  for (const peer of by.peers.filter((each) => by.log?.isOf(each))) {
    for (const { called, resolved, question, user } of peer.journal.invalidations) {
      if (!resolved || answer.attempt.ask.began.order > called.order || disturbedAt >= called.at) continue;
      const concerns = user
        ? subject !== undefined && isSameUser(user, subject)
        : question !== undefined && hasMeaningOf(question, answer.question);
      if (concerns && resolved.order < caughtUpAs.order)
        return `${peer.name} invalidated it at ${called.at}, and this process had been told all by ${caughtUpAs.at}`;
    }
  }
  return undefined;
}
