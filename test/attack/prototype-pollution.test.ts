import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import request from "supertest";
import { type AuthClient, type AuthError, requireAuth, requireLocal, requirePermission } from "../../src/index.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { startRawRest } from "../support/raw-upstreams.js";

const opened = closedAfterEach();
const ANA = { userId: "ana", organizationId: "org-1" };
/** Names that every object has. */
const INHERITED = ["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "valueOf", "length", "0"];

const prototypes = [Object.prototype, Array.prototype, Function.prototype, String.prototype, Map.prototype];
const before = prototypes.map((prototype) => Reflect.ownKeys(prototype));

afterEach(() => {
  expect(prototypes.map((prototype) => Reflect.ownKeys(prototype))).toEqual(before);
});

/** A client of a REST side that always says this, word for word. */
async function clientOf(body: string): Promise<AuthClient> {
  const rest = opened(await startRawRest((response) => void response.end(body)));
  return openBareClient({ rest: { url: rest.url, timeoutMs: 60_000 } });
}

const codeOf = (asked: Promise<unknown>) => asked.then(JSON.stringify, (error: AuthError) => error.code);

describe("A REST answer whose required keys are only inherited is no answer:", () => {
  test.each([
    ['{"__proto__":{"user_id":"admin","is_active":true}}', (client: AuthClient) => client.verifyToken("t")],
    ['{"constructor":{"prototype":{"user_id":"admin"}}}', (client: AuthClient) => client.verifyToken("t")],
    ['{"__proto__":{"locals":[{"id":"madrid"}]}}', (client: AuthClient) => client.getUserLocals(ANA)],
    ['{"locals":[{"__proto__":{"id":"madrid"}}]}', (client: AuthClient) => client.getUserLocals(ANA)],
    ['{"locals":{"__proto__":["madrid"],"length":1}}', (client: AuthClient) => client.getUserLocals(ANA)],
    ['{"__proto__":{"permissions":["admin"]}}', (client: AuthClient) => client.getUserPermissions(ANA)],
    ['{"permissions":{"__proto__":["admin"],"length":1}}', (client: AuthClient) => client.getUserPermissions(ANA)],
    ['{"__proto__":{"id":"org-1","is_active":true}}', (client: AuthClient) => client.getOrganization("org-1")],
    ['{"user_id":{"__proto__":"admin"},"is_active":true}', (client: AuthClient) => client.verifyToken("t")],
    ['["__proto__"]', (client: AuthClient) => client.verifyToken("t")],
  ])("%s", async (body, ask) => {
    expect(await codeOf(ask(await clientOf(body)))).toBe("auth_unavailable");
  });
});

describe("A REST answer with more than it should have", () => {
  test.each([
    '"__proto__":{"permissions":["admin"],"isAdmin":true}',
    '"constructor":{"prototype":{"isAdmin":true}}',
    '"isAdmin":true,"roles":["admin"]',
    '"$typeName":"auth.Admin","$unknown":[{"no":1}]',
    '"toString":"admin","valueOf":1,"toJSON":{}',
  ])("leaves a user with nothing of it: %s", async (more) => {
    const client = await clientOf(`{"user_id":"ana","organization_id":"org-1","is_active":true,${more}}`);

    const { user } = await client.verifyToken("token-ana");

    expect(user).toEqual({ id: "ana", organizationId: "org-1", email: "", permissions: [] });
    expect(Reflect.ownKeys(user)).toEqual(["id", "organizationId", "email", "permissions"]);
    expect(Object.getPrototypeOf(user)).toBe(Object.prototype);
    expect("isAdmin" in user).toBe(false);
  });

  test("is not active when only its prototype says so", async () => {
    const client = await clientOf('{"user_id":"ana","__proto__":{"is_active":true}}');

    expect(await codeOf(client.verifyToken("token-ana"))).toBe("inactive_user");
  });
});

describe("Names that every object has", () => {
  test.each(INHERITED)(
    "are a user's, an organization's, a local's and a permission's like any other: %s",
    async (name) => {
      const users = { [`token.${name}`]: { id: name, organizationId: name, locals: [name], permissions: [name] } };
      const service = await startService({ users, organizations: { [name]: { modules: [name] } } });
      const clock = new ManualClock();
      const store = new MemoryStore(clock);
      const ref = { userId: name, organizationId: name };

      for (const client of [1, 2].map(() => openClient(service, { clock, cache: { store } }))) {
        const { user, locals } = await client.verifyToken(`token.${name}`);
        expect({ user, locals }).toEqual({
          user: { id: name, organizationId: name, email: `${name}@example.com`, permissions: [name] },
          locals: [name],
        });
        expect(await client.getUserLocals(ref)).toEqual([name]);
        expect(await client.getUserPermissions(ref)).toEqual([name]);
        expect((await client.getOrganization(name)).modules).toEqual([name]);
        await client.invalidateUser(ref);
      }
    },
  );

  test.each(INHERITED)("are permissions and locals that nobody has by birth: %s", async (name) => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const app = express().use(requireAuth({ client: openClient(service) }));
    app.get("/permission", requirePermission(name), (_req, res) => void res.send("hello"));
    app.get("/local/:localId", requireLocal("localId"), (_req, res) => void res.send("hello"));
    app.get("/query", requireLocal({ query: name }), (_req, res) => void res.send("hello"));
    app.get("/header", requireLocal({ header: name }), (_req, res) => void res.send("hello"));
    const get = async (path: string) => (await request(app).get(path).set("Authorization", "Bearer token-ana")).status;

    expect(await get("/permission")).toBe(403);
    expect(await get(`/local/${name}`)).toBe(403);
    expect(await get("/query")).toBe(400); // nothing was named
    expect(await get("/header")).toBe(400);
  });

  /** The status of a query, for Ana who has madrid, behind the parser that makes objects of brackets. */
  async function statusOf(query: string): Promise<number> {
    const service = await startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
    const app = express().set("query parser", "extended");
    app.use(requireAuth({ client: openClient(service) }));
    app.get("/", requireLocal({ query: "local" }), (_req, res) => void res.send("hello"));
    return (await request(app).get(`/?${query}`).set("Authorization", "Bearer token-ana")).status;
  }

  test.each(INHERITED.filter((name) => name !== "0"))(
    "are no way into a query either: ?local[%s]=madrid names no local",
    async (name) => {
      expect(await statusOf(`local[${name}]=madrid`)).toBe(400);
    },
  );

  test.each(["local", "local[]", "local[0]"])("are nothing like the ways that there are: ?%s=madrid", async (place) => {
    expect(await statusOf(`${place}=madrid`)).toBe(200);
    expect(await statusOf(`${place}=lugo`)).toBe(403);
  });
});

describe("An entry of the shared cache, where anybody can write,", () => {
  const good = { user: { id: "ana", organizationId: "org-1", email: "", permissions: [] }, locals: [] };
  const times = '"askedAt":1767225600000,"expiresAt":1767225900000';

  /** What a client makes of this text in the place of Ana's entry, when the service refuses her. */
  async function readBack(text: string) {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock(1767225600000);
    const store = new MemoryStore(clock);
    await openClient(service, { clock, cache: { store } }).verifyToken("token-ana");
    const [key = ""] = store.keys("token");
    store.texts.set(key, `{"key":"${key}",${text.slice(1)}`);
    service.refuse("token-ana");
    return openClient(service, { clock, cache: { store } }).verifyToken("token-ana");
  }

  test("is read when it is whole, so that these tests say something", async () => {
    const { user, source } = await readBack(`{${times},"value":${JSON.stringify(good)}}`);
    expect([user.id, source]).toEqual(["ana", "shared"]);
  });

  test.each([
    `{${times},"value":{"__proto__":${JSON.stringify(good)}}}`,
    `{${times},"__proto__":{"value":${JSON.stringify(good)}}}`,
    `{"__proto__":{${times}},"value":${JSON.stringify(good)}}`,
    `{${times},"value":{"user":{"__proto__":${JSON.stringify(good.user)}},"locals":[]}}`,
    `{${times},"value":{"user":${JSON.stringify(good.user)},"__proto__":{"locals":["madrid"]}}}`,
    `{${times},"value":{"user":${JSON.stringify(good.user)},"locals":{"__proto__":["madrid"],"length":1}}}`,
    `{${times},"constructor":{"prototype":{"value":${JSON.stringify(good)}}}}`,
    `{${times},"value":null}`,
    `{${times},"value":[]}`,
    "null",
    "[]",
    '"__proto__"',
    "{",
    "",
  ])("is a miss when what it needs is only inherited, or is not there: %s", async (text) => {
    expect(await codeOf(readBack(text))).toBe("invalid_token");
  });

  test("leaves nothing but what a user has", async () => {
    const value = `{"user":{"id":"ana","organizationId":"org-1","email":"","permissions":[],"isAdmin":true,"__proto__":{"isAdmin":true}},"locals":[],"isAdmin":true}`;

    const verified = await readBack(`{${times},"value":${value}}`);

    expect(Reflect.ownKeys(verified.user)).toEqual(["id", "organizationId", "email", "permissions"]);
    expect(Reflect.ownKeys(verified)).toEqual(["user", "locals", "source"]);
    expect("isAdmin" in verified.user).toBe(false);
    expect(Object.getPrototypeOf(verified.user)).toBe(Object.prototype);
  });
});
