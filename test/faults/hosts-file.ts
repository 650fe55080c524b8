import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "@jest/globals";

const FILE = "/etc/hosts";

/** The names that this machine knows by itself, which a test may add to until it closes this. */
export interface HostsFile {
  /** Where a name leads from now on. */
  set(name: string, addresses: readonly string[]): void;
  close(): void;
}

/** Keeps everything else in it. */
export function openHostsFile(): HostsFile {
  const before = readFileSync(FILE, "utf8");
  return {
    set(name, addresses) {
      const lines = addresses.map((address) => `${address} ${name}\n`);
      writeFileSync(FILE, `${before}${lines.join("")}`);
    },
    close: () => writeFileSync(FILE, before),
  };
}

/** A `describe` of tests that write the names of this machine. Where that may not be done they are skipped, and one line says so. */
export function describeWithHostsFile(name: string, tests: () => void): void {
  if (isWritable()) return describe(name, tests);
  process.stderr.write(`Tests of names skipped: ${FILE} may not be written here\n`);
  describe.skip(name, () => test("needs the names of this machine", () => undefined));
}

function isWritable(): boolean {
  try {
    accessSync(FILE, constants.W_OK);
    return process.platform === "linux"; // 127.0.0.2 and on are its own
  } catch {
    return false;
  }
}
