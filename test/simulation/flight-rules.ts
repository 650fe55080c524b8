import { mayHaveFloor, mayHaveForgotten, type Neighbourhood } from "./floor-rules.js";
import { type Journal, ROUNDING_MS, SHARED_LOOKUP_MS } from "./journal.js";
import { type Ask, type Question, subjectOf, triesOf } from "./records.js";
import { budgets, type Settings } from "./settings.js";

/** TTLs are up to a tenth shorter at random, and an entry is refreshed after three fifths of its own at the earliest. */
const LEAST_TTL_SHARE = 0.9;
export const REFRESH_SHARE = 0.6;
const MANY_ENTRIES = 1000;
const MANY_BYTES = 1_000_000;

/** How often the service may be asked the same: single flight, and what is remembered is not asked again. */
export class FlightRules {
  readonly #settings: Settings;
  readonly #journal: Journal;
  readonly #everyJournal: () => readonly Journal[];
  readonly #violate: (rule: string) => void;

  constructor(
    settings: Settings,
    { journal, everyJournal }: { journal: Journal; everyJournal: () => readonly Journal[] },
    violate: (rule: string) => void,
  ) {
    this.#settings = settings;
    this.#journal = journal;
    this.#everyJournal = everyJournal;
    this.#violate = violate;
  }

  /** An ask may have departed so long before its first call was seen: in the shared cache, in the queue, waiting for credentials. */
  get #hiddenMs(): number {
    const { store, headers, limit } = this.#settings;
    // Each request may take two places, for itself and for a refresh in the background, and one user has an eighth of them.
    const mayWait = headers === "function" || 20 * this.#journal.requests >= limit.maxConcurrent;
    // Wall time is in whole milliseconds: what came within the same one as an invalidation counts as before it.
    return ROUNDING_MS + (store === "none" ? 0 : SHARED_LOOKUP_MS) + (mayWait ? budgets(this.#settings).deadlineMs : 0);
  }

  departed(ask: Ask): void {
    const earlier = this.#journal.asksOf(ask.question);
    for (const other of earlier) {
      if (other.began.at < ask.began.at - 10 * budgets(this.#settings).deadlineMs) continue;
      if (isAloft(other)) this.#checkSingleFlight(ask, other);
    }
    this.#checkStanding(ask, earlier);
    // What was overtaken on its way is not kept: what overtook it counts.
    const last = earlier.findLast((each) => each.verdict && !isOvertaken(each, earlier));
    if (!last?.verdict) return;
    if (last.verdict.result.kind === "refused") this.#checkRefusalKept(ask, last);
    else this.#checkAnswerKept(ask, last);
  }

  /** A token is known when an entry is held for it, or lay in the shared cache, ended though it may be. */
  #checkStanding(ask: Ask, earlier: readonly Ask[]): void {
    const { question } = ask;
    if (question.operation !== "VerifyToken") return;
    const { cache, store, secrets } = this.#settings;
    const isSeen = store === "none" || secrets.length === 0; // what a sealed entry says cannot be seen
    const wasAnswered = earlier.some((each) => triesOf(each).some(({ result }) => result?.kind === "answer"));
    if (ask.isOfKnownUser()) {
      if (isSeen && !wasAnswered && !this.#journal.brought.has(question)) this.#violate("a stranger passed for known");
      return;
    }
    const last = earlier.findLast((each) => each.verdict && !isOvertaken(each, earlier));
    if (store !== "none" || last?.verdict?.result.kind !== "answer") return;
    if (cache.maxEntries < MANY_ENTRIES || cache.maxBytes < MANY_BYTES || cache.ttlMs === 0) return;
    if (this.#journal.hasExcuse(question, last.began.at - this.#hiddenMs)) return;
    const { at } = last.verdict.ended;
    if (
      at - last.began.at + this.#hiddenMs >= cache.ttlMs * LEAST_TTL_SHARE ||
      this.#journal.clockSetAt >= last.began.at - this.#hiddenMs
    )
      return; // it had ended
    if (at < this.#endOf(question) - ROUNDING_MS)
      this.#violate(`a known token passed for a stranger's, answered at ${at}`);
  }

  /** Two flights at once need a reason. */
  #checkSingleFlight({ question }: Ask, other: Ask): void {
    if (this.#settings.store === "lying") return; // what it says may void whatever was asked so far
    if (this.#journal.hasExcuse(question, other.began.at - this.#hiddenMs)) return;
    if (isOvertaken(other, this.#journal.asksOf(question))) return;
    // When it hears of another process's invalidation of a user, it joins nothing that it asked before: its subject shows in the answer.
    const others = this.#everyJournal().filter((journal) => journal !== this.#journal);
    if (others.some(({ invalidations }) => invalidations.some(({ user }) => user !== undefined))) return;
    if (this.#mayHaveFloor()) return;
    this.#violate(`the same was asked twice at once: it was being asked since ${other.began.at}`);
  }

  #checkRefusalKept({ question, began }: Ask, last: Ask): void {
    const { cache, headers } = this.#settings;
    const keptMs = cache.refusalTtlMs * LEAST_TTL_SHARE - ROUNDING_MS;
    if (question.operation !== "VerifyToken" || began.at >= last.verdict!.ended.at + keptMs) return;
    // A refresh that was waiting for credentials when another load was refused is put all the same.
    if (headers === "function" && began.at - this.#hiddenMs < last.verdict!.ended.at) return;
    if (this.#journal.isDoubted(last)) return;
    if (this.#journal.hasExcuse(question, last.began.at - this.#hiddenMs)) return;
    if (this.#mayHaveForgotten()) return; // a look that began before it brings back what it contradicts
    this.#violate(`a token was asked about again, though it was refused at ${last.verdict!.ended.at}`);
  }

  #checkAnswerKept({ question, began }: Ask, last: Ask): void {
    const { cache, store } = this.#settings;
    if (cache.maxEntries < MANY_ENTRIES || cache.maxBytes < MANY_BYTES) return;
    if (store === "lying") return; // what it says may void whatever the process holds
    const ttlMs = ttlOf(question, this.#settings) * LEAST_TTL_SHARE * REFRESH_SHARE;
    const tierEnd =
      store === "none"
        ? Number.POSITIVE_INFINITY
        : last.verdict!.ended.at + cache.processTtlMs * LEAST_TTL_SHARE - this.#hiddenMs;
    const keptUntil = Math.min(last.began.at - this.#hiddenMs + ttlMs, tierEnd, this.#endOf(question)) - ROUNDING_MS;
    if (began.at >= keptUntil) return;
    const since = last.began.at - this.#hiddenMs;
    if (this.#journal.clockSetAt >= since) return; // set forward, it ends what is kept
    if (this.#journal.hasExcuse(question, since)) return;
    // Other processes' invalidations of its user hold here, too, once they are seen in the store, against all that was asked until then.
    const { result } = last.verdict!;
    const user = result.kind === "answer" ? subjectOf(result.answer) : undefined;
    if (user && this.#everyJournal().some((journal) => journal.hasInvalidated(user))) return;
    if (this.#mayHaveFloor()) return;
    this.#violate(`the same was asked again, though it was answered at ${last.verdict!.ended.at}`);
  }

  #mayHaveFloor(): boolean {
    return mayHaveFloor(this.#neighbourhood());
  }

  #mayHaveForgotten(): boolean {
    return mayHaveForgotten(this.#neighbourhood());
  }

  #neighbourhood(): Neighbourhood {
    return { settings: this.#settings, journal: this.#journal, everyJournal: this.#everyJournal() };
  }

  /** When the token ends by its own word, in the simulation's time. */
  #endOf({ token, authority }: Question): number {
    return token === undefined ? Number.POSITIVE_INFINITY : authority.endOf(token) - this.#journal.aheadMs;
  }
}

export function ttlOf({ operation }: Question, { cache }: Settings): number {
  switch (operation) {
    case "VerifyToken":
      return cache.ttlMs;
    case "GetUserLocals":
      return cache.localsTtlMs;
    case "GetUserPermissions":
      return cache.permissionsTtlMs;
    case "GetOrganization":
      return cache.organizationTtlMs;
  }
}

/** Whether a verdict has come that was asked for later: what this one brings is old already, and nobody new waits for it. */
function isOvertaken(ask: Ask, all: readonly Ask[]): boolean {
  const asked = Math.max(...triesOf(ask).map(({ began }) => began.order));
  return all.some(({ verdict }) => verdict !== undefined && verdict.began.order > asked);
}

/** Whether a call of it is under way that somebody still waits for. */
function isAloft(ask: Ask): boolean {
  return !ask.verdict && triesOf(ask).some(({ result }) => result === undefined);
}
