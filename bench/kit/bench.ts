import type { Spread } from "./spread.js";

/** One question about performance, and how it is answered. */
export interface Bench {
  /** As it is called on the command line. */
  readonly name: string;
  readonly question: string;
  /** What is compared with what, for the page that shows the result. */
  readonly setup: string;
  /** The page in docs that shows it, where that is not performance.md. */
  readonly page?: string;
  run(context: Context): Promise<Findings>;
}

export interface Context {
  /** A smoke check: as little as shows that everything works and is counted right. */
  readonly quick: boolean;
  progress(text: string): void;
}

/** What a bench has measured: all there is to know of it, as plain data. */
export interface Findings {
  readonly figures: readonly Figure[];
  readonly ratios: readonly Ratio[];
  readonly counts: readonly Count[];
  readonly plots?: readonly Plot[];
}

/** One cell of the bench's table: `subject` names the row, `what` the column, with its unit. */
export interface Figure {
  readonly subject: string;
  readonly what: string;
  readonly spread: Spread;
}

/** Two subjects of the same rounds, one divided by the other. */
export interface Ratio {
  readonly what: string;
  readonly spread: Spread;
  readonly target?: { readonly atMost: number } | { readonly atLeast: number } | Range;
}

/** Both ends are in it. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** What must be so on any machine, however slow: a bench fails when it is not. */
export interface Count {
  readonly what: string;
  readonly is: number;
  readonly target: { readonly exactly: number } | { readonly atMost: number };
}

export interface Plot {
  /** Part of the file's name. */
  readonly name: string;
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly marks?: "line" | "dots";
  readonly series: readonly { readonly name: string; readonly points: readonly (readonly [number, number])[] }[];
}

export interface Axis {
  readonly name: string;
  readonly scale?: "linear" | "log";
}

export function meetsTarget({ spread, target }: Ratio): boolean | undefined {
  if (!target) return undefined;
  if (!Number.isFinite(spread.median)) return false;
  if ("from" in target) return spread.median >= target.from && spread.median <= target.to;
  return "atMost" in target ? spread.median <= target.atMost : spread.median >= target.atLeast;
}

export function isRight({ is, target }: Count): boolean {
  return "exactly" in target ? is === target.exactly : is <= target.atMost;
}
