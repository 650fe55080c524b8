/** @type {import("jest").Config} */
export default {
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  // Real faults take real time: `npm run test:faults`, and `npm run reliability` for the page that they write.
  testPathIgnorePatterns: process.env.PORTERO_FAULTS ? [] : ["<rootDir>/test/faults/"],
  // A stray build holds a second package.json of the same name.
  modulePathIgnorePatterns: ["<rootDir>/build/"],
  testEnvironment: "<rootDir>/test/support/environment.js",
  setupFilesAfterEnv: ["<rootDir>/test/support/overhear.ts"],
  extensionsToTreatAsEsm: [".ts"],
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "es6" }, sourceMaps: "inline" },
    ],
  },
  // What hangs is found all the same; a machine that does much else at the time is no fault of the code.
  testTimeout: 30_000,
  // A worker keeps the modules of all suites that it has run; what collects garbage would take ever longer.
  workerIdleMemoryLimit: "600MB",
  testSequencer: "<rootDir>/test/support/slowest-first.js",
  // V8 counts for the whole process: each file of tests would begin and end that anew, and pay for all that ran before it.
  coverageProvider: "babel",
  // Without those that hold types alone, of which nothing can run, and the command, which runs as a process of its own.
  collectCoverageFrom: [
    "src/**/*.ts",
    "!src/*.ts",
    "!src/cli/bin.ts",
    "!src/auth/{auth-client,model,config/options}.ts",
    "!src/cache/{spec,shared-store}.ts",
  ],
  coverageReporters: ["text", "text-summary"],
};
