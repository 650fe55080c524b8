import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./workspace.js";

/** A member of an interface, and what its doc comment says, on one line. */
export interface Documented {
  readonly type: string;
  readonly comment: string;
}

export type Interfaces = ReadonlyMap<string, ReadonlyMap<string, Documented>>;

/**
 * The exported interfaces of `src`, by name, with their members.
 *
 * @param first the file whose interface is meant where several have one of that name
 */
export function readInterfaces(first: string): Interfaces {
  const names = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const found = [...names.filter((name) => name !== first), first].flatMap((name) => {
    const blocks = readFileSync(join(root, "src", name), "utf8").matchAll(
      /^export interface (\w+)[^\n]*\{\n([\s\S]*?)^\}/gm,
    );
    return [...blocks].map(([, interfaceName = "", body = ""]) => [interfaceName, membersOf(body)] as const);
  });
  return new Map(found);
}

function membersOf(body: string): Map<string, Documented> {
  const members = body.matchAll(/(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(?:readonly )?(\w+)\??: ([^;]+);$/gm);
  return new Map(
    [...members].map(([, comment = "", name = "", type = ""]) => [name, { type, comment: lineOf(comment) }]),
  );
}

/** The text of a doc comment without its stars, line by line. */
export function linesOf(comment: string): string[] {
  return comment.split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
}

function lineOf(comment: string): string {
  return linesOf(comment).join(" ").replace(/\s+/g, " ").trim();
}
