import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import Koa from "koa";
import { optionalAuth, requireAuth, requirePermission } from "../../src/koa.js";
import { bearer, closeAll, startAuth } from "./fixture.js";

afterEach(closeAll);

function contextWith(headers: Record<string, string>): Koa.Context {
  const request = new IncomingMessage(new Socket());
  for (const [name, value] of Object.entries(headers)) {
    request.rawHeaders.push(name, value);
    request.headers[name.toLowerCase()] = value;
  }
  return new Koa().createContext(request, new ServerResponse(request)) as Koa.Context;
}

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
