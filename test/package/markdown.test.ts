import { describe, expect, test } from "@jest/globals";
import { snippetsOf, tablesOf } from "../support/markdown.js";

const instructionsIn = (...lines: string[]) => snippetsOf(lines.join("\n")).map(({ instruction }) => instruction);

describe("the reader of snippets", () => {
  test("finds fences of both kinds, in lists, around other fences, with aliases of the language", () => {
    const text = [
      "```ts title=app",
      "const a = 1;",
      "```",
      "1. a list",
      "   ~~~JavaScript",
      "   if (a) {",
      "     b();",
      "   }",
      "   ~~~",
      "````md",
      "```ts",
      "not a snippet of its own",
      "```",
      "````",
      "some ```inline``` code",
      "```bash",
      "```",
    ].join("\n");
    expect(snippetsOf(text).map(({ language, code, line }) => [language, code, line])).toEqual([
      ["ts", "const a = 1;\n", 1],
      ["js", "if (a) {\n  b();\n}\n", 5],
      ["md", "```ts\nnot a snippet of its own\n```\n", 10],
      ["sh", "\n", 16],
    ]);
  });

  test("reads Windows line ends", () => {
    expect(snippetsOf("```ts\r\na();\r\n```\r\n")[0]?.code).toBe("a();\n");
  });

  test("refuses a fence that is never closed", () => {
    expect(() => snippetsOf("text\n```ts\na();\n~~~\n")).toThrow("line 2");
  });

  test("takes instructions from the comment right before the fence", () => {
    const fence = ["```ts", "```"];
    expect(instructionsIn("<!-- run -->", "", ...fence)).toEqual([{ kind: "run" }]);
    expect(instructionsIn("<!-- serve: GET /a?b=c -> 200 -->", ...fence)).toEqual([
      { kind: "serve", method: "GET", path: "/a?b=c", status: 200 },
    ]);
    expect(instructionsIn("<!--", "not run: installs", "things", "-->", ...fence)).toEqual([
      { kind: "not run", reason: "installs\nthings" },
    ]);
    expect(instructionsIn("<!-- run -->", "some text", ...fence, ...fence)).toEqual([
      { kind: "none" },
      { kind: "none" },
    ]);
  });

  test("does not guess at instructions", () => {
    const texts = ["runs", "run!", "serve: /a -> 200", "serve: GET /a", "not run:", "not run"];
    for (const text of texts) {
      expect(instructionsIn(`<!-- ${text} -->`, "```ts", "```")).toEqual([{ kind: "unknown", text }]);
    }
  });
});

describe("the reader of tables", () => {
  test("finds cells, with pipes in them and without pipes around them", () => {
    const text = "text\n\n| a | b |\n|---|:-:|\n| `x \\| y` | |\n\nc | d\n--|--\n1 | 2";
    expect(tablesOf(text)).toEqual([
      { header: ["a", "b"], rows: [["`x | y`", ""]] },
      { header: ["c", "d"], rows: [["1", "2"]] },
    ]);
  });
});
