import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { AuthError, type AuthErrorCode } from "../src/auth/errors.js";
import { type Instruction, isCode, snippetsOf, tablesOf } from "./support/markdown.js";
import { root } from "./support/workspace.js";

const readme = textOf("README.md");
const snippets = snippetsOf(readme);
const code = snippets.filter(isCode);
const documents = [".", "docs"].flatMap((folder) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder))
        .filter((name) => name.endsWith(".md"))
        .map((name) => join(folder, name))
    : [],
);

describe("the snippets of the README", () => {
  test("exist, in TypeScript and for the shell", () => {
    expect(code.length).toBeGreaterThan(0);
    expect(snippets.filter(({ language }) => language === "sh").length).toBeGreaterThan(0);
    expect(snippets.filter(({ language }) => language === "").map(({ line }) => `line ${line}`)).toEqual([]);
  });

  test("say what is to be done with them", () => {
    const linesOf = (kind: Instruction["kind"]) =>
      code.filter(({ instruction }) => instruction.kind === kind).map(({ line }) => line);
    expect({ unknown: linesOf("unknown"), none: linesOf("none") }).toEqual({ unknown: [], none: [] });
  });
});

describe("the tables of the README", () => {
  test("give every error code its status", () => {
    const codes = {
      missing_token: true,
      invalid_request: true,
      invalid_token: true,
      inactive_user: true,
      insufficient_scope: true,
      cross_site: true,
      missing_parameter: true,
      lookup_refused: true,
      auth_unavailable: true,
      overloaded: true,
    } satisfies Record<AuthErrorCode, true>;
    const listed = rowsUnder("code").map(([name = "", status = ""]) => [codesIn(name)[0], Number.parseInt(status, 10)]);
    const actual = (Object.keys(codes) as AuthErrorCode[]).map((name) => [name, new AuthError(name).status]);
    expect(listed.sort()).toEqual(actual.sort());
  });
});

describe("the documents", () => {
  test("are there", () => {
    expect(documents).toEqual(expect.arrayContaining(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"]));
  });

  test("name only npm scripts that exist", () => {
    const { scripts } = JSON.parse(textOf("package.json"));
    const named = documents.flatMap((document) =>
      [...textOf(document).matchAll(/\bnpm (?:run(?:-script)? ([\w:-]+)|(test|start|stop|restart)\b)/g)].map(
        ([, script, short]) => ({ document, script: script ?? short ?? "" }),
      ),
    );
    expect(named.filter(({ script }) => !(script in scripts))).toEqual([]);
    expect(named.map(({ script }) => script)).toEqual(expect.arrayContaining(["demo", "test", "start"]));
  });

  test("link to files that exist", () => {
    const links = documents.flatMap((document) =>
      [...textOf(document).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, to = ""]) => ({ document, to })),
    );
    expect(links.filter(({ document, to }) => !existsSync(join(root, document, "..", to)))).toEqual([]);
  });

  test("know nothing of the machine that they were written on", () => {
    const paths = /(?:^|[\s"'`(=])((?:file:\/\/)?\/(?:home|root|Users|work|private|mnt|srv|tmp)\/\S*|[A-Z]:\\\S*)/gm;
    const registries = /\bregistry\.[\w-]+(?:\.[\w-]+)+|\b[\w.-]+:4873\b/g;
    const telling = documents.flatMap((document) => {
      const text = textOf(document);
      const own = [root, homedir()].filter((path) => path.length > 1 && text.includes(`${path}/`));
      return [...own, ...(text.match(paths) ?? []), ...(text.match(registries) ?? [])].map((what) => [document, what]);
    });
    expect(telling).toEqual([]);
  });
});

/** The rows of the tables whose first column is headed so. */
function rowsUnder(heading: string): (readonly string[])[] {
  const tables = tablesOf(readme).filter(({ header }) => header[0] === heading);
  expect(tables.length).toBeGreaterThan(0);
  return tables.flatMap(({ rows }) => rows);
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text);
}

function textOf(path: string): string {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
}
