import { expect, test } from "@jest/globals";
import { Token } from "../../src/auth/token.js";
import { peek, verify, withTextApi } from "../../src/auth/token-api.js";
import type { AuthClient } from "../../src/client.js";

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

test("A token goes past the functions for texts, and to a function that an application put around them", async () => {
  const known = { user: {}, locals: [], source: "process" } as never;
  const seen: unknown[] = [];
  const own = withTextApi({
    peek: (token) => {
      seen.push(token);
      return known;
    },
    verify: async (token) => {
      seen.push(token);
      return known;
    },
  }) as AuthClient;
  const wrapped: AuthClient = {
    ...own,
    peekToken: (text) => {
      seen.push(text);
      return undefined;
    },
    verifyToken: (text, call) => {
      seen.push(text);
      return own.verifyToken(text, call);
    },
  };
  const token = new Token("token-ana");

  expect([peek(own, token), await verify(own, token, {})]).toEqual([known, known]);
  expect(seen).toEqual([token, token]);
  expect(seen[0]).toBe(token);

  expect([peek(wrapped, token), await verify(wrapped, token, {})]).toEqual([undefined, known]);
  expect(seen.slice(2)).toEqual(["token-ana", "token-ana", new Token("token-ana")]);
});
