import { type Figure, isRight, meetsTarget, type Ratio } from "./bench.js";
import { listOf, tableOf } from "./markdown.js";
import { formatNumber, formatSpread, formatTarget } from "./numbers.js";
import type { BenchResult } from "./results.js";

/** Rows by subject, columns by what was measured. */
export function figureTable(figures: readonly Figure[]): string {
  const subjects = [...new Set(figures.map(({ subject }) => subject))];
  const columns = [...new Set(figures.map(({ what }) => what))];
  const cell = (row: string, column: string) => {
    const figure = figures.find(({ subject, what }) => subject === row && what === column);
    return figure ? formatSpread(figure.spread) : "–";
  };
  return tableOf(
    ["", ...columns],
    subjects.map((row) => [row, ...columns.map((column) => cell(row, column))]),
  );
}

export function ratioList(ratios: readonly Ratio[]): string {
  const lines = ratios.map(
    (ratio) =>
      `${ratio.what}: **${formatSpread(ratio.spread)}**${ratio.target ? `, target ${formatTarget(ratio.target)}: ${verdictOn(ratio)}` : ""}`,
  );
  return listOf(lines);
}

export function verdictOn(ratio: Ratio): string {
  const met = meetsTarget(ratio);
  return met === undefined ? "–" : met ? "met" : "**missed**";
}

/** What was counted, beside what it must be. */
export function countList({ counts }: BenchResult): string {
  const lines = counts.map(
    (count) =>
      `${count.what}: ${formatNumber(count.is)}, must be ${formatTarget(count.target)}${isRight(count) ? "" : " **– wrong**"}`,
  );
  return `Counted:\n\n${listOf(lines)}`;
}

/** The plots, for a page in docs. */
export function plotList({ name, plots }: BenchResult): string {
  return (plots ?? []).map((plot) => `![${plot.title}](performance/${name}-${plot.name}.svg)`).join("\n\n");
}

/** When, where and with which versions. */
export function provenance({ measured }: BenchResult): string {
  const versions = Object.entries(measured.versions).map(([what, version]) => `${what} ${version}`);
  return `<sub>${measured.on}, ${measured.machine}, Node ${measured.node}, ${measured.load}, ${measured.seconds} s; ${versions.join(", ")}</sub>`;
}
