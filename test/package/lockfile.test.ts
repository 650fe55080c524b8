import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { root } from "../support/workspace.js";

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
  packages: Readonly<Record<string, Entry>>;
};

test("package-lock.json has what `npm ci` asks for on every platform", () => {
  // A registry without the packages of other platforms makes npm leave them out, and `npm ci` then refuses the file.
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !isLocked(name, path))
      .map((name) => `${path} → ${name}`),
  );
  expect(missing).toEqual([]);
});

test("package-lock.json names no registry but npm's own", () => {
  const resolved = Object.values(packages).flatMap((entry) => entry.resolved ?? []);
  expect(resolved.filter((url) => !url.startsWith("https://registry.npmjs.org/"))).toEqual([]);
});

test("package-lock.json has the older line of OpenTelemetry's SDK: the run on the newest dependencies has the other", () => {
  const versions = ["api", "sdk-metrics", "sdk-trace"].map(
    (name) => packages[`node_modules/@opentelemetry/${name}`]?.version,
  );
  expect(versions).toEqual(
    ["1.9", "2.", "2."].map((line) => expect.stringMatching(new RegExp(`^${line.replace(".", "\\.")}`))),
  );
});

/** As Node looks for it: in the package's own `node_modules`, then in those above. */
function isLocked(name: string, from: string): boolean {
  if (packages[`${from}${from && "/"}node_modules/${name}`]) return true;
  if (from === "") return false;
  return isLocked(name, from.slice(0, Math.max(0, from.lastIndexOf("/node_modules/"))));
}
