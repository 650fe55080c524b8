import type { AskOptions, AskSample } from "./ask.js";
import type { Context, Figure, Findings, Ratio } from "./bench.js";
import { inTurn } from "./rounds.js";
import { ratioOf, spreadOf } from "./spread.js";

const ROUNDS = 7;
const WARM_UP_SECONDS = 2;

/** A client, and the one that it is held against. Without a target the ratio is shown and no more. */
export interface ClientComparison<K extends string> {
  readonly of: K;
  readonly with: K;
  /** For the latency of a question that is alone: what a request waits for. */
  readonly latencyAtMost?: number;
  /** For the time per question where many are under way. */
  readonly timeAtMost?: number;
  /** For the client's CPU, alone or not. */
  readonly cpuAtMost?: number;
  /** For the pause of the client's garbage collector where many are under way, in milliseconds: the median of a round's. */
  readonly pauseAtMostMs?: number;
}

/** Lets clients ask in turn, each in a process of its own: one question at a time, then 32. */
export async function compareClients<K extends string>(
  clients: Readonly<Record<K, (options: AskOptions) => Promise<AskSample>>>,
  comparisons: readonly ClientComparison<K>[],
  context: Context,
): Promise<Pick<Findings, "figures" | "ratios">> {
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const kinds = Object.keys(clients) as K[];
  const { quick } = context;
  const { seconds, rounds } = quick ? { seconds: 0.1, rounds: 1 } : { seconds: 1.5, rounds: ROUNDS };
  for (const { inFlight, time, of, target, showsPauses } of loads) {
    const when = `${inFlight} in flight`;
    const progress = (text: string) => context.progress(`${when}: ${text}`);
    for (const kind of quick ? [] : kinds) {
      progress(`warming up ${kind}`);
      await clients[kind]({ inFlight, seconds: WARM_UP_SECONDS });
    }
    const run = (kind: K) => [kind, () => clients[kind]({ inFlight, seconds })] as const;
    const subjects = Object.fromEntries(kinds.map(run)) as Record<K, () => Promise<AskSample>>;
    const samples = await inTurn(subjects, rounds, { progress });
    const values = (kind: K, value: (sample: AskSample) => number) => samples[kind].map(value);
    for (const subject of kinds) {
      figures.push(
        { subject, what: `${time}, µs, ${when}`, spread: spreadOf(values(subject, of)) },
        { subject, what: `CPU of the client, µs, ${when}`, spread: spreadOf(values(subject, cpu)) },
        { subject, what: `p99, µs, ${when}`, spread: spreadOf(values(subject, ({ p99 }) => p99)) },
      );
      if (!showsPauses) continue;
      figures.push(
        { subject, what: `pause of GC, ms, ${when}`, spread: spreadOf(values(subject, pause)) },
        {
          subject,
          what: `longest pause of GC, ms, ${when}`,
          spread: spreadOf(values(subject, ({ gc }) => gc.longest)),
        },
      );
    }
    for (const comparison of comparisons) {
      const { of: ours, with: theirs, cpuAtMost, pauseAtMostMs } = comparison;
      const ratio = (what: string, value: (sample: AskSample) => number, atMost: number | undefined): Ratio => ({
        what: `${what} of ${ours} / ${theirs}, ${when}`,
        spread: ratioOf(values(ours, value), values(theirs, value)),
        ...(atMost !== undefined && { target: { atMost } }),
      });
      ratios.push(ratio(time, of, comparison[target]), ratio("CPU", cpu, cpuAtMost));
      if (!showsPauses || pauseAtMostMs === undefined) continue;
      ratios.push({
        what: `pause of the garbage collector of ${ours} / ${pauseAtMostMs} ms, ${when}`,
        spread: spreadOf(values(ours, pause).map((ms) => ms / pauseAtMostMs)),
        target: { atMost: 1 },
      });
    }
  }
  return { figures, ratios };
}

const cpu = ({ cpuMicros }: AskSample) => cpuMicros;
const pause = ({ gc }: AskSample) => gc.median;

/** How much is under way at once, and what its time is: where many wait for each other, one's own latency says little. */
const loads = [
  { inFlight: 1, time: "latency", of: ({ p50 }: AskSample) => p50, target: "latencyAtMost", showsPauses: false },
  {
    inFlight: 32,
    time: "time for each",
    of: ({ micros }: AskSample) => micros,
    target: "timeAtMost",
    showsPauses: true,
  },
] as const;
