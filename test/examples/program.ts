import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

const PATIENCE_MS = 15_000;

/**
 * An example, run by the loader of tsx. Not by its program, as the scripts of package.json have it: that one ends with 130 where its child
 * has not confirmed a signal within 30 ms, as on a busy machine.
 */
export class Program {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  output = "";

  constructor(file: string, env: Readonly<Record<string, string>> = {}) {
    if (!existsSync(new URL("../../dist/esm/src/index.js", import.meta.url))) {
      throw new Error("The examples import the built package, and dist/ is not there: run `npm run build` first.");
    }
    const options = { cwd: root, env: { ...process.env, ...env }, detached: true }; // a process group of its own
    this.#child = spawn(process.execPath, ["--import", "tsx", file], options);
    this.#exited = once(this.#child, "close");
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
  }

  /** Waits until it has written the text. */
  async wrote(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      const more = Promise.race([once(this.#child.stdout!, "data"), this.#exited.then(() => "exited")]);
      if ((await more) === "exited" && !this.output.includes(text)) {
        throw new Error(`It ended before it wrote "${text}":\n${this.output}`);
      }
    }
  }

  /** Its exit code, once it has ended. */
  async exitCode(): Promise<number | null> {
    await this.#exited;
    return this.#child.exitCode;
  }

  signal(name: "SIGINT" | "SIGTERM"): void {
    this.#child.kill(name);
  }

  /** Ends it as a supervisor would: asks, waits a while, and takes it amiss when that was not enough. */
  async end(): Promise<void> {
    let isStuck = false;
    const patience = setTimeout(() => {
      isStuck = true;
      process.kill(-this.#child.pid!, "SIGKILL"); // all of its group
    }, PATIENCE_MS);
    this.signal("SIGTERM");
    await this.#exited;
    clearTimeout(patience);
    if (isStuck) throw new Error(`It did not end after SIGTERM; its last words: ${this.output.slice(-100)}`);
  }
}
