import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { redisAvailable, startRedisServer } from "../support/redis-server.js";
import { copySources, output, root, run, temporaryFolder } from "./workspace.js";

jest.setTimeout(300_000);

const { version, devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const folder = temporaryFolder();
/** A project with portero alone, and one with the frameworks and a user's files. */
const bare = join(folder.path, "bare");
const app = join(folder.path, "app");
const installed = join(bare, "node_modules", "portero");

beforeAll(async () => {
  const sources = join(folder.path, "sources");
  copySources(sources);
  await output("npm", ["pack", "--pack-destination", folder.path], { cwd: sources });
  const tarball = join(folder.path, `portero-${version}.tgz`);
  const frameworks = ["express", "koa", "supertest"].map((name) => `${name}@${devDependencies[name]}`);
  await createProject(bare, [tarball]);
  await createProject(app, [tarball, ...frameworks]);
  cpSync(join(root, "test", "package", "fixtures"), app, { recursive: true });
});
afterAll(() => folder.remove());

describe("the tarball", () => {
  test("holds what is needed, and nothing else", () => {
    const files = filesOf(installed);
    const others = files.filter((file) => !/^(dist|proto)\//.test(file)).sort();
    expect(others).toEqual(["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "package.json"]);
    expect(files).toContain("proto/auth/auth_service.proto");
    const strays = files.filter((file) => file.startsWith("dist/") && !/\.(js|d\.ts|js\.map)$/.test(file));
    expect(strays).toEqual(["dist/cjs/package.json"]);
    expect(files.filter((file) => /^dist\/(esm|cjs)\/(?!src\/|gen\/|package\.json)/.test(file))).toEqual([]);
    const bytes = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
    process.stdout.write(`the package: ${files.length} files, ${Math.round(bytes / 1024)} KiB\n`);
    expect(bytes).toBeLessThan(2 * 1024 * 1024);
  });

  test("has the same few files in both formats, and the types of every module", () => {
    const modules = (format: string, ending: string) =>
      filesOf(join(installed, "dist", format))
        .filter((file) => file.endsWith(ending))
        .map((file) => file.slice(0, -ending.length))
        .sort();
    const bundled = modules("esm", ".js");
    expect(bundled.length).toBeLessThan(15); // each one more makes the start of a process slower
    expect(bundled).toEqual(expect.arrayContaining(["src/client", "src/index", "src/koa", "src/proto", "src/testing"]));
    expect(modules("cjs", ".js")).toEqual(bundled);
    expect(modules("esm", ".d.ts").length).toBeGreaterThan(50);
    expect(modules("cjs", ".d.ts")).toEqual(modules("esm", ".d.ts"));
  });

  test("has no source map without its sources", () => {
    const maps = filesOf(installed).filter((file) => file.endsWith(".map"));
    const without = maps.filter((file) => {
      const { sources, sourcesContent = [] } = JSON.parse(readFileSync(join(installed, file), "utf8"));
      return sourcesContent.length !== sources.length || sourcesContent.includes(null);
    });
    expect(without).toEqual([]);
  });

  test("says nothing of the machine that built it", () => {
    const telling = filesOf(installed).filter((file) => {
      const text = readFileSync(join(installed, file), "utf8");
      return text.includes(folder.path) || text.includes(root);
    });
    expect(telling).toEqual([]);
  });

  test("brings few packages, none of them deprecated, and neither Express nor Koa", () => {
    const { packages } = JSON.parse(readFileSync(join(bare, "package-lock.json"), "utf8"));
    const entries = Object.entries<{ deprecated?: string }>(packages).filter(([path]) => path !== "");
    const names = entries.map(([path]) => path.replace(/^.*node_modules\//, ""));
    process.stdout.write(`npm install portero: ${names.length} packages\n`);
    expect(entries.filter(([, { deprecated }]) => deprecated)).toEqual([]);
    expect(names.filter((name) => /^(express|koa)$/.test(name))).toEqual([]);
    expect(names.length).toBeLessThan(50);
  });
});

describe("installed in an empty project", () => {
  const walkedThrough = {
    "a good token": "200 ana by grpc",
    "the same again": "200 ana by process",
    "another local": "403 insufficient_scope",
    "a bad token": "401 invalid_token",
    "no token": "401 missing_token",
    "without gRPC": "200 ana by rest",
    "without both, cached": "200 ana by process",
    "without both, unknown": "503 auth_unavailable",
  };

  test("every entry point exports the same names by import and by require()", async () => {
    const entries = JSON.parse(await node("entry-points.mjs"));
    expect(Object.keys(entries)).toHaveLength(5);
    for (const { esm, cjs, files, misnamed } of Object.values<Record<string, Record<string, string>>>(entries)) {
      expect(cjs).toEqual(esm);
      expect(misnamed).toEqual([]);
      expect(files?.esm).toContain("/dist/esm/");
      expect(files?.cjs).toContain("/dist/cjs/");
    }
    expect(entries.portero.esm).toEqual(expect.arrayContaining(["requireAuth", "getAuth", "createAuthClient"]));
    expect(entries["portero/koa"].esm).toEqual(entries.portero.esm);
    expect(entries["portero/client"].esm).toEqual(expect.arrayContaining(["authenticate", "AuthError", "ConfigError"]));
    expect(entries["portero/client"].esm).not.toContain("requireAuth");
    expect(entries["portero/testing"].esm).toEqual(["startAuthService", "stubAuthClient"]);
    expect(entries["portero/proto"].esm).toEqual(expect.arrayContaining(["AuthService", "VerifyTokenResponseSchema"]));
  });

  test.each(["esm-app.mjs", "cjs-app.cjs"])("it guards Express and Koa, with REST behind gRPC: %s", async (file) => {
    expect(JSON.parse(await node(file))).toEqual({ express: walkedThrough, koa: walkedThrough });
  });

  test("its two copies share the client, the request and the errors", async () => {
    expect(JSON.parse(await node("both-copies.mjs"))).toEqual({
      "are two copies": true,
      "share the client": true,
      "an AuthError of CommonJS is one of the other": true,
      "an AuthError of ESM is one of the other": true,
      "a ConfigError of CommonJS is one of the other": true,
      "a ConfigError of ESM is one of the other": true,
      "no other error is an AuthError": true,
      "ESM middleware, CommonJS guard": [200, "ana", 403],
      "CommonJS middleware, ESM guard": [200, "ana", 403],
      "questions about the one token": 1,
    });
  });

  test("it works without Express and Koa", async () => {
    cpSync(join(root, "test", "package", "fixtures", "without-frameworks.mjs"), join(bare, "worker.mjs"));
    const worker = await output(process.execPath, ["worker.mjs"], { cwd: bare, timeoutMs: 30_000 });
    expect(JSON.parse(worker)).toEqual({ express: false, koa: false, id: "ana", source: "grpc" });
  });

  test("it works in a user's CommonJS Jest suite", async () => {
    await using redis = redisAvailable ? await startRedisServer() : undefined;
    cpSync(join(app, "app.test.cjs"), join(app, "jest", "app.test.js"));
    const config = JSON.stringify({ rootDir: join(app, "jest"), testEnvironment: "node", transform: {} });
    const bin = join(root, "node_modules", "jest", "bin", "jest.js");
    const args = [bin, "--config", config, "--json"];
    const suite = await run(process.execPath, args, {
      cwd: app,
      env: { TEST_REDIS_URL: redis?.url },
      timeoutMs: 60_000,
    });
    const report = JSON.parse(suite.stdout);
    const failures = report.testResults.map(({ message }: { message: string }) => message).join("");
    expect(failures).toBe("");
    expect([suite.code, report.numPassedTests, report.numPendingTests]).toEqual([0, redis ? 6 : 5, redis ? 0 : 1]);
  });
});

async function createProject(path: string, packages: readonly string[]): Promise<void> {
  mkdirSync(path);
  writeFileSync(join(path, "package.json"), JSON.stringify({ name: "a-users-project", version: "1.0.0" }));
  const options = ["--prefer-offline", "--no-audit", "--no-fund"];
  await output("npm", ["install", ...options, ...packages], { cwd: path });
}

/** Runs a file of the app; it must end by itself. */
function node(file: string): Promise<string> {
  return output(process.execPath, [file], { cwd: app, timeoutMs: 30_000 });
}

function filesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: "utf8" }).filter((file) => statSync(join(path, file)).isFile());
}
