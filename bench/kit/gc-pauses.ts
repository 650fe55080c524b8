import { constants, type NodeGCPerformanceDetail, PerformanceObserver } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { quantile } from "./spread.js";

/** How long the garbage collector stopped a process each time, in milliseconds; not a number where it never did. */
export interface GcPauses {
  readonly median: number;
  readonly longest: number;
}

const COLLECTIONS: readonly (number | undefined)[] = [
  constants.NODE_PERFORMANCE_GC_MINOR,
  constants.NODE_PERFORMANCE_GC_MAJOR,
];

/** Watches the garbage collector of this process until the function returned is called. */
export function watchGc(): () => Promise<GcPauses> {
  const pauses: number[] = [];
  const take = (entries: readonly { duration: number; detail?: unknown }[]) => {
    for (const { duration, detail } of entries)
      if (COLLECTIONS.includes((detail as NodeGCPerformanceDetail).kind)) pauses.push(duration);
  };
  const observer = new PerformanceObserver((list) => take(list.getEntries()));
  observer.observe({ type: "gc" });
  return async () => {
    await turn(); // Node reports a collection in the next turn of the loop
    await turn();
    take(observer.takeRecords());
    observer.disconnect();
    return pauses.length === 0
      ? { median: Number.NaN, longest: Number.NaN }
      : { median: quantile(pauses, 0.5), longest: Math.max(...pauses) };
  };
}
