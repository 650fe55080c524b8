import { describe, expect, test } from "@jest/globals";
import { decodeFact, encodeFact, type Fact } from "../../src/cache/log-facts.js";

const DIGEST = "0123456789-abcdefghijklmnopqrstuvwxyz_ABCDE";
const OTHER = DIGEST.replace("0", "Z");
const token: Fact = { kind: "token", id: DIGEST, meaning: OTHER, at: 1 };
const user: Fact = { kind: "user", subject: '["org-1","ana"]', at: 1 };

/** A record that says something else than it did. */
const edited = (fact: Fact, edit: object) => JSON.stringify({ ...JSON.parse(encodeFact(fact, "me")), ...edit });
/** A record whose time is spelled so. */
const at = (spelling: string) => encodeFact(user, "me").replace('"at":1', `"at":${spelling}`);

test.each<Fact>([
  token,
  { ...token, meaning: undefined },
  { ...token, kind: "refusal" },
  { kind: "refusal", id: OTHER, meaning: undefined, at: 1_767_225_600_000.25 },
  user,
  { kind: "organization", subject: "", at: -1 },
])("A fact is read as it was told: %j", (fact) => {
  expect(decodeFact(encodeFact(fact, "me"))).toStrictEqual({ by: "me", fact });
});

test("What a fact does not have is not read.", () => {
  expect(decodeFact(edited(token, { key: "portero:1:log:x", subject: "ana" }))).toEqual({ by: "me", fact: token });
  expect(decodeFact(edited(user, { key: "portero:1:log:x", id: DIGEST }))).toEqual({ by: "me", fact: user });
});

describe("Garbage is no fact, and throws nothing:", () => {
  test.each([
    "",
    "garbage",
    "undefined",
    encodeFact(user, "me").slice(0, -1),
    `${encodeFact(user, "me")}x`,
    "null",
    "true",
    "1",
    '"a text"',
    "[]",
    "[1]",
    "{}",
    `[${encodeFact(user, "me")}]`,
    "[".repeat(16_384),
  ])("%j", (text) => {
    expect(decodeFact(text)).toBeUndefined();
  });

  test("a record whose time is none, or no finite one: it would make void all that is asked later", () => {
    expect(decodeFact(at("1e15"))).toEqual({ by: "me", fact: { ...user, at: 1e15 } });
    for (const spelling of ["1e999", "-1e999", "null", '"1"', "[1]", "true"])
      expect(decodeFact(at(spelling))).toBe(undefined);
  });

  test.each([{ v: undefined }, { v: null }, { v: "1" }, { v: [1] }, { v: true }])(
    "a record whose version is none: %j",
    (edit) => {
      expect(decodeFact(edited(user, edit))).toBeUndefined();
    },
  );

  test.each([{ kind: undefined }, { kind: 7 }, { kind: ["user"] }, { by: undefined }, { by: 7 }, { at: undefined }])(
    "a record whose kind, process or time is none: %j",
    (edit) => {
      expect(decodeFact(edited(user, edit))).toBeUndefined();
    },
  );

  test.each([
    { id: undefined },
    { id: 7 },
    { id: "" },
    { id: DIGEST.slice(1) },
    { id: `${DIGEST}A` },
    { id: `${DIGEST}\n` },
    { id: DIGEST.replace("-", "+") },
    { id: [DIGEST] },
    { meaning: null },
    { meaning: "" },
    { meaning: DIGEST.slice(1) },
    { meaning: [DIGEST] },
    { id: "x", meaning: "x" },
    { id: "x", meaning: undefined },
  ])("a record of a token whose id or meaning is no digest: %j", (edit) => {
    for (const kind of ["token", "refusal"]) expect(decodeFact(edited(token, { ...edit, kind }))).toBeUndefined();
  });

  test.each([
    { subject: undefined },
    { subject: null },
    { subject: 7 },
    { subject: ["ana"] },
    { subject: { id: "ana" } },
  ])("a record of a user or an organization that is not named: %j", (edit) => {
    for (const kind of ["user", "organization"]) expect(decodeFact(edited(user, { ...edit, kind }))).toBeUndefined();
  });
});

describe("What another version tells is unknown, not garbage: something may have been invalidated:", () => {
  test.each([{ v: 2 }, { v: 0 }, { v: 1.5 }, { v: 2, kind: 7, by: undefined, at: undefined, subject: undefined }])(
    "a record of another version: %j",
    (edit) => {
      expect(decodeFact(edited(user, edit))).toBe("unknown");
    },
  );

  test.each(["group", "", "User", "toString", "__proto__"])("a record of the kind %j", (kind) => {
    expect(decodeFact(edited(user, { kind }))).toBe("unknown");
    expect(decodeFact(edited(token, { kind }))).toBe("unknown");
  });
});
