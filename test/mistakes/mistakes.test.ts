import { expect, test } from "@jest/globals";
import { upstreamRows } from "./upstream-rows.js";

test.each([...upstreamRows])("$is", async ({ make, says }) => {
  const text = await make();
  for (const part of says) expect(text).toContain(part);
  expect(text).not.toMatch(/token-ana|\bana\b/);
});
