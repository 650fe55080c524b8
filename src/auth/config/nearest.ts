/** The name that was probably meant: at most two slips away, in any case of letters, and more alike than not. */
export function nearest(given: string, known: readonly string[]): string | undefined {
  let best: { name: string; slips: number } | undefined;
  for (const name of known) {
    const slips = distance(given.toLowerCase(), name.toLowerCase());
    if (slips > 2 || slips * 2 >= Math.max(given.length, name.length)) continue;
    if (!best || slips < best.slips) best = { name, slips };
  }
  return best?.name;
}

/** Letters put in, left out or exchanged (Levenshtein); some number over 2 where the lengths alone make more. */
function distance(one: string, other: string): number {
  if (Math.abs(one.length - other.length) > 2) return 3;
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const exchanged = (row[j - 1] as number) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next[j] = Math.min(exchanged, (row[j] as number) + 1, (next[j - 1] as number) + 1);
    }
    row = next;
  }
  return row[other.length] as number;
}

/** Whether one letter was put in, left out or exchanged, or two neighbours have changed places. */
export function isOneSlip(given: string, name: string): boolean {
  if (distance(given, name) === 1) return true;
  const at = [...name].findIndex((letter, index) => letter !== given[index]);
  return given === `${name.slice(0, at)}${name[at + 1]}${name[at]}${name.slice(at + 2)}`;
}
