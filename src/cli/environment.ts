import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { VARIABLES } from "../auth/config/settings.js";
import { type Io, UsageError } from "./io.js";

export interface Environment {
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What a reader of the report should know of where they came from. */
  readonly notes: readonly string[];
}

/** Files of variables. */
export interface EnvironmentFiles {
  readonly files: readonly string[];
  /** Given as `--env-file`, which Node takes for its own option wherever it stands: it has read them, too, and obeyed `NODE_OPTIONS` in them. */
  readonly filesOfNode: readonly string[];
}

/**
 * The variables of the process, and of these files behind them: a later file wins over an earlier one, and the process over all, as with
 * `node --env-file`.
 *
 * @throws UsageError for a file that cannot be read
 */
export async function readEnvironment(
  { env, cwd }: Pick<Io, "env" | "cwd">,
  { files, filesOfNode }: EnvironmentFiles,
): Promise<Environment> {
  const read: Record<string, string | undefined> = {};
  const all = [...filesOfNode, ...files];
  for (const file of all) Object.assign(read, parseEnv(await textOf(resolve(cwd, file), file)));
  const notes = VARIABLES.filter(
    (name) => read[name] !== undefined && env[name] !== undefined && env[name] !== read[name],
  ).map((name) => `${name} of the environment is used, and not that of the file`);
  const variables = { ...read, ...env };
  const isUnset = !VARIABLES.some((name) => variables[name]?.trim());
  if (filesOfNode.length > 0) notes.push("Node takes --env-file for itself, too, with NODE_OPTIONS in it: write --env");
  if (isUnset && all.length === 0 && (await isFile(join(cwd, ".env"))))
    notes.push("there is a .env here: npx portero doctor --env .env reads it");
  return { variables, notes };
}

async function textOf(path: string, file: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown"})`);
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
