// Runs simulated worlds, seed by seed, and stops at the first in which a rule of the specification is broken:
//
//   npm run simulate -- --seeds 100000           so many seeds
//   npm run simulate -- --seeds 1000 --from 5000 … beginning with this one
//   npm run simulate -- --seed 4711              one seed, with all that happened (--last 500: more of it)
//
// Every fourth seed is a world of replicas, too. --world service|replicas: each seed is a world of that kind alone
// --workers N: so many processes side by side (default: one for each core). --real-lru: with lru-cache itself, which is slower;
// a single seed always runs with it.
import { fork } from "node:child_process";
import { register } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { ReplicaReport } from "../test/simulation/replica-simulation.js";
import type { Report } from "../test/simulation/simulation.js";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    last: { type: "string", default: "60" },
    workers: { type: "string", default: String(availableParallelism()) },
    "real-lru": { type: "boolean", default: false },
    world: { type: "string", default: "both" },
    worker: { type: "string" },
  },
});

/** A worker tells of its work after so many seeds. */
const BATCH = 25;
/** What takes longer than the other world of a seed is run less often. */
const REPLICAS_EVERY = 4;

interface Progress {
  readonly seeds: number;
  readonly requests: number;
  readonly calls: number;
  readonly failed?: { readonly seed: number; readonly text: string };
}

if (values.seed !== undefined) await replay(number(values.seed));
else if (values.worker !== undefined) await work(number(values.worker));
else await conduct();

type Found = Report | ReplicaReport;

/** The worlds of a seed. */
async function load(withRealLru: boolean): Promise<(seed: number) => ((seed: number) => Promise<Found>)[]> {
  if (!withRealLru) {
    const small = new URL("../test/simulation/small-lru.ts", import.meta.url).href;
    const hook = `export const resolve = (specifier, context, next) =>
      next(specifier === "lru-cache" ? ${JSON.stringify(small)} : specifier, context);`;
    register(`data:text/javascript,${encodeURIComponent(hook)}`);
  }
  const { simulate } = await import("../test/simulation/simulation.js");
  const { simulateReplicas } = await import("../test/simulation/replica-simulation.js");
  switch (values.world) {
    case "service":
      return () => [simulate];
    case "replicas":
      return () => [simulateReplicas];
    case "both":
      return (seed) => (seed % REPLICAS_EVERY === 0 ? [simulate, simulateReplicas] : [simulate]);
    default:
      throw new TypeError(`there is no world called ${values.world}`);
  }
}

async function replay(seed: number): Promise<void> {
  for (const simulate of (await load(true))(seed)) {
    const report = await simulate(seed);
    console.log(JSON.stringify(report.settings, null, 2));
    console.log(report.lines(number(values.last)).join("\n"));
    console.log(report.violations.length === 0 ? `seed ${seed}: every rule was kept` : describe(report, 0));
    if (report.violations.length > 0) process.exitCode = 1;
  }
}

/** One of several processes: takes every so many-th seed. */
async function work(index: number): Promise<void> {
  Error.stackTraceLimit = 0; // a million refusals need no stacks; a replay has them
  const worldsOf = await load(values["real-lru"]);
  const [from, seeds, workers] = [number(values.from), number(values.seeds), number(values.workers)];
  let progress: Progress = { seeds: 0, requests: 0, calls: 0 };
  const tell = () => process.send?.(progress);
  for (let seed = from + index; seed < from + seeds; seed += workers) {
    for (const simulate of worldsOf(seed)) {
      const report = await simulate(seed);
      const { requests, calls } = progress;
      progress = { ...progress, requests: requests + report.requests, calls: calls + report.calls };
      if (report.violations.length > 0) progress = { ...progress, failed: { seed, text: describe(report) } };
      if (progress.failed) break;
    }
    progress = { ...progress, seeds: progress.seeds + 1 };
    if (progress.failed || progress.seeds % BATCH === 0) tell();
    if (progress.failed) break;
  }
  tell();
  process.disconnect?.();
}

async function conduct(): Promise<void> {
  const started = performance.now();
  const all = new Map<number, Progress>();
  const total = (count: "seeds" | "requests" | "calls") =>
    [...all.values()].reduce((sum, each) => sum + each[count], 0);
  const line = () => {
    const seconds = (performance.now() - started) / 1000;
    const rate = Math.round(total("seeds") / seconds);
    return `${total("seeds")} of ${values.seeds} seeds, ${total("requests")} requests, ${rate} seeds/s`;
  };
  const isTerminal = process.stderr.isTTY;
  const ticker = setInterval(
    () => process.stderr.write(isTerminal ? `\r${line()} ` : `${line()}\n`),
    isTerminal ? 500 : 10_000,
  );
  const workers = Array.from({ length: number(values.workers) }, (_, index) =>
    fork(fileURLToPath(import.meta.url), [...process.argv.slice(2), "--worker", String(index)]),
  );
  const exits = workers.map(
    (worker, index) =>
      new Promise<number | null>((resolve) => {
        worker.on("message", (progress) => {
          all.set(index, progress as Progress);
          if ((progress as Progress).failed) for (const other of workers) other.kill();
        });
        worker.on("exit", resolve);
      }),
  );
  const codes = await Promise.all(exits);
  clearInterval(ticker);
  if (isTerminal) process.stderr.write("\n");
  console.log(line());
  const failures = [...all.values()].flatMap(({ failed }) => failed ?? []);
  for (const { seed, text } of failures.slice(0, 1)) {
    console.log(`${text}\n\nto see it again: npm run simulate -- --seed ${seed}`);
  }
  process.exitCode = failures.length === 0 && codes.every((code) => code === 0) ? 0 : 1;
}

function describe({ seed, violations, lines, settings }: Found, last = 40): string {
  const rules = violations.slice(0, 10).map((rule) => `  ${rule}`);
  const events = last > 0 ? ["", JSON.stringify(settings), "", ...lines(last)] : [];
  return [`seed ${seed}: ${violations.length} rules were broken`, ...rules, ...events].join("\n");
}

function number(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${text} is not a number of seeds`);
  return value;
}
