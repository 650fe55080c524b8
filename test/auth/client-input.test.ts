import { describe, expect, test } from "@jest/globals";
import type { AuthClient, UserRef } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const lookups = ["getUserPermissions", "getUserLocals"] as const;
const directory = {
  users: {
    "token-ana": { id: "ana", permissions: ["ana's"], locals: ["ana's"] },
    "token-eva": { id: "eva", permissions: ["eva's"], locals: ["eva's"] },
  },
};

async function open() {
  const service = await startService(directory);
  return { service, client: openClient(service) };
}

describe("A user who is given as an object", () => {
  test.each(lookups)("is the one whom it named when %s was called, whatever becomes of the object", async (lookup) => {
    const { client } = await open();
    const user = { userId: "ana", organizationId: "org-1" };
    const ana = client[lookup](user);
    user.userId = "eva";
    const eva = client[lookup](user);
    user.userId = "nobody";
    expect(await Promise.all([ana, eva])).toEqual([["ana's"], ["eva's"]]);
    expect(await client[lookup]({ userId: "ana", organizationId: "org-1" })).toEqual(["ana's"]);
  });

  test.each(lookups)("and is read once: what %s checks is what it asks", async (lookup) => {
    const { client } = await open();
    let reads = 0;
    const user = {
      get userId() {
        return reads++ === 0 ? "ana" : "eva/../ana";
      },
      organizationId: "org-1",
    };
    expect(await client[lookup](user)).toEqual(["ana's"]);
    expect(reads).toBe(1);
  });

  test("is the one who is invalidated", async () => {
    const { client, service } = await open();
    await client.verifyToken("token-ana");
    await client.verifyToken("token-eva");
    const user = { userId: "ana", organizationId: "org-1" };
    const invalidated = client.invalidateUser(user);
    user.userId = "eva";
    await invalidated;
    expect([client.peekToken("token-ana"), client.peekToken("token-eva")?.user.id]).toStrictEqual([undefined, "eva"]);
    expect(service.calls.VerifyToken).toBe(2);
  });
});

describe("What is no user, no token, no options", () => {
  const wrong = undefined as never;

  test.each<[string, (client: AuthClient) => Promise<unknown>, string]>([
    ["getUserPermissions", (client) => client.getUserPermissions(wrong), "lookup_refused"],
    ["getUserLocals", (client) => client.getUserLocals(wrong), "lookup_refused"],
    ["getUserLocals of nothing in it", (client) => client.getUserLocals({} as never), "lookup_refused"],
    ["getOrganization", (client) => client.getOrganization(wrong), "lookup_refused"],
    ["invalidateUser", (client) => client.invalidateUser(wrong), "lookup_refused"],
    // As a request may bring it: in a query that says it twice, or in JSON.
    ["getUserLocals of a text", (client) => client.getUserLocals("ana" as never), "lookup_refused"],
    ["getUserPermissions of a body", (client) => client.getUserPermissions({ id: "ana" } as never), "lookup_refused"],
    ["getOrganization of a list", (client) => client.getOrganization(["a", "b"] as never), "lookup_refused"],
    ["getOrganization of a body", (client) => client.getOrganization({ a: 1 } as never), "lookup_refused"],
    ["verifyToken", (client) => client.verifyToken(wrong), "invalid_request"],
    ["invalidateToken", (client) => client.invalidateToken(wrong), "invalid_request"],
  ])("is refused by %s, and nobody is asked", async (_what, call, code) => {
    const { client, service } = await open();
    await expect(call(client)).rejects.toMatchObject({ name: "AuthError", code });
    expect(service.calls.total).toBe(0);
  });

  const user = { id: "ana", organizationId: "org-1", email: "", permissions: [] };
  const asRef = "{ userId: user.id, organizationId: user.organizationId }";

  test.each<[string, (client: AuthClient) => Promise<unknown>, string]>([
    ["getUserPermissions", (client) => client.getUserPermissions(user as never), asRef],
    ["getUserLocals", (client) => client.getUserLocals(user as never, { fresh: true }), asRef],
    ["invalidateUser", (client) => client.invalidateUser(user as never), asRef],
    ["invalidateUser", (client) => client.invalidateUser("ana" as never), "{ userId, organizationId }"],
    ["getOrganization", (client) => client.getOrganization(user as never), "user.organizationId"],
    ["getOrganization", (client) => client.getOrganization({ id: "org-1", modules: [] } as never), "organization.id"],
    ["invalidateOrganization", (client) => client.invalidateOrganization(user as never), "user.organizationId"],
  ])(
    "but is another thing of a user for %s: a TypeError says what to write, of a stub too",
    async (method, call, write) => {
      const { client, service } = await open();
      await client.verifyToken("token-ana");
      service.resetCalls();
      for (const each of [client, stubAuthClient()]) {
        const error = await call(each).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(TypeError);
        expect((error as Error).message).toMatch(new RegExp(`^${method} takes .+: write ${method}\\(`));
        expect((error as Error).message).toContain(`: write ${method}(${write})`);
      }
      expect(service.calls.total).toBe(0);
      expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    },
  );

  test("is nobody whom peekToken knows", async () => {
    const { client } = await open();
    expect([client.peekToken(wrong), client.peekToken(7 as never)]).toStrictEqual([undefined, undefined]);
  });

  test("null in the place of options is none", async () => {
    const { client } = await open();
    const user: UserRef = { userId: "ana", organizationId: "org-1" };
    expect((await client.verifyToken("token-ana", null as never)).user.id).toBe("ana");
    expect(await client.getUserLocals(user, null as never)).toEqual(["ana's"]);
  });

  test("a listener that is none is refused when it is given", async () => {
    const { client } = await open();
    expect(() => client.on("breaker", undefined as never)).toThrow(
      new TypeError('the listener of "breaker" must be a function'),
    );
  });

  test.each([
    ["brekaer", 'there is no event "brekaer"; did you mean breaker? There are fallback, breaker, '],
    ["error", 'there is no event "error"; there are fallback, breaker, replica, cache, refusals, invalidation'],
    ["toString", 'there is no event "toString"; there are '],
    [undefined, "there is no event nothing; there are "],
  ])("an event that does not exist is refused with those that do: %p", async (event, message) => {
    const { client } = await open();
    for (const each of [client, stubAuthClient()])
      expect(() => each.on(event as never, () => undefined)).toThrow(message);
  });
});

test("A listener may ask the same while it is being asked.", async () => {
  const service = await startService(directory);
  const client = openClient(service, { breaker: { failureThreshold: 1 } });
  await service.grpc.stop();
  await client.verifyToken("token-eva");
  expect(client.status().grpc?.breaker).toBe("open");
  const inner: Promise<unknown>[] = [];
  client.on("fallback", () => {
    if (inner.length === 0) inner.push(client.verifyToken("token-ana"));
  });
  const outer = await client.verifyToken("token-ana", { fresh: true });
  expect(outer.user.id).toBe("ana");
  expect(await Promise.all(inner)).toMatchObject([{ user: { id: "ana" } }]);
  expect(service.rest.calls.VerifyToken).toBe(2);
});

test("A logger that throws costs nobody an answer.", async () => {
  const service = await startService(directory);
  const fail = () => {
    throw new Error("the disk is full");
  };
  const logger = { info: fail, warn: fail, error: fail };
  const client = openClient(service, { logger, breaker: { failureThreshold: 1 } });
  await service.grpc.stop();
  expect((await client.verifyToken("token-ana")).source).toBe("rest");
  expect(client.status().grpc?.breaker).toBe("open");
});

test("close() has ended when any call of it has.", async () => {
  const service = await startService(directory);
  const clock = new ManualClock();
  let letGo: () => void = () => undefined;
  const store = {
    get: async () => undefined,
    set: () =>
      new Promise<void>((resolve) => {
        letGo = resolve;
      }),
    delete: async () => true,
  };
  const client = openBareClient({ ...service.upstreams, clock, cache: { store } });
  await client.verifyToken("token-ana");
  await until(() => client.status().inFlight === 0);
  let ended = 0;
  const both = [client.close(), client.close()].map((closing) => closing.then(() => ended++));
  await settle();
  expect(ended).toBe(0);
  letGo();
  await Promise.all(both);
});
