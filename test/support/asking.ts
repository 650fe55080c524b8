import type { Asking } from "../../src/cache/invalidation.js";
import type { Timeline } from "../../src/cache/timeline.js";

/** A question that is put now, of an id to which nothing has happened meanwhile. */
export function askingNow(timeline: Timeline, id: string): Asking {
  const order = timeline.next();
  return { id, order, triedAs: order, history: { invalidatedAs: 0, newestAnswered: 0 }, meaning: undefined };
}
