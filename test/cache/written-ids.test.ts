import { expect, test } from "@jest/globals";
import { WrittenIds } from "../../src/cache/written-ids.js";

test("What was written is known, by its id and by its meaning, however long the id is.", () => {
  const written = new WrittenIds();
  const long = "x".repeat(1000);
  expect(written.has("ana")).toBe(false);
  written.add("ana", "meaning", 1);
  written.add(long, undefined, 2);
  const known = ["ana", long, "meaning", "carl", `${long}y`, "undefined"].filter((each) => written.has(each));
  expect(known).toEqual(["ana", long, "meaning"]);
});

test("Of what was written last of an id it is known whether it was asked for before something happened.", () => {
  const written = new WrittenIds();
  const until = { order: 5, wall: 0 };
  expect(written.isBefore("ana", until)).toBe(false);
  written.add("ana", undefined, 5);
  expect(written.isBefore("ana", until)).toBe(true);
  written.add("ana", undefined, 6);
  expect(written.isBefore("ana", until)).toBe(false);
});
