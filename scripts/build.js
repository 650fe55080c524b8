// Builds the package from its sources: dist/esm and dist/cjs. All modules are bundled into a few files, the same in both formats: a file
// costs a process more when it starts than its content.
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [compiled, esm, cjs] = ["build", "dist/esm", "dist/cjs"].map((folder) => join(root, folder));
const { exports, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const entries = Object.values(exports).flatMap((entry) => (entry.import ? [entry.import.default] : []));
const options = {
  absWorkingDir: root,
  platform: "node",
  target: "node20.19",
  sourcemap: true,
  logLevel: "warning",
};

for (const folder of [join(root, "dist"), compiled]) rmSync(folder, { recursive: true, force: true });

const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
const project = ["-p", "tsconfig.build.json", "--outDir", compiled, "--declarationDir", esm];
execFileSync(process.execPath, [tsc, ...project], { cwd: root, stdio: "inherit" });
rmSync(join(esm, "src", "cli"), { recursive: true }); // a command is run, and imported by nothing
cpSync(esm, cjs, { recursive: true }); // so far the types alone

const bundled = await build({
  ...options,
  entryPoints: entries.map((entry) => entry.replace("./dist/esm", compiled)),
  outbase: compiled,
  outdir: esm,
  chunkNames: "src/chunks/[hash]",
  bundle: true,
  splitting: true,
  packages: "external",
  format: "esm",
  metafile: true,
});
// Each command is one file, with all that it needs: what is shared with the entries would be cut into more files, which cost each start.
await build({
  ...options,
  entryPoints: Object.values(bin).map((command) => command.replace("dist/esm", compiled)),
  outbase: compiled,
  outdir: esm,
  bundle: true,
  packages: "external",
  format: "esm",
  minify: true,
  sourcemap: false,
});
rmSync(compiled, { recursive: true });

const files = Object.keys(bundled.metafile.outputs).filter((file) => file.endsWith(".js"));
// `import()` stays as it is: it loads the ES modules among the dependencies. It can be read as it is, without maps: they hold all sources.
await build({ ...options, entryPoints: files, outbase: esm, outdir: cjs, format: "cjs", sourcemap: false });
writeFileSync(join(cjs, "package.json"), '{ "type": "commonjs" }\n');
