import { describe, expect, jest, test } from "@jest/globals";
import fc from "fast-check";
import { readJwt } from "../../src/auth/jwt.js";
import { runs } from "./runs.js";

const jwtExpiry = (token: string) => readJwt(token).hardExpiry;
const tokenOf = (payload: string) => `e30.${Buffer.from(payload).toString("base64url")}.c2ln`;

/** What the payload says, read in the plainest way. */
function expected(payload: string): number | undefined {
  const { exp } = Object(JSON.parse(payload)) as { exp?: unknown };
  return typeof exp === "number" && Number.isFinite(exp) ? exp * 1000 : undefined;
}

/** Texts and keys that could be taken for the one that counts. */
const lookalike = fc.oneof(
  fc.constantFrom(
    "exp",
    '"exp"',
    '"exp":1,',
    '"exp":1}',
    "{",
    "}",
    "\\",
    '\\"exp\\":1,',
    "e\\u0078p",
    'x"exp',
    ":",
    ",",
  ),
  fc.string({ maxLength: 8 }),
);
const leaf = fc.oneof(lookalike, fc.integer(), fc.double(), fc.constantFrom(null, true, 4102444800, 1.5, 1e300, -1, 0));
const list = fc.array(leaf, { maxLength: 4 });
const nested = fc.dictionary(fc.oneof(lookalike, fc.constant("exp")), leaf, { maxKeys: 3 });
const claims = fc.array(
  fc.tuple(
    fc.oneof({ weight: 2, arbitrary: fc.constant("exp") }, { weight: 3, arbitrary: lookalike }),
    fc.oneof(leaf, list, nested),
  ),
  { maxLength: 6 },
);
/** Written by hand, so that a key can come twice, and with spaces. */
const written = fc
  .tuple(claims, fc.constantFrom("", " ", "\n"))
  .map(
    ([pairs, gap]) =>
      `{${gap}${pairs.map(([key, value]) => `${JSON.stringify(key)}${gap}:${gap}${JSON.stringify(value)}`).join(`${gap},`)}${gap}}`,
  );

describe("The end of a JWT", () => {
  test("is what a JSON parser reads, whatever else stands in the payload", () => {
    let found = 0;
    fc.assert(
      fc.property(written, (payload) => {
        const end = expected(payload);
        if (end !== undefined) found++;
        expect(jwtExpiry(tokenOf(payload))).toBe(end);
      }),
      runs(5000),
    );
    expect(found).toBeGreaterThan(100);
  });

  test("is none, or a number, for any payload", () => {
    const anything = fc.oneof(
      fc.string(),
      fc.json(),
      fc.array(lookalike).map((parts) => `{${parts.join("")}`),
    );
    fc.assert(
      fc.property(anything, (payload) => {
        const end = jwtExpiry(tokenOf(payload));
        expect(end === undefined || Number.isFinite(end)).toBe(true);
      }),
      runs(2000),
    );
  });

  test.each([
    ["nothing", ""],
    ["one part", "abc"],
    ["one part that would be a payload, and a character", `${Buffer.from('{"exp":1}').toString("base64url")}A`],
    ["two parts", "e30.eyJleHAiOjF9"],
    ["four parts", "e30.eyJleHAiOjF9.c2ln.c2ln"],
    ["no payload", "e30..c2ln"],
    ["nothing but dots", ".."],
    ["a payload that is no JSON", tokenOf("exp")],
    ["a number that is none in JSON", tokenOf('{"exp":007}')],
    ["a number without end", tokenOf('{"exp":1e400}')],
    ["null", tokenOf("null")],
  ])("is none in %s", (_what, token) => {
    expect(jwtExpiry(token)).toBeUndefined();
  });

  test.each([
    ["another claim that ends like it", '{"exp":4102444800,"not\\"exp":1}'],
    ["an escape in its name", '{"\\u0065xp":4102444800}'],
    ["an object before it", '{"exp":1,"of":{"exp":2},"exp":4102444800}'],
    ["an object behind it", '{"exp":4102444800,"of":{"exp":1}}'],
    ["blanks around it", ' \t\r\n{"exp":4102444800} '],
  ])("is the token's own, with %s", (_what, payload) => {
    expect(jwtExpiry(tokenOf(payload))).toBe(4_102_444_800_000);
  });

  test("is there in a token of the usual form", () => {
    expect(jwtExpiry(tokenOf('{"sub":"ana","exp":4102444800}'))).toBe(4_102_444_800_000);
    expect(jwtExpiry(tokenOf('{"exp":4102444800,"sub":"ana"}'))).toBe(4_102_444_800_000);
  });

  test.each([
    ["a time", '{"sub":"ana","exp":4102444800,"roles":["a","b"]}', 4_102_444_800_000],
    ["a time at the end", '{"sub":"ana","exp":4102444800}', 4_102_444_800_000],
    ["the first second", '{"exp":0}', 0],
    ["none", '{"sub":"ana","roles":["a","b"]}', undefined],
  ])("is read without making the rest of an ordinary payload: of %s", (_what, payload, end) => {
    const token = tokenOf(payload);
    jwtExpiry(token); // the header of an issuer is parsed once
    const parse = jest.spyOn(JSON, "parse");
    try {
      expect(jwtExpiry(token)).toBe(end);
      expect(parse).not.toHaveBeenCalled();
    } finally {
      parse.mockRestore();
    }
  });
});
