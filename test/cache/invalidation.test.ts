import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../src/proto.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock } from "../support/manual-clock.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const users = {
  "token-ana": { id: "ana" },
  "token-ana-2": { id: "ana" },
  "token-ben": { id: "ben" },
  "token-ana-elsewhere": { id: "ana", organizationId: "org-2" },
};

async function gated() {
  const service = await startService({ users, organizations: { "org-1": {} } });
  const gate = new AnswerGate();
  const clock = new ManualClock();
  const client = openClient(service, { clock, grpc: { interceptors: [gate.interceptor] } });
  return { service, gate, clock, client };
}

describe("invalidateToken", () => {
  test("makes the next request ask the service", async () => {
    const { service, client } = await gated();
    await client.verifyToken("token-ana");
    await client.invalidateToken("token-ana");
    expect(client.peekToken("token-ana")).toBeUndefined();
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    expect(service.calls.total).toBe(2);
  });

  test("forgets a refusal as well", async () => {
    const { service, client } = await gated();
    await expect(client.verifyToken("token-new")).rejects.toMatchObject({ code: "invalid_token" });
    service.allow("token-new", { id: "new" });
    await client.invalidateToken("token-new");
    expect((await client.verifyToken("token-new")).user.id).toBe("new");
  });

  test("touches no other token", async () => {
    const { client } = await gated();
    await client.verifyToken("token-ana");
    await client.verifyToken("token-ana-2");
    await client.invalidateToken("token-ana");
    expect(client.peekToken("token-ana-2")?.user.id).toBe("ana");
  });

  test.each([
    ["an opaque token", "token-ana", "token-ben"],
    ["a JWT", unsignedJwt({ sub: "ana" }), unsignedJwt({ sub: "ben" })],
    ["a JWT, and the other is opaque", unsignedJwt({ sub: "ana" }), "token-ben"],
    ["an opaque token, and the other is a JWT", "token-ana", unsignedJwt({ sub: "ben" })],
  ])("lets what is being asked about another token land, where it is %s", async (_what, invalidated, other) => {
    const { service, gate, client } = await gated();
    service.allow(other, { id: "ben" });
    gate.close();
    const asked = client.verifyToken(other);
    await until(() => gate.held === 1);
    await client.invalidateToken(invalidated);
    const joined = client.verifyToken(other);
    gate.release();
    await Promise.all([asked, joined]);
    expect(client.peekToken(other)?.user.id).toBe("ben");
    expect(service.calls.total).toBe(1);
  });

  test("does not mind a token that nobody knows", async () => {
    const { client } = await gated();
    await expect(client.invalidateToken("never-seen")).resolves.toBeUndefined();
  });

  test.each([undefined, null, 5, ["token-ana"], "", "token ana"])(
    "does not pretend to have forgotten what is no token: %j",
    async (token) => {
      const { client } = await gated();
      await client.verifyToken("token-ana");
      await expect(client.invalidateToken(token as string)).rejects.toMatchObject({ code: "invalid_request" });
      expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    },
  );
});

describe("invalidateUser", () => {
  test("makes every token, the locals and the permissions of the user be asked again", async () => {
    const { service, clock, client } = await gated();
    const askAll = async () => {
      await client.verifyToken("token-ana");
      await client.verifyToken("token-ana-2");
      await client.getUserLocals(anaRef);
      await client.getUserPermissions(anaRef);
    };
    await askAll();
    await askAll();
    expect(service.calls.total).toBe(4);
    await client.invalidateUser(anaRef);
    await clock.advance(1); // what is asked in the same millisecond cannot be told from what was asked before
    await askAll();
    await askAll();
    expect(service.calls.total).toBe(8);
  });

  test("touches nobody else: no other user, no namesake elsewhere, no organization", async () => {
    const { service, client } = await gated();
    await client.verifyToken("token-ben");
    await client.verifyToken("token-ana-elsewhere");
    await client.getOrganization("org-1");
    service.resetCalls();
    await client.invalidateUser(anaRef);
    expect(client.peekToken("token-ben")?.user.id).toBe("ben");
    expect(client.peekToken("token-ana-elsewhere")?.user.id).toBe("ana");
    await client.getOrganization("org-1");
    expect(service.calls.total).toBe(0);
  });

  test.each([
    undefined,
    null,
    {},
    { userId: "ana" },
    { organizationId: "org-1" },
    { userId: "", organizationId: "org-1" },
    { userId: 7, organizationId: "org-1" },
    { userId: "ana", organizationId: null },
  ])("does not pretend to have forgotten who is no user: %j", async (user) => {
    const { client } = await gated();
    await client.verifyToken("token-ana");
    await expect(client.invalidateUser(user as never)).rejects.toMatchObject({ code: "lookup_refused" });
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  });

  test.each(["", "org\r\n1", "ñ"])(
    "forgets a user of the organization %j, for which nobody could ask",
    async (organizationId) => {
      const { service, clock, client } = await gated();
      service.allow("token-cai", { id: "..", organizationId });
      await client.verifyToken("token-cai");
      await clock.advance(1);
      await client.invalidateUser({ userId: "..", organizationId });
      expect(client.peekToken("token-cai")).toBeUndefined();
    },
  );
});

describe.each([
  ["of the token", (client: Awaited<ReturnType<typeof gated>>["client"]) => client.invalidateToken("token-ana")],
  ["of the user", (client: Awaited<ReturnType<typeof gated>>["client"]) => client.invalidateUser(anaRef)],
])("An invalidation %s during a flight", (_whose, invalidate) => {
  test("wins: the answer is for those aboard, and is not kept", async () => {
    const { service, gate, clock, client } = await gated();
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    await clock.advance(1);
    await invalidate(client);
    gate.open();
    gate.release();
    expect((await early).user.id).toBe("ana");
    expect(client.peekToken("token-ana")).toBeUndefined();
    await clock.advance(1);
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    expect(service.calls.total).toBe(2);
  });

  test("is not joined by later callers", async () => {
    const { service, gate, clock, client } = await gated();
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    await invalidate(client);
    await clock.advance(1);
    service.refuse("token-ana");
    const late = client.verifyToken("token-ana");
    const outcome = expect(late).rejects.toMatchObject({ code: "invalid_token" });
    await until(() => gate.held === 2);
    gate.release();
    await outcome;
    expect((await early).user.id).toBe("ana");
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("wins over a refresh in the background", async () => {
    const { gate, clock, client } = await gated();
    await client.verifyToken("token-ana");
    await clock.advance(240_000);
    gate.close();
    await client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    await clock.advance(1);
    await invalidate(client);
    gate.release();
    await until(() => client.status().inFlight === 0);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });
});

test("An invalidation of the user during a look-up wins as well.", async () => {
  const { service, gate, clock, client } = await gated();
  gate.close();
  const early = client.getUserLocals(anaRef);
  await until(() => gate.held === 1);
  await clock.advance(1);
  await client.invalidateUser(anaRef);
  gate.open();
  gate.release();
  await early;
  await clock.advance(1);
  await client.getUserLocals(anaRef);
  await client.getUserLocals(anaRef);
  expect(service.calls.GetUserLocals).toBe(2);
});

test("A refused flight that was overtaken by an invalidation is not remembered.", async () => {
  const { service, gate, client } = await gated();
  gate.close();
  const early = client.verifyToken("token-new");
  const outcome = expect(early).rejects.toMatchObject({ code: "invalid_token" });
  await until(() => gate.held === 1);
  service.allow("token-new", { id: "new" });
  await client.invalidateToken("token-new");
  gate.open();
  gate.release();
  await outcome;
  expect((await client.verifyToken("token-new")).user.id).toBe("new");
});

test("A refusal whose last try came after the invalidation, and after a later answer, ends the entry of that answer.", async () => {
  let fail = () => {};
  const said: (() => Promise<void>)[] = [
    () =>
      new Promise((_, reject) => {
        fail = () => reject(new ConnectError("gone", Code.Unavailable));
      }),
    async () => undefined,
    () => Promise.reject(new ConnectError("no", Code.Unauthenticated)),
  ];
  const answers = createRouterTransport(({ service }) =>
    service(AuthService, { verifyToken: () => ({ userId: "ana", organizationId: "org-1", isActive: true }) }),
  );
  const transport: Transport = {
    ...answers,
    unary: async (...call) => {
      await said.shift()?.();
      return answers.unary(...call);
    },
  };
  const clock = new ManualClock();
  const client = openBareClient({ clock, grpc: { transport }, cache: { namespace: "shop" } });
  const early = client.verifyToken("token-ana").catch(({ code }) => code);
  await until(() => said.length === 2);
  await client.invalidateToken("token-ana");
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  expect(client.peekToken("token-ana")).toBeDefined();
  fail();
  await clock.advance(100);
  expect(await early).toBe("invalid_token");
  expect(client.peekToken("token-ana")).toBeUndefined();
});
