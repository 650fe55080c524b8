import { describe, expect, test } from "@jest/globals";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/client.js";
import type { RestPaths } from "../../src/transport/rest-request.js";
import { closedAfterEach } from "../support/after-each.js";
import * as grpcReply from "../support/grpc-replies.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { type RawRestServer, startRawGrpc, startRawRest } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import * as reply from "./rest-replies.js";

const opened = closedAfterEach();
const REF = { userId: "ana", organizationId: "org-1" };
/** Does as an answer to every question: an organization is the one that was asked about. */
const ANY_ANSWER: reply.RestReply = (response, request) => {
  const id = decodeURIComponent(request.path?.split("/").at(-1) ?? "");
  reply.json({ ...reply.ANA, id, permissions: [], locals: [] })(response, request);
};

async function start({
  base = "",
  paths,
  answer = ANY_ANSWER,
  ...options
}: AuthClientOptions & { base?: string; paths?: Partial<RestPaths>; answer?: reply.RestReply } = {}) {
  const rest = opened(await startRawRest(answer));
  const client = opened(
    createAuthClient({
      logger: false,
      ...options,
      rest: { url: rest.url + base, timeoutMs: 30_000, ...(paths && { paths }) },
    }),
  );
  return { rest, client };
}

describe("what is sent", () => {
  test("a token travels in a JSON body, and nowhere else", async () => {
    const { rest, client } = await start();
    await client.verifyToken("token-ana");
    const [request] = rest.requests;
    expect(request).toMatchObject({ method: "POST", path: "/auth/verify", body: '{"token":"token-ana"}' });
    expect(request?.headers).toMatchObject({
      "content-type": "application/json",
      accept: "application/json",
      "accept-encoding": "identity",
    });
    expect(JSON.stringify(request?.headers)).not.toContain("token-ana");
  });

  test("a look-up of a user names the organization in a header", async () => {
    const { rest, client } = await start();
    await client.getUserLocals(REF);
    await client.getUserPermissions(REF);
    expect(rest.requests).toMatchObject([
      { method: "GET", path: "/api/v1/users/ana/locals", headers: { "x-tenant-id": "org-1" }, body: "" },
      { method: "GET", path: "/api/v1/users/ana/permissions", headers: { "x-tenant-id": "org-1" }, body: "" },
    ]);
  });

  test("a look-up of an organization names it in the path alone", async () => {
    const { rest, client } = await start();
    await client.getOrganization("org-1");
    expect(rest.requests).toMatchObject([{ method: "GET", path: "/api/v1/organizations/org-1", body: "" }]);
    expect(rest.requests[0]?.headers).not.toHaveProperty("x-tenant-id");
  });

  test("a fresh question is to be answered by no cache on the way; others may be", async () => {
    const { rest, client } = await start();
    await client.verifyToken("token-ana", { fresh: true });
    await client.verifyToken("token-bea");
    await client.getUserLocals(REF, { fresh: true });
    await client.getUserPermissions(REF);
    await client.getOrganization("org-1", { fresh: true });
    const sent = rest.requests.map(({ headers }) => headers["cache-control"]);
    expect(sent).toStrictEqual(["no-cache", undefined, "no-cache", undefined, "no-cache"]);
  });

  test("… when it is asked again, too, whatever our own credentials say", async () => {
    const headers = { "Cache-Control": "max-stale" };
    const { rest, client } = await start({ answer: reply.status(503), headers, random: () => 0 });
    await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    const sent = rest.requests.map(({ headers }) => headers["cache-control"]);
    expect(sent).toEqual(["no-cache", "no-cache", "no-cache"]);
  });

  test.each(["/base", "/base/", "/base//"])("the paths are appended to the base URL %s", async (base) => {
    const { rest, client } = await start({ base });
    await client.verifyToken("token-ana");
    expect(rest.requests[0]?.path).toBe("/base/auth/verify");
  });

  test("custom paths", async () => {
    const { rest, client } = await start({
      paths: {
        verifyToken: "/v2/token",
        userLocals: "/v2/{user_id}/shops",
        userPermissions: "/v2/{user_id}/rights?of={user_id}",
        organization: "/v2/orgs/{organization_id}",
      },
    });
    await client.verifyToken("token-ana");
    await client.getUserLocals({ ...REF, userId: "a/b" });
    await client.getUserPermissions({ ...REF, userId: "a&b" });
    await client.getOrganization("$&");
    expect(rest.requests.map(({ path }) => path)).toEqual([
      "/v2/token",
      "/v2/a%2Fb/shops",
      "/v2/a%26b/rights?of=a%26b",
      "/v2/orgs/%24%26",
    ]);
  });
});

describe("ids in a path", () => {
  test.each(["a/b", "a?b=c", "a#b", "a%2fb", "%2e%2e", "../../admin", "...", "a b", "a;b", "a\\b", "josé", "$1"])(
    "%j is one encoded segment",
    async (id) => {
      const { rest, client } = await start();
      await client.getUserLocals({ ...REF, userId: id });
      await client.getUserPermissions({ ...REF, userId: id });
      await client.getOrganization(id);
      const segment = encodeURIComponent(id);
      expect(rest.requests.map(({ path }) => path)).toEqual([
        `/api/v1/users/${segment}/locals`,
        `/api/v1/users/${segment}/permissions`,
        `/api/v1/organizations/${segment}`,
      ]);
    },
  );
});

describe("ids that cannot be asked for", () => {
  const LOOKUPS: Readonly<Record<string, (client: AuthClient, id: string) => Promise<unknown>>> = {
    "the user of getUserLocals": (client, userId) => client.getUserLocals({ ...REF, userId }),
    "the user of getUserPermissions": (client, userId) => client.getUserPermissions({ ...REF, userId }),
    "the organization of getUserLocals": (client, organizationId) => client.getUserLocals({ ...REF, organizationId }),
    "the organization of getUserPermissions": (client, organizationId) =>
      client.getUserPermissions({ ...REF, organizationId }),
    getOrganization: (client, id) => client.getOrganization(id),
  };
  const NOWHERE = ["", ".", "..", "a\r\nx-admin: 1", "a\nb", "a\0b", "\ud800", undefined as unknown as string];
  const NO_TEXT = [".", "..", "\ud800", undefined as unknown as string];

  test.each(
    Object.entries(LOOKUPS).flatMap(([name, look]) =>
      (name.startsWith("the organization") ? NO_TEXT : NOWHERE).map((id) => ({
        name,
        id,
        look,
        shown: JSON.stringify(id),
      })),
    ),
  )("$shown for $name is refused before any call", async ({ id, look }) => {
    const grpc = opened(await startRawGrpc(grpcReply.trailers(14)));
    const { rest, client } = await start({
      grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 30_000 },
      retry: { attempts: 1 },
    });
    await expect(look(client, id)).rejects.toMatchObject({ code: "lookup_refused", status: 403 });
    expect([grpc.requests.length, rest.requests.length]).toEqual([0, 0]);
  });
});

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308])("HTTP %i is not followed: the token would travel", async (status) => {
    const { rest: target } = await start();
    for (const location of [`${target.url}/auth/verify`, "/auth/verify/"]) {
      const { rest, client } = await start({ answer: reply.status(status, { location }) });
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
      expect([rest.requests.length, target.requests.length]).toEqual([1, 0]);
    }
  });
});

describe("Retry-After", () => {
  const clock = new ManualClock();
  const inMs = (ms: number) => new Date(clock.now() + ms).toUTCString();

  test.each([
    ["7", "7"],
    ["0", "1"],
    [inMs(90_000), "90"],
    [inMs(-90_000), "1"],
    ["soon", "1"],
    ["", "1"],
  ])("%j of an upstream out of reach becomes %s second(s) for our caller", async (value, expected) => {
    for (const status of [429, 503]) {
      const answer = reply.status(status, { "retry-after": value });
      const { client } = await start({ clock, answer, retry: { attempts: 1 } });
      const error = await client.verifyToken("token-ana").catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "auth_unavailable", headers: { "Retry-After": expected } });
    }
  });

  /** Resolves when the client has read so many failures, and waits. */
  async function failed(client: AuthClient, count: number) {
    await until(() => client.status().rest?.failures === count);
    await settle();
  }

  test.each([
    ["seconds", () => "2"],
    ["a date", () => inMs(2000)],
  ])("in %s is waited for before the next try", async (_name, value) => {
    const { rest, client } = await start({ clock, answer: reply.status(503, { "retry-after": value() }) });
    const answer = client.verifyToken("token-ana");
    await failed(client, 1);
    rest.reply = ANY_ANSWER;
    await clock.advance(1999);
    expect(rest.requests).toHaveLength(1);
    await clock.advance(1);
    expect(await answer).toMatchObject({ source: "rest" });
    expect(rest.requests).toHaveLength(2);
  });

  test("past the deadline means no other try", async () => {
    const { rest, client } = await start({ clock, answer: reply.status(503, { "retry-after": "30" }) });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ headers: { "Retry-After": "30" } });
    expect(rest.requests).toHaveLength(1);
  });
});

test("connections are kept and used again", async () => {
  const ports = new Set<number | undefined>();
  const answer: RawRestServer["reply"] = (response, request) => {
    ports.add(response.socket?.remotePort);
    ANY_ANSWER(response, request);
  };
  const { client } = await start({ answer });
  await client.verifyToken("token-ana");
  await client.verifyToken("token-bea");
  expect(ports.size).toBe(1);
});
