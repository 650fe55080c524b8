import { readFile, writeFile } from "node:fs/promises";
import type { Findings } from "./bench.js";

const FILE = new URL("../results.json", import.meta.url);

/** What one bench found, and where. */
export interface BenchResult extends Findings {
  readonly name: string;
  readonly question: string;
  readonly setup: string;
  readonly measured: {
    readonly on: string;
    readonly seconds: number;
    readonly machine: string;
    readonly node: string;
    /** What put servers under load. */
    readonly load: string;
    readonly versions: Readonly<Record<string, string>>;
  };
}

export async function readResults(): Promise<BenchResult[]> {
  const text = await readFile(FILE, "utf8").catch(() => "[]"); // nothing was measured yet
  return JSON.parse(text, (_key, value) => (value === null ? Number.NaN : value)) as BenchResult[]; // JSON has no NaN
}

/** Puts new results in the place of the old ones of the same benches, and returns all. */
export async function mergeResults(results: readonly BenchResult[]): Promise<BenchResult[]> {
  const isNew = ({ name }: BenchResult) => results.some((result) => result.name === name);
  const all = [...(await readResults()).filter((result) => !isNew(result)), ...results];
  await writeFile(FILE, `${JSON.stringify(all, null, 1)}\n`);
  return all;
}
