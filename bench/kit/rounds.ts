import type { Context } from "./bench.js";

/**
 * Measures the subjects in turn, A B A B …, so that whatever else the machine does meets all of them alike. Returns each one's samples,
 * round by round.
 */
export async function inTurn<S extends string, T>(
  subjects: Readonly<Record<S, () => T | Promise<T>>>,
  rounds: number,
  { progress }: Pick<Context, "progress">,
): Promise<Record<S, T[]>> {
  const names = Object.keys(subjects) as S[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as T[]])) as Record<S, T[]>;
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      progress(`round ${round} of ${rounds}: ${name}`);
      samples[name].push(await subjects[name]());
    }
  }
  return samples;
}
