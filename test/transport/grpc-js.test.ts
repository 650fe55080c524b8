import type { Interceptor } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { type GrpcJsCall, type GrpcJsHandler, type GrpcJsHandlers, startGrpcJs } from "../support/grpc-js-server.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { selfSigned } from "../support/self-signed.js";

const opened = closedAfterEach();
const REF = { userId: "ana", organizationId: "org-1" };
const ANA = { user_id: "ana", organization_id: "org-1", email: "ana@example.com", is_active: true };

async function start(handlers: GrpcJsHandlers, options: Omit<AuthClientOptions, "grpc"> = {}, timeoutMs = 10_000) {
  const server = opened(await startGrpcJs(handlers));
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: server.url, timeoutMs },
      retry: { attempts: 1 },
      logger: false,
      ...options,
    }),
  );
  return { server, client };
}

/** Answers the same each time, and keeps the calls. */
function answering(answer: object) {
  const calls: GrpcJsCall[] = [];
  const handler: GrpcJsHandler = (call, callback) => {
    calls.push(call);
    callback(null, answer);
  };
  return { calls, handler };
}

const refusing =
  (code: grpc.status): GrpcJsHandler =>
  (_call, callback) =>
    callback({ code, details: "no: 100 % no" });

describe("against a server of grpc-js, made from the .proto file", () => {
  test("VerifyToken", async () => {
    const { calls, handler } = answering({ ...ANA, permissions: ["read", "write"], locals: ["madrid"] });
    const { client } = await start({ VerifyToken: handler });
    expect(await client.verifyToken("token-ana")).toEqual({
      user: { id: "ana", organizationId: "org-1", email: "ana@example.com", permissions: ["read", "write"] },
      locals: ["madrid"],
      source: "grpc",
    });
    expect(calls.map(({ request }) => request)).toEqual([{ token: "token-ana" }]);
    expect(calls[0]?.getPath()).toBe("/auth.AuthService/VerifyToken");
  });

  test("GetUserPermissions", async () => {
    const { calls, handler } = answering({ permissions: ["read", "write"] });
    const { client } = await start({ GetUserPermissions: handler });
    expect(await client.getUserPermissions(REF)).toEqual(["read", "write"]);
    expect(calls.map(({ request }) => request)).toEqual([{ user_id: "ana", organization_id: "org-1" }]);
  });

  test("GetUserLocals", async () => {
    const { calls, handler } = answering({ local_ids: ["madrid", "sevilla"] });
    const { client } = await start({ GetUserLocals: handler });
    expect(await client.getUserLocals(REF)).toEqual(["madrid", "sevilla"]);
    expect(calls.map(({ request }) => request)).toEqual([{ user_id: "ana", organization_id: "org-1" }]);
  });

  test("GetOrganization", async () => {
    const organization = { id: "org-1", name: "Acme", plan: "pro", modules: ["inventory"] };
    const { calls, handler } = answering({ ...organization, is_active: true });
    const { client } = await start({ GetOrganization: handler });
    expect(await client.getOrganization("org-1")).toEqual({ ...organization, isActive: true });
    expect(calls.map(({ request }) => request)).toEqual([{ organization_id: "org-1" }]);
  });

  test("an answer of many kilobytes", async () => {
    const locals = Array.from({ length: 10_000 }, (_, index) => `local-${index}`);
    const { client } = await start({ VerifyToken: answering({ ...ANA, locals }).handler });
    expect((await client.verifyToken("token-ana")).locals).toEqual(locals);
  });

  test("an inactive user", async () => {
    const { client } = await start({ VerifyToken: answering({ ...ANA, is_active: false }).handler });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "inactive_user" });
    expect(client.status().grpc?.failures).toBe(0);
  });

  test.each([
    grpc.status.UNAUTHENTICATED,
    grpc.status.INVALID_ARGUMENT,
    grpc.status.NOT_FOUND,
    grpc.status.PERMISSION_DENIED,
  ])("status %i refuses a token", async (code) => {
    const { client } = await start({ VerifyToken: refusing(code) });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
    expect(client.status().grpc?.failures).toBe(0);
  });

  test.each([grpc.status.NOT_FOUND, grpc.status.INVALID_ARGUMENT])("status %i refuses a look-up", async (code) => {
    const { client } = await start({ GetUserLocals: refusing(code) });
    await expect(client.getUserLocals(REF)).rejects.toMatchObject({ code: "lookup_refused" });
    expect(client.status().grpc?.failures).toBe(0);
  });

  test("a method that it does not have is an outage, and a sign of life: it wipes no failure", async () => {
    const { client } = await start({ VerifyToken: refusing(grpc.status.UNAVAILABLE) });
    await client.verifyToken("token-ana").catch(() => undefined);
    expect(client.status().grpc?.failures).toBe(1);
    await expect(client.getUserLocals(REF)).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.status().grpc?.failures).toBe(1);
  });

  test("a handler that throws is an outage that does not count alone", async () => {
    const handler: GrpcJsHandler = () => {
      throw new Error("a bug");
    };
    const { client } = await start({ VerifyToken: handler });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.status().grpc?.failures).toBe(0);
  });

  test("over TLS, with an authority of one's own and a client certificate", async () => {
    const own = selfSigned();
    const theirs = selfSigned();
    const pair = { private_key: Buffer.from(theirs.key), cert_chain: Buffer.from(theirs.cert) };
    const { calls, handler } = answering(ANA);
    const { port } = opened(
      await startGrpcJs(
        { VerifyToken: handler },
        grpc.ServerCredentials.createSsl(Buffer.from(own.cert), [pair], true),
      ),
    );
    const url = `https://127.0.0.1:${port}`;
    const options = { retry: { attempts: 1 }, logger: false } as const;
    const stranger = opened(createAuthClient({ ...options, grpc: { url, tls: { ca: theirs.cert } } }));
    await expect(stranger.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(calls).toHaveLength(0);
    const client = opened(createAuthClient({ ...options, grpc: { url, tls: { ca: theirs.cert, ...own } } }));
    expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "grpc" });
  });
});

describe("what travels with a call", () => {
  test("its deadline, as grpc-timeout", async () => {
    const { calls, handler } = answering(ANA);
    const { client } = await start({ VerifyToken: handler }, { clock: new ManualClock() }, 10_000);
    const before = Date.now();
    await client.verifyToken("token-ana");
    const deadline = Number(calls[0]?.getDeadline()); // counted from when the call arrived
    expect(deadline).toBeGreaterThanOrEqual(before + 10_000);
    expect(deadline).toBeLessThanOrEqual(Date.now() + 10_000);
  });

  test("our own credentials, as metadata", async () => {
    const { calls, handler } = answering(ANA);
    const headers = async () => ({ Authorization: "Bearer own", "x-service": "catalog" });
    const { client } = await start({ VerifyToken: handler }, { headers });
    await client.verifyToken("token-ana");
    expect(calls[0]?.metadata.get("authorization")).toEqual(["Bearer own"]);
    expect(calls[0]?.metadata.get("x-service")).toEqual(["catalog"]);
  });

  test("the token stands in the message and in no metadata", async () => {
    const { calls, handler } = answering(ANA);
    const { client } = await start({ VerifyToken: handler });
    await client.verifyToken("token-ana");
    expect(JSON.stringify(calls[0]?.metadata.getMap())).not.toContain("token-ana");
  });
});

describe("interceptors", () => {
  async function intercepted(interceptors: readonly Interceptor[], handler: GrpcJsHandler) {
    const server = opened(await startGrpcJs({ VerifyToken: handler }));
    const grpc = { url: server.url, timeoutMs: 10_000, interceptors };
    const headers = { "x-service": "catalog" };
    return opened(createAuthClient({ grpc, headers, retry: { attempts: 2 }, random: () => 0, logger: false }));
  }

  test("run around every try, in order, and see our own credentials", async () => {
    const seen: unknown[] = [];
    const noting =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        seen.push([name, request.method.name, request.header.get("x-service")]);
        request.header.set("x-trace", `${request.header.get("x-trace") ?? ""}${name}`);
        return next(request);
      };
    const traces: unknown[] = [];
    const client = await intercepted([noting("a"), noting("b")], (call, callback) => {
      traces.push(...call.metadata.get("x-trace"));
      if (traces.length === 1) callback({ code: grpc.status.UNAVAILABLE });
      else callback(null, ANA);
    });
    await client.verifyToken("token-ana");
    const once = [
      ["a", "VerifyToken", "catalog"],
      ["b", "VerifyToken", "catalog"],
    ];
    expect(seen).toEqual([...once, ...once]);
    expect(traces).toEqual(["ab", "ab"]);
  });

  test("one that throws is an outage without a try upstream, and not the upstream's fault", async () => {
    const { calls, handler } = answering(ANA);
    const throwing: Interceptor = () => () => Promise.reject(new Error("no tracing today"));
    const client = await intercepted([throwing], handler);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(calls).toHaveLength(0);
    expect(client.status().grpc?.failures).toBe(0);
  });
});
