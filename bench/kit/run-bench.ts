import { availableParallelism, cpus, totalmem } from "node:os";
import type { Bench, Findings } from "./bench.js";
import { generator } from "./load.js";
import { launch } from "./process.js";
import type { BenchResult } from "./results.js";
import { versions } from "./versions.js";

export interface RunOptions {
  readonly quick: boolean;
}

/** What the process of one bench exposes. */
export type BenchProcess = { run(options: RunOptions): Promise<Findings> };

/** Runs one bench in a process of its own: no bench leaves its heap, or its crash, to the next. */
export async function runBench({ name, question, setup }: Bench, options: RunOptions): Promise<BenchResult> {
  const started = performance.now();
  const flags = ["--expose-gc", "--no-warnings"];
  await using process = await launch<BenchProcess>(new URL("./bench-process.ts", import.meta.url), { name }, { flags });
  const findings = await process.call("run", options);
  return {
    name,
    question,
    setup,
    ...findings,
    measured: {
      on: new Date().toISOString().slice(0, 10),
      seconds: Math.round((performance.now() - started) / 1000),
      machine: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`,
      node: globalThis.process.versions.node,
      load: generator,
      versions,
    },
  };
}
