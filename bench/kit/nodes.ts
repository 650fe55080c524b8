import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** A version of Node to measure with. */
export interface NodeBinary {
  /** As in "Node 24". */
  readonly name: string;
  readonly path: string;
}

/** The Node of this machine, and beside it Node 24, which npm fetches. */
export async function nodes({ quick }: { quick: boolean }): Promise<NodeBinary[]> {
  const here = { name: `Node ${process.versions.node.split(".")[0]}`, path: process.execPath };
  if (quick || here.name === "Node 24") return [here];
  const { stdout } = await promisify(execFile)("npx", ["-y", "node@24", "-p", "process.execPath"]);
  return [here, { name: "Node 24", path: stdout.trim() }];
}
