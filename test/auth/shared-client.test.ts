import { beforeEach, describe, expect, jest, test } from "@jest/globals";
import { AuthError, ConfigError, getAuthClient } from "../../src/client.js";
import { afterwards, startService } from "../support/open-client.js";

/** The module as the other module format, or another version, would load it: with classes and variables of its own. */
async function secondCopy(): Promise<typeof import("../../src/client.js")> {
  jest.resetModules();
  return import("../../src/client.js");
}

function setVariables(variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) process.env[name] = value;
  afterwards(() => {
    for (const name of Object.keys(variables)) delete process.env[name];
  });
}

async function startFromEnvironment() {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  setVariables({ AUTH_GRPC_URL: service.grpc.url, AUTH_REST_URL: service.rest.url });
  afterwards(() => getAuthClient().close());
  return service;
}

describe("getAuthClient()", () => {
  test("makes one client from the environment, and gives it to everybody", async () => {
    const service = await startFromEnvironment();
    const client = getAuthClient();
    expect(getAuthClient()).toBe(client);
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
    expect(client.status()).toMatchObject({
      grpc: { url: `${service.grpc.url}/` },
      rest: { url: `${service.rest.url}/` },
    });
  });

  test("gives the same one to another copy of the module", async () => {
    const service = await startFromEnvironment();
    const copy = await secondCopy();
    expect(copy.getAuthClient).not.toBe(getAuthClient);
    expect(copy.getAuthClient()).toBe(getAuthClient());
    await getAuthClient().verifyToken("token-ana");
    expect(copy.getAuthClient().peekToken("token-ana")?.user.id).toBe("ana");
    expect(service.calls.total).toBe(1);
  });

  test.each(["close", Symbol.asyncDispose] as const)("makes a new one after %p", async (end) => {
    await startFromEnvironment();
    const first = getAuthClient();
    await first.verifyToken("token-ana");
    await first[end]();
    const second = getAuthClient();
    expect(second).not.toBe(first);
    await expect(first.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect((await second.verifyToken("token-ana")).source).toBe("grpc");
  });

  test("keeps the newer one when the older one is closed again", async () => {
    await startFromEnvironment();
    const first = getAuthClient();
    await first.close();
    const second = getAuthClient();
    await first.close();
    expect(getAuthClient()).toBe(second);
    expect((await second.verifyToken("token-ana")).user.id).toBe("ana");
  });

  test("throws while the environment cannot be used, and makes a client when it can", async () => {
    expect(() => getAuthClient()).toThrow(ConfigError);
    expect(() => getAuthClient()).toThrow(/AUTH_GRPC_URL/);
    await startFromEnvironment();
    expect(getAuthClient().status().grpc?.breaker).toBe("closed");
  });
});

describe("An AuthError", () => {
  let copy: typeof import("../../src/client.js");

  beforeEach(async () => {
    copy = await secondCopy();
  });

  test("of another copy of the module is one, and the other way round", () => {
    expect(copy.AuthError).not.toBe(AuthError);
    expect(new copy.AuthError("invalid_token")).toBeInstanceOf(AuthError);
    expect(new AuthError("invalid_token")).toBeInstanceOf(copy.AuthError);
  });

  test("of another copy can be given another realm", () => {
    const error = new copy.AuthError("missing_token").inRealm("shop");
    expect(error).toBeInstanceOf(AuthError);
    expect(error.headers["WWW-Authenticate"]).toBe('Bearer realm="shop"');
  });

  test.each([
    new Error("x"),
    { code: "invalid_token", status: 401 },
    null,
    undefined,
    "invalid_token",
    () => undefined,
  ])("is not %p", (value) => {
    expect(value instanceof AuthError).toBe(false);
  });

  test("is an Error, with its cause", () => {
    const cause = new Error("why");
    const error = new AuthError("auth_unavailable", { cause });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.cause]).toEqual(["AuthError", cause]);
    expect(new AuthError("invalid_token")).not.toHaveProperty("cause");
  });
});
