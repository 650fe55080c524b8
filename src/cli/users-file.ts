import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigError } from "../auth/config/config-error.js";
import { type DirectoryOptions, readDirectory } from "../testing/directory-options.js";
import { UsageError } from "./io.js";
import { JsonError, readJson } from "./json-lines.js";

/** What is there without a file. */
export const DESK_USERS: DirectoryOptions = {
  users: {
    "token-ana": {
      id: "ana",
      permissions: ["products:read", "products:write"],
      locals: ["madrid", "sevilla"],
    },
    "token-ben": { id: "ben", permissions: ["products:read"], locals: ["lugo"] },
  },
  organizations: { "org-1": { name: "Shops", plan: "pro", modules: ["inventory"] } },
};

/** @throws UsageError that names each mistake of the file, with its line */
export async function readUsersFile(name: string, cwd: string): Promise<DirectoryOptions> {
  let text: string;
  try {
    text = await readFile(resolve(cwd, name), "utf8");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    throw new UsageError(`${name} cannot be read (${code})`, 'an example: {"users": {"token-ana": {"id": "ana"}}}');
  }
  return usersIn(text, name);
}

/** The same of a text. */
export function usersIn(text: string, name: string): DirectoryOptions {
  let lineOf: ReadonlyMap<string, number>;
  let value: unknown;
  try {
    ({ value, lineOf } = readJson(text));
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new UsageError(`${name}:${error.line}: ${error.message}`);
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const { $schema, ...options } = (isObject ? value : {}) as { $schema?: unknown };
  if (!isObject) throw new UsageError(`${name}:1: expected an object with users and organizations`);
  try {
    return readDirectory(options, { sendable: true });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const lines = error.problems
      .map(({ name: path, value: found, expected, message }) => ({
        line: lineAt(path, lineOf),
        says: `${path}: ${message ?? `expected ${expected}, found ${found}`}`,
      }))
      .sort((one, other) => one.line - other.line);
    throw new UsageError(lines.map(({ line, says }) => `${name}:${line}: ${says}`).join("\n  "));
  }
}

/** Of what is missing, the line of what it should be in. */
function lineAt(path: string, lineOf: ReadonlyMap<string, number>): number {
  for (let within = path; within !== ""; within = within.slice(0, Math.max(within.lastIndexOf("."), 0))) {
    const line = lineOf.get(within);
    if (line !== undefined) return line;
  }
  return 1;
}
