import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "@jest/globals";
import { ManualClock } from "../support/manual-clock.js";
import { until } from "../support/until.js";
import { defectsOf } from "./json-schema.js";
import { runMain } from "./run-main.js";
import { portIn, portOf, startPair, TOKEN } from "./set-up.js";
import { settingRows, upstreamRows } from "./upstream-rows.js";
import { expectBroken, expectWell, idsOf, SCHEMA } from "./verdicts.js";

const folder = mkdtempSync(join(tmpdir(), "portero-doctor-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("portero doctor names what is wrong, and what to write instead:", () => {
  test.each([...settingRows, ...upstreamRows])("$is", expectBroken);

  test("at least fourteen set-ups, each another one", () => {
    const all = [...settingRows, ...upstreamRows].map(({ is }) => is);
    expect(new Set(all).size).toBe(all.length);
    expect(all.length).toBeGreaterThanOrEqual(14);
  });
});

describe("portero doctor has nothing to say against", () => {
  test("both sides, without a token and with one", async () => {
    const { env } = await startPair();
    await expectWell({ env });
    const { stdout } = await expectWell({ env, token: TOKEN });
    expect(stdout).toContain("✓ the token is good: 2 permissions, 2 locals");
    for (const operation of ["VerifyToken", "GetUserPermissions", "GetUserLocals", "GetOrganization"])
      expect(stdout).toContain(`✓ gRPC and REST say the same to ${operation}`);
  });

  test.each([
    [400, 404],
    [422, 404],
    [401, 422],
  ])("REST that refuses no token with %s, and an unknown id with %s", async (ofToken, ofId) => {
    const server = createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(request.method === "POST" ? ofToken : ofId).end("{}"));
    });
    const { stdout } = await expectWell({ env: { AUTH_REST_URL: `http://127.0.0.1:${await portOf(server)}` } });
    expect(stdout).toContain(`✓ POST /auth/verify refuses what is no token (HTTP ${ofToken})`);
  });

  test("one side, by a name that has another address, where nothing listens", async () => {
    const { env } = await startPair();
    await expectWell({ env: { AUTH_REST_URL: `http://localhost:${portIn(env.AUTH_REST_URL)}` }, token: TOKEN });
  });
});

describe("portero doctor", () => {
  test("waits for nothing when all is well, and says what it waits for", async () => {
    const { service, env } = await startPair();
    const clock = new ManualClock(); // no timer fires
    expect(await runMain(["doctor"], { env, clock })).toMatchObject({ code: 0, stderr: "" });
    service.rest.hang();
    const ran = runMain(["doctor"], { env, clock: new ManualClock(Date.now()) });
    service.rest.allow();
    expect((await ran).stderr).toBe("");
  });

  test("looks again with --wait, says why, and ends as soon as all is well", async () => {
    const { service, env } = await startPair();
    await service.rest.stop();
    const clock = new ManualClock();
    let hasEnded = false;
    const ran = runMain(["doctor", "--wait", "30s", "--json"], { env, clock }).finally(() => {
      hasEnded = true;
    });
    await until(() => clock.pending > 0);
    await clock.advance(2000);
    expect(hasEnded).toBe(false);
    await service.rest.start();
    for (let second = 0; !hasEnded && second < 25; second++) await clock.advance(1000);
    const { code, stdout, stderr } = await ran;
    expect([code, JSON.parse(stdout).status]).toEqual([0, "ok"]);
    expect(stderr).toMatch(/^… waiting for all to be well: rest\.connection .*ECONNREFUSED/m);
  });

  test("gives up when the time of --wait is over, and at once where settings are wrong", async () => {
    const clock = new ManualClock();
    const env = { AUTH_REST_URL: "http://127.0.0.1:1" };
    let hasEnded = false;
    const ran = runMain(["doctor", "--wait", "1500ms"], { env, clock }).finally(() => {
      hasEnded = true;
    });
    while (!hasEnded) await clock.advance(500);
    expect((await ran).code).toBe(1);
    expect((await runMain(["doctor", "--wait", "1m"], { env: {}, clock })).code).toBe(2);
  });

  test("ends on Ctrl-C", async () => {
    const ending = new AbortController();
    const ran = runMain(["doctor", "--wait", "1m"], {
      env: { AUTH_REST_URL: "http://127.0.0.1:1" },
      signal: ending.signal,
    });
    setImmediate(() => ending.abort());
    expect(await ran).toMatchObject({ code: 130, stdout: "" });
  });

  test("reads files of variables, behind those of the process", async () => {
    const { env } = await startPair();
    const [one, two] = [join(folder, "one.env"), join(folder, "two.env")];
    writeFileSync(one, `# the auth service\nAUTH_GRPC_URL="${env.AUTH_GRPC_URL}"\nAUTH_REST_URL=http://127.0.0.1:1\n`);
    writeFileSync(two, "AUTH_REST_TIMEOUT=1\n");
    const args = ["doctor", "--env", one, "--env=two.env"];
    expect((await runMain(args, { cwd: folder })).code).toBe(1);
    const ran = await runMain(args, { cwd: folder, env: { AUTH_REST_URL: env.AUTH_REST_URL } });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toContain("note: AUTH_REST_URL of the environment is used, and not that of the file");
    expect(ran.stdout).not.toContain("NODE_OPTIONS");
    expect(await runMain(["doctor", "--env", "none.env"], { cwd: folder })).toMatchObject({
      code: 2,
      stdout: "",
      stderr: "✗ none.env cannot be read (ENOENT)\n",
    });
  });

  test("takes --env-file as well, and says that Node does", async () => {
    const { env } = await startPair();
    writeFileSync(join(folder, "rest.env"), `AUTH_REST_URL=${env.AUTH_REST_URL}\n`);
    const { code, stdout } = await runMain(["doctor", "--env-file", "rest.env"], { cwd: folder });
    expect(code).toBe(0);
    expect(stdout).toContain("note: Node takes --env-file for itself, too, with NODE_OPTIONS in it: write --env");
  });

  test("knows of a .env that was not named", async () => {
    writeFileSync(join(folder, ".env"), "AUTH_REST_URL=http://127.0.0.1:1\n");
    const { code, stdout } = await runMain(["doctor"], { cwd: folder });
    expect(code).toBe(2);
    expect(stdout).toContain("there is a .env here: npx portero doctor --env .env reads it");
    const json = JSON.parse((await runMain(["doctor", "--json"], { cwd: folder })).stdout);
    expect(json).toMatchObject({ exitCode: 2, notes: [expect.stringContaining("there is a .env here")] });
  });

  test("writes JSON, and nothing else, with --json", async () => {
    const { env } = await startPair();
    const { code, stdout, stderr } = await runMain(["doctor", "--json", "--token-stdin"], { env, input: `${TOKEN}\n` });
    expect([code, stderr]).toEqual([0, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ version: "0.0.0-test", exitCode: 0, status: "ok" });
    expect(idsOf(stdout, "ok")).toEqual(
      expect.arrayContaining(["settings.all", "grpc.user_locals", "answers.organization"]),
    );
  });

  test.each([
    [["--env", "none.env"], "none.env cannot be read (ENOENT)"],
    [["--wait", "soon"], "--wait takes a time"],
    [["--jsn"], "doctor has no option --jsn; did you mean --json?"],
    [["--token-stdin"], "no token came by standard input"],
  ])("writes JSON by its schema with --json, though %j cannot be used", async (args, message) => {
    const { code, stdout, stderr } = await runMain(["doctor", "--json", ...args], { cwd: folder });
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({
      exitCode: 2,
      status: "failed",
      notes: [],
      checks: [{ id: "settings.problem", message }],
    });
    expect(defectsOf(result, SCHEMA)).toEqual([]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`✗ ${message}`)]);
  });

  test("has colours on a terminal, and nowhere else", async () => {
    const env = { AUTH_REST_URL: "http://127.0.0.1:1" };
    const sign = "\u001b[31m✗\u001b[39m";
    const outputs = async (more: object, isTerminal: boolean) =>
      (await runMain(["doctor"], { env: { ...env, ...more }, isTerminal })).stdout;
    expect(await outputs({}, true)).toContain(sign);
    expect(await outputs({ FORCE_COLOR: "1" }, false)).toContain(sign);
    for (const [more, isTerminal] of [
      [{}, false],
      [{ NO_COLOR: "1" }, true],
      [{ TERM: "dumb" }, true],
    ] as const)
      expect(await outputs(more, isTerminal)).not.toContain("\u001b");
  });
});

describe("portero", () => {
  test.each([
    [
      ["doctor", "--token", TOKEN],
      "a token does not belong into a command line",
      '→ printf %s "$TOKEN" | npx portero doctor --token-stdin',
    ],
    [["doctor", `--token=${TOKEN}`], "a token does not belong into a command line", "--token-stdin"],
    [["doctor", TOKEN], "doctor takes options alone", "→ npx portero doctor --help"],
    [["doctor", "--env-fle", "x"], "doctor has no option --env-fle; did you mean --env-file?", "--help"],
    [["doctor", `--${TOKEN}`], "doctor has no such option", "--help"],
    [["doctor", "--json=yes"], "--json takes no value", "--help"],
    [["doctor", "--wait"], "--wait takes a value", "--help"],
    [["doctor", "--wait", "soon"], "--wait takes a time", "→ --wait 30s, or 500ms, or 2m"],
    [["doctor", "--wait", "1s", "--wait", "2s"], "--wait is given twice", "--help"],
    [["doctor", "--token-stdin"], "no token came by standard input", "printf"],
    [[TOKEN], "there is no such command", "→ npx portero --help"],
    [["doctr", "--json"], "there is no such command; did you mean doctor?", "→ npx portero doctor"],
    [["Dev"], "there is no such command; did you mean dev?", "→ npx portero dev"],
  ])("says in two lines what is wrong with %j, and repeats no token", async (args, what, fix) => {
    const { code, stdout, stderr } = await runMain(args);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr.split("\n")).toHaveLength(3);
    expect(stderr).toContain(`✗ ${what}`);
    expect(stderr).toContain(fix);
    expect(stderr).not.toContain(TOKEN);
  });

  test("helps, in lines that fit a terminal", async () => {
    const bare = await runMain([]);
    const asked = await Promise.all(
      [["--help"], ["-h"], ["help"], ["help", "doctor"], ["doctor", "--help"]].map((args) => runMain(args)),
    );
    expect([bare.code, ...asked.map(({ code }) => code)]).toEqual([2, 0, 0, 0, 0, 0]);
    expect(asked[0]?.stdout).toBe(bare.stdout);
    expect(asked[3]?.stdout).toBe(asked[4]?.stdout);
    expect(asked[4]?.stdout).toContain("--token-stdin");
    const long = [bare, ...asked].flatMap(({ stdout }) => stdout.split("\n")).filter((line) => line.length > 130);
    expect(long).toEqual([]);
    expect((await runMain(["--version"])).stdout).toBe("0.0.0-test\n");
  });
});
