import { expect, test } from "@jest/globals";
import { LogBatch } from "../../src/cache/log-batch.js";

test("A batch is halved down to one entry, and is as large as before when nothing is left of what was too much.", () => {
  const batch = new LogBatch();
  const sizes = [batch.size];
  while (batch.halve()) sizes.push(batch.size);
  expect(sizes).toEqual([1000, 500, 250, 125, 62, 31, 15, 7, 3, 1]);
  expect(batch.size).toBe(1);
  batch.reset();
  expect(batch.size).toBe(1000);
});
