import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { filesIn, root, run } from "../support/workspace.js";
import { app, COMPILERS, created } from "./packed.js";

type Compiler = keyof typeof COMPILERS;

/** `commonjs` and `node16` make CommonJS of `.ts`, `node16` an ES module of `.mts`; the others know ES modules alone. */
const SETUPS: readonly (readonly [compiler: Compiler, moduleResolution: string, module: string])[] = [
  ["5.0", "node", "commonjs"],
  ["5.0", "node", "es2022"],
  ["5.0", "node16", "node16"],
  ["5.0", "bundler", "esnext"],
  ["5.9", "node10", "commonjs"],
  ["5.9", "node16", "node16"],
  ["5.9", "bundler", "esnext"],
  ["today", "node16", "node16"],
  ["today", "bundler", "esnext"],
];

describe("the types of what is installed", () => {
  const samples = filesIn(join(root, "test", "types")).filter((file) => file.endsWith(".ts"));

  beforeAll(created);

  // `wrong.ts` is among the samples: types that have become `any` allow what it expects to be an error.
  test.each(SETUPS)("TypeScript %s, moduleResolution %s, module %s", async (compiler, moduleResolution, module) => {
    const { folder: name, skipLibCheck } = COMPILERS[compiler];
    const place = join(app, `${name}-${moduleResolution}-${module}`);
    mkdirSync(place);
    for (const sample of samples) {
      // Older compilers cannot read `using`; what stands on the right is what is looked at.
      const text = readFileSync(join(root, "test", "types", sample), "utf8").replace(/\bawait using\b/g, "const");
      writeFileSync(join(place, sample), text);
      if (module === "node16") writeFileSync(join(place, sample.replace(/\.ts$/, ".esm.mts")), text);
    }
    const compilerOptions = {
      target: "es2022",
      module,
      moduleResolution,
      esModuleInterop: true,
      types: ["node"],
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      skipLibCheck,
      skipDefaultLibCheck: true, // the compiler's own
      noEmit: true,
      // As in test/types: @types/koa is written for these, and Express brings newer ones.
      paths: { "content-disposition": ["../node_modules/@types/content-disposition"] },
    };
    writeFileSync(join(place, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["."] }));
    const tsc = join(app, "node_modules", name, "bin", "tsc");
    const args = [tsc, "-p", place, "--pretty", "false", "--listFiles"];
    const { code, stdout } = await run(process.execPath, args, { cwd: app });
    const lines = stdout.split("\n");
    expect({ code, errors: lines.filter((line) => line.includes("error TS")) }).toEqual({ code: 0, errors: [] });
    const formats = module === "node16" ? ["cjs", "esm"] : [moduleResolution === "bundler" ? "esm" : "cjs"];
    for (const format of formats) {
      for (const door of ["index", "koa", "client", "testing", "otel"]) {
        expect(lines).toContain(join(app, "node_modules", "portero", "dist", format, "src", `${door}.d.ts`));
      }
    }
  });

  test("samples say something about each entry point", () => {
    const text = samples.map((sample) => readFileSync(join(root, "test", "types", sample), "utf8")).join("");
    for (const name of [
      "portero",
      "portero/koa",
      "portero/client",
      "portero/testing",
      "portero/proto",
      "portero/otel",
    ]) {
      expect(text).toContain(`from "${name}"`);
    }
  });
});
