import { measure } from "mitata";

/** Nanoseconds that one call takes: the median of many batches. */
export async function nanosOf(run: () => unknown, { quick }: { quick: boolean }): Promise<number> {
  const { p50 } = await measure(run, { min_cpu_time: (quick ? 20 : 250) * 1e6 });
  return p50;
}
