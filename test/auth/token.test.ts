import { describe, expect, test } from "@jest/globals";
import { PresentedToken, takingTexts } from "../../src/auth/token.js";
import { tokenId } from "../../src/cache/keyring.js";

describe("A presented token", () => {
  test("has its text's key, each time", () => {
    const token = new PresentedToken("token-ana");
    expect([token.id, token.id]).toEqual([tokenId("token-ana"), tokenId("token-ana")]);
    expect(new PresentedToken("token-anb").id).not.toBe(token.id);
  });

  test.each<[unknown, boolean]>([
    ["token-ana", true],
    ["", false],
    ["two tokens", false],
    [undefined, false],
    [["token-ana"], false],
  ])("is looked at before it is believed to be one: %j", (text, isWellFormed) => {
    const token = new PresentedToken(text as string);
    expect([token.isWellFormed, token.isWellFormed]).toEqual([isWellFormed, isWellFormed]);
  });
});

test("What a client has takes texts, and hands on tokens", async () => {
  const known = { user: {}, locals: [], source: "process" } as never;
  const seen: unknown[] = [];
  const { peekToken, verifyToken } = takingTexts({
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
