import { type GcPauses, watchGc } from "./gc-pauses.js";
import { quantile } from "./spread.js";

export interface AskOptions {
  /** Questions under way at any time. */
  readonly inFlight: number;
  readonly seconds: number;
}

/** What it took to ask. Times in microseconds. */
export interface AskSample {
  readonly asked: number;
  /** From a question to its answer. */
  readonly p50: number;
  readonly p99: number;
  /** Of the clock, for each question: where many are under way, the inverse of the throughput. */
  readonly micros: number;
  /** Of this process's CPU, for each question. */
  readonly cpuMicros: number;
  readonly gc: GcPauses;
}

/** Asks over and over, each caller again as soon as it has an answer, and once at least. Rejects with the first question that does. */
export async function keepAsking(ask: () => Promise<unknown>, { inFlight, seconds }: AskOptions): Promise<AskSample> {
  const latencies: number[] = [];
  const gcPauses = watchGc();
  const cpu = process.cpuUsage();
  const started = performance.now();
  const end = started + seconds * 1000;
  const asker = async () => {
    let at = performance.now();
    do {
      await ask();
      latencies.push((performance.now() - at) * 1000);
      at = performance.now();
    } while (at < end);
  };
  await Promise.all(Array.from({ length: inFlight }, asker));
  const { user, system } = process.cpuUsage(cpu);
  const ended = performance.now();
  const asked = latencies.length;
  return {
    asked,
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    micros: ((ended - started) * 1000) / asked,
    cpuMicros: (user + system) / asked,
    gc: await gcPauses(),
  };
}
