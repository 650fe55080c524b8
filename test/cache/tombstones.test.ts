import { expect, test } from "@jest/globals";
import { Tombstones } from "../../src/cache/tombstones.js";

test("What was asked up to the invalidation is void, what is asked later is not.", () => {
  const tombstones = new Tombstones();
  tombstones.record("ana", 1000);
  expect([999, 1000, 1001].map((askedAt) => tombstones.covers("ana", askedAt))).toEqual([true, true, false]);
  expect(tombstones.covers("ben", 999)).toBe(false);
});

test("An older tombstone that is learned of later moves nothing back.", () => {
  const tombstones = new Tombstones();
  tombstones.record("ana", 1000);
  tombstones.record("ana", 500);
  expect(tombstones.covers("ana", 800)).toBe(true);
});

test("A later tombstone of one user says nothing about another.", () => {
  const tombstones = new Tombstones();
  tombstones.record("ana", 1000);
  tombstones.record("ana", 2000);
  expect(tombstones.covers("ana", 2000)).toBe(true);
  expect(tombstones.covers("ben", 500)).toBe(false);
});

test("What is forgotten for want of room makes too much void, never too little.", () => {
  const tombstones = new Tombstones();
  for (let n = 0; n < 12_000; n++) tombstones.record(`user-${n}`, n);
  expect(tombstones.covers("user-0", 0)).toBe(true);
  expect(tombstones.covers("user-11999", 11_999)).toBe(true);
  expect(tombstones.covers("user-11999", 12_000)).toBe(false);
  expect(tombstones.covers("never-invalidated", 12_000)).toBe(false);
  expect(tombstones.covers("never-invalidated", 0)).toBe(true);
  expect([1999, 2000].map((askedAt) => tombstones.covers("never-invalidated", askedAt))).toEqual([true, false]);
});
