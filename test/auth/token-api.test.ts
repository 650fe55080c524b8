import { describe, expect, test } from "@jest/globals";
import { RecentTokens } from "../../src/auth/recent-tokens.js";
import { Token } from "../../src/auth/token.js";
import { TokenAccess, withTextApi } from "../../src/auth/token-api.js";
import type { AuthClient } from "../../src/client.js";
import { ManualClock } from "../support/manual-clock.js";

const known = { user: {}, locals: [], source: "process" } as never;
const recentTokens = () => new RecentTokens({ maxBytes: 10_000, clock: new ManualClock() });

test("A client takes texts, and hands on tokens", async () => {
  const seen: unknown[] = [];
  const { peekToken, verifyToken } = withTextApi({
    recent: recentTokens(),
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
  const seen: unknown[] = [];
  const own = withTextApi({
    recent: recentTokens(),
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

  const [past, around] = [new TokenAccess(own), new TokenAccess(wrapped)];

  expect([past.peek(token), await past.verify(token, {})]).toEqual([known, known]);
  expect(seen).toEqual([token, token]);
  expect(seen[0]).toBe(token);

  expect([around.peek(token), await around.verify(token, {})]).toStrictEqual([undefined, known]);
  expect(seen.slice(2)).toEqual(["token-ana", "token-ana", new Token("token-ana")]);
});

describe("The headers that a client remembers", () => {
  const header = "Bearer token-ana";
  const start = () => {
    const knows = new Set<string>();
    const recent = recentTokens();
    const client = withTextApi({
      recent,
      peek: ({ text }) => (knows.has(text) ? known : undefined),
      verify: async () => known,
    }) as AuthClient;
    return { knows, recent, client, access: new TokenAccess(client), token: new Token("token-ana", header) };
  };

  test("are those of tokens that it knows", async () => {
    const { access, token, knows, recent } = start();
    access.peek(token);
    await access.verify(token, {});
    expect([access.find(header), recent.bytes]).toStrictEqual([undefined, 0]);

    knows.add("token-ana");
    access.peek(new Token("token-ana")); // from elsewhere
    expect([access.find(header), recent.bytes]).toStrictEqual([undefined, 0]);
    access.peek(token);
    expect(access.find(header)?.text).toBe("token-ana");
  });

  test("are found and kept by its own peekToken alone, whenever another is put in its place", () => {
    const { access, token, knows, recent, client } = start();
    const { peekToken } = client;
    client.peekToken = () => known;
    expect([access.peek(token), access.find(header), recent.bytes]).toStrictEqual([known, undefined, 0]);

    client.peekToken = peekToken;
    knows.add("token-ana");
    expect([access.peek(token), access.find(header)?.text]).toEqual([known, "token-ana"]);

    client.peekToken = (text) => peekToken(text);
    expect(access.find(header)).toBeUndefined();
  });
});
