import type { Logger } from "../../src/runtime/logger.js";

/** Keeps every line, with its level before it. */
export class RecordingLogger implements Logger {
  readonly lines: string[] = [];

  info(message: string): void {
    this.lines.push(`info ${message}`);
  }

  warn(message: string): void {
    this.lines.push(`warn ${message}`);
  }

  error(message: string): void {
    this.lines.push(`error ${message}`);
  }

  /** The lines of errors. */
  get errors(): readonly string[] {
    return this.lines.filter((line) => line.startsWith("error "));
  }
}
