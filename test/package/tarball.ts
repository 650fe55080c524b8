import { cpSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { redisAvailable, startRedisServer } from "../support/redis-server.js";
import { filesIn, manifest, output, root, run } from "../support/workspace.js";
import { app, bare, created, installed, sources } from "./packed.js";

beforeAll(created);

describe("the tarball", () => {
  test("holds what is needed, and nothing else", () => {
    const files = filesIn(installed);
    const others = files.filter((file) => !/^(dist|docs|ops|proto|schemas)\//.test(file)).sort();
    const documents = ["CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"];
    expect(others).toEqual([...documents, "package.json"]);
    expect(files).toEqual(expect.arrayContaining(["proto/auth/auth_service.proto", "ops/alerts.yml"]));
    expect(files.filter((file) => file.startsWith("schemas/")).sort()).toEqual(
      ["doctor", "users"].map((name) => `schemas/${name}.schema.json`),
    );
    const strays = files.filter((file) => file.startsWith("dist/") && !/\.(js|d\.ts|js\.map)$/.test(file));
    expect(strays).toEqual(["dist/cjs/package.json"]);
    expect(files.filter((file) => /^dist\/(esm|cjs)\/(?!src\/|gen\/|package\.json)/.test(file))).toEqual([]);
    const bytes = files.reduce((sum, file) => sum + statSync(join(installed, file)).size, 0);
    process.stdout.write(`the package: ${files.length} files, ${Math.round(bytes / 1024)} KiB\n`);
    expect(bytes).toBeLessThan(4.75 * 1024 * 1024); // a quarter of it are source maps, with the sources
  });

  test("has what its documents link to and show", () => {
    const links = filesIn(installed)
      .filter((file) => file.endsWith(".md"))
      .flatMap((document) => linksIn(document).map((to) => ({ document, to: join(dirname(document), to) })));
    const reached = links.map(({ to }) => to);
    expect(reached).toEqual(
      expect.arrayContaining(["SECURITY.md", "docs/capacity.md", "docs/performance/capacity-hit.svg"]),
    );
    expect(links.filter(({ to }) => !existsSync(join(installed, to)))).toEqual([]);
  });

  test("has no script that npm could run where it is installed", () => {
    const { scripts } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    const lifecycle = /^(pre|post)?(install|prepare|uninstall|dependencies|prepublish)$/;
    expect(Object.keys(scripts).filter((name) => lifecycle.test(name))).toEqual([]);
  });

  test("leaves package.json as it was when it is packed, also when npm was interrupted the time before", async () => {
    const now = () => readFileSync(join(sources, "package.json"), "utf8");
    const script = "scripts/packed-manifest.js";
    const step = (how: "with" | "without") => output(process.execPath, [script, how], { cwd: sources });
    expect(now()).toBe(readFileSync(join(root, "package.json"), "utf8")); // it was packed by npm
    const { prepack, postpack } = manifest.scripts;
    expect([prepack, postpack]).toEqual([`npm run build && node ${script} without`, `node ${script} with`]);
    const packed = now();
    expect(JSON.parse(packed).scripts).toHaveProperty("prepare");
    await step("without");
    await step("without");
    expect(JSON.parse(now()).scripts).not.toHaveProperty("prepare");
    await step("with");
    await step("with");
    expect(now()).toBe(packed);
  });

  test("has the same few files in both formats, and the types of every module", () => {
    const modules = (format: string, ending: string) =>
      filesIn(join(installed, "dist", format))
        .filter((file) => file.endsWith(ending))
        .map((file) => file.slice(0, -ending.length))
        .sort();
    const bundled = modules("esm", ".js");
    expect(bundled.length).toBeLessThan(15); // each one more makes the start of a process slower
    expect(bundled).toEqual(
      expect.arrayContaining(["client", "index", "koa", "otel", "proto", "testing"].map((door) => `src/${door}`)),
    );
    const command = "src/cli/bin"; // run by Node itself, and never required
    expect(bundled).toContain(command);
    expect(modules("cjs", ".js")).toEqual(bundled.filter((name) => name !== command));
    expect(modules("esm", ".d.ts").length).toBeGreaterThan(50);
    expect(modules("cjs", ".d.ts")).toEqual(modules("esm", ".d.ts"));
  });

  test("has no source map without its sources", () => {
    const maps = filesIn(installed).filter((file) => file.endsWith(".map"));
    const without = maps.filter((file) => {
      const { sources, sourcesContent = [] } = JSON.parse(readFileSync(join(installed, file), "utf8"));
      return sourcesContent.length !== sources.length || sourcesContent.includes(null);
    });
    expect(without).toEqual([]);
  });

  test("says nothing of the machine that built it", () => {
    const telling = filesIn(installed).filter((file) => {
      const text = readFileSync(join(installed, file), "utf8");
      return text.includes(sources) || text.includes(root);
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
    expect(Object.keys(entries)).toHaveLength(6);
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
    expect(entries["portero/otel"].esm).toEqual(["instrument"]);
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

  test("its command works by npx, in a project of CommonJS, and in one of ES modules", async () => {
    const command = (...args: string[]) =>
      run("npx", ["--no-install", "portero", ...args], { cwd: app, timeoutMs: 30_000 });
    const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    const manifest = join(app, "package.json");
    const before = readFileSync(manifest, "utf8");
    try {
      for (const type of ["commonjs", "module"]) {
        writeFileSync(manifest, JSON.stringify({ ...JSON.parse(before), type }));
        expect(await command("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
        const { code, stdout } = await command("doctor");
        expect([code, stdout]).toEqual([2, expect.stringContaining("AUTH_GRPC_URL or AUTH_REST_URL is nothing")]);
      }
    } finally {
      writeFileSync(manifest, before);
    }
  });

  test.each([
    ["import", "module", "await import('portero');"],
    ["require()", "commonjs", "require('portero');"],
  ])("its %s loads nothing of Node's fetch, which a process may never need", async (_how, type, load) => {
    const tell = "console.log(JSON.stringify(process.moduleLoadList.filter((each) => /undici/.test(each))))";
    const loaded = (script: string) =>
      output(process.execPath, [`--input-type=${type}`, "-e", `${script} ${tell}`], { cwd: app }).then(JSON.parse);
    expect(await loaded("new Headers();")).toContain("NativeModule internal/deps/undici/undici");
    expect(await loaded(load)).toEqual(await loaded(""));
  });

  test("it works without Express, Koa and OpenTelemetry, and says what portero/otel needs", async () => {
    cpSync(join(root, "test", "package", "fixtures", "without-frameworks.mjs"), join(bare, "worker.mjs"));
    const worker = await output(process.execPath, ["worker.mjs"], { cwd: bare, timeoutMs: 30_000 });
    const needsApi = expect.stringMatching(/Cannot find (package|module) '@opentelemetry\/api'/);
    const [esm, cjs] = [needsApi, needsApi];
    expect(JSON.parse(worker)).toEqual({ express: false, koa: false, otel: { esm, cjs }, id: "ana", source: "grpc" });
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

/** Runs a file of the app; it must end by itself. */
function node(file: string): Promise<string> {
  return output(process.execPath, [file], { cwd: app, timeoutMs: 30_000 });
}

/** Where the links and the pictures of an installed document lead to in the package. */
function linksIn(document: string): string[] {
  const text = readFileSync(join(installed, document), "utf8");
  const found = [...text.matchAll(/\]\(<?([^)\s>]+)|\b(?:src|href)="([^"]+)"|^\[[^\]]+\]: (\S+)/gm)];
  return found
    .map(([, inline, attribute, reference]) => (inline ?? attribute ?? reference ?? "").replace(/#.*$/, ""))
    .filter((to) => to !== "" && !/^[a-z]+:/i.test(to));
}
