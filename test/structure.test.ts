import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { type Import, importsOf, statementsOf } from "./support/imports.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** What a folder may import besides itself. `door` stands for the files right under `src`. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  door: ["src/http", "src/auth", "src/cache", "src/transport", "src/runtime", "src/testing", "src/otel", "gen"],
  "src/otel": ["src/auth", "src/transport", "src/runtime"],
  "src/cli": ["src/testing", "src/auth", "src/runtime"],
  "src/testing": ["src/auth", "src/transport", "src/runtime", "gen"],
  "src/http": ["src/auth", "src/runtime"],
  "src/auth": ["src/cache", "src/transport", "src/runtime", "gen"],
  "src/cache": ["src/runtime"],
  "src/transport": ["src/runtime", "gen"],
  "src/runtime": [],
  gen: [],
};

/** Packages that one file alone may import. */
const ONE_FILE_EACH = {
  got: "src/transport/rest.ts",
  keyv: "src/cache/redis-link.ts",
  "@keyv/redis": "src/cache/redis-link.ts",
  "lru-cache": "src/runtime/bounded-map.ts",
};
/** A package that may be missing, and the folder that needs it. */
const OPTIONAL = { name: "@opentelemetry/api", folder: "src/otel" };
/** What Connect offers without the promises of semantic versioning, and the file that takes it. */
const CONNECT_PRIVATE = { entry: "@connectrpc/connect/protocol-grpc", owner: "src/transport/grpc-unary.ts" };

/** The one file that knows the order of the stages. */
const COMPOSITION = "src/auth/pipeline.ts";
/** Who imports this makes a stage. */
const STAGE = "src/transport/stage.ts";
const MAX_ADAPTER_LINES = 80;

interface SourceFile {
  readonly path: string;
  readonly source: string;
  readonly imports: readonly (Import & { readonly target: string })[];
}

const files: readonly SourceFile[] = ["src", "gen"].flatMap(filesIn);
const byPath = new Map(files.map((file) => [file.path, file]));
const stages = files.filter(({ path, imports }) => path !== STAGE && imports.some(isValueImportOf(STAGE)));
const doors = files.filter(({ path }) => folderOf(path) === "door");

describe("the reader of imports", () => {
  const read = (source: string) => importsOf(source).map(({ specifier, typeOnly }) => [specifier, typeOnly]);

  test("is not fooled by comments, strings and regular expressions", () => {
    const source = [
      '// import a from "a";',
      '/*\nimport b from "b";\n*/',
      "const c = 'import(\"c\")';",
      'const d = `\nexport * from "d";\n`;',
      'const e = /import("e")/;',
    ].join("\n");
    expect(read(source)).toEqual([]);
  });

  test("finds static, dynamic and type imports, and tells types from values", () => {
    const source = [
      'import a from "a";',
      'import type { B } from "b";',
      'import { type C } from "c";',
      'import { type D, d } from "d";',
      'import "e";',
      'export * from "f";',
      'export { type G } from "g";',
      'const h = () => import("h");',
      'type I = import("i").I;',
      "export const j = 1;",
    ].join("\n");
    expect(read(source)).toEqual([
      ["a", false],
      ["b", true],
      ["c", true],
      ["d", false],
      ["e", false],
      ["f", false],
      ["g", true],
      ["h", false],
      ["i", true],
    ]);
  });
});

describe("imports", () => {
  test("lead to files that exist", () => {
    const dangling = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier, target }) => specifier.startsWith(".") && !byPath.has(target))
        .map(({ specifier }) => `${path} → ${specifier}`),
    );
    expect(files.length).toBeGreaterThan(50); // else nothing below says anything
    expect(dangling).toEqual([]);
  });

  test("run one way: doors → http → auth → cache | transport → gen, with runtime under all", () => {
    const upward = inner().filter(({ from, to }) => {
      const [folder, target] = [folderOf(from), folderOf(to)];
      return folder !== target && !MAY_IMPORT[folder]?.includes(target);
    });
    expect(upward.map(arrow)).toEqual([]);
  });

  test.each([
    ["the test kit", "src/testing", ["src/cli", "src/testing.ts"]],
    ["what OpenTelemetry needs", "src/otel", ["src/otel.ts"]],
    ["the command line, which is in no application", "src/cli", []],
  ])("of %s are made by its own door alone, and by the command line", (_, folder, expected) => {
    const importers = inner()
      .filter(({ from, to }) => folderOf(to) === folder && folderOf(from) !== folder)
      .map(({ from }) => (folderOf(from) === "src/cli" ? "src/cli" : from));
    expect([...new Set(importers)].sort()).toEqual(expected);
  });

  test("of a package that may be missing are made where it is needed alone", () => {
    const importers = files.filter(({ imports }) => imports.some(({ specifier }) => specifier === OPTIONAL.name));
    expect([...new Set(importers.map(({ path }) => folderOf(path)))]).toEqual([OPTIONAL.folder]);
    const { peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect([peerDependencies[OPTIONAL.name], peerDependenciesMeta[OPTIONAL.name]]).toEqual([
      ">=1.9 <2",
      { optional: true },
    ]);
  });

  test("never go in a circle", () => {
    expect(circles()).toEqual([]);
  });

  test("of packages are declared in package.json", () => {
    const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const undeclared = files.flatMap(({ path, imports }) =>
      imports
        .filter(({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .filter(({ specifier, typeOnly }) => {
          const name = packageOf(specifier);
          const isPeer = name in peerDependencies && (typeOnly || name === OPTIONAL.name);
          return !(name in dependencies) && !isPeer;
        })
        .map(({ specifier }) => `${path} → ${specifier}`),
    );
    expect(undeclared).toEqual([]);
  });

  test.each(Object.entries(ONE_FILE_EACH))("of %s are made by one file alone", (name, owner) => {
    const importers = files.filter(({ imports }) => imports.some(({ specifier }) => packageOf(specifier) === name));
    expect(importers.map(({ path }) => path)).toEqual([owner]);
  });

  test("of Connect's private parts are made by one file alone, and of one version exactly", () => {
    const { entry, owner } = CONNECT_PRIVATE;
    const importers = files.filter(({ imports }) => imports.some(({ specifier }) => specifier === entry));
    expect(importers.map(({ path }) => path)).toEqual([owner]);
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    // connect-node wants the very same version of connect.
    expect(dependencies["@connectrpc/connect"]).toMatch(/^\d+\.\d+\.\d+$/);
    expect(dependencies["@connectrpc/connect-node"]).toBe(dependencies["@connectrpc/connect"]);
  });
});

describe("the tests", () => {
  const tests = filesIn("test").filter(({ path }) => !path.startsWith("test/package/fixtures/"));

  test("take from other folders of tests what stands in test/support, and nothing else", () => {
    const borrowed = tests.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target.startsWith("test/"))
        .filter(({ target }) => ![posix.dirname(path), "test/support"].includes(posix.dirname(target)))
        .map(({ target }) => `${path} → ${target}`),
    );
    expect(tests.length).toBeGreaterThan(100);
    expect(borrowed).toEqual([]);
  });

  test("have a line in test/README.md for each folder", () => {
    const named = [...readFileSync(join(root, "test", "README.md"), "utf8").matchAll(/^\| `([\w-]+)\/` \|/gm)];
    const folders = readdirSync(join(root, "test"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(named.map(([, folder = ""]) => folder).sort()).toEqual(folders.map(({ name }) => name).sort());
  });
});

describe("the stages", () => {
  test("are known, and put in order, by one file alone", () => {
    expect(stages.map(({ path }) => posix.basename(path, ".ts"))).toEqual(
      expect.arrayContaining(["breaker", "failover", "grpc", "limit", "rest", "retry"]),
    );
    const others = inner().filter(
      ({ from, to, typeOnly }) =>
        !typeOnly && from !== COMPOSITION && !from.startsWith("src/transport/") && isStage(to),
    );
    expect(others.map(arrow)).toEqual([]);
    const composed = inner().filter(({ from, to }) => from === COMPOSITION && isStage(to));
    expect(composed.map(({ to }) => to).sort()).toEqual(stages.map(({ path }) => path).sort());
  });

  test("do not know each other", () => {
    const acquainted = inner().filter(({ from, to, typeOnly }) => !typeOnly && isStage(from) && isStage(to));
    expect(acquainted.map(arrow)).toEqual([]);
  });
});

describe("the shape of files", () => {
  test("the doors only re-export", () => {
    const own = doors.flatMap(({ path, source }) =>
      statementsOf(source)
        .filter((statement) => !(statement.type.startsWith("Export") && statement.source))
        .map(({ type }) => `${path}: ${type}`),
    );
    expect(doors.map(({ path }) => path).sort()).toEqual(
      ["client", "index", "koa", "otel", "proto", "testing"].map((name) => `src/${name}.ts`),
    );
    expect(own).toEqual([]);
  });

  test(`the adapters have at most ${MAX_ADAPTER_LINES} lines of code`, () => {
    const adapters = files.filter(({ path }) => /^src\/http\/.*-adapter\.ts$/.test(path));
    const long = adapters
      .map(({ path, source }) => ({ path, lines: linesOfCode(source) }))
      .filter(({ lines }) => lines > MAX_ADAPTER_LINES);
    expect(adapters.length).toBeGreaterThan(1);
    expect(long).toEqual([]);
  });

  test("the suites that run first are there", () => {
    const order = readFileSync(join(root, "test", "support", "slowest-first.js"), "utf8");
    const suites = [...order.matchAll(/^ {2}"(.+)",$/gm)].map(([, suite = ""]) => suite);
    expect(suites.length).toBeGreaterThan(3);
    expect(suites.filter((suite) => !existsSync(join(root, suite)))).toEqual([]);
  });
});

function filesIn(folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readSource(relative(root, join(root, folder, name))));
}

function readSource(path: string): SourceFile {
  const source = readFileSync(join(root, path), "utf8");
  const imports = importsOf(source).map((found) => ({ ...found, target: targetOf(path, found.specifier) }));
  return { path, source, imports };
}

function targetOf(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, ".ts");
}

/** The imports within the package. */
function inner(): { from: string; to: string; typeOnly: boolean }[] {
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => byPath.has(target))
      .map(({ target, typeOnly }) => ({ from: path, to: target, typeOnly })),
  );
}

function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(" → "));
    if (done.has(path) || trail.includes(path)) return;
    for (const { target } of byPath.get(path)?.imports ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const { path } of files) visit(path, []);
  return found;
}

function folderOf(path: string): string {
  const [top, second, third] = path.split("/");
  if (top === "gen") return "gen";
  return third === undefined ? "door" : `${top}/${second}`;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function isValueImportOf(path: string) {
  return ({ target, typeOnly }: { target: string; typeOnly: boolean }) => target === path && !typeOnly;
}

function isStage(path: string): boolean {
  return stages.some((stage) => stage.path === path);
}

function arrow({ from, to }: { from: string; to: string }): string {
  return `${from} → ${to}`;
}

/** Neither blank nor comment. */
function linesOfCode(source: string): number {
  return source.split("\n").filter((line) => !/^\s*($|\/\/|\/\*|\*)/.test(line)).length;
}
