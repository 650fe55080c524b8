import { describe, expect, test } from "@jest/globals";
import { listHas, StringLists } from "../../src/auth/string-lists.js";

describe("Whether a list holds a string", () => {
  const short = Object.freeze(["a", "b"]);
  const long = Object.freeze(Array.from({ length: 10_000 }, (_, n) => `local-${n}`));

  test.each<[readonly string[], string, boolean]>([
    [[], "a", false],
    [short, "a", true],
    [short, "c", false],
    [short, "", false],
    [long, "local-0", true],
    [long, "local-9999", true],
    [long, "local-10000", false],
    [long, "__proto__", false],
  ])("is told rightly, however long it is (%#)", (list, text, held) => {
    expect(listHas(list, text)).toBe(held);
    expect(listHas(list, text)).toBe(held);
  });
});

describe("Lists that are kept once", () => {
  test("are told apart by what is in them, in which order", () => {
    const lists = new StringLists();
    const all = [["a", "b"], ["b", "a"], ["a,b"], ['a","b'], ["a"], [], [""]].map((texts) => lists.of(texts));
    expect(new Set(all).size).toBe(all.length);
    expect(lists.of(["a", "b"])).toBe(all[0]);
  });

  test("are copies: whoever gave the strings cannot change them", () => {
    const given = ["a"];
    const list = new StringLists().of(given);
    given.push("admin");
    expect(list).toEqual(["a"]);
  });

  test("are frozen, shared or not", () => {
    const lists = new StringLists();
    expect([lists.of(["a"]), lists.ofInterned(["a"]), lists.ofInterned([])].every(Object.isFrozen)).toBe(true);
  });
});
