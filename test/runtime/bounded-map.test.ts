import { describe, expect, test } from "@jest/globals";
import { createBoundedMap } from "../../src/runtime/bounded-map.js";

const KEYS = ["a", "b", "c", "d"];

function filled<V extends {}>(value: V, options: Parameters<typeof createBoundedMap<V>>[0], size?: number) {
  const map = createBoundedMap(options);
  for (const key of KEYS) map.set(key, value, size === undefined ? undefined : { size });
  const held = () => KEYS.filter((key) => map.peek(key) !== undefined).join("");
  return { map, held };
}

describe("A bounded map", () => {
  test("holds so many entries, and lets go of those first that were set, or got, the longest ago", () => {
    const { map, held } = filled(1, { maxEntries: 4 });
    expect([map.get("a"), map.peek("b"), map.size]).toEqual([1, 1, 4]);
    map.set("c", 2);
    map.set("e", 1);
    expect([held(), map.size, map.get("c")]).toEqual(["acd", 4, 2]);
    map.set("f", 1);
    expect(held()).toBe("ac");
  });

  test("holds so many bytes, where that is said, and nothing that takes more by itself", () => {
    const { map, held } = filled(1, { maxEntries: 10, maxBytes: 100 }, 40);
    expect([held(), map.calculatedSize]).toEqual(["cd", 80]);
    map.set("a", 1, { size: 101 });
    expect([map.peek("a"), map.calculatedSize]).toStrictEqual([undefined, 80]);
    map.set("a", 1, { size: 20 });
    expect([held(), map.calculatedSize]).toEqual(["acd", 100]);
  });

  test("says whether there was anything to delete", () => {
    const { map, held } = filled(1, { maxEntries: 4 });
    expect([map.delete("a"), map.delete("a"), held()]).toEqual([true, false, "bcd"]);
  });
});

describe("A map tells", () => {
  /** What is told of an entry that makes room, one that is replaced, and one that is deleted. */
  const toldOf = (listens: (told: unknown[]) => Partial<Parameters<typeof createBoundedMap<string>>[0]>) => {
    const told: unknown[] = [];
    const map = createBoundedMap<string>({ maxEntries: 2, ...listens(told) });
    map.set("a", "first");
    map.set("b", "second");
    map.set("c", "third");
    map.set("b", "fourth");
    map.delete("c");
    map.delete("c");
    return told;
  };

  test.each<[string, (told: unknown[]) => Partial<Parameters<typeof createBoundedMap<string>>[0]>, unknown[]]>([
    [
      "of what makes room, where that alone is asked for",
      (told) => ({ onEvict: (value) => told.push(["evicted", value]) }),
      [["evicted", "first"]],
    ],
    [
      "of all that is not there any more, where that is",
      (told) => ({ onRemove: (value, key) => told.push([key, value]) }),
      [
        ["a", "first"],
        ["b", "second"],
        ["c", "third"],
      ],
    ],
    [
      "of both, where both are",
      (told) => ({
        onEvict: (value) => told.push(["evicted", value]),
        onRemove: (value, key) => told.push([key, value]),
      }),
      [
        ["a", "first"],
        ["evicted", "first"],
        ["b", "second"],
        ["c", "third"],
      ],
    ],
    ["of nothing, where nothing is", () => ({}), []],
  ])("%s", (_what, listens, expected) => {
    expect(toldOf(listens)).toEqual(expected);
  });
});
