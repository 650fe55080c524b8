import { appendFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "@jest/globals";
import type { Answer } from "./caller.js";

/** A line of the table of docs/reliability.md. */
export interface Row {
  readonly chapter: "gRPC" | "REST" | "Redis" | "Two at once";
  /** Of the tests that measured it. Jest runs files in any order; lines go by it. */
  readonly file: string;
  readonly fault: string;
  readonly got: string;
  readonly slowestMs: number;
  readonly back: string;
}

export interface Back {
  /** Who answered. */
  readonly on: string;
  readonly ms: number;
}

/** Notes what was measured, when somebody asked for it: a usual run of the tests writes nothing. */
export function record(chapter: Row["chapter"], fault: string, during: readonly Answer[], ...back: Back[]): void {
  const folder = process.env.PORTERO_RELIABILITY_ROWS;
  if (!folder) return;
  const row: Row = {
    chapter,
    file: basename(expect.getState().testPath ?? ""),
    fault,
    got: (["new", "known", "bad"] as const).flatMap((token) => whatTheyGot(token, during)).join("; "),
    slowestMs: Math.ceil(Math.max(0, ...during.map(({ tookMs }) => tookMs))),
    back: back.map(({ on, ms }) => `${Math.ceil(ms)} ms (${on})`).join(", "),
  };
  appendFileSync(join(folder, "rows.jsonl"), `${JSON.stringify(row)}\n`);
}

function whatTheyGot(token: Answer["token"], answers: readonly Answer[]): string[] {
  const counts = new Map<string, number>();
  for (const answer of answers.filter((candidate) => candidate.token === token)) {
    const text = answer.status === 200 ? `200 by ${answer.source}` : `${answer.status} ${answer.code}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  if (counts.size === 0) return [];
  return [`${token}: ${[...counts].map(([text, count]) => `${count} × ${text}`).join(", ")}`];
}
