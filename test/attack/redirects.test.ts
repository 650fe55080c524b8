import { describe, expect, test } from "@jest/globals";
import { type AuthClient, createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { type RawRestServer, startRawGrpc, startRawRest } from "../support/raw-upstreams.js";

const opened = closedAfterEach();

const STATUSES = [300, 301, 302, 303, 304, 305, 307, 308];
const ADMIN = {
  user_id: "admin",
  organization_id: "org-1",
  is_active: true,
  permissions: ["everything"],
  locals: [{ id: "madrid" }],
  id: "org-1",
};

/** Says that everybody is the admin, and keeps whatever it is sent. */
async function startEvil(): Promise<RawRestServer> {
  return opened(await startRawRest((response) => void response.end(JSON.stringify(ADMIN))));
}

const questions: readonly (readonly [string, (client: AuthClient) => Promise<unknown>])[] = [
  ["a token", (client) => client.verifyToken("token-ana")],
  ["a user's locals", (client) => client.getUserLocals({ userId: "ana", organizationId: "org-1" })],
  ["a user's permissions", (client) => client.getUserPermissions({ userId: "ana", organizationId: "org-1" })],
  ["an organization", (client) => client.getOrganization("org-1")],
];

describe.each(questions)("A REST side that redirects the question about %s", (_what, ask) => {
  test.each(STATUSES)("with %d is an outage: nothing travels, and nobody else's answer counts", async (status) => {
    const evil = await startEvil();
    const rest = opened(
      await startRawRest((response, { path }) => {
        response.writeHead(status, { Location: `${evil.url}${path}` }).end(JSON.stringify(ADMIN));
      }),
    );
    const headers = { "X-Service-Key": "our-own-secret" };
    const client = opened(
      createAuthClient({ rest: { url: rest.url }, retry: { attempts: 1 }, headers, logger: false }),
    );

    await expect(ask(client)).rejects.toMatchObject({ code: "auth_unavailable" });

    expect(evil.requests).toEqual([]);
    expect(rest.requests).toHaveLength(1);
  });
});

test.each([
  ["on the same host", "/auth/verify/v2"],
  ["with a relative path", "verify2"],
  ["without a scheme", "//127.0.0.1/auth/verify"],
  ["with a token in it", "/auth/verify?token=token-admin"],
])("A redirect %s is not followed either", async (_where, location) => {
  const rest = opened(
    await startRawRest((response, { path }) => {
      if (path === "/auth/verify") response.writeHead(307, { Location: location }).end();
      else response.end(JSON.stringify(ADMIN));
    }),
  );
  const client = opened(createAuthClient({ rest: { url: rest.url }, retry: { attempts: 1 }, logger: false }));

  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });

  expect(rest.requests.map(({ path }) => path)).toEqual(["/auth/verify"]);
});

test.each([
  ["a Refresh header", { Refresh: "0; url=EVIL" }],
  ["a Content-Location", { "Content-Location": "EVIL" }],
  ["an Alt-Svc", { "Alt-Svc": 'h2="EVIL"' }],
  ["a Link", { Link: "<EVIL>; rel=canonical" }],
])("%s on an answer leads nowhere", async (_what, headers) => {
  const evil = await startEvil();
  const rest = opened(
    await startRawRest((response) => {
      const led = Object.entries(headers).map(([name, value]) => [name, value.replace("EVIL", evil.url)]);
      response.writeHead(200, Object.fromEntries(led)).end(JSON.stringify({ user_id: "ana", is_active: true }));
    }),
  );
  const client = opened(createAuthClient({ rest: { url: rest.url }, logger: false }));

  expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
  expect((await client.verifyToken("token-ana", { fresh: true })).user.id).toBe("ana");

  expect(evil.requests).toEqual([]);
});

test.each([301, 302, 307, 308])("A proxy that redirects gRPC with %d is an outage", async (status) => {
  const evil = await startEvil();
  const grpc = opened(await startRawGrpc(reply.bareHttp(status, { location: evil.url })));
  const client = opened(
    createAuthClient({ grpc: { ...ONE_CONNECTION, url: grpc.url }, retry: { attempts: 1 }, logger: false }),
  );

  await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });

  expect(evil.requests).toEqual([]);
});
