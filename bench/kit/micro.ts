import { measure } from "mitata";

/** For a smoke check. */
const FEW = 1000;

/** Nanoseconds that one call takes: the median of many batches. In a smoke check of a few calls, and no more than a hint. */
export async function nanosOf(run: () => unknown, { quick }: { quick: boolean }): Promise<number> {
  if (quick) return nanosOfFew(run);
  const { p50 } = await measure(run, { min_cpu_time: 250e6 });
  return p50;
}

function nanosOfFew(run: () => unknown): number {
  const started = performance.now();
  for (let call = 0; call < FEW; call++) run();
  return ((performance.now() - started) * 1e6) / FEW;
}
