import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { relative } from "node:path";
import { SCOPE } from "./mutation-scope.js";

// Jest's own runner is no dependency of ours: it is found the way that Jest finds it.
const fromJest = createRequire(createRequire(import.meta.url).resolve("jest"));
const { default: TestRunner } = createRequire(fromJest.resolve("@jest/core"))("jest-runner");

/** The tests of each suite by name, which the run without a mutant leaves for the others. It lies in Stryker's copy of the project. */
const NAMES_FILE = "mutation-test-names.json";

/** Suites that noticed a mutant, the latest last: they are likely to notice its neighbours, too. */
const noticed = [];

/**
 * Runs as little as decides about a mutant: of the suites that are meant for its file those with a test that reaches it, and none
 * after the first failure. Jest by itself would load every suite for every mutant.
 */
export default class extends TestRunner {
  async runTests(tests, watcher, options) {
    const mutant = process.env.__STRYKER_ACTIVE_MUTANT__;
    const names = {};
    let failed = false;
    const fail = (path) => {
      failed = true;
      if (noticed.includes(path)) noticed.splice(noticed.indexOf(path), 1);
      noticed.push(path);
    };
    const stops = [
      this.on("test-file-success", ([{ path }, { testResults, testExecError, numFailingTests }]) => {
        names[path] = testResults.map(({ fullName }) => fullName);
        if (testExecError || numFailingTests > 0) fail(path);
      }),
      this.on("test-file-failure", ([{ path }]) => fail(path)),
    ];
    for (const test of mutant === undefined ? tests : this.#suitesFor(mutant, tests)) {
      await super.runTests([test], watcher, { ...options, serial: true });
      if (failed && mutant !== undefined) break;
    }
    for (const stop of stops) stop();
    if (mutant === undefined) writeFileSync(NAMES_FILE, JSON.stringify(names));
  }

  #suitesFor(mutant, tests) {
    const names = JSON.parse(readFileSync(NAMES_FILE, "utf8"));
    const reaching = new RegExp(this._globalConfig.testNamePattern ?? "", "i");
    const suites = suitesOf(mutant);
    const place = ({ path }) => suites.indexOf(relative(process.cwd(), path));
    const lately = ({ path }) => noticed.indexOf(path);
    return tests
      .filter((test) => place(test) >= 0 && names[test.path]?.some((name) => reaching.test(name)))
      .sort((one, other) => lately(other) - lately(one) || place(one) - place(other));
  }
}

/** Stryker tells no more of a mutant than its number, which stands in the source where the mutant does. */
function suitesOf(mutant) {
  const place = new RegExp(`stryMutAct_\\w+\\("${mutant}"\\)`);
  return SCOPE.find(({ sources }) => sources.some((path) => place.test(readFileSync(path, "utf8")))).suites;
}
