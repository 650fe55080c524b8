import { mkdir, rm, writeFile } from "node:fs/promises";
import { benches } from "../benches.js";
import { capacityPage } from "../capacity/page.js";
import { isRight } from "./bench.js";
import { countList, figureTable, plotList, provenance, ratioList, verdictOn } from "./chapter.js";
import { tableOf } from "./markdown.js";
import { formatSpread, formatTarget } from "./numbers.js";
import { drawPlot } from "./plot.js";
import type { BenchResult } from "./results.js";

const DOCS = new URL("../../docs/", import.meta.url);
const PLOTS = new URL("performance/", DOCS);

/** Writes docs/performance.md with its plots, and docs/capacity.md. Every word of it comes from a bench. */
export async function writeReport(results: readonly BenchResult[]): Promise<void> {
  await rm(PLOTS, { recursive: true, force: true });
  await mkdir(PLOTS, { recursive: true });
  const chapters: string[] = [];
  for (const { name, page } of benches) {
    const result = results.find((each) => each.name === name);
    if (!result) continue;
    for (const plot of result.plots ?? []) {
      await writeFile(new URL(`${name}-${plot.name}.svg`, PLOTS), await drawPlot(plot));
    }
    if (page === undefined) chapters.push(chapterOf(result));
  }
  const page = [introduction(results), overview(results), ...chapters].join("\n\n");
  await writeFile(new URL("performance.md", DOCS), `${page}\n`);
  const capacity = capacityPage(results);
  if (capacity !== undefined) await writeFile(new URL("capacity.md", DOCS), capacity);
}

function introduction(results: readonly BenchResult[]): string {
  const missing = benches.filter(({ name }) => !results.some((result) => result.name === name));
  return [
    "# Performance",
    "",
    "`npm run bench` wrote this page and writes it anew. The subjects of a bench are run in turn, in one go; figures are the median of",
    "the rounds, in brackets the lowest and the highest; a ratio is taken round by round, and its median is held against the target. With ±",
    "they are the mean and its 95 % confidence interval.",
    "Times depend on the machine: look at the ratios. Counts must be right on any machine, and a bench fails when one is not.",
    "The table holds what has a target; the chapters below, and the pages that it leads to, hold everything that was measured.",
    ...(missing.length > 0 ? ["", `**Not measured yet:** ${missing.map(({ name }) => name).join(", ")}.`] : []),
  ].join("\n");
}

function overview(results: readonly BenchResult[]): string {
  const rows = benches.flatMap(({ name, page }) => {
    const result = results.find((each) => each.name === name);
    if (!result) return [];
    const bench = `[${name}](${page ?? `#${name}`})`;
    const right = result.counts.filter(isRight).length;
    const all = result.counts.length;
    return [
      ...result.ratios
        .filter(({ target }) => target)
        .map((ratio) => [bench, ratio.what, formatSpread(ratio.spread), formatTarget(ratio.target), verdictOn(ratio)]),
      [bench, "counts that are right", String(right), String(all), right === all ? "met" : "**wrong**"],
    ];
  });
  return tableOf(["bench", "ratio", "measured", "target", "target is"], rows);
}

function chapterOf(result: BenchResult): string {
  const { name, question, setup, figures, ratios, counts } = result;
  return [
    `## ${name}`,
    `**${question}** ${setup}`,
    figures.length > 0 && figureTable(figures),
    ratios.length > 0 && ratioList(ratios),
    counts.length > 0 && countList(result),
    plotList(result),
    provenance(result),
  ]
    .filter(Boolean)
    .join("\n\n");
}
