import { describe, expect, test } from "@jest/globals";
import { ConfigError } from "../../src/client.js";
import { type StubAuthClient, startAuthService, stubAuthClient } from "../../src/testing.js";

const ANA = { userId: "ana", organizationId: "org-1" };

function stub(): StubAuthClient {
  return stubAuthClient({
    users: {
      "token-ana": { id: "ana", locals: ["madrid"], permissions: ["read"] },
      "token-eva": { id: "eva", isActive: false },
    },
    organizations: { "org-1": { modules: ["inventory"] } },
  });
}

test("A good token is its user's, with plain values for what was left out.", async () => {
  const { user, locals } = await stub().verifyToken("token-ana");
  expect(user).toEqual({ id: "ana", organizationId: "org-1", email: "ana@example.com", permissions: ["read"] });
  expect(locals).toEqual(["madrid"]);
  expect([user, user.permissions, locals].every(Object.isFrozen)).toBe(true);
});

test("Any other token is refused, and so is an inactive user's.", async () => {
  await expect(stub().verifyToken("token-nobody")).rejects.toMatchObject({ code: "invalid_token" });
  await expect(stub().verifyToken("token-eva")).rejects.toMatchObject({ code: "inactive_user" });
});

test("Look-ups answer from the same users and organizations, and refuse what is not there.", async () => {
  const client = stub();
  expect(await client.getUserLocals(ANA)).toEqual(["madrid"]);
  expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
  expect(await client.getOrganization("org-1")).toEqual({
    id: "org-1",
    name: "org-1",
    plan: "free",
    isActive: true,
    modules: ["inventory"],
  });
  for (const look of [
    () => client.getUserLocals({ ...ANA, organizationId: "org-2" }),
    () => client.getUserPermissions({ ...ANA, userId: "bob" }),
    () => client.getOrganization("org-2"),
  ]) {
    await expect(look()).rejects.toMatchObject({ code: "lookup_refused" });
  }
});

test("What it is told counts from the next call on.", async () => {
  const client = stub();
  client.refuse("token-ana");
  client.allow("token-bob", { id: "bob" });
  client.setOrganization("org-2", { isActive: false });
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  expect((await client.verifyToken("token-bob")).user.id).toBe("bob");
  expect((await client.getOrganization("org-2")).isActive).toBe(false);
});

test("It fails as it is told, until it recovers.", async () => {
  const client = stub();
  client.fail();
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
  await expect(client.ready()).rejects.toMatchObject({ code: "auth_unavailable" });
  client.fail("overloaded");
  await expect(client.getUserLocals(ANA)).rejects.toMatchObject({ code: "overloaded" });
  client.recover();
  expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
});

test("It does not fail with a code that is none.", async () => {
  const client = stub();
  expect(() => client.fail("nope" as never)).toThrow(TypeError);
  expect(() => client.fail("nope" as never)).toThrow(/codes missing_token, .+, overloaded$/);
  expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
});

test("A caller that has given up gets its own reason.", async () => {
  const reason = new Error("gone");
  await expect(stub().verifyToken("token-ana", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

test("It caches nothing, has nothing to forget, and says so in its status.", async () => {
  const client = stub();
  await client.verifyToken("token-ana");
  expect(client.peekToken("token-ana")).toBeUndefined();
  await client.invalidateToken("token-ana");
  await client.invalidateUser(ANA);
  expect(client.status()).toMatchObject({
    grpc: { breaker: "closed" },
    cache: { entries: 0, shared: "none" },
    inFlight: 0,
  });
  client.on("breaker", () => undefined)();
});

test("After it was closed every call rejects.", async () => {
  const client = stub();
  await client[Symbol.asyncDispose]();
  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
});

describe("What cannot be a user or an organization is named, by the stub client and the fake auth service alike:", () => {
  test.each<[unknown, string]>([
    [{ user: {} }, "user: there is no such option; did you mean users?"],
    [{ users: [] }, "users: expected an object, users by token, got an array"],
    [{ organizations: "org-1" }, 'organizations: expected an object, organizations by id, got "org-1"'],
    [{ users: { "token-ana": {} } }, "users.token-ana.id: expected a string that is not empty, got nothing"],
    [{ users: { "token-ana": { id: 7 } } }, "users.token-ana.id: expected a string that is not empty, got 7"],
    [{ users: { "token-ana": { id: "" } } }, 'users.token-ana.id: expected a string that is not empty, got ""'],
    [{ users: { "token-ana": "ana" } }, 'users.token-ana: expected a user: an object with an id, got "ana"'],
    [{ users: { "token-ana": null } }, "users.token-ana: expected a user: an object with an id, got null"],
    [
      { users: { "token-ana": { id: "ana", permission: ["read"] } } },
      "users.token-ana.permission: there is no such option; did you mean users.token-ana.permissions?",
    ],
    [
      { users: { t: { id: "ana", permissions: "read" } } },
      'users.t.permissions: expected a list of strings, got "read"',
    ],
    [{ users: { t: { id: "ana", locals: [7] } } }, "users.t.locals: expected a list of strings, got an array"],
    [{ users: { t: { id: "ana", email: null } } }, "users.t.email: expected a string, got null"],
    [{ users: { t: { id: "ana", organizationId: 1 } } }, "users.t.organizationId: expected a string, got 1"],
    [{ users: { t: { id: "ana", isActive: "no" } } }, 'users.t.isActive: expected true or false, got "no"'],
    [{ organizations: { o: null } }, "organizations.o: expected an organization: an object, got null"],
    [
      { organizations: { o: { module: [] } } },
      "organizations.o.module: there is no such option; did you mean organizations.o.modules?",
    ],
    [{ organizations: { o: { modules: "a" } } }, 'organizations.o.modules: expected a list of strings, got "a"'],
    [{ organizations: { o: { isActive: 1 } } }, "organizations.o.isActive: expected true or false, got 1"],
    [{ organizations: { o: { name: 1 } } }, "organizations.o.name: expected a string, got 1"],
    [{ organizations: { o: { plan: 1 } } }, "organizations.o.plan: expected a string, got 1"],
    [null, "options: expected an object with any of users, organizations, got null"],
  ])("%j", async (options, line) => {
    const expected = `${new ConfigError([]).message}  ${line}`;
    expect(() => stubAuthClient(options as never)).toThrow(new Error(expected));
    await expect(startAuthService(options as never)).rejects.toThrow(new Error(expected));
  });

  test("everything at once", () => {
    const users = { a: { id: 1, email: 2 }, b: {} };
    const make = () => stubAuthClient({ users, organizations: { o: 3 } } as never);
    expect(make).toThrow(ConfigError);
    expect(make).toThrow(/ {2}users\.a\.id: .+\n {2}users\.a\.email: .+\n {2}users\.b\.id: .+\n {2}organizations\.o: /);
  });

  test("what comes later", async () => {
    const client = stub();
    await using service = await startAuthService();
    for (const told of [client, service]) {
      expect(() => told.allow("token-bob", {} as never)).toThrow("  user.id: expected a string that is not empty");
      expect(() => told.setOrganization("org-1", { modules: 7 } as never)).toThrow("  organization.modules: expected");
    }
    await expect(client.verifyToken("token-bob")).rejects.toMatchObject({ code: "invalid_token" });
    expect((await client.getOrganization("org-1")).modules).toEqual(["inventory"]);
  });
});
