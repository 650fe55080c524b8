// One bench, in the process that `run-bench` starts for it.
import { benches } from "../benches.js";
import { expose } from "./process.js";
import { createProgress } from "./progress.js";
import type { BenchProcess } from "./run-bench.js";

await expose<{ name: string }, BenchProcess>(({ name }) => ({
  async run({ quick }) {
    const bench = benches.find((each) => each.name === name);
    if (!bench) throw new Error(`there is no bench ${name}`);
    const progress = createProgress();
    try {
      return await bench.run({ quick, progress: progress.show });
    } finally {
      progress.clear();
    }
  },
}));
