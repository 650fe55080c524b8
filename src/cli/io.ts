import type { Readable, Writable } from "node:stream";
import type { Clock } from "../runtime/clock.js";

/** Where a command reads and writes: the process's own, or a test's. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Paths are read from here. */
  readonly cwd: string;
  readonly clock: Clock;
  /** Of the package. */
  readonly version: string;
  /** Aborts when the command is to end: Ctrl-C, SIGTERM. */
  readonly signal: AbortSignal;
}

/** How a command ended. */
export const EXIT = {
  /** All is well; warnings may have been told. */
  well: 0,
  /** Something is wrong. */
  wrong: 1,
  /** The settings, or the command line, cannot be used. */
  settings: 2,
  /** By Ctrl-C, as a shell has it. */
  interrupted: 130,
  /** What reads its output has ended: SIGPIPE, as a shell has it. */
  unread: 141,
} as const;

/** What is wrong with a command line, or with a file that it names. Told in one line, without a stack trace. */
export class UsageError extends Error {
  override readonly name = "UsageError";

  constructor(
    message: string,
    /** What to write instead. */
    readonly fix?: string,
  ) {
    super(message);
  }
}
