import { Agent } from "node:http";
import * as http2 from "node:http2";
import { createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import type { AuthClient, DiagnoseOptions } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { listen } from "../support/listen.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openBareClient, openClient, startService } from "../support/open-client.js";
import { closedPort, startTcpGate } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";

const directory = { users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } };

/** Status and message of each check whose id begins so. */
async function find(client: AuthClient, beginning: string, options?: DiagnoseOptions) {
  const { checks } = await client.diagnose(options);
  return checks.filter(({ id }) => id.startsWith(beginning)).map(({ status, message }) => `${status}: ${message}`);
}

/** The port of a server with this certificate, which speaks HTTP/2 and answers nothing good. */
async function secure(certificate: { key: string; cert: string }): Promise<number> {
  const server = http2.createSecureServer(certificate, (_request, response) => void response.writeHead(404).end());
  const port = await listen(server);
  afterwards(() => new Promise<void>((resolve) => void server.close(() => resolve())));
  return port;
}

describe("diagnose()", () => {
  test("finds nothing against both sides, and is plain data", async () => {
    const client = openClient(await startService(directory));
    const waiting: (readonly string[])[] = [];
    const found = await client.diagnose({ token: "token-ana", onWaiting: (what) => waiting.push(what) });
    expect(found).toMatchObject({ status: "ok", durationMs: 0 });
    expect(JSON.parse(JSON.stringify(found))).toEqual(found);
    expect(JSON.stringify(found)).not.toContain("token-ana");
    expect(waiting[0]?.[0]).toMatch(/^a connection to 127\.0\.0\.1:/);
    expect(waiting.at(-1)).toEqual([]);
  });

  test("asks past an open breaker, which it names, and changes nothing that is counted", async () => {
    const service = await startService(directory);
    const client = openClient(service, { breaker: { failureThreshold: 1 }, rest: undefined as never });
    service.grpc.fail();
    await client.verifyToken("token-ana").catch(() => undefined);
    const before = client.status();
    expect(before.grpc?.breaker).toBe("open");
    expect(await find(client, "grpc.verify")).toEqual([
      "failed: auth.AuthService/VerifyToken is unreachable (Unavailable)",
    ]);
    service.grpc.allow();
    expect(await find(client, "grpc.verify")).toEqual([
      "ok: auth.AuthService/VerifyToken refuses what is no token (Unauthenticated)",
    ]);
    expect(await find(client, "grpc.breaker")).toEqual([
      expect.stringMatching(/^warning: its breaker is open: it was .*Unavailable/),
    ]);
    expect(client.status()).toEqual(before);
  });

  test("knows of a transport, an agent and a store of one's own", async () => {
    const service = await startService(directory);
    const transport = createRouterTransport(({ service: route }) => void route(AuthService, {}));
    const store = new MemoryStore(new ManualClock());
    const client = openBareClient({
      grpc: { transport },
      rest: { url: service.rest.url, agent: new Agent() },
      cache: { store, namespace: "test" },
    });
    expect(await find(client, "grpc.connection")).toEqual(["skipped: a transport of its own makes the connections"]);
    expect(await find(client, "grpc.verify")).toEqual([
      "failed: auth.AuthService/VerifyToken is broken (Unimplemented)",
    ]);
    expect(await find(client, "rest.connection")).toEqual(["skipped: an agent of its own makes the connections"]);
    expect(await find(client, "store")).toEqual(["ok: entries can be written and read"]);
    store.get = async () => "something else";
    expect(await find(client, "store")).toEqual(["failed: what was written is not what is read"]);
    store.get = () => Promise.reject(Object.assign(new Error("no"), { code: "ECONNREFUSED" }));
    expect(await find(client, "store")).toEqual(["failed: cache.store: an operation failed (ECONNREFUSED)"]);
  });

  test("tells of the service's own credentials", async () => {
    const service = await startService(directory);
    let fetched: () => Promise<Record<string, string>> = () => Promise.reject(new Error("secret-of-the-vault"));
    const clock = new ManualClock();
    const client = openClient(service, {
      clock,
      headers: () => fetched(),
      grpc: { timeoutMs: 500 },
      rest: { url: service.rest.url, timeoutMs: 500 },
    });
    const found = await client.diagnose();
    expect(found.checks.filter(({ id }) => id.endsWith("verify_token")).map(({ message }) => message)).toEqual([
      "auth.AuthService/VerifyToken is the function given as `headers` failed",
      "POST /auth/verify is the function given as `headers` failed",
    ]);
    expect(JSON.stringify(found)).not.toContain("secret-of");
    fetched = () => new Promise(() => undefined);
    let hasEnded = false;
    const ended = client.diagnose().finally(() => {
      hasEnded = true;
    });
    while (!hasEnded) await clock.advance(100);
    expect((await ended).status).toBe("failed");
  });

  test("names a certificate that ends soon, has ended, or is another host's", async () => {
    const clock = new ManualClock(Date.now());
    const inDays = (days: number) =>
      `${new Date(Date.now() + (days + 0.5) * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "")}`;
    const tlsOf = async (certificate: { key: string; cert: string }, host = "127.0.0.1") => {
      const url = `https://${host}:${await secure(certificate)}`;
      return find(openBareClient({ grpc: { url, tls: { ca: certificate.cert } }, clock }), "grpc.tls");
    };
    expect(await tlsOf(selfSigned({ until: inDays(40) }))).toEqual([
      "ok: TLS, with a certificate that is good for 40 more days",
    ]);
    expect(await tlsOf(selfSigned({ until: inDays(1) }))).toEqual([
      "warning: TLS, with a certificate that is good for 1 more day",
    ]);
    expect(await tlsOf(selfSigned({ until: "20210101000000Z" }))).toEqual([
      expect.stringMatching(/^failed: .*CERT_HAS_EXPIRED/),
    ]);
    expect(await tlsOf(selfSigned(), "localhost")).toEqual(
      expect.arrayContaining([expect.stringMatching(/^failed: .*ERR_TLS_CERT_ALTNAME_INVALID/)]),
    );
  });

  test("goes on with what it reaches of several", async () => {
    const service = await startService(directory);
    const away = `http://127.0.0.1:${await closedPort()}`;
    const client = openBareClient({ grpc: { url: [away, service.grpc.url] } });
    expect(await find(client, "grpc.connection")).toEqual(
      expect.arrayContaining([expect.stringMatching(/^warning: .*ECONNREFUSED/), expect.stringMatching(/^ok: /)]),
    );
    expect(await find(client, "grpc.verify")).toEqual([expect.stringMatching(/^ok: /)]);
  });

  test("has an end within its timeouts, whatever is silent", async () => {
    const [grpc, rest, redis] = await Promise.all([startTcpGate(), startTcpGate(), startTcpGate()]);
    for (const gate of [grpc, rest, redis]) afterwards(() => gate.close());
    const clock = new ManualClock();
    const client = openBareClient({
      grpc: { url: grpc.url, timeoutMs: 1000 },
      rest: { url: rest.url, timeoutMs: 2000 },
      cache: { redisUrl: `redis://127.0.0.1:${redis.port}`, namespace: "test" },
      retry: { attempts: 1 },
      clock,
    });
    const waiting: string[] = [];
    let hasEnded = false;
    const ended = client.diagnose({ onWaiting: (what) => waiting.push(...what) }).finally(() => {
      hasEnded = true;
    });
    const begunAt = clock.monotonic();
    const has = (text: string) => waiting.some((each) => each.includes(text));
    while (!(has("VerifyToken (1 s") && has("VerifyToken (2 s") && has("(2 s at most)"))) await clock.advance(0);
    while (!hasEnded) await clock.advance(50);
    expect(clock.monotonic() - begunAt).toBeLessThanOrEqual(2200);
    const { checks } = await ended;
    expect(checks.filter(({ status }) => status === "failed").map(({ id, code }) => [id, code])).toEqual([
      ["grpc.verify_token", expect.stringMatching(/^(timeout|ECONNABORTED)$/)], // of the call, or of its connection
      ["rest.verify_token", "timeout"],
      ["redis.connection", "ETIMEDOUT"],
    ]);
  });

  test("rejects with the signal's reason, and after close()", async () => {
    const gate = await startTcpGate();
    afterwards(() => gate.close());
    const client = openBareClient({ grpc: { url: gate.url } });
    const ending = new AbortController();
    const reason = new Error("enough");
    const waits = (what: readonly string[]) =>
      what.some((each) => each.includes("VerifyToken")) && ending.abort(reason);
    await expect(client.diagnose({ signal: ending.signal, onWaiting: waits })).rejects.toBe(reason);
    await expect(client.diagnose({ signal: ending.signal })).rejects.toBe(reason);
    await client.close();
    await expect(client.diagnose()).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test.each([
    [null, "diagnose() takes an object of options"],
    [{ token: null }, "diagnose({ token }) takes a string"],
    [{ token: 5 }, "diagnose({ token }) takes a string"],
    [{ signal: 5 }, "diagnose({ signal }) takes an AbortSignal"],
    [{ onWaiting: "x" }, "diagnose({ onWaiting }) takes a function"],
  ])("rejects options that are none: %j", async (options, message) => {
    const client = openBareClient({ rest: { url: "http://127.0.0.1:1" } });
    await expect(client.diagnose(options as never)).rejects.toThrow(new TypeError(message));
  });

  test("asks each URL of several, and says how many it does not ask", async () => {
    const services = await Promise.all([startService(directory), startService(directory)]);
    const away = await closedPort();
    const urls = services.map(({ grpc }) => grpc.url);
    const client = openBareClient({ grpc: { url: urls, timeoutMs: 60_000 } });
    expect(await find(client, "grpc.verify", { token: "token-ana" })).toEqual(
      urls.map((url) => `ok: ${url}/: auth.AuthService/VerifyToken refuses what is no token (Unauthenticated)`),
    );
    expect(services.map(({ calls }) => calls.VerifyToken)).toEqual([2, 2]);
    const many = Array.from({ length: 8 }, (_, at) => `http://127.0.0.1:${away}/${at}`);
    const others = openBareClient({ grpc: { url: [...urls, ...many], timeoutMs: 60_000 } });
    expect(await find(others, "grpc.verify")).toEqual([
      "skipped: not asked: 2 more of its URLs",
      ...urls.map((url) => `ok: ${url}/: auth.AuthService/VerifyToken refuses what is no token (Unauthenticated)`),
    ]);
  });

  test("of a stub says what the stub was told", async () => {
    const stub = stubAuthClient();
    expect((await stub.diagnose()).status).toBe("ok");
    stub.fail();
    expect((await stub.diagnose()).status).toBe("failed");
  });
});
