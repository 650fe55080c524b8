import { describe, expect, test } from "@jest/globals";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";

const opened = closedAfterEach();

/** Far beyond what any test takes. */
const timeoutMs = 30_000;
const LOOKUPS = ["getUserLocals", "getUserPermissions"] as const;
const UNFIT = ["josé", " org-1", "org-1 ", "org\u007f1", "a\r\nx-admin: 1", "a\0b", "組織"];

type Ends = readonly ("grpc" | "rest")[];

async function start(organizationId: string, ends: Ends, options: Partial<AuthClientOptions> = {}) {
  const ana = { id: "ana", organizationId, permissions: ["read"], locals: ["madrid"] };
  // One of the same name elsewhere, who must not be mistaken for her.
  const other = { id: "ana", organizationId: "org-2", permissions: ["other"], locals: ["other"] };
  const service = opened(await startAuthService({ users: { "token-other": other, "token-ana": ana } }));
  const upstreams = Object.fromEntries(ends.map((end) => [end, { ...service.upstreams[end], timeoutMs }]));
  const client = opened(createAuthClient({ ...upstreams, retry: { attempts: 1 }, logger: false, ...options }));
  return { service, client };
}

const ask = (client: AuthClient, lookup: (typeof LOOKUPS)[number], organizationId: string) =>
  client[lookup]({ userId: "ana", organizationId });
const told = { getUserLocals: ["madrid"], getUserPermissions: ["read"] };
const calls = ({ grpc, rest }: FakeAuthService) => [grpc.calls.total, rest.calls.total];

describe.each(LOOKUPS)("%s of a user without an organization", (lookup) => {
  test("asks gRPC, with an empty id", async () => {
    const { service, client } = await start("", ["grpc", "rest"]);

    expect(await ask(client, lookup, "")).toEqual(told[lookup]);
    expect(calls(service)).toEqual([1, 0]);
  });

  test.each<[string, Ends]>([
    ["alone", ["rest"]],
    ["when gRPC is out of reach", ["grpc", "rest"]],
  ])("asks REST %s, without X-Tenant-ID", async (_when, ends) => {
    const { service, client } = await start("", ends);
    await service.grpc.stop();

    expect(await ask(client, lookup, "")).toEqual(told[lookup]);
    expect(service.rest.lastRequest?.headers).not.toHaveProperty("x-tenant-id");
  });

  test("sends no X-Tenant-ID of the service's own either", async () => {
    const { service, client } = await start("", ["rest"], { headers: { "X-Tenant-ID": "org-2" } });

    expect(await ask(client, lookup, "")).toEqual(told[lookup]);
    expect(service.rest.lastRequest?.headers).not.toHaveProperty("x-tenant-id");
  });

  test("is remembered apart from users of an organization", async () => {
    const { service, client } = await start("", ["grpc"]);
    await ask(client, lookup, "");

    expect(await ask(client, lookup, "org-2")).toEqual(["other"]);
    expect(await ask(client, lookup, "")).toEqual(told[lookup]);
    expect(calls(service)).toEqual([2, 0]);
  });

  test("is refused where the service knows no such user", async () => {
    const { client } = await start("org-1", ["grpc", "rest"]);

    await expect(ask(client, lookup, "")).rejects.toMatchObject({ code: "lookup_refused" });
  });
});

describe.each(LOOKUPS)("%s of a user whose organization fits no header", (lookup) => {
  test.each(UNFIT)("asks gRPC: %j", async (organizationId) => {
    const { service, client } = await start(organizationId, ["grpc", "rest"]);

    expect(await ask(client, lookup, organizationId)).toEqual(told[lookup]);
    expect(calls(service)).toEqual([1, 0]);
  });

  test.each(UNFIT)("is refused where there is REST alone: %j", async (organizationId) => {
    const { service, client } = await start(organizationId, ["rest"]);

    await expect(ask(client, lookup, organizationId)).rejects.toMatchObject({ code: "lookup_refused", status: 403 });
    expect(calls(service)).toEqual([0, 0]);
  });

  test.each(UNFIT)("is an outage while gRPC cannot be reached, and no fault of REST: %j", async (organizationId) => {
    const { service, client } = await start(organizationId, ["grpc", "rest"], { breaker: { failureThreshold: 2 } });
    await service.grpc.stop();

    for (let time = 0; time < 3; time++) {
      const unavailable = { code: "auth_unavailable", status: 503 };
      await expect(ask(client, lookup, organizationId)).rejects.toMatchObject(unavailable);
    }
    expect(service.rest.calls.total).toBe(0);
    expect(client.status()).toMatchObject({ grpc: { breaker: "open" }, rest: { breaker: "closed", failures: 0 } });
  });

  test("is an outage while gRPC throws", async () => {
    const { service, client } = await start("josé", ["grpc", "rest"]);
    service.grpc.fail(2);

    await expect(ask(client, lookup, "josé")).rejects.toMatchObject({ code: "auth_unavailable" });
  });
});
