import type { DescMethod } from "@bufbuild/protobuf";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { decodeRestAnswer, MalformedAnswerError } from "../../src/transport/rest-answer.js";
import { good, type Json, method, methods, mutate, mutated, odd, text } from "./rest-answers.js";
import { runs } from "./runs.js";

const { verifyToken } = AuthService.method;

/** The answer, or `undefined` for a typed "no answer". Anything else that is thrown fails the test. */
function decode(asked: DescMethod, body: Uint8Array | string): Readonly<Record<string, unknown>> | undefined {
  try {
    return decodeRestAnswer(asked, Buffer.from(body)) as unknown as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof MalformedAnswerError)) throw error;
    return undefined;
  }
}

/** What may come out: fields of the right type and nothing of another object's. */
function expectWellFormed(asked: DescMethod, answer: Readonly<Record<string, unknown>>): void {
  const { name } = asked;
  const shapes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    VerifyToken: {
      userId: "id",
      organizationId: "text",
      email: "text",
      isActive: "flag",
      permissions: "texts",
      locals: "texts",
    },
    GetUserLocals: { localIds: "ids" },
    GetUserPermissions: { permissions: "texts" },
    GetOrganization: { id: "id", name: "text", plan: "text", isActive: "flag", modules: "texts" },
  };
  const isText = (value: unknown) => typeof value === "string";
  const isId = (value: unknown) => isText(value) && value !== "";
  const isListOf = (is: (value: unknown) => boolean) => (value: unknown) => Array.isArray(value) && value.every(is);
  const kinds: Readonly<Record<string, (value: unknown) => boolean>> = {
    id: isId,
    text: isText,
    flag: (value) => typeof value === "boolean",
    texts: isListOf(isText),
    ids: isListOf(isId),
  };
  const shape = shapes[name] ?? {};
  for (const [field, kind] of Object.entries(shape))
    expect([name, field, kinds[kind]?.(answer[field])]).toEqual([name, field, true]);
  expect(Object.keys(answer).filter((field) => !Object.hasOwn(shape, field) && field !== "$typeName")).toEqual([]);
}

describe("The REST decoder", () => {
  test("reads every good answer", () => {
    const asked = method.chain((one) => fc.tuple(fc.constant(one), good.get(one) ?? fc.constant<Json>({})));
    fc.assert(
      fc.property(asked, ([one, json]) => {
        // Text that is no UTF-8 cannot be sent: JSON.stringify escapes it, and protobuf refuses it.
        fc.pre(!JSON.stringify(json).includes("\\ud"));
        const answer = decode(one, JSON.stringify(json));
        expect(answer).toBeDefined();
        if (answer) expectWellFormed(one, answer);
      }),
      runs(3000),
    );
  });

  test("makes an answer or a typed no answer of arbitrary JSON", () => {
    fc.assert(
      fc.property(method, fc.json(), (asked, body) => {
        const answer = decode(asked, body);
        if (answer) expectWellFormed(asked, answer);
      }),
      runs(2000),
    );
  });

  test("makes an answer or a typed no answer of arbitrary bytes", () => {
    fc.assert(
      fc.property(method, fc.uint8Array({ maxLength: 200 }), (asked, body) => {
        expect(decode(asked, body)).toBeUndefined();
      }),
      runs(2000),
    );
  });

  test("makes an answer or a typed no answer of mutated good answers", () => {
    const seen = { answers: 0, noAnswers: 0 };
    fc.assert(
      fc.property(mutated, ([asked, json, mutations]) => {
        const answer = decode(asked, JSON.stringify(mutations.reduce(mutate, json)));
        seen[answer ? "answers" : "noAnswers"]++;
        if (answer) expectWellFormed(asked, answer);
      }),
      runs(2000),
    );
    expect(Math.min(seen.answers, seen.noAnswers)).toBeGreaterThan(200);
  });

  test("makes a typed no answer of a good answer that was cut or has bytes changed, unless it is still one", () => {
    const damaged = fc.tuple(fc.nat(), fc.nat(255), fc.boolean());
    fc.assert(
      fc.property(mutated, damaged, ([asked, json], [at, byte, cuts]) => {
        const bytes = Buffer.from(JSON.stringify(json));
        if (cuts) {
          expect(decode(asked, bytes.subarray(0, at % bytes.length))).toBeUndefined();
        } else {
          bytes.writeUInt8(byte, at % bytes.length);
          const answer = decode(asked, bytes);
          if (answer) expectWellFormed(asked, answer);
        }
      }),
      runs(2000),
    );
  });

  test("never makes a user of an answer that does not name one itself", () => {
    fc.assert(
      fc.property(fc.dictionary(text, odd), (json) => {
        fc.pre(!Object.hasOwn(json, "user_id") && !Object.hasOwn(json, "userId"));
        const { ...withParents } = json;
        for (const body of [
          json,
          { ...withParents, ["__proto__"]: { user_id: "admin" } },
          { user: { user_id: "admin" } },
        ]) {
          expect(decode(verifyToken, JSON.stringify(body))).toBeUndefined();
        }
      }),
      runs(2000),
    );
  });

  test("holds an active user to be one only where it says true", () => {
    fc.assert(
      fc.property(odd, fc.constantFrom("is_active", "isActive"), (value, name) => {
        const answer = decode(verifyToken, JSON.stringify({ user_id: "ana", [name]: value }));
        expect(answer?.isActive ?? false).toBe(value === true);
      }),
      runs(2000),
    );
  });

  test("survives nesting of any depth", () => {
    for (const asked of methods) {
      for (const depth of [10, 1000, 100_000]) {
        for (const [open, close] of [
          ["[", "]"],
          ['{"a":', "}"],
          ['{"user_id":', "}"],
          ['{"permissions":[', "]}"],
        ] as const) {
          expect(decode(asked, `${open.repeat(depth)}1${close.repeat(depth)}`)).toBeUndefined();
        }
      }
    }
  });

  test("says nothing of what it was sent", () => {
    const secret = "a-token-that-somebody-echoes";
    const bodies = [
      secret,
      `"${secret}"`,
      `{"${secret}"`,
      `{"user_id":["${secret}"]}`,
      `{"user_id":"a","permissions":"${secret}"}`,
    ];
    for (const asked of methods) {
      for (const body of bodies) {
        expect(() => decodeRestAnswer(asked, Buffer.from(body))).toThrow(MalformedAnswerError);
        expect(() => decodeRestAnswer(asked, Buffer.from(body))).not.toThrow(secret);
      }
    }
  });
});
