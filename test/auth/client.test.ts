import { describe, expect, test } from "@jest/globals";
import { type AuthClient, AuthError } from "../../src/client.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const directory = {
  users: {
    "token-ana": { id: "ana", email: "ana@acme.test", permissions: ["read", "write"], locals: ["madrid"] },
    "token-eve": { id: "eve", isActive: false },
  },
  organizations: { "org-1": { name: "Acme", plan: "pro", modules: ["stock", "sales"] }, closed: { isActive: false } },
};
const ana = {
  user: { id: "ana", organizationId: "org-1", email: "ana@acme.test", permissions: ["read", "write"] },
  locals: ["madrid"],
};
const acme = { id: "org-1", name: "Acme", plan: "pro", isActive: true, modules: ["stock", "sales"] };

const questions: [string, (client: AuthClient, call?: object) => Promise<unknown>, unknown][] = [
  ["VerifyToken", (client, call) => client.verifyToken("token-ana", call), ana],
  ["GetUserPermissions", (client, call) => client.getUserPermissions(anaRef, call), ["read", "write"]],
  ["GetUserLocals", (client, call) => client.getUserLocals(anaRef, call), ["madrid"]],
  ["GetOrganization", (client, call) => client.getOrganization("org-1", call), acme],
];

describe.each(questions)("%s", (operation, ask, answer) => {
  const calls = (service: { calls: object }) => (service.calls as Record<string, number>)[operation];

  test("is answered over gRPC, and remembered", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    expect(await ask(client)).toMatchObject(Object(answer));
    expect(await ask(client)).toMatchObject(Object(answer));
    expect([calls(service), calls(service.grpc), service.calls.total]).toEqual([1, 1, 1]);
  });

  test("is answered over REST when gRPC cannot tell, and remembered", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    service.grpc.fail();
    expect(await ask(client)).toMatchObject(Object(answer));
    expect(await ask(client)).toMatchObject(Object(answer));
    expect([calls(service.grpc), calls(service.rest)]).toEqual([1, 1]);
  });

  test("is answered the same by either upstream alone", async () => {
    const service = await startService(directory);
    const { grpc, rest } = service.upstreams;
    expect(await ask(openBareClient({ grpc }))).toMatchObject(Object(answer));
    expect(await ask(openBareClient({ rest }))).toMatchObject(Object(answer));
    expect([calls(service.grpc), calls(service.rest)]).toEqual([1, 1]);
  });

  test("is asked anew when it is to be fresh", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    await ask(client);
    expect(await ask(client, { fresh: true })).toMatchObject(Object(answer));
    expect(calls(service)).toBe(2);
  });

  test("ends with the caller's signal, with its reason", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    service.grpc.hang();
    const leaving = new AbortController();
    const reason = { why: "gone" };
    const call = ask(client, { signal: leaving.signal });
    await until(() => calls(service) === 1);
    leaving.abort(reason);
    await expect(call).rejects.toBe(reason);
  });

  test("is auth_unavailable when nobody can tell", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    service.grpc.fail();
    service.rest.fail();
    await expect(ask(client)).rejects.toMatchObject({ name: "AuthError", code: "auth_unavailable", status: 503 });
  });
});

describe("verifyToken", () => {
  test.each([
    ["token-unknown", "invalid_token"],
    ["token-eve", "inactive_user"],
  ])("rejects %s as %s", async (token, code) => {
    const service = await startService(directory);
    const rejection = openClient(service).verifyToken(token);
    await expect(rejection).rejects.toBeInstanceOf(AuthError);
    await expect(rejection).rejects.toMatchObject({ code, status: 401 });
  });

  test.each([
    ["nothing", ""],
    ["a space in it", "token ana"],
    ["a line break in it", "token-ana\n"],
    ["letters beyond ASCII", "tokén"],
    ["= in the middle", "a=b"],
    ["more than 8 KiB", "a".repeat(8193)],
    ["no string", 5 as unknown as string],
    ["undefined", undefined as unknown as string],
  ])("rejects what is no token without asking anybody: %s", async (_what, token) => {
    const service = await startService(directory);
    await expect(openClient(service).verifyToken(token)).rejects.toMatchObject({ code: "invalid_request" });
    expect(service.calls.total).toBe(0);
  });

  test("takes a token of 8 KiB", async () => {
    const token = "a".repeat(8192);
    const service = await startService({ users: { [token]: { id: "ana" } } });
    expect((await openClient(service).verifyToken(token)).user.id).toBe("ana");
  });
});

describe("A look-up", () => {
  test("of somebody whom the service does not know is lookup_refused", async () => {
    const client = openClient(await startService(directory));
    const nobody = { userId: "nobody", organizationId: "org-1" };
    const refused = { name: "AuthError", code: "lookup_refused", status: 403 };
    await expect(client.getUserLocals(nobody)).rejects.toMatchObject(refused);
    await expect(client.getUserPermissions(nobody)).rejects.toMatchObject(refused);
    await expect(client.getOrganization("nobody")).rejects.toMatchObject(refused);
  });

  test.each(["", ".", "..", "\ud800", 7 as unknown as string, undefined as unknown as string])(
    "of the id %j is refused before anybody is asked",
    async (id) => {
      const service = await startService(directory);
      const client = openClient(service);
      const refused = { code: "lookup_refused" };
      await expect(client.getUserLocals({ ...anaRef, userId: id })).rejects.toMatchObject(refused);
      await expect(client.getUserPermissions({ ...anaRef, userId: id })).rejects.toMatchObject(refused);
      await expect(client.getOrganization(id)).rejects.toMatchObject(refused);
      expect(service.calls.total).toBe(0);
    },
  );

  test.each([".", "..", "\ud800", 7 as unknown as string, undefined as unknown as string])(
    "for the organization %j is refused before anybody is asked",
    async (organizationId) => {
      const service = await startService(directory);
      const client = openClient(service);
      const refused = { code: "lookup_refused" };
      await expect(client.getUserLocals({ ...anaRef, organizationId })).rejects.toMatchObject(refused);
      await expect(client.getUserPermissions({ ...anaRef, organizationId })).rejects.toMatchObject(refused);
      expect(service.calls.total).toBe(0);
    },
  );

  test.each(["two\r\nlines", "naïve", " padded "])(
    "for the organization %j, which no header can carry, is refused too where there is REST alone",
    async (organizationId) => {
      const service = await startService(directory);
      const client = openBareClient({ rest: service.upstreams.rest });
      await expect(client.getUserLocals({ userId: "ana", organizationId })).rejects.toMatchObject({
        code: "lookup_refused",
      });
      expect(service.calls.total).toBe(0);
    },
  );

  test("of an organization that is not active is an answer that says so", async () => {
    const client = openClient(await startService(directory));
    expect(await client.getOrganization("closed")).toMatchObject({ id: "closed", isActive: false });
  });
});

describe("peekToken", () => {
  test("answers at once from this process, and is no promise", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    expect(client.peekToken("token-ana")).toBeUndefined();
    await client.verifyToken("token-ana");
    expect(client.peekToken("token-ana")).toMatchObject({ ...ana, source: "process" });
    expect(service.calls.total).toBe(1);
  });

  test("does not ask, whatever it is given", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    await expect(client.verifyToken("token-unknown")).rejects.toThrow();
    for (const token of ["token-unknown", "token-ana", "", "no token"]) {
      expect(client.peekToken(token)).toBeUndefined();
    }
    expect([service.calls.total, client.status().inFlight]).toEqual([1, 0]);
  });
});
