// Runs the tests of test/faults and writes what they measured to docs/reliability.md.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CHAPTERS = ["gRPC", "REST", "Redis", "Two at once"];

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const folder = mkdtempSync(join(tmpdir(), "portero-reliability-"));
try {
  const rowsFile = join(folder, "rows.jsonl");
  const resultFile = join(folder, "result.json");
  const jest = join(root, "node_modules", "jest", "bin", "jest.js");
  const { status } = spawnSync(
    process.execPath,
    [
      "--experimental-vm-modules",
      "--no-warnings",
      jest,
      "--runInBand",
      "test/faults",
      "--json",
      `--outputFile=${resultFile}`,
    ],
    {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, PORTERO_FAULTS: "1", PORTERO_RELIABILITY_ROWS: folder },
    },
  );
  if (!existsSync(resultFile) || !existsSync(rowsFile)) throw new Error("the tests measured nothing");
  const result = JSON.parse(readFileSync(resultFile, "utf8"));
  const rows = readFileSync(rowsFile, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  mkdirSync(join(root, "docs"), { recursive: true });
  writeFileSync(join(root, "docs", "reliability.md"), documentOf(rows, result));
  console.log(`docs/reliability.md: ${rows.length} fault(s), ${result.numFailedTests} test(s) failed`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function documentOf(rows, { numPassedTests, numFailedTests }) {
  return `${[
    "# Reliability",
    introduction(numPassedTests, numFailedTests),
    ...CHAPTERS.map((chapter) =>
      chapterOf(
        chapter,
        rows.filter((row) => row.chapter === chapter).sort((a, b) => a.file.localeCompare(b.file)),
      ),
    ),
  ].join("\n\n")}\n`;
}

function introduction(passed, failed) {
  const outcome = failed === 0 ? `All ${passed} tests passed.` : `${passed} tests passed, **${failed} failed**.`;
  const node = `Node ${process.versions.node} (${process.platform}, ${process.arch}), ${availableParallelism()} cores`;
  return [
    "What callers of a protected route got while something was out of order, how long the slowest of them waited, and how soon after its",
    "end service was back, and on what. `npm run reliability` wrote this page and writes it anew: it runs the tests of `test/faults`, with",
    `real processes and sockets, and notes what they measure. This was on ${node}. ${outcome}`,
    "",
    "Timeouts are short there, so that an outage fits into a test: gRPC 250 ms; REST 600 ms, where it hangs 300 ms. A breaker opens",
    "after 5 failures and probes after 200 ms. *New* are tokens that come for the first time, *known* those in the process cache, *bad*",
    "those of no user. Where gRPC or Redis fails, all else is well; where REST fails, there is no gRPC.",
  ].join("\n");
}

function chapterOf(chapter, rows) {
  const lines = rows.map(
    ({ fault, got, slowestMs, back }) =>
      `| ${[fault, got || "–", got ? `${slowestMs} ms` : "–", back || "–"].join(" | ")} |`,
  );
  return [
    `## ${chapter}`,
    "",
    "| fault | what the caller got | slowest answer | back after |",
    "|---|---|---|---|",
    ...lines,
  ].join("\n");
}
