import { describe, expect, test } from "@jest/globals";
import { type Change, WriteHealth } from "../../src/cache/write-health.js";

/** Each change in turn, with a `!` if it failed: `"set! delete"`. */
function healthAfter(changes: string) {
  const told: unknown[] = [];
  const health = new WriteHealth((works, error) => told.push(works ? "works" : `fails with ${error}`));
  changes.split(" ").forEach((change, at) => {
    if (change.endsWith("!")) health.failed(change.slice(0, -1) as Change, `error ${at + 1}`);
    else health.succeeded(change as Change);
  });
  return { told, works: health.works };
}

describe("A store that can be read takes writes", () => {
  test.each([
    ["as long as fewer than four in a row failed", "set! set! set!"],
    ["as long as one of four was taken", "set! set! set! set set! set! set!"],
    ["where some of each kind failed, and four together", "set! set! delete! delete!"],
    ["where nothing has failed", "set delete"],
  ])("%s, and nothing is told", (_when, changes) => {
    expect(healthAfter(changes)).toEqual({ works: true, told: [] });
  });
});

describe("A store that can be read takes none", () => {
  test.each([
    ["when four in a row have failed", "set! set! set! set!", 4],
    ["when four deletions have, whatever writes do", "delete! set delete! set delete! delete!", 6],
  ])("%s: it is told with the last error", (_when, changes, last) => {
    expect(healthAfter(changes)).toEqual({ works: false, told: [`fails with error ${last}`] });
  });

  test("is told once, however many fail", () => {
    expect(healthAfter("set! set! set! set! set! set! set! set! set!").told).toEqual(["fails with error 4"]);
  });

  test("is told once, also where deletions fail, too", () => {
    const both = "set! set! set! set! delete! delete! delete! delete!";
    expect(healthAfter(both)).toEqual({ works: false, told: ["fails with error 4"] });
    expect(healthAfter(`${both} set`)).toEqual({ works: false, told: ["fails with error 4"] });
    expect(healthAfter(`${both} set delete`)).toEqual({ works: true, told: ["fails with error 4", "works"] });
  });
});

test("It takes writes again with the first that it takes, and fails again with four.", () => {
  const once = "set! set! set! set! set";
  expect(healthAfter(once)).toEqual({ works: true, told: ["fails with error 4", "works"] });
  expect(healthAfter(`${once} set! set! set!`).works).toBe(true);
  expect(healthAfter(`${once} set! set! set! set!`).told).toEqual([
    "fails with error 4",
    "works",
    "fails with error 9",
  ]);
});

test("That need be told to no one.", () => {
  const health = new WriteHealth();
  for (let failure = 0; failure < 4; failure++) health.failed("set", new Error("full"));
  expect(health.works).toBe(false);
  health.succeeded("set");
  expect(health.works).toBe(true);
});
