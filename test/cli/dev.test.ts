import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";
import { until } from "../support/until.js";
import { type Running, runMain, startMain } from "./run-main.js";
import { expectWell } from "./verdicts.js";

const folder = mkdtempSync(join(tmpdir(), "portero-dev-"));
afterAll(() => rmSync(folder, { recursive: true }));
const running: Running[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.end();
});

interface Desk extends Running {
  readonly env: Readonly<Record<string, string>>;
  /** Asks beside the contract. */
  ask(method: "GET" | "POST", path: string, headers?: Record<string, string>): Promise<string>;
}

/** Runs `portero dev` on free ports, until the test ends. */
async function startDesk(args: readonly string[] = [], clock?: ManualClock): Promise<Desk> {
  const started = startMain(["dev", "--grpc", "0", "--rest", "0", ...args], { cwd: folder, ...(clock && { clock }) });
  running.push(started);
  await until(() => started.stdout().includes("Ctrl-C"));
  const env = Object.fromEntries(
    [...started.stdout().matchAll(/^export (\w+)=(\S+)$/gm)].map(([, name = "", url = ""]) => [name, url]),
  );
  const ask: Desk["ask"] = async (method, path, headers = {}) => {
    const answer = await fetch(`${env.AUTH_REST_URL}${path}`, { method, headers });
    return `${answer.status} ${(await answer.text()).trimEnd()}`;
  };
  return { ...started, env, ask };
}

/** What a client of one side, without a cache to speak of, says of tokens. */
function clientOf({ env }: Desk, side: "grpc" | "rest" | "both" = "both", timeoutMs = 10_000) {
  const grpc = { url: env.AUTH_GRPC_URL as string, timeoutMs };
  const rest = { url: env.AUTH_REST_URL as string, timeoutMs };
  const upstreams = side === "both" ? { grpc, rest } : side === "grpc" ? { grpc } : { rest };
  const client = createAuthClient({ ...upstreams, logger: false, retry: { attempts: 1 }, cache: { refusalTtlMs: 0 } });
  afterwards(() => client.close());
  return (token: string) =>
    client.verifyToken(token, { fresh: true }).then(
      ({ user, source }) => `${user.id} by ${source}`,
      ({ code }) => code,
    );
}

/** Of domains, and not. */
const HOSTS = ["evil.example", "evil.example:8001", "a b.c", "127.0.0.1:8001", "[::1]:8001", "localhost:1", "auth"];

function statusUnder(host: string, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    get(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", reject);
  });
}

describe("portero dev", () => {
  test("prints the lines to copy, and is an auth service that the doctor has nothing to say against", async () => {
    const desk = await startDesk();
    expect(desk.stdout()).toContain("not for production");
    expect(desk.stdout()).toMatch(/^export AUTH_GRPC_URL=http:\/\/127\.0\.0\.1:\d+$/m);
    expect(desk.stdout()).toMatch(
      /^curl -H 'Authorization: Bearer token-ana' http:\S+ +# ana may products:read, products:write in madrid, sevilla$/m,
    );
    await expectWell({ env: desk.env, token: "token-ana" });
    await desk.end();
    expect(await desk.code).toBe(0);
    expect(desk.stderr()).toBe("");
  });

  test("gives tokens, and JWTs that end", async () => {
    const clock = new ManualClock(Date.now());
    const desk = await startDesk([], clock);
    const verify = clientOf(desk);
    expect(await desk.ask("GET", "/token/ana")).toBe("200 token-ana");
    const [, jwt = ""] = (await desk.ask("GET", "/token/ana?exp=60")).split(" ");
    const [, ended = ""] = (await desk.ask("GET", "/token/ana?exp=-60")).split(" ");
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString());
    expect(claims).toMatchObject({ sub: "ana", exp: Math.floor(clock.now() / 1000) + 60 });
    expect(await Promise.all([jwt, ended, `${jwt}x`].map(verify))).toEqual([
      "ana by grpc",
      "invalid_token",
      "invalid_token",
    ]);
    await clock.advance(60_000);
    expect(await verify(jwt)).toBe("invalid_token");
  });

  test("fails, hangs, is slow and recovers, a side at a time", async () => {
    const desk = await startDesk();
    const [both, grpc, rest] = [clientOf(desk), clientOf(desk, "grpc"), clientOf(desk, "rest")];
    const impatient = clientOf(desk, "rest", 100);
    expect(await desk.ask("POST", "/fail/grpc")).toBe("200 grpc fails from now on");
    expect([await both("token-ana"), await grpc("token-ana")]).toEqual(["ana by rest", "auth_unavailable"]);
    await desk.ask("POST", "/recover/grpc");
    expect(await desk.ask("POST", "/hang/rest")).toBe("200 rest hangs from now on");
    expect([await both("token-ana"), await impatient("token-ana")]).toEqual(["ana by grpc", "auth_unavailable"]);
    expect(await desk.ask("POST", "/recover")).toBe(
      "200 grpc answers as usual from now on\nrest answers as usual from now on",
    );
    expect(await desk.ask("POST", "/delay/rest?ms=20")).toBe("200 rest answers 20 ms later from now on");
    expect(await rest("token-ana")).toBe("ana by rest");
  });

  test("revokes a user's tokens, those that it made too, and allows them again", async () => {
    const desk = await startDesk();
    const verify = clientOf(desk);
    const [, jwt = ""] = (await desk.ask("GET", "/token/ana?exp=60")).split(" ");
    expect(await desk.ask("POST", "/revoke/ana")).toBe("200 the tokens of ana are bad from now on");
    expect(await Promise.all([verify("token-ana"), verify(jwt), verify("token-ben")])).toEqual([
      "invalid_token",
      "invalid_token",
      "ben by grpc",
    ]);
    await desk.ask("POST", "/allow/ana");
    expect(await Promise.all([verify("token-ana"), verify(jwt)])).toEqual(["ana by grpc", "ana by grpc"]);
  });

  test("says what it does not understand, and tells a browser's page nothing", async () => {
    const desk = await startDesk();
    expect(await desk.ask("GET", "/")).toMatch(/^200 GET {2}\/token\/ID/);
    expect(await desk.ask("GET", "/token/zoe")).toBe("404 there is no user of that id; there are ana, ben");
    expect(await desk.ask("GET", "/token/%ff")).toBe("400 not a path that can be read");
    expect(await desk.ask("GET", "/token/ana?exp=soon")).toBe(
      "400 ?exp= takes a whole number from -1209600 to 1209600",
    );
    for (const name of ["expires", "Exp"])
      expect(await desk.ask("GET", `/token/ana?${name}=60`)).toBe(`400 there is no ?${name}=; did you mean ?exp=`);
    expect(await desk.ask("POST", "/fail/grpc?code=13")).toBe("400 there is no ?code=; /fail takes none");
    expect(await desk.ask("POST", "/delay/rest?ms=1&s=1")).toBe("400 there is no ?s=; did you mean ?ms=");
    expect(await desk.ask("POST", "/recovr")).toBe("404 there is no such action; did you mean /recover?");
    expect(await desk.ask("POST", "/fail/soap")).toBe("404 fail what? /fail/grpc or /fail/rest");
    expect(await desk.ask("GET", "/fail/grpc")).toMatch(/^405 curl -X POST 'http:/);
    expect(await desk.ask("POST", "/constructor/grpc")).toMatch(/^404 \{/);
    expect(await desk.ask("GET", "/token/ana", { origin: "http://evil.example" })).toMatch(/^403 /);
    expect(await Promise.all(HOSTS.map((host) => statusUnder(host, `${desk.env.AUTH_REST_URL}/token/ana`)))).toEqual([
      ...[403, 403, 403],
      ...[200, 200, 200, 200],
    ]);
    expect(await desk.ask("POST", "/auth/verify")).toMatch(/^401 /); // the contract comes first
  });

  test("takes users from a file, reads it again when it changes, and goes on with what it had when that has mistakes", async () => {
    const file = join(folder, "users.json");
    const write = (users: object, extra = {}) => writeFileSync(file, JSON.stringify({ users, ...extra }, null, 2));
    write({ "token-of-zoe": { id: "zoe" } }, { $schema: "./node_modules/portero/schemas/users.schema.json" });
    const clock = new ManualClock(Date.now());
    const desk = await startDesk(["--users", "users.json", "--watch"], clock);
    const verify = clientOf(desk);
    const look = async (text: string) => {
      while (!desk.stderr().includes(text)) await clock.advance(300);
    };
    const [, jwt = ""] = (await desk.ask("GET", "/token/zoe?exp=3600")).split(" ");
    expect(await Promise.all([verify("token-of-zoe"), verify("token-ana")])).toEqual(["zoe by grpc", "invalid_token"]);
    write({ "token-of-zoe": { id: "zoe" }, "token-of-max": { id: "max", permisions: ["a"] } });
    await look(
      "users.json:8: users.token-of-max.permisions: there is no such option; did you mean users.token-of-max.permissions?",
    );
    expect(await verify("token-of-zoe")).toBe("zoe by grpc");
    write({ "token-of-max": { id: "max" } });
    await look("✓ users.json: max");
    expect(await Promise.all(["token-of-max", "token-of-zoe", jwt].map(verify))).toEqual([
      "max by grpc",
      "invalid_token",
      "invalid_token",
    ]);
  });

  test("says which port is taken", async () => {
    const desk = await startDesk();
    const { port } = new URL(desk.env.AUTH_REST_URL ?? "");
    expect(await runMain(["dev", "--grpc", "0", "--rest", port])).toEqual({
      code: 2,
      stdout: "",
      stderr: `✗ port ${port} is taken\n  → --rest with another one, or 0 for any\n`,
    });
    expect(await runMain(["dev", "--grpc", port, "--rest", "0"])).toMatchObject({ code: 2, stdout: "" });
  });

  test("listens where it is told to, and says what that means", async () => {
    const desk = await startDesk(["--host", "0.0.0.0"]);
    expect(desk.stdout()).toContain("It listens at 0.0.0.0: other machines of your network may reach it.");
    expect(await clientOf(desk)("token-ana")).toBe("ana by grpc");
    expect(await runMain(["dev", "--host", "203.0.113.7", "--grpc", "0", "--rest", "0"])).toMatchObject({
      code: 2,
      stderr: "✗ --host is no address of this machine\n  → --host 127.0.0.1, or 0.0.0.0 in a container\n",
    });
  });

  test.each([
    [["--users", "none.json"], "none.json cannot be read (ENOENT)"],
    [["--watch"], "--watch needs a file: --users users.json"],
    [["--grpc", "65536"], "--grpc takes a port, 0 to 65535"],
    [["--rest", "http"], "--rest takes a port, 0 to 65535"],
    [["--usres", "a"], "dev has no option --usres; did you mean --users?"],
  ])("says what is wrong with %j", async (args, says) => {
    const { code, stdout, stderr } = await runMain(["dev", ...args], { cwd: folder });
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toContain(`✗ ${says}`);
  });
});
