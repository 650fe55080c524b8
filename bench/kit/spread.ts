/** The samples of all rounds in three numbers: their median, or their mean where there is a confidence, and between what they lie. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Then `min` and `max` are the ends of the mean's confidence interval. */
  readonly confidence?: 0.95;
}

export function spreadOf(samples: readonly number[]): Spread {
  return { median: quantile(samples, 0.5), min: Math.min(...samples), max: Math.max(...samples) };
}

/** The smallest sample that at least this share of all does not exceed; the median of an even number lies between two. */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError("there is no quantile of no samples");
  const sorted = Float64Array.from(samples).sort();
  if (share === 0.5 && sorted.length % 2 === 0)
    return (sorted[sorted.length / 2 - 1]! + sorted[sorted.length / 2]!) / 2;
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;
}

/** Round by round: what one subject took as a multiple of the other, which was measured right beside it. */
export function ratioOf(samples: readonly number[], base: readonly number[]): Spread {
  return spreadOf(samples.map((sample, round) => sample / base[round]!));
}
