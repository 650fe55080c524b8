import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "@jest/globals";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Runs the compiler over samples that import the package by its name, as it was built. */
function compile(project: string, ...flags: string[]): { status: number | null; output: string } {
  const built = join(root, "dist", "esm", "src", "index.d.ts");
  if (!existsSync(built)) throw new Error("there is no build to test: run `npm run build` first");
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [compiler, "-p", join("test", "types", project), "--pretty", "false", ...flags],
    { cwd: root, encoding: "utf8" },
  );
  return { status, output: stdout + stderr };
}

// `wrong.ts` is among them: a line that it expects to be an error and that is none is an error too.
test("samples for Express, Koa and the client compile, with the declarations of every library checked", () => {
  expect(compile("tsconfig.json")).toEqual({ status: 0, output: "" });
}, 120_000);

test("the samples are what is compiled, and the build is where the package is found", () => {
  const { output } = compile("tsconfig.json", "--listFilesOnly");

  for (const sample of ["express.ts", "koa.ts", "client.ts", "plain-http.ts", "wrong.ts", "commonjs.cts"]) {
    expect(output).toContain(`/test/types/${sample}`);
  }
  for (const door of ["esm/src/index", "esm/src/koa", "esm/src/testing", "cjs/src/index", "cjs/src/koa"]) {
    expect(output).toContain(`/dist/${door}.d.ts`);
  }
  expect(output).toContain("/@types/passport/");
}, 120_000);

test("portero and portero/client need the types of no framework", () => {
  const compiled = compile("tsconfig.plain.json");
  const { output } = compile("tsconfig.plain.json", "--listFilesOnly");

  expect(compiled).toEqual({ status: 0, output: "" });
  expect(output).toContain("/dist/esm/src/index.d.ts");
  expect(output).not.toMatch(/@types\/(express|koa|passport)/);
}, 120_000);
