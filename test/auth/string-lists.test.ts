import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "@jest/globals";
import { listHas, packed, StringLists } from "../../src/auth/string-lists.js";

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

  test("is not looked for in all of a long list, once it was asked about", () => {
    let looks = 0;
    const watched = new Proxy(long, {
      get: (list, property, receiver) => {
        looks++;
        return Reflect.get(list, property, receiver);
      },
    });
    expect(listHas(watched, "local-9999")).toBe(true);
    looks = 0;
    expect([listHas(watched, "local-9998"), listHas(watched, "local-10000")]).toEqual([true, false]);
    expect(looks).toBeLessThan(10);
  });
});

describe("Lists that are kept once", () => {
  test("are told apart by what is in them, in which order", () => {
    const lists = new StringLists();
    const all = [["a", "b"], ["b", "a"], ["a,b"], ['a","b'], ["a"], [], [""]].map((texts) => lists.of(texts));
    expect(new Set(all).size).toBe(all.length);
    expect(lists.of(["a", "b"])).toBe(all[0]);
  });

  test("are told apart also where they look alike at a glance", () => {
    const lists = new StringLists();
    const [one, other] = [
      ["abcde", "x"],
      ["Abcde", "x"],
    ];
    for (let time = 0; time < 2; time++) {
      for (const given of [one, other]) expect(lists.of(given)).toEqual(given);
    }
  });

  test("are copies: whoever gave the strings cannot change them", () => {
    const given = ["a"];
    const list = new StringLists().of(given);
    given.push("admin");
    expect(list).toEqual(["a"]);
  });

  test("are frozen, shared or not", () => {
    const lists = new StringLists();
    const made = [lists.of(["a"]), lists.ofInterned(["b", "a"]), lists.ofInterned([])];
    expect(made).toEqual([["a"], ["b", "a"], []]);
    expect(made.every(Object.isFrozen)).toBe(true);
  });

  test("are remembered, however many lists of single users come and go", () => {
    const lists = new StringLists();
    const [shared, none] = [lists.of(["read", "write"]), lists.ofInterned([])];
    for (let n = 0; n < 3_000; n++) lists.ofInterned([`local-${n}`]);
    expect([lists.of(["read", "write"]), lists.ofInterned([])]).toEqual([shared, none]);
    expect(lists.of(["read", "write"])).toBe(shared);
    expect(lists.ofInterned([])).toBe(none);
  });
});

describe("Lists that went through the shared cache", () => {
  test.each<readonly string[][]>([
    [["read", "write"], ["read write"], ["read", "", "write"], [""], ["", ""], [" "], [" ", ""], []],
    [['["read"]'], ["read"], ["[", "]"], ["a\u00a0b"], ["a\tb", "c\nd"]],
  ])("are what they were, and each of them alone (%#)", (...written) => {
    const lists = new StringLists();
    const read = written.map((list) => lists.unpack(JSON.parse(JSON.stringify(packed(list)))));
    expect(read).toEqual(written);
    expect(new Set(read).size).toBe(written.length);
    expect(read.every(Object.isFrozen)).toBe(true);
  });

  test("are not packed where they are very long: texts of one length would take long to tell apart", () => {
    const long = Array.from({ length: 2_000 }, (_, n) => `permission-${n}`);
    const lists = new StringLists();
    expect(packed(long)).toBe(long);
    expect(lists.unpack(long)).toEqual(long);
    expect(lists.unpack(long.join(" "))).toBeUndefined();
    const fits = long.slice(0, 1_000);
    expect([typeof packed(fits), lists.unpack(packed(fits))]).toEqual(["string", fits]);
    const [just, over] = [15_998, 15_999].map((length) => ["*".repeat(length), "a"]) as [string[], string[]];
    expect([typeof packed(just), lists.unpack(packed(just))]).toEqual(["string", just]);
    expect([packed(over), lists.unpack(over.join(" "))]).toStrictEqual([over, undefined]);
  });

  test("are kept once, whichever way they came", () => {
    const lists = new StringLists();
    const list = lists.of(["read", "write"]);
    for (const stored of ["read write", "read write", ["read", "write"]]) expect(lists.unpack(stored)).toBe(list);
  });

  test.each([[undefined], [null], [7], [true], [{ 0: "read" }], [["read", 7]], [[null]], [[["read"]]]])(
    "are not made of %j",
    (stored) => {
      expect(new StringLists().unpack(stored)).toBeUndefined();
    },
  );
});

describe("Strings that are kept once", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const KIB = 1024;
  /** A string of its own with this text, of 1 KiB or as many characters. */
  const textOf = (n: number, length = KIB) => Buffer.from(`permission-${n}`.padEnd(length, "*")).toString("latin1");
  /** Bytes of the heap that what `fill` returns keeps alive. */
  function heapOf(fill: () => unknown): number {
    collectGarbage();
    const before = process.memoryUsage().heapUsed;
    const kept = fill();
    collectGarbage();
    const bytes = process.memoryUsage().heapUsed - before;
    expect(kept).toBeDefined();
    return bytes;
  }

  test("are one for all lists", () => {
    const bytes = heapOf(() => {
      const lists = new StringLists();
      return [lists, Array.from({ length: 2_000 }, (_, n) => lists.ofInterned([textOf(0), textOf(1), `user-${n}`]))];
    });
    expect(bytes).toBeLessThan(1_000 * KIB); // 4,000 KiB where each list has its own
  });

  test("are let go of, but for the latest 20,000", () => {
    const bytes = heapOf(() => {
      const lists = new StringLists();
      for (let n = 0; n < 50_000; n++) lists.ofInterned([textOf(n, 200)]);
      return lists;
    });
    expect(bytes).toBeLessThan(10_000 * KIB); // 16,000 KiB where all are kept
  });

  test("and the lists of them, are let go of sooner where they are long", () => {
    const MIB = 1024 * KIB;
    const bytes = heapOf(() => {
      const lists = new StringLists();
      for (let n = 0; n < 200; n++) lists.of([textOf(n).repeat(KIB / 2), "short"]);
      return lists;
    });
    expect(bytes).toBeLessThan(60 * MIB); // 100 MiB where all are kept
  });

  test("and the texts that they were packed in, likewise", () => {
    const MIB = 1024 * KIB;
    const parts = Array.from({ length: 15 }, (_, n) => textOf(n));
    const bytes = heapOf(() => {
      const lists = new StringLists();
      for (let n = 0; n < 2_000; n++) lists.unpack([`user-${n}`, ...parts].join(" "));
      return lists;
    });
    expect(bytes).toBeLessThan(24 * MIB); // 31 MiB where all are kept
  });

  test("keep nothing else in memory of the text that they were packed in", () => {
    const lists = new StringLists();
    const unpack = (from: number) =>
      heapOf(() => {
        for (let n = from; n < from + 4_000; n++) {
          const others = Array.from({ length: 30 }, (_, other) => `resource${other}:manage-everything`);
          lists.unpack([`store-${n}:manage-everything`, ...others].join(" "));
        }
        return lists;
      });
    unpack(0); // as many texts and lists as are remembered
    expect(unpack(4_000)).toBeLessThan(2_000 * KIB); // 4,000 KiB where each text stays
  });

  test("stay one while they are in use, however many come and go", () => {
    const bytes = heapOf(() => {
      const lists = new StringLists();
      return Array.from({ length: 8 }, (_, generation) => {
        for (let n = 0; n < 6_000; n++) lists.ofInterned([`passer-by-${generation}-${n}`]);
        return Array.from({ length: 5_000 }, (_, n) => lists.ofInterned([textOf(n)]));
      });
    });
    expect(bytes).toBeLessThan(15_000 * KIB); // 40,000 KiB where each has its own
  });
});
