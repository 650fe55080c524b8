import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { isToken } from "../../src/auth/token.js";
import { type AuthError, authenticate, bearerToken } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { runs } from "./runs.js";

const MAX_BYTES = 8192;

/**
 * What the RFCs say, written down without looking at the parser (RFC 9110 §11.4, RFC 6750 §2.1, RFC 7235 §2.1):
 *
 *     credentials = auth-scheme [ 1*SP token68 ]      auth-scheme = token = 1*tchar
 *     token68     = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
 */
const AUTH_SCHEME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;
const CREDENTIALS = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ +(?<token68>[A-Za-z0-9._~+/-]+=*)$/;

type Outcome = { readonly token: string } | "other scheme" | "malformed";

function byTheGrammar(value: string): Outcome {
  const scheme = AUTH_SCHEME.exec(value)?.[0] ?? "";
  if (scheme.toUpperCase() !== "BEARER") return "other scheme";
  const token = CREDENTIALS.exec(value)?.groups?.token68;
  return token === undefined || token.length > MAX_BYTES ? "malformed" : { token };
}

function byTheParser(value: string): Outcome {
  try {
    const token = bearerToken({ headers: { authorization: value }, rawHeaders: ["Authorization", value] });
    return token === undefined ? "other scheme" : { token };
  } catch (error) {
    expect((error as AuthError).code).toBe("invalid_request");
    return "malformed";
  }
}

const anyCase = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) =>
    text
      .split("")
      .map((letter, at) => (upper[at] ? letter.toUpperCase() : letter.toLowerCase()))
      .join(""),
  );

const token68Char = fc.constantFrom(..."ABCXYZabcxyz0189-._~+/");
const token68 = fc
  .tuple(
    fc.string({ unit: token68Char, minLength: 1, maxLength: 60 }),
    fc.string({ unit: fc.constant("="), maxLength: 4 }),
  )
  .map((parts) => parts.join(""));
const longToken = fc
  .tuple(fc.integer({ min: MAX_BYTES - 3, max: MAX_BYTES + 3 }), fc.nat(3))
  .map(([length, equals]) => "a".repeat(length - equals) + "=".repeat(equals));
/** What tempts a parser: near misses of the grammar's own characters. */
const nearMiss = fc.constantFrom(
  " ",
  "  ",
  "\t",
  "=",
  ",",
  ";",
  '"',
  "\\",
  "\0",
  "\x7f",
  "\x80",
  "ÿ",
  "%20",
  "K",
  "ı",
  "",
);
const value = fc
  .oneof(
    { weight: 4, arbitrary: fc.tuple(anyCase("bearer"), fc.constantFrom(" ", "  ", "    "), token68) },
    { weight: 1, arbitrary: fc.tuple(anyCase("bearer"), fc.constant(" "), longToken) },
    {
      weight: 4,
      arbitrary: fc.tuple(anyCase("bearer"), nearMiss, token68, nearMiss, fc.oneof(token68, fc.constant(""))),
    },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom("Bear", "Basic", "Bearer-", "Bearerx", ""), nearMiss, token68) },
    { weight: 2, arbitrary: fc.tuple(anyCase("bearer"), fc.string({ unit: "binary", maxLength: 12 })) },
    { weight: 2, arbitrary: fc.tuple(fc.string({ unit: "binary", maxLength: 20 })) },
  )
  .map((parts) => parts.join(""));

describe("The bearer parser", () => {
  test("reads every value as the grammar does", () => {
    fc.assert(
      fc.property(value, (text) => {
        expect(byTheParser(text)).toEqual(byTheGrammar(text));
      }),
      runs(6000),
    );
  });

  test("is tried on every outcome", () => {
    const seen = fc.sample(value, runs(2000)).map((text) => {
      const outcome = byTheGrammar(text);
      return typeof outcome === "string" ? outcome : "token";
    });
    for (const outcome of ["token", "malformed", "other scheme"]) {
      expect(seen.filter((one) => one === outcome).length).toBeGreaterThan(200);
    }
  });

  test("takes no more and no less than isToken does", () => {
    fc.assert(
      fc.property(fc.oneof(token68, longToken, value), (text) => {
        const outcome = byTheGrammar(`Bearer ${text}`);
        expect(isToken(text)).toBe(typeof outcome === "object" && outcome.token === text);
      }),
      runs(2000),
    );
  });
});

describe("A request", () => {
  /** Knows exactly what it was asked. */
  const listening = () => {
    const stub = stubAuthClient();
    const asked: string[] = [];
    const verifyToken: typeof stub.verifyToken = (token, call) => {
      asked.push(token);
      return stub.verifyToken(token, call);
    };
    return { client: { ...stub, verifyToken }, asked };
  };

  test("asks the service for the grammar's token, and for nothing else", async () => {
    await fc.assert(
      fc.asyncProperty(value, async (authorization) => {
        const { client, asked } = listening();
        const code = await authenticate({ headers: { authorization } }, { client }).catch((e: AuthError) => e.code);
        const outcome = byTheGrammar(authorization);
        expect(asked).toEqual(typeof outcome === "object" ? [outcome.token] : []);
        const codes = { "other scheme": "missing_token", malformed: "invalid_request" };
        expect(code).toBe(typeof outcome === "object" ? "invalid_token" : codes[outcome]);
      }),
      runs(2000),
    );
  });

  test("that repeats the header is malformed, whatever stands in the two", async () => {
    await fc.assert(
      fc.asyncProperty(value, value, anyCase("authorization"), async (first, second, name) => {
        const { client, asked } = listening();
        const rawHeaders = ["Authorization", first, "Host", "a", name, second];
        const verdict = authenticate({ headers: { authorization: first }, rawHeaders }, { client });
        await expect(verdict).rejects.toMatchObject({ code: "invalid_request" });
        expect(asked).toEqual([]);
      }),
      runs(1000),
    );
  });
});
