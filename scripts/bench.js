// Runs the benches, compiled: a loader of TypeScript would cost each of their many processes a second, and be measured with them.
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, stop } from "esbuild";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** A module knows itself by its source: there is what it reads and writes, and what it launches, which `launch` finds compiled. */
const knownBySource = {
  name: "known by source",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const url = JSON.stringify(pathToFileURL(path).href);
      return { contents: source.replaceAll("import.meta.url", url), loader: "ts" };
    });
  },
};

await build({
  absWorkingDir: root,
  entryPoints: ["bench/*.ts", "bench/kit/bench-process.ts", "bench/subjects/*.ts"],
  outbase: ".",
  outdir: "build",
  chunkNames: "bench/chunks/[hash]",
  bundle: true,
  splitting: true,
  packages: "external",
  platform: "node",
  target: "node20.19",
  format: "esm",
  plugins: [knownBySource],
  logLevel: "warning",
});
await stop();
await import(pathToFileURL(join(root, "build", "bench", "main.js")).href);
