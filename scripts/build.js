// Builds the package: dist/esm, and dist/cjs from the same sources in a folder that says "commonjs" (there, TypeScript keeps
// `import()` as it is, which loads the ES modules among the dependencies).
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stage = join(root, "build", "cjs");
const tsc = (project) =>
  execFileSync(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project], {
    cwd: root,
    stdio: "inherit",
  });

rmSync(join(root, "dist"), { recursive: true, force: true });
rmSync(join(root, "build"), { recursive: true, force: true });
tsc(join(root, "tsconfig.build.json"));

mkdirSync(stage, { recursive: true });
for (const folder of ["src", "gen"]) cpSync(join(root, folder), join(stage, folder), { recursive: true });
writeFileSync(join(stage, "package.json"), '{ "type": "commonjs" }\n');
const options = { verbatimModuleSyntax: false, rootDir: ".", outDir: join(root, "dist", "cjs") };
const project = { extends: join(root, "tsconfig.build.json"), compilerOptions: options, include: ["src", "gen"] };
writeFileSync(join(stage, "tsconfig.json"), JSON.stringify(project));
tsc(join(stage, "tsconfig.json"));
writeFileSync(join(root, "dist", "cjs", "package.json"), '{ "type": "commonjs" }\n');
rmSync(join(root, "build"), { recursive: true, force: true });
