import { expect, test } from "@jest/globals";
import { type StubAuthClient, stubAuthClient } from "../../src/testing.js";

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
