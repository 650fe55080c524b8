// One bench, in the process that `run-bench` starts for it. It loads that bench's file alone, which is named like the bench.
import type { Bench } from "./bench.js";
import { compiled, expose } from "./process.js";
import { createProgress } from "./progress.js";
import type { BenchProcess } from "./run-bench.js";

await expose<{ name: string }, BenchProcess>(({ name }) => ({
  async run({ quick }) {
    const module = (await import(compiled(new URL(`../${name}.ts`, import.meta.url)).href)) as Record<string, Bench>;
    const bench = Object.values(module).find((each) => each.name === name);
    if (!bench) throw new Error(`bench/${name}.ts has no bench of that name`);
    const progress = createProgress();
    try {
      return await bench.run({ quick, progress: progress.show });
    } finally {
      progress.clear();
    }
  },
}));
