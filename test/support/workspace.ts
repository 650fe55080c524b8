import { type ChildProcess, spawn } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** package.json, as it is in the checkout. */
export const manifest: {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** What neither belongs to the sources nor is needed to build them. */
const NOT_COPIED = ["node_modules", ".git", "dist", "build", "coverage"];
/** What `npm run`, Jest and the machine put into the environment and a user's shell does not have. */
const NOT_INHERITED =
  /^(npm_(package|lifecycle|config_(local_prefix|package|call))|npm_command|JEST_|NODE_(ENV|OPTIONS)|AUTH_|REDIS_|CIRCUIT_|FORCE_COLOR)/;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A temporary folder, gone with `remove`. */
export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(realpathSync(tmpdir()), "portero-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Copies the sources into a folder, so that a build there leaves the checkout as it is. */
export function copySources(to: string): void {
  mkdirSync(to, { recursive: true });
  const filter = (source: string) => !NOT_COPIED.includes(relative(root, source).split("/")[0] ?? "");
  cpSync(root, to, { recursive: true, filter });
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"), "dir");
}

/** Packs a copy of the sources, which stays in `sources`, and says where the tarball is. */
export async function pack(folder: string): Promise<string> {
  const sources = join(folder, "sources");
  copySources(sources);
  await output("npm", ["pack", "--pack-destination", folder], { cwd: sources });
  return join(folder, `portero-${manifest.version}.tgz`);
}

/** `name@range` of packages that the tests here have, too. */
export function packages(...names: readonly string[]): string[] {
  return names.map((name) => `${name}@${manifest.devDependencies[name]}`);
}

/** A user's project, and what is installed there. */
export async function createProject(path: string, packages: readonly string[]): Promise<void> {
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), JSON.stringify({ name: "a-users-project", version: "1.0.0" }));
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  await output("npm", ["install", ...options, ...packages], { cwd: path });
}

/** All files in a folder and in those below, from there. */
export function filesIn(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((file) => statSync(join(path, file)).isFile());
}

/** The environment of a user's shell. */
export function plainEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
  return { ...Object.fromEntries(inherited), NO_COLOR: "1", ...extra };
}

/** Runs a command to its end; one that takes too long is ended and has no exit code. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv; timeoutMs?: number },
): Promise<Finished> {
  const { cwd, env, timeoutMs = 120_000 } = options;
  const child = spawn(command, args, { cwd, env: plainEnvironment(env), stdio: ["ignore", "pipe", "pipe"] });
  return finished(child, timeoutMs);
}

/** Waits for a child process that has been started elsewhere. */
export async function finished(child: ChildProcess, timeoutMs: number): Promise<Finished> {
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    return { code, ...output };
  } finally {
    clearTimeout(timer);
  }
}

/** What a command wrote, if it went well. */
export async function output(...args: Parameters<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code === 0) return stdout;
  const [command, rest] = args;
  throw new Error(`${command} ${rest.join(" ")} ended with ${code ?? "a signal"}\n${stdout}\n${stderr}`);
}
