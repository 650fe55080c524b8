import type { Timer } from "../runtime/clock.js";
import type { Io } from "./io.js";
import { styleFor } from "./style.js";

/** What takes no longer is not told, in milliseconds: on a terminal, and in a log. */
const [QUIET_MS, QUIET_IN_LOG_MS] = [300, 1000];

/** Says on standard error what is being waited for: on a terminal in one line that goes away again, else in a line each. */
export class WaitingLine {
  readonly #io: Io;
  readonly #isTerminal: boolean;
  #what = "";
  #timer: Timer | undefined;
  #isLoud = false;
  readonly #told = new Set<string>();

  constructor(io: Io) {
    this.#io = io;
    this.#isTerminal = io.stderr.isTTY === true && io.env.TERM !== "dumb";
  }

  /** Of an empty list, nothing is waited for. */
  show(what: readonly string[]): void {
    this.#what = what.join("; ");
    if (this.#isLoud) this.#write();
    if (this.#what === "" || this.#timer) return;
    const quietMs = this.#isTerminal ? QUIET_MS : QUIET_IN_LOG_MS;
    this.#timer = this.#io.clock.setTimeout(() => {
      this.#isLoud = true;
      this.#write();
    }, quietMs);
  }

  end(): void {
    this.#timer?.clear();
    if (this.#isLoud && this.#isTerminal) this.#io.stderr.write("\r\x1b[K");
    this.#isLoud = false;
  }

  #write(): void {
    const { stderr } = this.#io;
    const line = this.#what === "" ? "" : styleFor(this.#io, stderr).faint(`… waiting for ${this.#what}`);
    if (this.#isTerminal) {
      const { columns = 80 } = stderr as { columns?: number };
      stderr.write(
        `\r\x1b[K${line.length > columns ? styleFor(this.#io, stderr).faint(`${this.#short(columns)}…`) : line}`,
      );
    } else if (line !== "" && !this.#told.has(line)) {
      this.#told.add(line);
      stderr.write(`${line}\n`);
    }
  }

  #short(columns: number): string {
    return `… waiting for ${this.#what}`.slice(0, Math.max(columns - 2, 20));
  }
}
