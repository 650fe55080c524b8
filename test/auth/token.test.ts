import { describe, expect, test } from "@jest/globals";
import { createTokenSyntax, isToken, Token, tokenId } from "../../src/auth/token.js";
import { type AuthClient, type AuthClientOptions, ConfigError, createAuthClient } from "../../src/client.js";
import { openClient, startService } from "../support/open-client.js";

describe("A token", () => {
  test("has its text's id, each time", () => {
    const token = new Token("token-ana");
    expect([token.id, token.id]).toEqual([tokenId("token-ana"), tokenId("token-ana")]);
    expect(new Token("token-anb").id).not.toBe(token.id);
  });

  test.each<[unknown, boolean]>([
    ["token-ana", true],
    ["", false],
    ["two tokens", false],
    [undefined, false],
    [["token-ana"], false],
  ])("is checked before it is believed to be one: %j", (text, fits) => {
    const token = new Token(text as string);
    expect([token.fits(isToken), token.fits(isToken)]).toEqual([fits, fits]);
  });
});

const ANA = { id: "ana" };
/** As itsdangerous and others write tokens. */
const WITH_COLONS = /[\w-]+:[\w:-]+/;

async function open(tokens: readonly string[], options: Partial<AuthClientOptions> = {}) {
  const service = await startService({ users: Object.fromEntries(tokens.map((token) => [token, ANA])) });
  return { service, client: openClient(service, options) };
}

async function outcomes(client: AuthClient, token: string): Promise<string[]> {
  const codeOf = (error: { code?: string }) => error.code ?? String(error);
  return [
    await client.verifyToken(token).then(({ user }) => user.id, codeOf),
    client.peekToken(token)?.user.id ?? "nothing",
    await client.invalidateToken(token).then(() => "forgotten", codeOf),
  ];
}

const GOOD = ["ana", "ana", "forgotten"];
const MALFORMED = ["invalid_request", "nothing", "invalid_request"];

describe("A client with tokenSyntax", () => {
  test("takes what matches as a whole, for all that it does with tokens", async () => {
    const { service, client } = await open(["user:1:abc", "abc", "{x}:y"], { tokenSyntax: WITH_COLONS });

    expect(await outcomes(client, "user:1:abc")).toEqual(GOOD);
    for (const token of ["abc", "{x}:y", "user:1:abc!", "!user:1:abc", "user:1:abc ", "", ":"]) {
      expect(await outcomes(client, token)).toEqual(MALFORMED);
    }
    expect(service.calls.total).toBe(1);
  });

  test.each([
    ["a blank", "a b"],
    ["a blank at the end", "ab "],
    ["a tab", "a\tb"],
    ["a comma", "a,b"],
    ["a line end", "a\r\nb"],
    ["a line feed at the end", "ab\n"],
    ["a NUL", "a\0b"],
    ["DEL", "a\x7fb"],
    ["a letter that is not ASCII", "añb"],
    ["a no-break space", "a\xa0b"],
    ["a letter that another becomes without its case", "\u212a"],
    ["nothing", ""],
  ])("refuses %s whatever it says", async (_what, token) => {
    const { service, client } = await open([token], { tokenSyntax: /[\s\S]*/ });

    expect(await outcomes(client, token)).toEqual(MALFORMED);
    expect(service.calls.total).toBe(0);
  });

  test.each([
    /a+/,
    /a+/g,
    /a+/y,
    /a+/gy,
    /^a+/,
    /a+$/m,
    /b|a|aa|aaa/,
    /(?<first>a)\k<first>*/,
    /A+/i,
    /a+/u,
    /(?=a)a+(?<=a)/,
  ])("takes %s for the whole of a token, each time", (pattern) => {
    const syntax = createTokenSyntax(pattern, 8192);
    pattern.lastIndex = 2;
    for (let time = 0; time < 3; time++) {
      expect([syntax("aaa"), syntax("aaa")]).toEqual([true, true]);
      expect([syntax("aaab"), syntax("caaa"), syntax("aaa\naaa")]).toEqual([false, false, false]);
    }
    expect(pattern.lastIndex).toBe(2);
  });

  test("goes by its pattern alone: a token68 is not good enough, and the pattern's own anchors hold", () => {
    expect(createTokenSyntax(/[A-Z]+/, 8192)("abc")).toBe(false);
    expect([createTokenSyntax(/a|b/, 8192)("ab"), createTokenSyntax(/a|b/, 8192)("b")]).toEqual([false, true]);
    expect(createTokenSyntax(/(?:)/, 8192)("")).toBe(false);
  });

  test("of another realm of JavaScript is one too", async () => {
    const { runInNewContext } = await import("node:vm");
    const { client } = await open(["a:b"], { tokenSyntax: runInNewContext("/a:b/") });

    expect(await outcomes(client, "a:b")).toEqual(GOOD);
  });
});

describe("A client with maxTokenBytes", () => {
  test.each<[number, RegExp | undefined]>([
    [3, undefined],
    [3, /a+/],
    [20_000, undefined],
    [20_000, /a+/],
    [8192, /a+/],
  ])("of %i takes tokens up to there, whatever its syntax: %s", async (maxTokenBytes, tokenSyntax) => {
    const [longest, longer] = ["a".repeat(maxTokenBytes), "a".repeat(maxTokenBytes + 1)];
    const options = { maxTokenBytes, ...(tokenSyntax && { tokenSyntax }) };
    const { client } = await open([longest, longer], options);

    expect(await outcomes(client, longest)).toEqual(GOOD);
    expect(await outcomes(client, longer)).toEqual(MALFORMED);
  });
});

describe("A ConfigError names", () => {
  const grpc = { url: "http://127.0.0.1:1" };
  const problemsOf = (options: object) => {
    try {
      createAuthClient({ grpc, ...options });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      return (error as ConfigError).problems.map(({ name, expected }) => `${name}: ${expected}`);
    }
    throw new Error("nothing was thrown");
  };

  test.each(["[a-z]+", null, {}, 7, () => true])("a tokenSyntax that is no regular expression: %p", (tokenSyntax) => {
    expect(problemsOf({ tokenSyntax })).toEqual(["tokenSyntax: a regular expression"]);
  });

  test.each([0, -1, 1.5, Number.NaN, "8192", null, 1_048_577])("a maxTokenBytes that is none: %p", (maxTokenBytes) => {
    expect(problemsOf({ maxTokenBytes })).toEqual(["maxTokenBytes: a whole number from 1 to 1048576"]);
  });
});

test("Without either, a token is a token68 of at most 8 KiB.", () => {
  expect(createTokenSyntax(undefined, 8192)).toBe(isToken);
  const longer = createTokenSyntax(undefined, 8193);
  expect([longer("a".repeat(8193)), longer("a".repeat(8194)), longer("a b"), isToken("a".repeat(8193))]).toEqual([
    true,
    false,
    false,
    false,
  ]);
});
