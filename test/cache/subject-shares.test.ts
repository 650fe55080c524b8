import { describe, expect, test } from "@jest/globals";
import { SubjectShares } from "../../src/cache/subject-shares.js";

/** A share of three keys, or of 100 bytes; `add("ana", "a", 40)` is an entry of 40 bytes. */
function start() {
  const held = new Map<string, { subject: string; bytes: number }>();
  /** The keys whose bytes were asked for, in order. */
  const sized: string[] = [];
  const remove = (key: string) => {
    const { subject, bytes } = held.get(key) ?? { subject: "", bytes: 0 };
    held.delete(key);
    shares.remove(subject, key, bytes);
  };
  const shares = new SubjectShares({
    maxPerSubject: 3,
    maxBytes: 100,
    bytesOf: (key) => {
      sized.push(key);
      return held.get(key)?.bytes ?? 0;
    },
    evict: remove,
  });
  const add = (subject: string, key: string, bytes = 1) => {
    held.set(key, { subject, bytes });
    shares.add(subject, key);
  };
  return { shares, add, remove, sized, held: () => [...held.keys()].join("") };
}

describe("The entries of one subject", () => {
  test("are as many as may be, and the oldest makes room", () => {
    const { add, held } = start();
    for (const key of "abc") add("ana", key);
    expect(held()).toBe("abc");
    add("ana", "d");
    expect(held()).toBe("bcd");
  });

  test("are as large as may be together, and make room one by one", () => {
    const { add, held } = start();
    add("ana", "a", 60);
    add("ana", "b", 40);
    expect(held()).toBe("ab");
    add("ana", "c", 1);
    expect(held()).toBe("bc");
    add("ana", "d", 59);
    expect(held()).toBe("bcd");
  });

  test("make room for one that is larger than all their room: it stays, alone", () => {
    const { add, held } = start();
    for (const key of "ab") add("ana", key);
    add("ana", "c", 500);
    expect(held()).toBe("c");
    add("ana", "d");
    expect(held()).toBe("d");
  });

  test("leave those of others alone", () => {
    const { add, held } = start();
    for (const key of "xyz") add("ben", key);
    for (const key of "abcd") add("ana", key);
    expect(held()).toBe("xyzbcd");
  });

  test("that are removed leave their room to others", () => {
    const { add, remove, held } = start();
    for (const key of "abc") add("ana", key, 33);
    remove("b");
    add("ana", "d", 33);
    expect(held()).toBe("acd");
    for (const key of "acd") remove(key);
    for (const key of "efg") add("ana", key, 33);
    expect(held()).toBe("efg");
  });

  test("are not counted where they share no room, and then none of the others is forgotten", () => {
    const { shares, add, held } = start();
    add("ana", "a");
    shares.remove("ana", "locals", 1);
    for (const key of "bcd") add("ana", key);
    expect(held()).toBe("bcd");
    shares.remove("ana", "locals", 1);
    add("ana", "e", 99);
    expect(held()).toBe("de");
  });

  test("that were one alone, and removed, count no more", () => {
    const { add, remove, held } = start();
    add("ana", "a", 90);
    remove("a");
    for (const key of "bcd") add("ana", key, 33);
    expect(held()).toBe("bcd");
  });

  test("keep the room that one of them has left to the others that are there", () => {
    const { add, remove, held } = start();
    for (const key of "abc") add("ana", key, 30);
    remove("b");
    for (const key of "de") add("ana", key, 30);
    expect(held()).toBe("cde");
    remove("c");
    remove("d");
    add("ana", "f", 70);
    expect(held()).toBe("ef");
    add("ana", "g", 1);
    expect(held()).toBe("fg");
  });

  test("are sized once each, and one alone is not: also where there were more before", () => {
    const { add, remove, sized } = start();
    add("ana", "a");
    expect(sized).toEqual([]);
    for (const key of "bc") add("ana", key);
    expect(sized).toEqual(["a", "b", "c"]);
    for (const key of "abc") remove(key);
    add("ana", "d");
    expect(sized).toEqual(["a", "b", "c"]);
  });

  test("of a subject that is not known are removed without a word", () => {
    const { shares, add, held } = start();
    shares.remove("ben", "a", 1);
    add("ana", "a");
    expect(held()).toBe("a");
  });
});
