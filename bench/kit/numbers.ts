import type { Count, Ratio } from "./bench.js";
import type { Spread } from "./spread.js";

/** Three digits that count, thousands apart. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return "not measured"; // the machine was too slow
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** The median, and in brackets from where to where the rounds went; of a mean its confidence interval. */
export function formatSpread({ median, min, max, confidence }: Spread): string {
  if (min === max || !Number.isFinite(median)) return formatNumber(median);
  if (confidence) return `${formatNumber(median)} ± ${formatNumber((max - min) / 2)}`;
  return `${formatNumber(median)} (${formatNumber(min)} – ${formatNumber(max)})`;
}

export function formatTarget(target: Ratio["target"] | Count["target"]): string {
  if (!target) return "–";
  if ("from" in target) return `${formatNumber(target.from)} – ${formatNumber(target.to)}`;
  if ("atMost" in target) return `≤ ${formatNumber(target.atMost)}`;
  return "atLeast" in target ? `≥ ${formatNumber(target.atLeast)}` : formatNumber(target.exactly);
}
