import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { type DevAuthService, startDevAuthService } from "../../examples/catalog/auth-service.js";
import { type AuthClient, createAuthClient } from "../../src/client.js";

let auth: DevAuthService;
let overGrpc: AuthClient;
let overRest: AuthClient;
beforeEach(async () => {
  auth = await startDevAuthService();
  // One connection: beside a slow call no second one is made, which would be counted.
  const grpc = { url: auth.grpc.url, timeoutMs: 5000, connections: { min: 1 } };
  overGrpc = createAuthClient({ grpc, retry: { attempts: 1 }, logger: false });
  overRest = createAuthClient({ rest: { url: auth.rest.url, timeoutMs: 5000 }, retry: { attempts: 1 }, logger: false });
});
afterEach(async () => {
  await Promise.all([overGrpc.close(), overRest.close()]);
  await auth.stop();
});

const ana = { userId: "ana", organizationId: "la-espiga" };

test("both sides give the same answers, and each counts its own calls", async () => {
  const token = await auth.signToken("ana");
  for (const [client, source] of [
    [overGrpc, "grpc"],
    [overRest, "rest"],
  ] as const) {
    expect(await client.verifyToken(token)).toEqual({
      user: {
        id: "ana",
        organizationId: "la-espiga",
        email: "ana@la-espiga.example",
        permissions: ["products:read", "products:write"],
      },
      locals: ["madrid", "toledo"],
      expiresAt: expect.any(Number),
      source,
    });
    expect(await client.getUserLocals(ana)).toEqual(["madrid", "toledo"]);
    expect(await client.getUserPermissions(ana)).toEqual(["products:read", "products:write"]);
    expect(await client.getOrganization("el-kiosko")).toEqual({
      id: "el-kiosko",
      name: "El Kiosko",
      plan: "free",
      isActive: true,
      modules: ["catalog"],
    });
  }
  expect([auth.grpc.calls, auth.rest.calls]).toEqual([4, 4]);
});

test("both sides refuse tokens that are garbage, expired, unsigned, of another key or of nobody", async () => {
  const { privateKey } = await generateKeyPair("RS256");
  const foreign = new SignJWT().setProtectedHeader({ alg: "RS256" }).setSubject("ana");
  const tokens = [
    "garbage",
    await auth.signToken("ana", -1),
    await foreign.setExpirationTime("1h").sign(privateKey),
    new UnsecuredJWT().setSubject("ana").setExpirationTime("1h").encode(),
    await auth.signToken("nobody"),
  ];
  for (const client of [overGrpc, overRest]) {
    for (const token of tokens)
      await expect(client.verifyToken(token)).rejects.toMatchObject({ code: "invalid_token" });
  }
});

test("both sides say that a user is not active, and that they do not know one of another organization", async () => {
  const pau = await auth.signToken("pau");
  for (const client of [overGrpc, overRest]) {
    await expect(client.verifyToken(pau)).rejects.toMatchObject({ code: "inactive_user" });
    const elsewhere = { userId: "ana", organizationId: "el-kiosko" };
    await expect(client.getUserLocals(elsewhere)).rejects.toMatchObject({ code: "lookup_refused" });
    await expect(client.getOrganization("unknown")).rejects.toMatchObject({ code: "lookup_refused" });
  }
});

test("a side that was stopped comes back at the same address, without harm to the other", async () => {
  const url = auth.grpc.url;
  await auth.grpc.stop();
  const token = await auth.signToken("ana");
  await expect(overGrpc.verifyToken(token)).rejects.toMatchObject({ code: "auth_unavailable" });
  expect((await overRest.verifyToken(token)).source).toBe("rest");
  await auth.grpc.start();
  expect(auth.grpc.url).toBe(url);
  expect((await overGrpc.verifyToken(token)).source).toBe("grpc");
});

test("a port that is taken is an error, and leaves neither side up", async () => {
  const [grpc, rest] = [auth.grpc, auth.rest].map(({ url }) => Number(new URL(url).port));
  await auth.grpc.stop();
  await expect(startDevAuthService({ grpc, rest })).rejects.toMatchObject({ code: "EADDRINUSE" });
  await auth.grpc.start(); // its port is free again
});
