import type { Spread } from "./spread.js";

/** Standard errors on each side of a mean that hold the true one 95 times of 100, for as many rounds as the benches have. */
const STANDARD_ERRORS = 2;

/** The mean of the samples and its 95 % confidence interval. */
export function intervalOf(samples: readonly number[]): Spread {
  const mean = samples.reduce((sum, each) => sum + each, 0) / samples.length;
  const variance = samples.reduce((sum, each) => sum + (each - mean) ** 2, 0) / Math.max(1, samples.length - 1);
  const error = STANDARD_ERRORS * Math.sqrt(variance / samples.length);
  return { median: mean, min: mean - error, max: mean + error, confidence: 0.95 };
}

/** Round by round, one as a multiple of the other: the geometric mean, for half as much and twice as much are equally far from the same. */
export function intervalOfRatio(samples: readonly number[], base: readonly number[]): Spread {
  const rounds = Math.min(samples.length, base.length);
  const logs = Array.from({ length: rounds }, (_, round) => Math.log(samples[round]! / base[round]!));
  const { median, min, max } = intervalOf(logs);
  return { median: Math.exp(median), min: Math.exp(min), max: Math.exp(max), confidence: 0.95 };
}
