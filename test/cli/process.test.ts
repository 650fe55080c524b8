import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { afterwards } from "../support/open-client.js";
import { finished, plainEnvironment, root } from "../support/workspace.js";
import { startPair, TOKEN } from "./set-up.js";

const bin = join(root, "dist", "esm", "src", "cli", "bin.js");
const TIMEOUT_MS = 25_000;
const hasTerminal = spawnSync("script", ["--version"]).stdout?.includes("util-linux") ?? false;
if (!hasTerminal) process.stderr.write("Tests in a terminal skipped: script of util-linux is not installed\n");

interface ProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Sent as soon as the output has this. */
  readonly send?: { readonly at: string; readonly text: string };
  readonly inTerminal?: boolean;
  /** The shell's line behind the command. */
  readonly behind?: string;
}

/** Runs the built command: alone, with a shell, or in a terminal. */
function runBin(args: readonly string[], { env, send, inTerminal = false, behind }: ProcessOptions = {}) {
  const line = [process.execPath, bin, ...args].map((word) => `'${word}'`).join(" ");
  const [command, words]: [string, string[]] = inTerminal
    ? ["script", ["--quiet", "--return", "--flush", "--command", line, "/dev/null"]]
    : behind === undefined
      ? [process.execPath, [bin, ...args]]
      : ["bash", ["-c", `set -o pipefail; ${line} ${behind}`]];
  // A variable of the tests' own environment would take the colours away.
  const child = spawn(command, words, {
    cwd: root,
    env: { ...plainEnvironment({ NO_COLOR: undefined, TERM: "xterm", ...PATIENT }), ...env },
  });
  if (send) {
    let seen = "";
    const look = (chunk: Buffer) => {
      if (seen.includes(send.at)) return;
      seen += String(chunk);
      if (seen.includes(send.at)) child.stdin.end(send.text);
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
  } else if (!inTerminal) child.stdin.end();
  return { child, ended: finished(child, TIMEOUT_MS) };
}

const STACK = /\n\s+at |node:internal|\.[jt]s:\d+/;
/** On a busy machine. */
const PATIENT = { AUTH_GRPC_TIMEOUT: "20", AUTH_REST_TIMEOUT: "20" };
const WRONG = { AUTH_REST_URL: "http://127.0.0.1:1" };

test("the build has the command", () => expect(existsSync(bin)).toBe(true)); // npm run build

describe("the built command, in a pipe,", () => {
  test("is plain text, and JSON alone with --json; the exit code says what it is", async () => {
    const { env } = await startPair();
    const [well, wrong, json, none] = await Promise.all(
      [
        runBin(["doctor"], { env }),
        runBin(["doctor"], { env: WRONG }),
        runBin(["doctor", "--json"], { env: WRONG }),
        runBin(["doctor"]),
      ].map(({ ended }) => ended),
    );
    expect([well, wrong, json, none].map((each) => each?.code)).toEqual([0, 1, 1, 2]);
    for (const each of [well, wrong, json, none]) {
      expect(`${each?.stdout}${each?.stderr}`).not.toContain("\u001b");
      expect(`${each?.stdout}${each?.stderr}`).not.toMatch(STACK);
    }
    expect(JSON.parse(json?.stdout ?? "")).toMatchObject({ exitCode: 1, status: "failed" });
  });

  test("takes a token from standard input, and shows it nowhere", async () => {
    const { env } = await startPair();
    const { child, ended } = runBin(["doctor", "--token-stdin"], { env, send: { at: "never", text: "" } });
    child.stdin.end(`${TOKEN}\n`);
    const { code, stdout, stderr } = await ended;
    expect([code, stdout]).toEqual([0, expect.stringContaining("✓ gRPC and REST say the same to GetOrganization")]);
    expect(stdout + stderr).not.toContain(TOKEN);
  });

  test("ends with its report, though a name server never answers", async () => {
    const hang = `import dns from "node:dns/promises"; import { syncBuiltinESMExports } from "node:module";
      dns.lookup = () => new Promise(() => setInterval(() => undefined, 1000)); syncBuiltinESMExports();`;
    const env = {
      AUTH_REST_URL: "http://strict-auth.test:1", // which is no setting
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hang)}`,
    };
    const { code, stdout } = await runBin(["doctor"], { env }).ended;
    expect(stdout).toContain("✗ strict-auth.test has no address (ETIMEDOUT)");
    expect(code).toBe(1);
  });

  test("takes the first line for the token, though the pipe stays open", async () => {
    const { env } = await startPair();
    const { child, ended } = runBin(["doctor", "--token-stdin"], { env, send: { at: "never", text: "" } });
    child.stdin.write(`${TOKEN}\n`);
    expect((await ended).stdout).toContain("the token is good");
  });

  test("reads a file of variables itself: Node has no part in it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "portero-bin-"));
    afterwards(async () => rmSync(folder, { recursive: true }));
    const file = join(folder, "app.env");
    writeFileSync(
      file,
      `AUTH_REST_URL=${WRONG.AUTH_REST_URL}\nNODE_OPTIONS="--import=data:text/javascript,process.exit(7)"\n`,
    );
    const [read, none] = await Promise.all(
      [runBin(["doctor", "--env", file]), runBin(["doctor", `--env=${folder}/nope.env`])].map(({ ended }) => ended),
    );
    expect(read).toMatchObject({ code: 1, stderr: "" });
    expect(none).toMatchObject({ code: 2, stdout: "", stderr: `✗ ${folder}/nope.env cannot be read (ENOENT)\n` });
  });

  test("ends quietly when its reader has enough", async () => {
    const { stderr } = await runBin(["doctor"], { env: WRONG, behind: "| true" }).ended;
    expect(stderr).not.toMatch(STACK);
  });

  test("is an auth service until it is told to end, and goes with 0", async () => {
    const { child, ended } = runBin(["dev", "--grpc", "0", "--rest", "0"]);
    const [chunk] = (await once(child.stdout, "data")) as [Buffer];
    const url = /AUTH_REST_URL=(\S+)/.exec(String(chunk))?.[1] ?? "";
    expect((await fetch(`${url}/token/ana`)).status).toBe(200);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    await expect(fetch(`${url}/token/ana`)).rejects.toThrow();
  });
});

(hasTerminal ? describe : describe.skip)("the built command, in a terminal,", () => {
  test("has colours, and none with NO_COLOR", async () => {
    const { env } = await startPair();
    const [well, wrong, plain] = await Promise.all(
      [env, WRONG, { ...WRONG, NO_COLOR: "1" }].map(
        (each) => runBin(["doctor"], { env: each, inTerminal: true }).ended,
      ),
    );
    expect([well, wrong, plain].map((each) => each?.code)).toEqual([0, 1, 1]);
    expect(well?.stdout).toContain("\u001b[32m✓");
    expect(wrong?.stdout).toContain("\u001b[31m✗");
    expect(plain?.stdout).not.toContain("\u001b[3");
    for (const each of [well, wrong, plain]) expect(each?.stdout).not.toMatch(STACK);
  });

  test("asks for the token, and does not show what is typed", async () => {
    const { env } = await startPair();
    const send = { at: "it is not shown", text: `${TOKEN}\r` };
    const { code, stdout } = await runBin(["doctor", "--token-stdin"], { env, inTerminal: true, send }).ended;
    expect(stdout).toContain("the token is good");
    expect(stdout).not.toContain(TOKEN.slice(0, 8));
    expect(code).toBe(0);
  });
});
