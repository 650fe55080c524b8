import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";

const opened = closedAfterEach();
const GRPC_MS = 60_000;

async function start(transport: Transport, clock?: ManualClock) {
  const { rest } = opened(await startAuthService({ users: { "token-ana": { id: "ana" } } }));
  const client = opened(
    createAuthClient({
      grpc: { transport, timeoutMs: GRPC_MS },
      rest: { url: rest.url, timeoutMs: 120_000 },
      retry: { attempts: 1 },
      logger: false,
      ...(clock && { clock }),
    }),
  );
  return { rest, client };
}

/** A transport in memory whose `VerifyToken` does as the test says. */
function inMemory(verifyToken: () => { userId: string; isActive: boolean }): Transport {
  return createRouterTransport((router) => router.service(AuthService, { verifyToken }));
}

function raise(error: Error): never {
  throw error;
}

describe("a Connect transport of one's own in gRPC's place", () => {
  test("answers", async () => {
    const { rest, client } = await start(inMemory(() => ({ userId: "ana", isActive: true })));
    expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "grpc" });
    expect(rest.calls.total).toBe(0);
    expect(client.status().grpc).not.toHaveProperty("url");
  });

  test("is ready at once", async () => {
    const { rest, client } = await start(inMemory(() => ({ userId: "ana", isActive: true })));
    await rest.stop();
    expect(await client.ready()).toBeUndefined();
  });

  test.each([Code.Unauthenticated, Code.InvalidArgument, Code.NotFound, Code.PermissionDenied])(
    "refuses with code %i, which is believed without a grpc-status: it may speak another protocol",
    async (code) => {
      const { rest, client } = await start(inMemory(() => raise(new ConnectError("no such token", code))));
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
      expect(rest.calls.total).toBe(0);
      expect(client.status().grpc?.failures).toBe(0);
    },
  );

  test.each([
    ["a code that Connect made out of a bare HTTP status", new ConnectError("HTTP 401", Code.Unauthenticated)],
    ["the same for 403", new ConnectError("HTTP 403", Code.PermissionDenied)],
    ["another code", new ConnectError("a bug", Code.Internal)],
    ["an error that is none of Connect's", new TypeError("a bug")],
  ])("%s is no verdict: REST is asked, and contradicts it", async (_name, error) => {
    const transport: Transport = { unary: () => Promise.reject(error), stream: () => Promise.reject(error) };
    const { client } = await start(transport);
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "rest" });
    expect(client.status().grpc?.failures).toBe(1);
  });

  test("one that throws instead of rejecting is no verdict either", async () => {
    const transport: Transport = { unary: () => raise(new TypeError("a bug")), stream: () => raise(new TypeError()) };
    const { client } = await start(transport);
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "rest" });
  });

  test("a user without an id is no answer", async () => {
    const { client } = await start(inMemory(() => ({ userId: "", isActive: true })));
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "rest" });
    expect(client.status().grpc?.failures).toBe(1);
  });

  test("one that forgets its timeout takes nothing from REST", async () => {
    const clock = new ManualClock();
    const never = () => new Promise<never>(() => undefined);
    const { client } = await start({ unary: never, stream: never }, clock);
    const answer = client.verifyToken("token-ana");
    await clock.advance(GRPC_MS);
    expect(await answer).toMatchObject({ source: "rest" });
    expect(client.status().grpc?.failures).toBe(1);
  });
});
