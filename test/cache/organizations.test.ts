import { describe, expect, test } from "@jest/globals";
import express from "express";
import Koa from "koa";
import request from "supertest";
import { type AuthClient, requireAuth, requireModule } from "../../src/index.js";
import * as koa from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

async function start() {
  const service = await startService({ users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store } });
  return { service, clock, store, open, client: open() };
}
const modulesOf = async (client: AuthClient) => (await client.getOrganization("org-1")).modules;

describe("The invalidation of an organization", () => {
  test("forgets what it bought, here and in the shared cache, and nothing about its users", async () => {
    const { service, clock, open, client } = await start();
    await client.verifyToken("token-ana");
    expect(await modulesOf(client)).toEqual([]);
    await settle();
    service.setOrganization("org-1", { modules: ["inventory"] });
    await client.invalidateOrganization("org-1");
    expect(await modulesOf(client)).toEqual(["inventory"]);
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
    expect(await modulesOf(open())).toEqual(["inventory"]);
    await clock.advance(60_001); // what was asked since is shared again
    service.resetCalls();
    await modulesOf(open());
    expect(service.calls.GetOrganization).toBe(1);
    await settle();
    await modulesOf(open());
    expect(service.calls.GetOrganization).toBe(1);
  });

  test("reaches other processes when their own entry has left them", async () => {
    const { service, clock, open, client } = await start();
    const other = open();
    await modulesOf(other);
    service.setOrganization("org-1", { modules: ["inventory"] });
    await client.invalidateOrganization("org-1");
    expect(await modulesOf(other)).toEqual([]);
    await clock.advance(30_000);
    expect(await modulesOf(other)).toEqual(["inventory"]);
  });

  test("rejects when the store could not be told; this process has forgotten all the same", async () => {
    const { service, store, client } = await start();
    await modulesOf(client);
    await settle();
    service.setOrganization("org-1", { modules: ["inventory"] });
    store.before = (operation) => operation === "set" && fail();
    await expect(client.invalidateOrganization("org-1")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(await modulesOf(client)).toEqual(["inventory"]);
  });

  test("says nothing about another organization, or about a user of that name", async () => {
    const { client, service } = await start();
    service.allow("token-org", { id: "org-1", organizationId: "org-2" });
    service.setOrganization("org-2", {});
    await client.verifyToken("token-org");
    await client.getOrganization("org-2");
    await client.invalidateOrganization("org-1");
    await client.invalidateUser({ userId: "org-2", organizationId: "org-2" });
    expect(client.peekToken("token-org")?.user.id).toBe("org-1");
    await client.getOrganization("org-2");
    expect(service.calls.GetOrganization).toBe(1);
  });

  test.each(["", undefined, null, 7])("of %p is refused", async (id) => {
    const { client } = await start();
    await expect(client.invalidateOrganization(id as string)).rejects.toMatchObject({ code: "lookup_refused" });
  });

  test("rejects after close()", async () => {
    const { client } = await start();
    await client.close();
    await expect(client.invalidateOrganization("org-1")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("is there on the stub client", async () => {
    const client = stubAuthClient();
    await client.invalidateOrganization("org-1");
    client.fail("auth_unavailable");
    await expect(client.invalidateOrganization("org-1")).rejects.toMatchObject({ code: "auth_unavailable" });
  });
});

describe.each(["Express", "Koa"])("requireModule of %s", (framework) => {
  function serve(client: AuthClient) {
    if (framework === "Koa") {
      const app = new Koa();
      app.use(koa.requireAuth({ client }));
      app.use((ctx, next) =>
        (ctx.path === "/fresh" ? koa.requireModule("inventory", { fresh: true }) : koa.requireModule("inventory"))(
          ctx,
          next,
        ),
      );
      app.use((ctx) => {
        ctx.body = "in";
      });
      return app.callback();
    }
    const app = express().use(requireAuth({ client }));
    app.get("/fresh", requireModule("inventory", { fresh: true }), (_req, res) => void res.send("in"));
    app.get("/", requireModule("inventory", { fresh: false }), (_req, res) => void res.send("in"));
    return app;
  }

  test("asks now with fresh, and else trusts what is cached", async () => {
    const { service, client } = await start();
    const app = serve(client);
    const get = async (path: string) => (await request(app).get(path).set("Authorization", "Bearer token-ana")).status;
    expect(await get("/")).toBe(403);
    service.setOrganization("org-1", { modules: ["inventory"] });
    expect(await get("/")).toBe(403);
    expect(await get("/fresh")).toBe(200);
    expect(await get("/")).toBe(200);
  });

  test.each([
    ["nothing but options", [{ fresh: true }]],
    ["options that are none", ["inventory", { fresh: 1 }]],
    ["options that nobody knows", ["inventory", { refresh: true }]],
    ["options before a name", [{ fresh: true }, "inventory"]],
    ["null for options", ["inventory", null]],
    ["a list", [["inventory"]]],
  ])("throws when made of %s", (_what, given) => {
    const guard = framework === "Koa" ? koa.requireModule : requireModule;
    expect(() => guard(...(given as string[]))).toThrow(expect.objectContaining({ name: "ConfigError" }));
  });
});
