import type { Journal } from "./journal.js";
import type { Settings } from "./settings.js";

/** A process, and all that share its service and its store. */
export interface Neighbourhood {
  readonly settings: Settings;
  readonly journal: Journal;
  readonly everyJournal: readonly Journal[];
}

/**
 * Whether a process may hold void what nothing contradicts: it had more to remember than it remembers one by one. What strangers have
 * made is no reason, however much it is.
 */
export function mayHaveFloor({
  settings: { maxTombstones, log, store },
  journal,
  everyJournal,
}: Neighbourhood): boolean {
  const users = everyJournal.flatMap(({ invalidations }) => invalidations.flatMap(({ user }) => user ?? []));
  if (new Set(users.map(({ organizationId, userId }) => JSON.stringify([organizationId, userId]))).size > maxTombstones)
    return true;
  // What could not be deleted from the store is remembered, whoever had it invalidated: it may lie there.
  const undeleted = journal.invalidations.flatMap(({ question }) => question ?? []);
  if (store !== "none" && new Set(undeleted).size > maxTombstones) return true;
  const known = (each: Journal) => each.contradicted.filter((question) => journal.knows(question));
  const all = log === "stream" ? everyJournal.flatMap(known) : known(journal);
  return new Set(all).size > maxTombstones;
}

/** Whether a process may have forgotten that a token of no entry of its own was invalidated, or refused: it had more than it remembers. */
export function mayHaveForgotten({ settings: { maxTombstones, log }, journal, everyJournal }: Neighbourhood): boolean {
  const all = log === "stream" ? everyJournal.flatMap(({ contradicted }) => contradicted) : journal.contradicted;
  return new Set(all).size > maxTombstones;
}
