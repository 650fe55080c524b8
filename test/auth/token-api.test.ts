import { expect, test } from "@jest/globals";
import { withTextApi } from "../../src/auth/token-api.js";

test("A client takes texts, and hands on tokens", async () => {
  const known = { user: {}, locals: [], source: "process" } as never;
  const seen: unknown[] = [];
  const { peekToken, verifyToken } = withTextApi({
    peek: (token) => {
      seen.push(["peek", token.text]);
      return known;
    },
    verify: async (token, call) => {
      seen.push(["verify", token.text, call]);
      return known;
    },
  });
  expect(peekToken("one")).toBe(known);
  expect(await verifyToken("two")).toBe(known);
  expect(await verifyToken("three", { fresh: true })).toBe(known);
  expect(seen).toEqual([
    ["peek", "one"],
    ["verify", "two", {}],
    ["verify", "three", { fresh: true }],
  ]);
});
