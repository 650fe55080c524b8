import jest from "./jest.config.js";
import { SCOPE } from "./scripts/mutation-scope.js";

/** Of `npm run mutate -- --mutate src/cache/timeline.ts,…`: then no other suites are run than those that hold these files. */
const chosen =
  process.argv[process.argv.indexOf("--mutate") + 1]?.split(",").map((range) => range.replace(/:.*/, "")) ?? [];
const scope = SCOPE.filter(
  ({ sources }) => !process.argv.includes("--mutate") || sources.some((path) => chosen.includes(path)),
);

/**
 * Mutation testing (`npm run mutate`): would the tests notice if a line meant something else?
 *
 * @type {import("@stryker-mutator/api/core").PartialStrykerOptions}
 */
export default {
  mutate: scope.flatMap(({ sources }) => sources),
  testRunner: "jest",
  testRunnerNodeArgs: ["--experimental-vm-modules", "--no-warnings"],
  jest: {
    enableFindRelatedTests: false, // the scope says it
    config: {
      ...jest,
      testEnvironment: "./scripts/mutation-environment.js", // Stryker wraps it, and knows no <rootDir>
      runner: "<rootDir>/scripts/mutation-runner.js",
      testTimeout: 9_000, // a test that hangs has noticed: in time for the next mutant to be tried in the same process
      testMatch: [...new Set(scope.flatMap(({ suites }) => suites))].map((path) => `<rootDir>/${path}`),
    },
  },
  coverageAnalysis: "perTest",
  // What runs when a module is loaded belongs to no test: these mutants (of a constant, a static field) would need every suite.
  ignoreStatic: true,
  // Nothing here reads TypeScript but swc: no type is checked, and no tsconfig rewritten.
  tsconfigFile: "none",
  disableTypeChecks: false,
  ignorePatterns: ["dist", "build", "coverage"],
  tempDirName: "build/stryker",
  reporters: ["clear-text", "progress-append-only", "html", "json"],
  clearTextReporter: { reportTests: false, logTests: false },
  htmlReporter: { fileName: "build/mutation.html" },
  jsonReporter: { fileName: "build/mutation.json" },
  incrementalFile: "build/mutation-incremental.json", // with --incremental
  thresholds: { high: 95, low: 90, break: 90 },
  concurrency: 2,
  dryRunTimeoutMinutes: 30,
  timeoutMS: 20_000, // a busy machine is no endless loop
};
