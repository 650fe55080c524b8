// Fails when gen/ is not what `npm run generate` makes of proto/. It writes nothing there: the comparison is made in a folder aside.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made = mkdtempSync(join(tmpdir(), "portero-gen-"));
try {
  execFileSync("buf", ["generate", "--output", made], { stdio: "inherit" });
  const filesOf = (folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
      .sort();
  const expected = filesOf(join(made, "gen"));
  const actual = filesOf("gen");
  const differing = [...new Set([...expected, ...actual])].filter(
    (file) =>
      !expected.includes(file) ||
      !actual.includes(file) ||
      readFileSync(join(made, "gen", file), "utf8") !== readFileSync(join("gen", file), "utf8"),
  );
  if (differing.length > 0) {
    console.error(`gen/ differs from what proto/ makes: ${differing.join(", ")}. Run: npm run generate`);
    process.exitCode = 1;
  } else console.log(`gen/ is what proto/ makes: ${actual.length} file(s)`);
} finally {
  rmSync(made, { recursive: true, force: true });
}
