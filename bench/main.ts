// Measures, side by side, and writes what it measured:
//
//   npm run bench                  every bench; writes bench/results.json, docs/performance.md and its plots
//   npm run bench -- hit koa       those alone; the results of the others stay
//   npm run bench -- --quick       a smoke check of all, or of some: fails on a wrong count, never on a time, and writes nothing
import { parseArgs } from "node:util";
import { benches } from "./benches.js";
import { isRight } from "./kit/bench.js";
import { print } from "./kit/print.js";
import { writeReport } from "./kit/report.js";
import { type BenchResult, mergeResults } from "./kit/results.js";
import { runBench } from "./kit/run-bench.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false } },
});

const unknown = positionals.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(", ")}: ${benches.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}

const chosen = benches.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const results: BenchResult[] = [];
const crashed: string[] = [];
for (const bench of chosen) {
  console.log(`\n== ${bench.name}: ${bench.question}`);
  try {
    const result = await runBench(bench, values);
    print(result);
    results.push(result);
    if (!values.quick && result.figures.length > 0) await writeReport(await mergeResults([result])); // stays, whatever comes after
  } catch (error) {
    console.error(error);
    crashed.push(bench.name);
  }
}

const wrong = results.filter(({ counts }) => !counts.every(isRight)).map(({ name }) => name);
const counts = results.reduce((sum, result) => sum + result.counts.length, 0);
console.log(`\n${results.length} of ${chosen.length} benches ran, ${counts} counts checked`);
if (crashed.length > 0) console.error(`crashed: ${crashed.join(", ")}`);
if (wrong.length > 0) console.error(`wrong counts: ${wrong.join(", ")}`);
process.exitCode = crashed.length + wrong.length > 0 ? 1 : 0;
