import { describe, expect, test } from "@jest/globals";
import { keyInSlot, SLOTS, slotOf, slotRangesIn } from "../../src/cache/cluster-slots.js";

describe("The slot of a key", () => {
  // As CLUSTER KEYSLOT has them.
  test.each([
    ["", 0],
    ["123456789", 12_739],
    ["foo", 12_182],
    ["x{ü€}y", 9284],
    ["{user1000}.following", slotOf("user1000")],
    ["a{user1000}b{c}", slotOf("user1000")],
    ["foo{}{bar}", 8363],
    ["}foo}{user1000}", slotOf("user1000")],
    ["foo{{bar}}zap", 4015],
    ["foo{bar", 15_278],
    ["foo}bar", 7223],
    ["portero:1:none", 3096],
  ])("%j is %d", (key, slot) => {
    expect(slotOf(key)).toBe(slot);
  });

  test("is one of all", () => {
    const slots = new Set(Array.from({ length: 200_000 }, (_, n) => slotOf(`portero:1:token:${n}`)));
    expect(Math.max(...slots)).toBeLessThan(SLOTS);
    expect(slots.size).toBeGreaterThan(SLOTS * 0.99);
  });

  test("can be chosen", () => {
    for (const slot of [0, 1, 8191, SLOTS - 1]) {
      const key = keyInSlot("portero:1:none", (candidate) => candidate === slot);
      expect(slotOf(key)).toBe(slot);
      expect(key).toMatch(/^portero:1:none\{\d+\}$/);
    }
  });

  test("is any where none can be used, which is looked for no longer than it takes to try them all", () => {
    let tried = 0;
    const isUsable = () => {
      tried++;
      return false;
    };
    expect([keyInSlot("portero:1:none", isUsable), tried]).toEqual(["portero:1:none", 2 ** 18]);
  });
});

describe("What CLUSTER SLOTS says", () => {
  const asked = { host: "asked", port: 7000 };
  const node = (host: unknown, port: unknown) => [host, port, "id", []];

  test("is read, replicas left out", () => {
    const reply = [
      [0, 8191, node("a", 1), node("replica", 9)],
      [8192, 16_383, ["b", 2]],
    ];
    expect(slotRangesIn(reply, asked)).toEqual([
      { first: 0, last: 8191, master: { host: "a", port: 1 } },
      { first: 8192, last: 16_383, master: { host: "b", port: 2 } },
    ]);
  });

  test("may be of one slot, at the first and the last one, and at any port", () => {
    const reply = [
      [0, 0, node("a", 1)],
      [16_383, 16_383, node("b", 65_535)],
    ];
    expect(slotRangesIn(reply, asked)).toEqual([
      { first: 0, last: 0, master: { host: "a", port: 1 } },
      { first: 16_383, last: 16_383, master: { host: "b", port: 65_535 } },
    ]);
  });

  test("may name a thousand masters, each of them often", () => {
    const reply = Array.from({ length: 3000 }, (_, n) => [n, n, node("a", (n % 1000) + 1)]);
    expect(slotRangesIn(reply, asked)).toHaveLength(3000);
  });

  test.each([null, ""])("means the node that was asked where it does not know its own name: %j", (name) => {
    expect(slotRangesIn([[0, 1, node(name, 7001)]], asked)?.[0]?.master).toEqual({ host: "asked", port: 7001 });
  });

  test.each<[string, unknown]>([
    ["no slots", []],
    ["a text", "garbage"],
    ["nothing", null],
    ["no list in it", [1]],
    ["no master", [[0, 1]]],
    ["slots beyond the last", [[0, SLOTS, node("a", 1)]]],
    ["a slot beyond the last", [[SLOTS, SLOTS, node("a", 1)]]],
    ["slots before the first", [[-1, 1, node("a", 1)]]],
    ["parts of slots", [[0.5, 1, node("a", 1)]]],
    ["a master that is no list", [[0, 1, "a"]]],
    [
      "one range that cannot be, among others",
      [
        [0, 1, node("a", 1)],
        [2, SLOTS, node("a", 1)],
      ],
    ],
    ["slots in the wrong order", [[2, 1, node("a", 1)]]],
    ["slots that are no numbers", [["0", "1", node("a", 1)]]],
    ["a port that is none", [[0, 1, node("a", 65_536)]]],
    ["port 0", [[0, 1, node("a", 0)]]],
    ["a host that is a number", [[0, 1, node(7, 1)]]],
    ["a host of more characters than a name has", [[0, 1, node("a".repeat(256), 1)]]],
    ["a host that was not configured", [[0, 1, node("?", 1)]]],
    ["a host that is none", [[0, 1, node("a b", 1)]]],
    ["more masters than can be", Array.from({ length: 1001 }, (_, n) => [n, n, node("a", n + 1)])],
  ])("is not used where it has %s", (_what, reply) => {
    expect(slotRangesIn(reply, asked)).toBeUndefined();
  });
});
