import { Readable, Writable } from "node:stream";
import { main } from "../../src/cli/main.js";
import type { Clock } from "../../src/runtime/clock.js";
import { systemClock } from "../../src/runtime/clock.js";
import { root } from "../support/workspace.js";

/** Timeouts are eight times as long: how busy this machine is decides nothing. */
const patientClock: Clock = {
  ...systemClock,
  setTimeout: (callback, ms, options) => systemClock.setTimeout(callback, ms * 8, options),
};

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What comes by standard input. */
  readonly input?: string;
  readonly cwd?: string;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Whether its output goes to a terminal. */
  readonly isTerminal?: boolean;
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that goes on until it is ended. */
export interface Running {
  readonly code: Promise<number>;
  stdout(): string;
  stderr(): string;
  /** Ends it, as Ctrl-C does. */
  end(): Promise<number>;
}

/** Starts `portero` in this process, on streams of its own. */
export function startMain(args: readonly string[], options: RunOptions = {}): Running {
  const { env = {}, input = "", cwd = root, clock = patientClock, isTerminal = false } = options;
  const ending = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, ending.signal]) : ending.signal;
  const [stdout, stderr] = [collector(isTerminal), collector(isTerminal)];
  const stdin = Object.assign(Readable.from([input]), { isTTY: false });
  const io = { stdin, stdout, stderr, env, cwd, clock, version: "0.0.0-test", signal };
  const code = main(args, io);
  return {
    code,
    stdout: stdout.text,
    stderr: stderr.text,
    end() {
      ending.abort();
      return code;
    },
  };
}

/** Runs `portero` to its end. */
export async function runMain(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const running = startMain(args, options);
  const code = await running.code;
  return { code, stdout: running.stdout(), stderr: running.stderr() };
}

function collector(isTTY: boolean) {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk));
      done();
    },
  });
  return Object.assign(stream, { isTTY, text: () => chunks.join("") });
}
