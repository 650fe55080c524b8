import { isRight, meetsTarget } from "./bench.js";
import { formatNumber, formatSpread, formatTarget } from "./numbers.js";
import type { BenchResult } from "./results.js";

/** Shows a result on the terminal. */
export function print({ figures, ratios, counts, measured }: BenchResult): void {
  for (const { subject, what, spread } of figures) console.log(`   ${subject}: ${formatSpread(spread)} ${what}`);
  for (const ratio of ratios) {
    const met = meetsTarget(ratio);
    const verdict = met === undefined ? "" : `, target ${formatTarget(ratio.target)}: ${met ? "met" : "MISSED"}`;
    console.log(`   ratio ${ratio.what}: ${formatSpread(ratio.spread)}${verdict}`);
  }
  for (const count of counts) {
    const verdict = isRight(count) ? "right" : "WRONG";
    console.log(`   count ${count.what}: ${formatNumber(count.is)}, must be ${formatTarget(count.target)}: ${verdict}`);
  }
  console.log(`   ${measured.seconds} s`);
}
