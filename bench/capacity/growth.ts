import type { Context, Findings } from "../kit/bench.js";
import { Processes } from "../kit/process.js";
import { inTurn } from "../kit/rounds.js";
import { ratioOf, type Spread, spreadOf } from "../kit/spread.js";
import type { CacheHolderProcess } from "../subjects/cache-holder.js";
import { measureGuard } from "./local-guard.js";

const SIZES = [1000, 10_000, 100_000, 1_000_000];
const QUICK_SIZES = [100, 1000];
const LOCALS = [10, 1000, 10_000];
const ROUNDS = 7;

export const growthSetup =
  "A process for each size: `peekToken()` of random users, and beside it SHA-256 of the same token and `LRUCache.get` in a map of the same " +
  "size – what the look-up in a large map costs by itself is not portero's. Then `requireLocal()` for a user with so many locals, and " +
  "beside it a look for the same local into a bare `Set` of them.";

/** Whether a figure's subject is one of these. */
export function isGrowth(subject: string): boolean {
  return / (entries|locals)$/.test(subject);
}

/** Whether a hit costs more, or a user takes more, when there are many of them; and a guard, when a user has many locals. */
export async function measureGrowth(context: Context): Promise<Findings> {
  const caches = await measureCaches(context);
  const locals = await measureLocals(context);
  return {
    figures: [...caches.figures, ...locals.figures],
    ratios: [...caches.ratios, ...locals.ratios],
    counts: [...caches.counts, ...locals.counts],
    plots: caches.plots ?? [],
  };
}

async function measureCaches(context: Context): Promise<Findings> {
  const sizes = context.quick ? QUICK_SIZES : SIZES;
  await using processes = new Processes();
  const holders = new Map<
    number,
    { ours: number; bare: number; fixed: number; holder: Awaited<ReturnType<typeof launchHolder>> }
  >();
  for (const size of sizes) {
    context.progress(`filling a cache with ${size} entries`);
    const holder = await launchHolder(processes, size, context);
    const fixed = await holder.call("fillOne");
    const ours = await holder.call("fill", size);
    const bare = await holder.call("fillBare", size);
    holders.set(size, { ours: (ours.bytes - fixed.bytes) / size, bare: bare.bytes / size, fixed: fixed.bytes, holder });
  }
  const run = { quick: context.quick };
  const subjects = Object.fromEntries(
    [...holders].flatMap(([size, { holder }]) => [
      [`bare ${size}`, () => holder.call("bareHit", run)],
      [`ours ${size}`, () => holder.call("hit", run)],
    ]),
  );
  const samples = await inTurn(subjects, context.quick ? 1 : ROUNDS, context);
  const over = (size: number) => samples[`ours ${size}`]!.map((ours, round) => ours / samples[`bare ${size}`]![round]!);
  const [smallest, largest] = [sizes[0]!, sizes.at(-1)!];
  const once = (value: number): Spread => spreadOf([value]);
  const lost = await Promise.all([...holders.values()].map(({ holder }) => holder.call("lost")));
  const line = (name: string, y: (size: number) => number) => ({
    name,
    points: sizes.map((size) => [size, y(size)] as const),
  });
  return {
    figures: sizes.flatMap((size) => [
      { subject: entries(size), what: "hit, ns", spread: spreadOf(samples[`ours ${size}`]!) },
      { subject: entries(size), what: "SHA-256 and bare LRU, ns", spread: spreadOf(samples[`bare ${size}`]!) },
      { subject: entries(size), what: "bytes/entry", spread: once(holders.get(size)!.ours) },
      { subject: entries(size), what: "a client for one entry, bytes", spread: once(holders.get(size)!.fixed) },
      { subject: entries(size), what: "of these the bare LRU, bytes/entry", spread: once(holders.get(size)!.bare) },
    ]),
    ratios: [
      ...sizes.map((size) => ({ what: `hit / bare LRU, ${entries(size)}`, spread: spreadOf(over(size)) })),
      {
        what: `hit / bare LRU, ${entries(largest)} / ${entries(smallest)}`,
        spread: ratioOf(over(largest), over(smallest)),
        target: { atMost: 1.5 },
      },
      {
        what: `bytes/entry, ${entries(largest)} / ${entries(smallest)}`,
        spread: once(holders.get(largest)!.ours / holders.get(smallest)!.ours),
        target: { atMost: 1.5 },
      },
    ],
    counts: [
      { what: "look-ups that found nothing", is: lost.reduce((sum, each) => sum + each, 0), target: { exactly: 0 } },
    ],
    plots: [
      {
        name: "hit",
        title: "A hit, by entries in the cache",
        x: { name: "entries", scale: "log" },
        y: { name: "ns" },
        series: [
          line("portero", (size) => spreadOf(samples[`ours ${size}`]!).median),
          line("SHA-256 and bare LRU", (size) => spreadOf(samples[`bare ${size}`]!).median),
        ],
      },
      {
        name: "memory",
        title: "Memory, by entries in the cache",
        x: { name: "entries", scale: "log" },
        y: { name: "bytes/entry" },
        series: [
          line("portero", (size) => holders.get(size)!.ours),
          line("bare LRU, without its values", (size) => holders.get(size)!.bare),
        ],
      },
    ],
  };
}

function launchHolder(processes: Processes, size: number, { quick }: Context) {
  // A cache of a million users takes more than Node's heap may by itself.
  const flags = ["--expose-gc", "--no-warnings", "--max-old-space-size=8192"];
  const limits = { maxEntries: size, maxBytes: size * 4096, ...(quick && { warmUp: 100 }) };
  return processes.launch<CacheHolderProcess>(new URL("../subjects/cache-holder.ts", import.meta.url), limits, {
    flags,
  });
}

async function measureLocals(context: Context): Promise<Findings> {
  const guards = await Promise.all(LOCALS.map(async (count) => ({ count, guard: await measureGuard(count, context) })));
  const subjects = Object.fromEntries(
    guards.flatMap(({ count, guard }) => [
      [`bare ${count}`, guard.bareNanos],
      [`ours ${count}`, guard.nanos],
    ]),
  );
  const samples = await inTurn(subjects, context.quick ? 1 : ROUNDS, context);
  const ours = (count: number) => samples[`ours ${count}`]!;
  const bare = (count: number) => samples[`bare ${count}`]!;
  const [fewest, most] = [LOCALS[0]!, LOCALS.at(-1)!];
  const grownBy = bare(most).map((nanos, round) => nanos - bare(fewest)[round]!);
  return {
    figures: LOCALS.flatMap((count) => [
      { subject: `requireLocal() of ${locals(count)}`, what: "ns", spread: spreadOf(ours(count)) },
      { subject: `requireLocal() of ${locals(count)}`, what: "a bare Set, ns", spread: spreadOf(bare(count)) },
    ]),
    ratios: [
      {
        what: `requireLocal() of ${locals(most)} / 1 µs`,
        spread: spreadOf(ours(most).map((nanos) => nanos / 1000)),
        target: { atMost: 1 },
      },
      {
        what: `requireLocal() of ${locals(most)} / of ${locals(fewest)}, less what a bare Set grows by`,
        spread: ratioOf(
          ours(most).map((nanos, round) => nanos - grownBy[round]!),
          ours(fewest),
        ),
        target: { atMost: 1.5 },
      },
      { what: `requireLocal() of ${locals(most)} / of ${locals(fewest)}`, spread: ratioOf(ours(most), ours(fewest)) },
    ],
    counts: guards.map(({ count, guard }) => ({
      what: `wrong decisions of requireLocal(), ${count} locals`,
      is: guard.wrong(),
      target: { exactly: 0 },
    })),
  };
}

function locals(count: number): string {
  return `${count.toLocaleString("en-US")} locals`;
}

function entries(size: number): string {
  return `${size.toLocaleString("en-US")} entries`;
}
