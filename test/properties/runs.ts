/** The same runs every time, so that what is red today is red tomorrow; a failure prints its seed and path. */
export function runs(numRuns: number): { numRuns: number; seed: number } {
  return { numRuns, seed: 20_260_101 };
}
