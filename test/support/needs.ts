import { describe, test } from "@jest/globals";

/** What tests need of the machine, beyond Node. */
export interface Need {
  /** As a sentence has it. */
  readonly what: string;
  readonly isThere: boolean;
  /** With `1` in it, what is missing fails its tests instead of having them skipped. */
  readonly variable: string;
  /** The line that says what is skipped, and what to install. */
  readonly missing: string;
}

/** A `describe` of tests that need it: skipped without it, which one line says, unless the variable asks for it. */
export function describeWith({ what, isThere, variable, missing }: Need, name: string, tests: () => void): void {
  if (isThere) return describe(name, tests);
  if (process.env[variable] === "1") {
    return describe(name, () => {
      test(`has ${what} to run against`, () => {
        throw new Error(`${what} is missing, and ${variable}=1 asks for it`);
      });
    });
  }
  process.stderr.write(`${missing}\n`);
  describe.skip(name, tests);
}
