import type { Bench, Count, Figure, Ratio } from "./kit/bench.js";
import { launch } from "./kit/process.js";
import { inTurn } from "./kit/rounds.js";
import { spreadOf } from "./kit/spread.js";
import type { CacheHolderProcess, PourReport } from "./subjects/cache-holder.js";

const TOKEN_BYTES = 2048;
const FLOOD_BYTES = 64e6;
const MEBIBYTE = 2 ** 20;
const FULL = { warmUp: 3000, users: 20_000, garbage: 1_000_000, others: 200_000, rounds: 3 };
const QUICK = { warmUp: 100, users: 500, garbage: 4096, others: 1024, rounds: 1 };
const LIMITED = ["--max-old-space-size=512"];
/** Some points of a plot are enough for the eye. */
const POINTS = 300;

export const memory: Bench = {
  name: "memory",
  question: "What does a cached user take in memory, and what does a flood of garbage do to a process?",
  setup:
    "Processes with the default bounds, each of which first verifies the tokens of 20,000 distinct users (30 permissions, 20 of 1,000 locals). " +
    "Heap per token: the heap and the buffers outside of it, after garbage collection, before and after that. Growth: the highest resident " +
    "set while a million garbage tokens are refused, 1,024 at once, over that of the same process before, collected. Node's heap is limited to " +
    "512 MiB (`--max-old-space-size=512`); beside it the same with Node's own limit, which follows from the machine's memory – with more " +
    "room V8 collects later, here when the heap has grown to about four times what is in use – and the same with users who come once.",
  async run({ quick, progress }) {
    const amounts = quick ? QUICK : FULL;
    const { users, rounds } = amounts;
    const samples = await inTurn(
      {
        garbage: () => measure(amounts, { kind: "garbage", tokens: amounts.garbage }, LIMITED),
        unlimited: () => measure(amounts, { kind: "garbage", tokens: amounts.others }, []),
        valid: () => measure(amounts, { kind: "valid", tokens: amounts.others }, LIMITED),
      },
      rounds,
      { progress },
    );
    const { garbage, unlimited, valid } = samples;
    const all = [...garbage, ...unlimited, ...valid];
    const refused = (some: readonly Sample[]) => sumOf(some, ({ pour }) => pour.refused);
    const count = (what: string, is: number, exactly: number): Count => ({ what, is, target: { exactly } });
    return {
      figures: [
        { subject: "verified token", what: "bytes", spread: spreadOf(all.map(perToken(users))) },
        {
          subject: "verified token, as the cache counts",
          what: "bytes",
          spread: spreadOf(all.map(({ cache }) => cache.bytes / users)),
        },
        ...floodFigures(`${amounts.garbage.toLocaleString("en-US")} garbage tokens`, garbage),
        ...floodFigures(`${amounts.others.toLocaleString("en-US")} garbage tokens, Node's own heap limit`, unlimited),
        ...floodFigures(`${amounts.others.toLocaleString("en-US")} users who come once`, valid),
      ],
      ratios: [
        { what: "heap per token / 2 KiB", ...partOf(TOKEN_BYTES, all, perToken(users)), target: { atMost: 1 } },
        {
          what: "growth of the resident set through garbage / 64 MB",
          ...partOf(FLOOD_BYTES, garbage, growth),
          target: { atMost: 1 },
        },
        {
          what: "what the garbage leaves in the heap / 64 MB",
          ...partOf(FLOOD_BYTES, garbage, left),
          target: { atMost: 1 },
        },
        {
          what: "growth of the resident set through garbage, Node's own heap limit / 64 MB",
          ...partOf(FLOOD_BYTES, unlimited, growth),
          target: { atMost: 1 },
        },
        { what: "growth of the resident set through users / 64 MB", ...partOf(FLOOD_BYTES, valid, growth) },
      ],
      counts: [
        count(
          "entries of the caches, once filled",
          sumOf(all, ({ cache }) => cache.entries),
          all.length * users,
        ),
        count("garbage tokens refused", refused(garbage), rounds * amounts.garbage),
        count("garbage tokens refused, Node's own heap limit", refused(unlimited), rounds * amounts.others),
        count(
          "users let in who come once",
          sumOf(valid, ({ pour }) => pour.letIn),
          rounds * amounts.others,
        ),
        count(
          "entries that the garbage evicted",
          sumOf([...garbage, ...unlimited], ({ evicted }) => evicted),
          0,
        ),
      ],
      plots: [
        {
          name: "flood",
          title: "Resident set while garbage is refused, heap limited to 512 MiB",
          x: { name: "garbage tokens" },
          y: { name: "MiB" },
          series: garbage.map(({ pour: { before, rss } }, round) => ({
            name: `round ${round + 1}`,
            points: highestOf([[0, before.rss], ...rss]).map(([at, bytes]) => [at, bytes / MEBIBYTE] as const),
          })),
        },
      ],
    };
  },
};

type Sample = Awaited<ReturnType<typeof measure>>;

/** Fills the cache of a fresh process, and pours tokens into it. */
async function measure(
  { users, warmUp }: typeof FULL,
  pour: Parameters<CacheHolderProcess["pour"]>[0],
  limits: readonly string[],
) {
  const flags = ["--expose-gc", "--no-warnings", ...limits];
  const module = new URL("./subjects/cache-holder.ts", import.meta.url);
  await using holder = await launch<CacheHolderProcess>(module, { warmUp }, { flags });
  const filled = await holder.call("fill", users);
  const report = await holder.call("pour", pour);
  const { entries } = await holder.call("cache");
  return { ...filled, pour: report, evicted: filled.cache.entries - entries };
}

function floodFigures(subject: string, samples: readonly Sample[]): Figure[] {
  const figure = (what: string, value: (report: PourReport) => number): Figure => ({
    subject,
    what: `${what}, MiB`,
    spread: spreadOf(samples.map(({ pour }) => value(pour) / MEBIBYTE)),
  });
  return [
    figure("heap limit", ({ heapLimit }) => heapLimit),
    figure("resident set before", ({ before }) => before.rss),
    figure("highest resident set", highest),
    figure("in use before", ({ before }) => before.inUse),
    figure("in use after", ({ inUseAfter }) => inUseAfter),
  ];
}

const perToken =
  (users: number) =>
  ({ bytes }: Sample) =>
    bytes / users;
const growth = ({ pour }: Sample) => highest(pour) - pour.before.rss;
const left = ({ pour }: Sample) => pour.inUseAfter - pour.before.inUse;

function highest({ rss }: PourReport): number {
  return Math.max(...rss.map(([, bytes]) => bytes));
}

function partOf(bound: number, samples: readonly Sample[], value: (sample: Sample) => number): Pick<Ratio, "spread"> {
  return { spread: spreadOf(samples.map((sample) => value(sample) / bound)) };
}

function sumOf(samples: readonly Sample[], value: (sample: Sample) => number): number {
  return samples.reduce((sum, sample) => sum + value(sample), 0);
}

/** Of every few points the highest. */
function highestOf(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  const size = Math.ceil(points.length / POINTS);
  return Array.from({ length: Math.ceil(points.length / size) }, (_, index) =>
    points.slice(index * size, (index + 1) * size).reduce((high, point) => (point[1] > high[1] ? point : high)),
  );
}
