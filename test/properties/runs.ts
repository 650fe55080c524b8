/** Where the same is run on another Node before or after, a part is enough: `PORTERO_PROPERTY_SHARE=0.6`. */
const SHARE = Number(process.env.PORTERO_PROPERTY_SHARE ?? 1);

/** The same runs every time, so that what is red today is red tomorrow; a failure prints its seed and path. */
export function runs(numRuns: number): { numRuns: number; seed: number } {
  return { numRuns: Math.ceil(numRuns * SHARE), seed: 20_260_101 };
}
