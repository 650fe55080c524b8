import { readFileSync, renameSync } from "node:fs";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { snippetsOf } from "../support/markdown.js";
import { redisAvailable, startRedisServer } from "../support/redis-server.js";
import { type Finished, output, root, run } from "../support/workspace.js";
import { app, created } from "./packed.js";

/** The line of the README. */
const LINE = snippetsOf(readFileSync(join(root, "README.md"), "utf8")).find(({ code }) =>
  code.startsWith("esbuild "),
)!.code;
/** The same line without what makes it work. */
const WITHOUT_BANNER = LINE.replace(/ \\\n\s+--banner:js='[^']*'/, "");

describe("in a bundle of esbuild", () => {
  // A user who bundles need not have the optional peer.
  const [there, away] = [join(app, "node_modules", "@opentelemetry"), join(app, "without-peer")];
  beforeAll(async () => {
    await created();
    renameSync(there, away);
  });
  afterAll(() => renameSync(away, there));

  /** Bundles a file as a line says of `app.js`, and runs it. */
  async function bundled(file: string, line: string): Promise<Finished> {
    const made = line.includes("--format=cjs") ? "bundle.cjs" : "bundle.mjs";
    const command = `${line.trim().replace("app.js", file).replace("bundle.mjs", made)} --log-level=error`;
    const path = [join(root, "node_modules", ".bin"), process.env.PATH].join(delimiter);
    await output("sh", ["-c", command], { cwd: app, env: { PATH: path } });
    await using redis = redisAvailable ? await startRedisServer() : undefined;
    return await run(process.execPath, [made], { cwd: app, env: { TEST_REDIS_URL: redis?.url }, timeoutMs: 30_000 });
  }

  test.each([
    ["by the README's line", LINE],
    ["in CommonJS", WITHOUT_BANNER.replace("--format=esm", "--format=cjs")],
    ["minified, in CommonJS", WITHOUT_BANNER.replace("--format=esm", "--format=cjs --minify")],
    ["left out of it", `${WITHOUT_BANNER.trim()} --external:portero`],
  ])("gRPC, REST and Redis are reached: %s", async (_, line) => {
    expect(await bundled("bundled.mjs", line)).toEqual({ code: 0, stdout: '["grpc","rest"]\n', stderr: "" });
  });

  test("Express and Koa are guarded: by the README's line", async () => {
    const { code, stdout } = await bundled("esm-app.mjs", LINE);
    expect(code).toBe(0);
    expect(Object.values(JSON.parse(stdout)).map((answers) => Object.values(answers as object).slice(0, 4))).toEqual(
      Array(2).fill(["200 ana by grpc", "200 ana by process", "403 insufficient_scope", "401 invalid_token"]),
    );
  });

  test("an ES module without the banner says at the start which packages cannot be loaded, and why", async () => {
    const { code, stdout, stderr } = await bundled("without-banner.mjs", WITHOUT_BANNER);
    expect([code, JSON.parse(stdout)]).toEqual([0, ["grpc", "auth_unavailable"]]);
    const instead = 'an ES module that a bundler makes needs the banner of README\'s "Bundling"';
    const atTheStart = (stderr.split("gRPC is stopped")[0] ?? "").split("\n");
    const rest = atTheStart.filter((line) => line.startsWith("portero: rest cannot be asked: "));
    const redis = atTheStart.filter((line) => /^portero: the shared cache \S+ cannot be used: /.test(line));
    expect([rest.length, redis.length]).toEqual([1, redisAvailable ? 1 : 0]);
    for (const line of [...rest, ...redis]) {
      expect(line).toMatch(
        /the package "(got|keyv|@keyv\/redis)" cannot be loaded \(Dynamic require of "[\w:]+" is not supported\)/,
      );
      expect(line).toContain(instead);
    }
    expect(stderr).not.toContain("unexpected");
  });
});
