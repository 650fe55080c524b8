import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "@jest/globals";
import {
  AuthService,
  GetUserLocalsRequestSchema,
  VerifyTokenRequestSchema,
  VerifyTokenResponseSchema,
} from "../../gen/auth/auth_service_pb.js";
import { frameOf } from "../../src/transport/grpc-frame.js";
import { framed } from "../../src/transport/request-frame.js";

const TEXTS = [
  "",
  "a",
  "x".repeat(127),
  "x".repeat(128),
  "x".repeat(20_000),
  "ñandú",
  "€".repeat(6000),
  "😀",
  "\u0000",
];

/** As protobuf-es writes it. */
function expected<I extends DescMessage>(schema: I, message: Parameters<typeof create<I>>[1]) {
  return Buffer.from(frameOf(toBinary(schema, create(schema, message))));
}

function given<I extends DescMessage>(schema: I, message: Parameters<typeof create<I>>[1]) {
  return Buffer.from(framed(schema, create(schema, message)));
}

test.each(TEXTS.map((token, at) => ({ at, token })))("a token: text $at", ({ token }) => {
  expect(given(VerifyTokenRequestSchema, { token }).equals(expected(VerifyTokenRequestSchema, { token }))).toBe(true);
});

test("two texts, either of them empty", () => {
  for (const userId of TEXTS) {
    for (const organizationId of TEXTS) {
      const user = { userId, organizationId };
      expect(given(GetUserLocalsRequestSchema, user).equals(expected(GetUserLocalsRequestSchema, user))).toBe(true);
    }
  }
});

test("every question of the contract", () => {
  for (const { input } of AuthService.methods) {
    const names = input.fields.map(({ localName }) => localName);
    const message = Object.fromEntries(names.map((name) => [name, `the ${name} of ñ`]));
    expect(names.length).toBeGreaterThan(0);
    expect(given(input, message)).toEqual(expected(input, message));
  }
});

test("what is no text, or not only texts, is protobuf-es's to write", () => {
  const answer = { userId: "u", permissions: ["a", "b"], locals: [], isActive: true };
  expect(given(VerifyTokenResponseSchema, answer)).toEqual(expected(VerifyTokenResponseSchema, answer));

  const halfOfOne = { token: "\ud83d" };
  expect(given(VerifyTokenRequestSchema, halfOfOne)).toEqual(expected(VerifyTokenRequestSchema, halfOfOne));

  const message = create(VerifyTokenRequestSchema, { token: "t" });
  message.$unknown = [{ no: 9, wireType: 0, data: Uint8Array.of(1) }];
  const whole = frameOf(toBinary(VerifyTokenRequestSchema, message));
  expect(Buffer.from(framed(VerifyTokenRequestSchema, message))).toEqual(Buffer.from(whole));

  const foreign = create(VerifyTokenRequestSchema, { token: "t" });
  expect(() => framed(GetUserLocalsRequestSchema as never, foreign as never)).toThrow("cannot use");
});
