import { expect, test } from "@jest/globals";
import { DependencyError, lazyImport } from "../../src/runtime/lazy-import.js";

/** A package that is loaded by what the test says, and how often that was tried. */
function loading(...outcomes: readonly (Error | string)[]) {
  let tries = 0;
  const load = lazyImport<unknown>(async () => {
    const outcome = outcomes[tries++];
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }, "got");
  return { load, tries: () => tries };
}

test("A package is loaded once.", async () => {
  const { load, tries } = loading("a module", "another");
  expect([await load(), await load()]).toEqual(["a module", "a module"]);
  expect(tries()).toBe(1);
});

test.each([
  [
    new Error('Dynamic require of "node:events" is not supported\n    at got.js'),
    'the package "got" cannot be loaded (Dynamic require of "node:events" is not supported): an ES module that a bundler makes needs the banner of README\'s "Bundling"',
  ],
  [
    Object.assign(new Error("Cannot find package 'got' imported from /app/dist/rest.js"), {
      code: "ERR_MODULE_NOT_FOUND",
    }),
    'the package "got" cannot be loaded (Cannot find package \'got\' imported from /app/dist/rest.js): is it installed beside portero, or left out of a bundle? See README\'s "Bundling"',
  ],
])("One that cannot be loaded is named, with what to do", async (cause, message) => {
  const { load } = loading(cause);
  const error = await load().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(DependencyError);
  expect(error).toMatchObject({ message, cause, specifier: "got", code: "ERR_DEPENDENCY" });
});

test("What threw is not tried again: bundlers hand it out half made the second time.", async () => {
  const { load, tries } = loading(new Error("it threw"), "half of a module");
  for (let time = 0; time < 2; time++) await expect(load()).rejects.toThrow("it threw");
  expect(tries()).toBe(1);
});

test("What could not be read is tried again.", async () => {
  const full = Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE", syscall: "open" });
  const { load } = loading(full, "a module");
  await expect(load()).rejects.toThrow("EMFILE");
  expect(await load()).toBe("a module");
});
