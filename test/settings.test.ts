import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../src/auth/config/config.js";
import { MAX_TIMER_MS } from "../src/auth/config/declaration.js";
import { optionsFromEnv } from "../src/auth/config/environment.js";
import { VARIABLES } from "../src/auth/config/settings.js";
import { type Maker, readAuthOptions } from "../src/http/auth-options.js";
import { type Documented, linesOf, readInterfaces } from "./support/doc-comments.js";
import {
  defaultOf,
  derived,
  doubledBut,
  fixed,
  keysIn,
  keysReadIn,
  numbers,
  options,
  pathOf,
  problemsOf,
  sections,
  settings,
  takes,
  valueAt,
} from "./support/known-settings.js";
import { tablesOf } from "./support/markdown.js";
import { root } from "./support/workspace.js";

const readme = readFileSync(join(root, "README.md"), "utf8");
const environmentSource = readFileSync(join(root, "src", "auth", "config", "environment.ts"), "utf8");
const ENVIRONMENT = { AUTH_GRPC_HOST: "auth", AUTH_REST_URL: "http://auth:8001" };

const documented = documentedBelow("", "AuthClientOptions");

describe("The table of settings", () => {
  test("has all of them", () => {
    expect(options).toEqual(expect.arrayContaining(["grpc.tls.ca", "rest.paths.organization", "cache.redis.url"]));
    expect([options.length > 50, fixed.length > 15]).toEqual([true, true]);
    expect(derived).toEqual(["cache.maxTokensPerUser", "deadlineMs"]);
  });

  test.each([...sections])("names what is read in a section, in its order: %p", (path, keys) => {
    expect(keysReadIn(path)).toEqual(keys);
  });

  test.each(fixed)("has the default of %s, %s, whatever else is set", (path, value) => {
    expect([defaultOf(path), defaultOf(path, doubledBut(path))]).toEqual([value, value]);
  });

  test.each(derived)("leaves the default of %s to other settings", (path) => {
    expect(defaultOf(path, doubledBut(path))).not.toBe(defaultOf(path));
  });

  test.each(fixed.map(([path]) => numbers.find((number) => number.path === path) as (typeof numbers)[number]))(
    "has the bounds of $path, $min to $max",
    ({ path, min, max }) => {
      expect([min, max].map((value) => takes(path, value))).toEqual([true, true]);
      expect([min - 1, max + 1].map((value) => takes(path, value))).toEqual([false, false]);
    },
  );

  test("has every variable that is read, and no other", () => {
    expect([...variablesRead()].sort()).toEqual([...VARIABLES].sort());
  });

  test("has every variable that an error or a comment of the configuration names", () => {
    const folder = join(root, "src", "auth", "config");
    const named = readdirSync(folder).flatMap((name) => {
      const text = readFileSync(join(folder, name), "utf8");
      return text.match(/\b(AUTH|CIRCUIT_BREAKER)_[A-Z_]*[A-Z]\b/g) ?? [];
    });
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((name) => !VARIABLES.includes(name))).toEqual([]);
  });
});

describe("The types of the options", () => {
  test("have a member for each option that is read, and no other, with a comment", () => {
    expect([...documented.keys()].sort()).toEqual([...options].sort());
    const plain = /^(grpc|rest|breaker|retry|limit|cache)$|\.tls\.\w+$/; // sections, and PEM files, say it at their interface
    const silent = [...documented].filter(([path, { comment }]) => comment === "" && !plain.test(path));
    expect(silent.map(([path]) => path)).toEqual([]);
  });

  test.each(fixed)("say that the default of %s is %s", (path, value) => {
    const [, stated] = /\bDefault `?([\d,]*\d)\b/.exec(commentOf(path)) ?? [];
    expect(numberIn(stated)).toBe(value);
  });

  test.each(derived)("say in words where the default of %s comes from", (path) => {
    expect(commentOf(path)).toMatch(/\bDefault: [a-z]/);
  });

  test.each(numbers)("state the bounds of $path, where it has some of its own, as they are", ({ path, ...bounds }) => {
    const comment = commentOf(path);
    const [, from, to] = /([\d,]*\d) to ([\d,]*\d)/.exec(comment) ?? [];
    const [, atLeast = from] = /\bat least ([\d,]*\d)/.exec(comment) ?? [];
    const [, atMost = to] = /\bat most ([\d,]*\d)/.exec(comment) ?? [];
    // A derived default brings a bound that is derived, too.
    if (!derived.includes(path)) expect(numberIn(atLeast) ?? 0).toBe(bounds.min);
    expect(numberIn(atMost)).toBe(bounds.max < MAX_TIMER_MS ? bounds.max : undefined);
  });
});

describe("README's table of options", () => {
  const rows = tableWith("option", "`grpc`");

  test("names each option that is read, and none that is not", () => {
    const named = rows.flatMap(([names = "", , is = ""]) =>
      codesIn(names).flatMap((path) => [path, ...namedIn(path, is)]),
    );
    expect([...new Set(named)].sort()).toEqual(options.filter((path) => path !== "cache").sort()); // which has a row for each of its own
  });

  test("names in the row of a section nothing but what belongs to it", () => {
    const strays = rows.flatMap(([names = "", , is = ""]) => {
      const [section = ""] = codesIn(names);
      const known = options
        .filter((path) => path.startsWith(`${section}.`))
        .map((path) => path.split(".").at(-1) ?? "");
      const words = codesIn(is).filter((code) => /^[a-z]\w*$/i.test(code));
      return sections.has(section) ? words.filter((word) => !known.includes(word)) : [];
    });
    expect(strays).toEqual([]);
  });

  test("gives each its real default", () => {
    const stated = rows.flatMap(([names = "", values = "", is = ""]) => [
      ...pairs(codesIn(names), values),
      ...codesIn(names).flatMap((path) => pairsIn(path, is)),
    ]);
    expect(stated.sort()).toEqual([...fixed].sort());
  });

  test.each(derived)("says in words where the default of %s comes from", (path) => {
    const [, value] = rows.find(([names = ""]) => codesIn(names).includes(path)) ?? [];
    expect(value).toMatch(/^(the|an?|half|twice) [a-z]/);
  });
});

test.each(["README.md", "SECURITY.md"])("%s speaks of no option that does not exist", (document) => {
  const path = /^(?:grpc|rest|breaker|retry|limit|cache)\.\w+(?:\.\w+)*$/;
  const named = codesIn(readFileSync(join(root, document), "utf8")).filter((code) => path.test(code));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !options.includes(name))).toEqual([]);
});

describe("README's table of what middleware takes", () => {
  const readBy = (maker: Maker) => keysIn(problemsOf(() => readAuthOptions(maker, 5 as never))[0]?.expected);
  const read = new Set([...readBy("requireAuth"), ...readBy("optionalAuth")]);

  test("names each option that is read, and none that is not", () => {
    const named = tableWith("option", "`realm`").flatMap(([names = ""]) => codesIn(names));
    expect(named.sort()).toEqual([...read].sort());
  });

  test("leaves to the text what only authenticate() takes", () => {
    const own = readBy("authenticate").filter((key) => !read.has(key));
    expect(own.length).toBeGreaterThan(0);
    for (const key of own) expect(readme).toMatch(new RegExp(`\\bauthenticate\\(\\w+, \\{ ${key}: `));
  });
});

describe.each<[string, string]>([
  ["README's table of variables", readme],
  ["The table of variables at optionsFromEnv", linesOf(environmentSource).join("\n")],
])("%s", (_where, text) => {
  const rows = tableWith("variable", "`AUTH_REST_URL`", text);
  const variables = rows.flatMap(([names = ""]) => codesIn(names).filter((name) => /^[A-Z_]+$/.test(name)));
  const isTableOfOptions = rows.some(([, cell]) => cell === "`rest.url`");
  const stated = rows.flatMap(([names = "", second = "", third = ""]) => {
    return pairs(codesIn(names), isTableOfOptions ? third : second);
  });

  test("names each variable that is read, and no other", () => {
    expect([...variables].sort()).toEqual([...VARIABLES].sort());
  });

  test("gives a default to each that has one", () => {
    const withDefault = variables.filter((name) => fixed.some(([path]) => path === optionOf(name)));
    expect(stated.map(([name]) => name).sort()).toEqual([...withDefault, "AUTH_GRPC_PORT"].sort());
  });

  test.each(stated)("gives %s its real default, %s", (name, value) => {
    const configOf = (env: Record<string, string>) =>
      JSON.stringify(readConfig(optionsFromEnv({ ...ENVIRONMENT, ...env })));
    expect(configOf({ [name]: String(value) })).toBe(configOf({}));
    expect(configOf({ [name]: String(value + 1) })).not.toBe(configOf({}));
  });

  if (isTableOfOptions) {
    test.each(rows.map(([names = "", option = ""]) => [names, option]))("says what %s sets: %s", (names, option) => {
      const set = codesIn(names).filter((name) => variables.includes(name));
      expect(set.map((name) => `\`${optionOf(name)}\``)).toEqual(set.map(() => option));
    });
  }
});

function variablesRead(): ReadonlySet<string> {
  const read = new Set<string>();
  const recording = (values: Record<string, string>) =>
    new Proxy(values, { get: (target, name: string) => read.add(name) && target[name] });
  optionsFromEnv(recording({}));
  optionsFromEnv(recording(ENVIRONMENT));
  return read;
}

/** Which option a variable changes. */
function optionOf(name: string): string | undefined {
  const read = (value?: string) => optionsFromEnv({ ...ENVIRONMENT, ...(value !== undefined && { [name]: value }) });
  const [without, set] = [read(), read("7")];
  return settings.find((path) => JSON.stringify(valueAt(set, path)) !== JSON.stringify(valueAt(without, path)));
}

function documentedBelow(section: string, interfaceName: string): Map<string, Documented> {
  const members = [...(readInterfaces(join("auth", "config", "options.ts")).get(interfaceName) ?? [])];
  return new Map(
    members.flatMap(([key, member]) => {
      const path = pathOf(section, key);
      const [, type = ""] = /^(?:Partial<)?(\w+)>?(?: \| \(\(\) => \1\))?$/.exec(member.type) ?? [];
      return [[path, member] as const, ...(sections.has(path) ? documentedBelow(path, type) : [])];
    }),
  );
}

function commentOf(path: string): string {
  return documented.get(path)?.comment ?? "";
}

function tableWith(heading: string, cell: string, text = readme): readonly (readonly string[])[] {
  const found = tablesOf(text).filter(
    ({ header, rows }) => header[0] === heading && rows.some(([first]) => first === cell),
  );
  expect(found).toHaveLength(1);
  return found[0]?.rows ?? [];
}

function codesIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = ""]) => code);
}

/** The options of a section, and of the sections in it, that a text names by their last word. */
function namedIn(path: string, text: string): string[] {
  return (sections.get(path) ?? []).flatMap((key) =>
    codesIn(text).includes(key) ? [pathOf(path, key), ...namedIn(pathOf(path, key), text)] : [],
  );
}

/** Names with their numbers: "`attempts` 3". */
function pairsIn(section: string, text: string): [string, number][] {
  return sections.has(section)
    ? [...text.matchAll(/`(\w+)` (\d[\d,]*\d|\d)/g)].map(([, key = "", value]) => [
        pathOf(section, key),
        numberIn(value) ?? 0,
      ])
    : [];
}

/** Names with their numbers, in two columns: "–, 50051" are two, of which the first is none. */
function pairs(names: readonly string[], cell: string): [string, number][] {
  const values = cell.split(/, /);
  return names.flatMap((name, at): [string, number][] => {
    const [, number, mebi] = /^(\d[\d,]*)( MiB)?$/.exec(values[at] ?? "") ?? [];
    const value = numberIn(number);
    return value === undefined ? [] : [[name, mebi ? value * 2 ** 20 : value]];
  });
}

function numberIn(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text.replaceAll(",", ""));
}
