import { describe, expect, test } from "@jest/globals";
import { WrittenIds } from "../../src/cache/written-ids.js";

const MOST = 20_000;

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

describe("Of more ids and meanings than 20,000", () => {
  function write(count: number, meaningOf: (n: number) => string | undefined = () => undefined) {
    const written = new WrittenIds();
    for (let n = 0; n < count; n++) written.add(`id-${n}`, meaningOf(n), n);
    return written;
  }

  test("those written longest ago are forgotten, also when they have just been asked about", () => {
    const written = write(MOST);
    expect([written.has("id-0"), written.isBefore("id-0", { order: 0, wall: 0 })]).toEqual([true, true]);
    written.add("ana", undefined, MOST);
    const known = ["id-0", "id-1", "ana"].filter((id) => written.has(id));
    expect(known).toEqual(["id-1", "ana"]);
    expect(written.isBefore("id-0", { order: MOST, wall: 0 })).toBe(false);
  });

  test("one that is written again is among the last", () => {
    const written = write(MOST);
    written.add("id-0", undefined, MOST);
    written.add("ana", undefined, MOST + 1);
    expect([written.has("id-0"), written.has("id-1")]).toEqual([true, false]);
  });

  test("each meaning takes a place as an id does, and none is taken where there is no meaning", () => {
    const written = write(MOST / 2 + 1, (n) => `meaning-${n}`);
    const known = ["id-0", "meaning-0", "id-1", "meaning-1"].filter((each) => written.has(each));
    expect(known).toEqual(["id-1", "meaning-1"]);
    expect(write(MOST).has("id-0")).toBe(true);
  });
});
