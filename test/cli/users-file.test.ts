import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { JsonError, readJson } from "../../src/cli/json-lines.js";
import { usersIn } from "../../src/cli/users-file.js";
import { root } from "../support/workspace.js";
import { defectsOf, type JsonSchema } from "./json-schema.js";

const schema: JsonSchema = JSON.parse(readFileSync(join(root, "schemas", "users.schema.json"), "utf8"));
const messageOf = (text: string) => {
  try {
    usersIn(text, "users.json");
  } catch (error) {
    return (error as Error).message;
  }
  return undefined;
};

describe("A file of users", () => {
  const rows: readonly (readonly [string, string, string | undefined])[] = [
    [
      "users and organizations",
      '{"users": {"t": {"id": "ana", "isActive": true}}, "organizations": {"o": {"modules": ["a"]}}}',
      undefined,
    ],
    ["its schema", '{"$schema": "./users.schema.json", "users": {}}', undefined],
    ["nothing", "{}", undefined],
    [
      "a user without an id",
      '{\n "users": {\n  "t.a.b": {\n   "permissions": []\n  }\n }\n}',
      "users.json:3: users.t.a.b.id: expected a string that is not empty, found nothing",
    ],
    [
      "an empty id",
      '{"users":\n {"t": {"id":\n ""}}}',
      'users.json:2: users.t.id: expected a string that is not empty, found ""',
    ],
    [
      "permissions that are no list",
      '{"users": {"t": {"id": "a",\n\n "permissions": "products:read"}}}',
      'users.json:3: users.t.permissions: expected a list of strings, found "products:read"',
    ],
    [
      "a misspelt field",
      '{"users": {"t": {"id": "a",\n"local": []}}}',
      "users.json:2: users.t.local: there is no such option; did you mean users.t.locals?",
    ],
    [
      'a token with "Bearer " before it',
      '{"users": {\n"Bearer t": {"id": "a"}}}',
      'users.json:2: users.Bearer t: expected the token alone, without "Bearer ", found "Bearer t"',
    ],
    ...["a b", "a,b", "tökén", ""].map(
      (token) =>
        [
          `the token ${JSON.stringify(token)}`,
          `{"users": {\n${JSON.stringify(token)}: {"id": "a"}}}`,
          `users.json:2: users.${token}: expected a token that a caller can send: ASCII, without blanks and commas, and not empty, found ${JSON.stringify(token)}`,
        ] as const,
    ),
    ["tokens of any sign that a header can have", '{"users": {"~!x+/-._=:t@": {"id": "a"}}}', undefined],
    ["a list of users", '{"users":\n []}', "users.json:1: users: expected an object, users by token, found an array"],
    [
      "another field at the top",
      '{"organisations": {}}',
      "users.json:1: organisations: there is no such option; did you mean organizations?",
    ],
    ["a list", "[]", "users.json:1: expected an object with users and organizations"],
  ];

  test.each(rows)("with %s is read as its schema says, and its mistake has a line", (_, text, says) => {
    expect(messageOf(text)).toBe(says);
    expect(defectsOf(JSON.parse(text), schema).length > 0).toBe(says !== undefined);
  });

  test("names all mistakes at once, in their order", () => {
    const text = '{"organizations": {"o":\n 1},\n "users": {"t":\n {"id": 1},\n "u": 2}}';
    expect(
      messageOf(text)
        ?.split("\n  ")
        .map((line) => line.split(": ").slice(0, 2)),
    ).toEqual([
      ["users.json:1", "organizations.o"],
      ["users.json:4", "users.t.id"],
      ["users.json:5", "users.u"],
    ]);
  });

  test("has a description of each field for editors", () => {
    const described = JSON.stringify(schema).match(/"description"/g) ?? [];
    expect(described.length).toBeGreaterThanOrEqual(12);
  });
});

describe("JSON with lines", () => {
  test("is what JSON.parse reads", () => {
    const texts = [
      '{"a":[1,-2.5e3,"\\u00e9\\n",true,false,null,{},[]],"__proto__":{"x":1}}',
      ' "a" ',
      "0",
      "\uFEFF[]",
      '{"a":{"b":"{[,:]}"}}',
    ];
    for (const text of texts) expect(readJson(text).value).toEqual(JSON.parse(text.replace(/^\uFEFF/, "")));
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });

  test.each([
    ['{"a": 1,\n}', 2, 'expected a key in " ", found }'],
    ["{'a': 1}", 1, 'expected a key in " ", found \''],
    ['{"a"\n1}', 2, "expected a :, found 1"],
    ['{"a": 1\n"b": 2}', 2, 'expected a , or }, found "'],
    ["[1\n2]", 2, "expected a , or ], found 2"],
    ['{\n"a": // b\n1}', 2, "expected a value, found /"],
    ['{"a": 1} x', 1, "expected nothing more, found x"],
    ['{"a":\n', 2, "expected a value, found the end"],
    ['{"a": 1,\n"a": 2}', 2, 'the key "a" is there twice'],
    ['"a\nb"', 1, 'expected a value, found "'],
    ["[".repeat(10_000), 1, "expected fewer lists within lists, found ["],
  ])("that is none has a line: %j", (text, line, message) => {
    let thrown: unknown;
    try {
      readJson(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(JsonError);
    expect(thrown).toMatchObject({ line, message });
    expect(() => JSON.parse(text.replace('"a": 2', ""))).toThrow();
  });
});
