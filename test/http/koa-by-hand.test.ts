import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import Koa from "koa";
import { type AuthClient, type AuthError, authenticate, bearerToken } from "../../src/client.js";
import { optionalAuth, requireAuth, requirePermission } from "../../src/koa.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

function contextWith(headers: Record<string, string>): Koa.Context {
  const request = new IncomingMessage(new Socket());
  for (const [name, value] of Object.entries(headers)) {
    request.rawHeaders.push(name, value);
    request.headers[name.toLowerCase()] = value;
  }
  return new Koa().createContext(request, new ServerResponse(request)) as Koa.Context;
}

test.each<[string, (ctx: Koa.Context, client: AuthClient) => unknown]>([
  ["authenticate", (ctx, client) => authenticate(ctx, { client })],
  ["bearerToken", (ctx) => bearerToken(ctx)],
  ["bearerToken of Koa's request", (ctx) => bearerToken(ctx.request)],
  ["a token source that calls it", (ctx, client) => requireAuth({ client, token: bearerToken })(ctx, async () => "in")],
])("%s sees a second Authorization header through Koa's context", async (_what, read) => {
  const { client } = await startAuth();
  const ctx = contextWith(bearer("token-ana"));
  ctx.req.rawHeaders.push("authorization", "Bearer token-eva");
  let seen: unknown;
  try {
    seen = await read(ctx, client);
  } catch (error) {
    seen = (error as AuthError).code;
  }
  expect(seen ?? ctx.status).toBe(seen === undefined ? 400 : "invalid_request");
});

describe.each(["a user who is new", "a user who is cached"])("a middleware that is called by hand, for %s,", (who) => {
  async function open() {
    const { client } = await startAuth();
    if (who === "a user who is cached") await client.verifyToken("token-ana");
    return [requireAuth({ client }), optionalAuth({ client })];
  }

  test("rejects with what the next one throws", async () => {
    const thrown = new Error("of the application");
    for (const middleware of await open()) {
      const passed = middleware(contextWith(bearer("token-ana")), () => {
        throw thrown;
      });
      await expect(passed).rejects.toBe(thrown);
    }
  });

  test("returns a promise, also where the next one returns none", async () => {
    for (const middleware of await open()) {
      const passed = middleware(contextWith(bearer("token-ana")), () => "done" as never);
      expect(passed).toBeInstanceOf(Promise);
      await expect(passed).resolves.toBe("done");
    }
  });
});

test("a guard that is called by hand rejects with what the next one throws", async () => {
  const { client } = await startAuth();
  const ctx = contextWith(bearer("token-ana"));
  await requireAuth({ client })(ctx, async () => undefined);
  const thrown = new Error("of the application");
  const passed = requirePermission("products:read")(ctx, () => {
    throw thrown;
  });

  await expect(passed).rejects.toBe(thrown);
});
