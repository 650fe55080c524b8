import { spawnSync } from "node:child_process";
import { afterEach, expect, jest, test } from "@jest/globals";
import { Program } from "./program.js";

jest.setTimeout(60_000);

let program: Program | undefined;
afterEach(() => program?.end());

const runDemo = (env: Readonly<Record<string, string>> = {}) => {
  program = new Program("examples/catalog/demo.ts", env);
  return program;
};
const lastLine = (demo: Program) => demo.output.trimEnd().split("\n").at(-1);

test("the demo goes through every step as expected, with Redis where there is one, and writes no colours into a pipe", async () => {
  const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
  const demo = runDemo({ FORCE_COLOR: "1" });
  expect([await demo.exitCode(), lastLine(demo)]).toEqual([0, `${hasRedis ? 22 : 20} steps, all as expected`]);
  expect(demo.output.includes("user from: shared cache")).toBe(hasRedis);
  for (const source of ["gRPC", "process cache", "REST"]) expect(demo.output).toContain(`user from: ${source} `);
  expect(demo.output).not.toContain("\u001b");
});

test("the demo goes on without Redis where there is none, and says so", async () => {
  const demo = runDemo({ PATH: "" });
  expect([await demo.exitCode(), lastLine(demo)]).toEqual([0, "20 steps, all as expected"]);
  expect(demo.output).toContain("There is no redis-server on this machine");
});

test("a step that goes otherwise is shown with what was expected, and the demo exits 1", async () => {
  // Every request loses its token on the way.
  const saboteur = "const send = fetch; globalThis.fetch = (url, init) => send(url, { ...init, headers: {} });";
  const demo = runDemo({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(saboteur)}` });
  expect(await demo.exitCode()).toBe(1);
  expect(demo.output).toMatch(/FAILED {2}Ana lists the products[^\n]*\n[^\n]*\n +status: expected 200, got 401\n/);
  expect(lastLine(demo)).toMatch(/^\d+ steps, \d+ not as expected$/);
});
