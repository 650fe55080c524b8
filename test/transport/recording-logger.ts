import type { Logger } from "../../src/runtime/logger.js";

/** Keeps what it is told. */
export class RecordingLogger implements Logger {
  readonly lines: { readonly level: "info" | "warn" | "error"; readonly message: string }[] = [];

  info(message: string): void {
    this.lines.push({ level: "info", message });
  }

  warn(message: string): void {
    this.lines.push({ level: "warn", message });
  }

  error(message: string): void {
    this.lines.push({ level: "error", message });
  }

  get errors(): readonly string[] {
    return this.lines.flatMap(({ level, message }) => (level === "error" ? [message] : []));
  }
}
