import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
/** What is read against the glossary of CONTRIBUTING.md so far. */
const PLACES = ["src", "test/support", "examples"];
/** What is read by users and contributors. */
const DOCUMENTS = [
  ...["README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "test/README.md"],
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

const files = PLACES.flatMap((place) =>
  place.endsWith(".ts")
    ? [place]
    : readdirSync(join(root, place), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts"))
        .map((name) => join(place, name)),
);

/** Words that have another in the glossary, which says what they meant. */
const GIVEN_UP: readonly (readonly [string, RegExp])[] = [
  ["load", /\b(trips?|cargo|departs?|aboard)\b/i],
  ["begins, asks", /\b(sets? out|setOut)\b/],
  ["discarded", /\b(grounded|overtaken\w*)\b/i],
  ["triedAs, newestAnswered", /\b(askedAs|overtakenBy)\b/],
  ["LoadMode, NOT_KNOWN, NO_ENTRY", /\b(ANYTHING|NOTHING|UNKNOWN)\b/],
  ["stale-if-error", /\b(stand-?ins?|stands in)\b/i],
  ["negative cache", /\bnoes\b/],
  ["cache spec", /\b(Kind|kinds)\b/],
  ["process cache, shared cache", /\b(shared|process) tier\b/i],
  ["writeConfirmed", /\bwriteThrough\b/],
  ["hardExpiry", /\bendOf\b/],
  ["blame, blamedBy", /\b(settleBy|\.settle)\b/],
  ["upstream, upstream route", /\b(Leg|legs?)\b/],
  ["slotFactories, singletons, identityDigest", /\b(cutters?|(const|let) (alone|whose))\b/],
  ["Token, attached auth", /\b(Presented\w+|presented(By|Bearer)|(peek|verify)Presented|RequestAuth|takingTexts)\b/],
  ["isExpressError, asExpressError, nextWithError", /\b(stops\(|toStopping|onwards)\b/],
];
/** The same, in documents. */
const GIVEN_UP_IN_DOCUMENTS: readonly (readonly [string, RegExp])[] = [
  ["load, single flight", /\b(trips?|cargo|aboard)\b/i],
  ["discarded", /\bgrounded\b/i],
  ["stale-if-error, served", /\bstand(s|ing)?[- ]ins?\b/i],
  ["refusal", /\bnoes\b/i],
  ["process cache, shared cache", /\btiers?\b/i],
  ["upstream", /\blegs?\b/i],
  ["what acts: a client, an attacker, a process", /\b(whoever|whomever|nobody|somebody|everybody)\b/i],
  ["what acts, at the head of a sentence", /(^|[.:;|] )\W*(who|whom)\b/i],
];

/** Comments, without what stands around them. */
function commentsOf(source: string): string[] {
  const blocks = source.match(/\/\*[\s\S]*?\*\//g) ?? [];
  const lines = source.match(/(?<![:"'`])\/\/[^\n]*/g) ?? [];
  return [...blocks, ...lines].map((comment) => comment.replace(/\*\/$|^\s*(\/\*\*?|\*(?!\/)|\/\/)/gm, "").trim());
}

/** A document; of the changelog, what is not released. */
function textOf(path: string): string {
  const text = readFileSync(join(root, path), "utf8");
  return path === "CHANGELOG.md" ? (text.split(/^## /m)[1] ?? "") : text;
}

describe("The words of the glossary", () => {
  test.each(GIVEN_UP)("%s: the ones that stood in its place are gone", (_word, givenUp) => {
    const found = files.flatMap((path) =>
      readFileSync(join(root, path), "utf8")
        .split("\n")
        .filter((line) => givenUp.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });

  test("are the subjects of comments, where a thing can be named: not who, whom or whoever", () => {
    const subject = /(^|[.:;] )(Who|Whom|Whoever|who|whom|whoever|Nobody|Somebody|Everybody)\b/;
    const found = files.flatMap((path) =>
      commentsOf(readFileSync(join(root, path), "utf8"))
        .filter((comment) => subject.test(comment))
        .map((comment) => `${path}: ${comment}`),
    );
    expect(found).toEqual([]);
  });

  test.each(GIVEN_UP_IN_DOCUMENTS)("%s: the ones that stood in its place are gone from documents", (_word, givenUp) => {
    const found = DOCUMENTS.flatMap((path) =>
      textOf(path)
        .split("\n")
        .filter((line) => givenUp.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    expect(found).toEqual([]);
  });

  test("would be missed by this test if they were not there", () => {
    const source = "/** Whoever asks waits. */\nconst a = 1; // nobody: who knows\n/*\n * Nobody waits.\n */";
    expect(commentsOf(source)).toEqual(["Whoever asks waits.", "Nobody waits.", "nobody: who knows"]);
  });

  test("are few, and each of them is used", () => {
    const glossary =
      readFileSync(join(root, "CONTRIBUTING.md"), "utf8").split("## Glossary")[1]?.split("\n## ")[0] ?? "";
    const words = [...glossary.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, word]) => word as string);
    expect(words).toHaveLength(22);
    const all = files
      .map((path) =>
        readFileSync(join(root, path), "utf8")
          .toLowerCase()
          .replace(/\n \* /g, " "),
      )
      .join("\n");
    const spellings = (word: string) => [word, word.replace(/[- ](\w)/g, (_, first: string) => first.toUpperCase())];
    expect(words.filter((word) => !spellings(word).some((each) => all.includes(each.toLowerCase())))).toEqual([]);
  });
});
