/** What a comment before a snippet says is to be done with it. */
export type Instruction =
  | { readonly kind: "run" }
  | { readonly kind: "serve"; readonly method: string; readonly path: string; readonly status: number }
  | { readonly kind: "not run"; readonly reason: string }
  | { readonly kind: "none" }
  | { readonly kind: "unknown"; readonly text: string };

/** A fenced block of code. */
export interface Snippet {
  /** `"ts"`, `"js"`, `"sh"`, or whatever else stands behind the fence. */
  readonly language: string;
  readonly code: string;
  /** Where the fence opens, from 1. */
  readonly line: number;
  readonly instruction: Instruction;
}

export interface Table {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const ALIASES: Readonly<Record<string, string>> = {
  typescript: "ts",
  mts: "ts",
  javascript: "js",
  mjs: "js",
  cjs: "js",
  bash: "sh",
  shell: "sh",
  console: "sh",
};

/** All fenced blocks of a Markdown text, also within lists. */
export function snippetsOf(markdown: string): Snippet[] {
  const lines = markdown.split(/\r?\n/);
  const snippets: Snippet[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent, fence, info] = /^(\s*)(`{3,}|~{3,})\s*([^`]*)$/.exec(lines[at]!) ?? [];
    if (indent === undefined || fence === undefined) continue;
    const closes = (line: string) => line.trim().length >= fence.length && /^(`+|~+)$/.test(line.trim());
    const length = lines.slice(at + 1).findIndex((line) => closes(line) && line.trim()[0] === fence[0]);
    if (length < 0) throw new Error(`the fence in line ${at + 1} is never closed`);
    const body = lines.slice(at + 1, at + 1 + length);
    const language = /^[\w-]*/.exec(info ?? "")![0].toLowerCase();
    snippets.push({
      language: ALIASES[language] ?? language,
      code: `${body.map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line)).join("\n")}\n`,
      line: at + 1,
      instruction: instructionIn(commentBefore(lines.slice(0, at))),
    });
    at += length + 1;
  }
  return snippets;
}

/** Whether it is to be compiled or run, and not just read. */
export function isCode({ language }: Snippet): boolean {
  return language === "ts" || language === "js";
}

/** All tables of a Markdown text. */
export function tablesOf(markdown: string): Table[] {
  const lines = markdown.split(/\r?\n/);
  return lines.flatMap((line, at) => {
    const isDelimiter = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(line) && line.includes("|");
    if (!isDelimiter || at === 0) return [];
    const rest = lines.slice(at + 1);
    const length = rest.findIndex((row) => !row.includes("|"));
    const rows = rest.slice(0, length < 0 ? rest.length : length).map(cellsOf);
    return [{ header: cellsOf(lines[at - 1]!), rows }];
  });
}

function cellsOf(row: string): string[] {
  const inner = row.trim().replace(/^\|/, "").replace(/\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** The HTML comment that stands last, if nothing but blank lines is behind it. */
function commentBefore(lines: readonly string[]): string | undefined {
  const [, comment] = /<!--((?:(?!-->)[\s\S])*)-->\s*$/.exec(lines.join("\n")) ?? [];
  return comment?.trim();
}

function instructionIn(comment: string | undefined): Instruction {
  if (comment === undefined) return { kind: "none" };
  if (comment === "run") return { kind: "run" };
  const [, method, path, status] = /^serve: ([A-Z]+) (\/\S*) -> (\d{3})$/.exec(comment) ?? [];
  if (method && path) return { kind: "serve", method, path, status: Number(status) };
  const [, reason] = /^not run: (.+)$/s.exec(comment) ?? [];
  return reason ? { kind: "not run", reason } : { kind: "unknown", text: comment };
}
