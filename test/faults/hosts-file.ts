import { accessSync, constants, readFileSync, writeFileSync } from "node:fs";
import { describeWith } from "../support/needs.js";

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

/** See {@link describeWith}. */
export function describeWithHostsFile(name: string, tests: () => void): void {
  const missing = `Tests of names skipped: ${FILE} may not be written here (run them as root, on Linux)`;
  describeWith(
    { what: `a ${FILE} that may be written`, isThere: isWritable(), variable: "PORTERO_REQUIRE_HOSTS", missing },
    name,
    tests,
  );
}

function isWritable(): boolean {
  try {
    accessSync(FILE, constants.W_OK);
    return process.platform === "linux"; // 127.0.0.2 and on are its own
  } catch {
    return false;
  }
}
