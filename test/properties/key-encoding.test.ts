import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { tokenId } from "../../src/auth/token.js";
import { compoundId, createKeyring } from "../../src/cache/keyring.js";
import { runs } from "./runs.js";

/** Parts made of what separates parts, so that they nearly run together. */
const part = fc.oneof(
  fc.string({
    unit: fc.constantFrom(":", ",", '"', "\\", "[", "]", " ", "a", "\0", "\ud800", "\udfff", "\ufffd"),
    maxLength: 6,
  }),
  fc.string({ unit: "binary", maxLength: 6 }),
);
const parts = fc.array(part, { maxLength: 4 });
/** Two that are the same text when they are simply joined. */
const cutTwice = fc
  .tuple(
    fc.string({ unit: fc.constantFrom(":", ",", '"', "\\", "a"), minLength: 2, maxLength: 12 }),
    fc.nat(),
    fc.nat(),
  )
  .map(([text, one, other]) =>
    [one, other].map((at) => [text.slice(0, at % text.length), text.slice(at % text.length)]),
  );

const isSame = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((text, at) => text === other[at]);

describe("compoundId", () => {
  test("gives different ids different encodings, and the same ids the same", () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(parts, parts), cutTwice), ([one = [], other = []]) => {
        expect(compoundId(...one) === compoundId(...other)).toBe(isSame(one, other));
      }),
      runs(6000),
    );
  });

  test("loses nothing: the ids can be read back", () => {
    fc.assert(
      fc.property(parts, (ids) => {
        expect(JSON.parse(compoundId(...ids))).toEqual(ids);
      }),
      runs(2000),
    );
  });

  test("stays different in bytes, which is what is hashed", () => {
    fc.assert(
      fc.property(fc.oneof(fc.tuple(parts, parts), cutTwice), ([one = [], other = []]) => {
        const [bytes, others] = [one, other].map((ids) => Buffer.from(compoundId(...ids)));
        expect(bytes?.equals(others as Buffer)).toBe(isSame(one, other));
      }),
      runs(6000),
    );
  });
});

describe("A key of the shared cache", () => {
  const place = fc.record({
    identity: part,
    kind: fc.constantFrom("token", "locals", "permissions", "organization"),
    id: part,
    secret: fc.option(fc.constantFrom("a".repeat(32), "b".repeat(32)), { nil: undefined }),
  });
  type Place = { identity: string; kind: string; id: string; secret: string | undefined };
  const slotOf = ({ identity, kind, id, secret }: Place) =>
    createKeyring({ identity, secrets: secret === undefined ? [] : [secret] }).slots({ kind, id })[0];

  test("belongs to one service, kind, id and secret alone", () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        const same = isSame(Object.values(one).map(String), Object.values(other).map(String));
        expect(slotOf(one)?.key === slotOf(other)?.key).toBe(same);
      }),
      runs(2000),
    );
  });

  test("is plain, and never holds the id", () => {
    fc.assert(
      fc.property(place, fc.uuid(), (one, id) => {
        const { key = "" } = slotOf({ ...one, id }) ?? {};
        expect(key).toMatch(/^portero:1:[a-z]+:[\w-]{43}$/);
        expect(key).not.toContain(id);
      }),
      runs(1000),
    );
  });

  test("of a digest belongs to one service, digest and secret alone, and is plain too", () => {
    const digest = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((bytes) => Buffer.from(bytes).toString("base64url"));
    const whose = fc.record({ identity: part, id: fc.oneof(digest, fc.constant("A".repeat(43))) });
    const keyOf = ({ identity, id }: { identity: string; id: string }, secrets: string[]) =>
      createKeyring({ identity, secrets }).slots({ kind: "token", id, isDigest: true })[0]?.key ?? "";
    fc.assert(
      fc.property(whose, whose, (one, other) => {
        const [plain, sealed] = [keyOf(one, []), keyOf(one, ["a".repeat(32)])];
        expect(plain).toMatch(/^portero:1:token:[\w-]{43}:[\w-]{43}$/);
        expect(sealed).toMatch(/^portero:1:token:[\w-]{43}$/);
        expect(sealed).not.toContain(one.id);
        const same = one.identity === other.identity && one.id === other.id;
        expect(plain === keyOf(other, [])).toBe(same);
        expect(sealed === keyOf(other, ["a".repeat(32)])).toBe(same);
        expect(sealed === keyOf(one, ["b".repeat(32)])).toBe(false);
      }),
      runs(1000),
    );
  });

  test("opens what was sealed for it and nothing that was sealed for another", () => {
    const sealed = place.map((one) => ({ ...one, secret: one.secret ?? "c".repeat(32) }));
    fc.assert(
      fc.property(sealed, sealed, fc.string({ unit: "grapheme" }), (one, other, text) => {
        const stored = slotOf(one)?.seal(text) ?? "";
        expect(slotOf(one)?.open(stored)).toBe(text);
        fc.pre(!isSame(Object.values(one), Object.values(other)));
        expect(slotOf(other)?.open(stored)).toBeUndefined();
      }),
      runs(2000),
    );
  });

  test("opens no text that somebody made up", () => {
    const slot = slotOf({ identity: "shop", kind: "token", id: "ana", secret: "a".repeat(32) });
    const made = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.base64String(),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
    );
    fc.assert(
      fc.property(made, (text) => {
        expect(slot?.open(text)).toBeUndefined();
      }),
      runs(2000),
    );
  });
});

test("tokenId gives different tokens different ids.", () => {
  const token = fc.string({ unit: fc.constantFrom(..."abAB09-._~+/="), minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(token, token, (one, other) => {
      expect(tokenId(one) === tokenId(other)).toBe(one === other);
      expect(tokenId(one)).toMatch(/^[\w-]{43}$/);
    }),
    runs(2000),
  );
});
