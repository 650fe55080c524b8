import { describe, expect, test } from "@jest/globals";
import { Tombstones } from "../../src/cache/tombstones.js";

/** Recorded at the same number in the order of the process and of wall time, which are looked at apart. */
const at = (time: number) => ({ order: time, wall: time });
const readers = [
  ["in the order of the process", (tombstones: Tombstones, key: string, time: number) => tombstones.void(key, time)],
  ["in the store", (tombstones: Tombstones, key: string, time: number) => tombstones.voidStored(key, time)],
] as const;

describe.each(readers)("%s", (_where, isVoid) => {
  test("what was asked up to the invalidation is void, what is asked later is not", () => {
    const tombstones = new Tombstones();
    tombstones.record("ana", at(1000));
    expect([999, 1000, 1001].map((askedAt) => isVoid(tombstones, "ana", askedAt))).toEqual([true, true, false]);
    expect(isVoid(tombstones, "ben", 999)).toBe(false);
  });

  test("an older tombstone that is learned of later moves nothing back", () => {
    const tombstones = new Tombstones();
    tombstones.record("ana", at(1000));
    tombstones.record("ana", at(500));
    expect(isVoid(tombstones, "ana", 800)).toBe(true);
  });

  test("a later tombstone of one user says nothing about another", () => {
    const tombstones = new Tombstones();
    tombstones.record("ana", at(1000));
    tombstones.record("ana", at(2000));
    expect(isVoid(tombstones, "ana", 2000)).toBe(true);
    expect(isVoid(tombstones, "ben", 500)).toBe(false);
  });

  test("what is forgotten for want of room makes too much void, never too little", () => {
    const tombstones = new Tombstones();
    for (let n = 0; n < 12_000; n++) tombstones.record(`user-${n}`, at(n));
    expect(isVoid(tombstones, "user-0", 0)).toBe(true);
    expect(isVoid(tombstones, "user-11999", 11_999)).toBe(true);
    expect(isVoid(tombstones, "user-11999", 12_000)).toBe(false);
    expect(isVoid(tombstones, "never-invalidated", 12_000)).toBe(false);
    expect(isVoid(tombstones, "never-invalidated", 0)).toBe(true);
    expect([1999, 2000].map((askedAt) => isVoid(tombstones, "never-invalidated", askedAt))).toEqual([true, false]);
  });

  test("what strangers have made is held against them alone, however much it is", () => {
    const tombstones = new Tombstones();
    tombstones.record("ana", at(1));
    for (let n = 0; n < 12_000; n++) tombstones.record(`garbage-${n}`, at(100 + n), false);
    expect(isVoid(tombstones, "ana", 1)).toBe(true);
    expect(isVoid(tombstones, "ben", 0)).toBe(false);
    expect(isVoid(tombstones, "garbage-11999", 100)).toBe(true);
    expect(isVoid(tombstones, "garbage-0", 100)).toBe(false); // the oldest of theirs made room
  });

  test("the later of a stranger's and a known one counts", () => {
    const tombstones = new Tombstones();
    tombstones.record("ana", at(1000));
    tombstones.record("ana", at(2000), false);
    tombstones.record("ben", at(2000));
    tombstones.record("ben", at(1000), false);
    expect(["ana", "ben"].map((key) => isVoid(tombstones, key, 1500))).toEqual([true, true]);
  });
});

test("What another process asked for, and this one accepted later, is void under the floor as well.", () => {
  const tombstones = new Tombstones(2);
  for (let n = 1; n <= 3; n++) tombstones.record(`user-${n}`, { order: n, wall: 1000 * n });
  const isVoid = (storedAt?: number) => tombstones.void("user-1", 10, storedAt);
  expect([isVoid(1000), isVoid(1001), isVoid()]).toEqual([true, false, false]);
});
