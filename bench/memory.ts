import type { Bench, Ratio } from "./kit/bench.js";
import { launch } from "./kit/process.js";
import { spreadOf } from "./kit/spread.js";
import type { CacheHolderProcess, PourReport } from "./subjects/cache-holder.js";

const TOKEN_BYTES = 2048;
const FLOOD_BYTES = 64 * 2 ** 20;
const FULL = { users: 20_000, valid: 200_000, garbage: 1_000_000, rounds: 3 };
const QUICK = { users: 2000, valid: 4000, garbage: 20_000, rounds: 1 };

export const memory: Bench = {
  name: "memory",
  question: "What does a cached user take in memory, and what does a flood of garbage do to a process?",
  setup:
    "A process of its own for each round, with the default bounds. Heap per token: the heap and the buffers outside of it, after garbage " +
    "collection, before and after the tokens of 20,000 distinct users (30 permissions, 20 of 1,000 locals) were verified. The flood: the highest " +
    "resident set while a million garbage tokens are refused, 1,280 at once, over the highest while the tokens of 200,000 users were verified in " +
    "the same way – Node takes memory for whatever load there is, and collects what is left of it when it sees fit.",
  async run({ quick, progress }) {
    const amounts = quick ? QUICK : FULL;
    const samples: Sample[] = [];
    for (let round = 1; round <= amounts.rounds; round++) {
      samples.push(await measure(amounts, (text) => progress(`round ${round} of ${amounts.rounds}: ${text}`)));
    }
    const of = (value: (sample: Sample) => number) => spreadOf(samples.map(value));
    const sum = (value: (sample: Sample) => number) => samples.reduce((total, sample) => total + value(sample), 0);
    const perToken = ({ bytes }: Sample) => bytes / amounts.users;
    const growth = ({ load, flood }: Sample) => peakOf(flood) - peakOf(load);
    const left = ({ load, flood }: Sample) => flood.bytes - load.bytes;
    const ratio = (what: string, value: (sample: Sample) => number, bound: number): Ratio => ({
      what,
      spread: of((sample) => value(sample) / bound),
      target: { atMost: 1 },
    });
    const all = amounts.rounds * amounts.garbage;
    return {
      figures: [
        { subject: "verified token", what: "bytes", spread: of(perToken) },
        {
          subject: "verified token, as the cache counts",
          what: "bytes",
          spread: of(({ cache }) => cache.bytes / amounts.users),
        },
        { subject: "resident set, cache filled", what: "bytes", spread: of(({ rss }) => rss) },
        { subject: "resident set while users are verified", what: "bytes", spread: of(({ load }) => peakOf(load)) },
        { subject: "resident set while garbage is refused", what: "bytes", spread: of(({ flood }) => peakOf(flood)) },
      ],
      ratios: [
        ratio("heap per token / 2 KB", perToken, TOKEN_BYTES),
        ratio("growth of the resident set through the garbage, beyond that through users / 64 MB", growth, FLOOD_BYTES),
        ratio("what the garbage leaves in the heap / 64 MB", left, FLOOD_BYTES),
      ],
      counts: [
        {
          what: "entries of the cache, once filled",
          is: sum(({ cache }) => cache.entries),
          target: { exactly: amounts.rounds * amounts.users },
        },
        { what: "garbage tokens refused", is: sum(({ flood }) => flood.refused), target: { exactly: all } },
        {
          what: "tokens to which anything else happened",
          is: sum(({ load, flood }) => load.others + load.refused + flood.others + flood.letIn),
          target: { exactly: 0 },
        },
        { what: "entries that the garbage evicted", is: sum(({ evicted }) => evicted), target: { exactly: 0 } },
      ],
      plots: [
        {
          name: "flood",
          title: "Resident set: first users are verified, then garbage is refused",
          x: { name: "tokens" },
          y: { name: "MiB" },
          series: samples.map(({ load, flood }, round) => ({
            name: `round ${round + 1}`,
            points: thinned([...load.rss, ...flood.rss.map(([at, rss]) => [amounts.valid + at, rss] as const)]).map(
              ([at, rss]) => [at, rss / 2 ** 20] as const,
            ),
          })),
        },
      ],
    };
  },
};

type Sample = Awaited<ReturnType<typeof measure>>;

async function measure({ users, valid, garbage }: typeof FULL, progress: (text: string) => void) {
  const flags = ["--expose-gc", "--no-warnings"];
  const module = new URL("./subjects/cache-holder.ts", import.meta.url);
  await using holder = await launch<CacheHolderProcess>(module, {}, { flags });
  progress("users who are cached");
  const filled = await holder.call("fill", users);
  const rss = await holder.call("rss");
  progress("users who come once");
  const load = await holder.call("pour", { kind: "valid", tokens: valid });
  const before = await holder.call("cache");
  progress("garbage");
  const flood = await holder.call("pour", { kind: "garbage", tokens: garbage });
  const after = await holder.call("cache");
  return { ...filled, rss, load, flood, evicted: before.entries - after.entries };
}

function peakOf({ rss }: PourReport): number {
  return Math.max(...rss.map(([, bytes]) => bytes));
}

/** Some 300 points are enough for the eye. */
function thinned<T>(points: readonly T[]): T[] {
  const step = Math.ceil(points.length / 300);
  return points.filter((_, index) => index % step === 0);
}
