import { describe, expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { startRawGrpc } from "../support/raw-upstreams.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { LOOKUP_STATUS_ROWS, PROXY_ROWS } from "./grpc-rows.js";

const opened = closedAfterEach();
const ROWS = [...LOOKUP_STATUS_ROWS, ...PROXY_ROWS];
const ANA = { userId: "ana", organizationId: "org-1" };
const HELLO = reply.message(reply.permissions("hello"));

/** gRPC gives one reply to everything; REST knows one user and one organization. */
async function start(answer: reply.GrpcReply, { attempts = 2 } = {}) {
  const grpc = opened(await startRawGrpc(answer));
  const service = opened(
    await startAuthService({
      users: { "token-ana": { id: "ana", permissions: ["read"], locals: ["madrid"] } },
      organizations: { "org-1": {} },
    }),
  );
  const logger = new RecordingLogger();
  const settings = { retry: { attempts }, random: () => 0, logger };
  const sides = {
    grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 10_000 },
    rest: { url: service.rest.url, timeoutMs: 10_000 },
  };
  const client = opened(createAuthClient({ ...settings, ...sides }));
  const alone = opened(createAuthClient({ ...settings, grpc: sides.grpc }));
  return { grpc, rest: service.rest, client, alone, logger };
}

test.each(ROWS.filter(({ outcome }) => outcome === "refused"))(
  "$name refuses a look-up: asked once, not of REST, a success",
  async ({ reply }) => {
    const { grpc, rest, client } = await start(reply);
    await expect(client.getUserPermissions(ANA)).rejects.toMatchObject({ code: "lookup_refused", status: 403 });
    expect([grpc.requests.length, rest.calls.total]).toEqual([1, 0]);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  },
);

test.each(ROWS.filter(({ outcome }) => outcome === "unreachable"))(
  "$name to a look-up: REST answers and it counts; alone it is retried",
  async ({ reply }) => {
    const { grpc, rest, client, alone } = await start(reply);
    expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
    expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
    expect([grpc.requests.length, rest.calls.GetUserPermissions]).toEqual([1, 1]);
    expect(client.status().grpc?.failures).toBe(1);

    await expect(alone.getUserPermissions(ANA)).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(1 + 2);
  },
);

test.each(ROWS.filter(({ outcome }) => outcome === "busy"))(
  "$name to a look-up: REST answers and nothing counts; alone it is retried",
  async ({ reply }) => {
    const { grpc, rest, client, alone } = await start(reply);
    expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
    expect([grpc.requests.length, rest.calls.GetUserPermissions]).toEqual([1, 1]);
    expect(client.status().grpc?.failures).toBe(0);

    await expect(alone.getUserPermissions(ANA)).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(1 + 2);
    expect(alone.status().grpc?.failures).toBe(0);
  },
);

test.each(ROWS.filter(({ outcome }) => outcome === "broken"))(
  "$name to a look-up: REST answers, therefore it counts; alone it is neither retried nor counted",
  async ({ reply }) => {
    const { grpc, rest, client, alone } = await start(reply);
    expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
    expect([grpc.requests.length, rest.calls.GetUserPermissions]).toEqual([1, 1]);
    expect(client.status().grpc?.failures).toBe(1);

    await expect(alone.getUserPermissions(ANA)).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(grpc.requests).toHaveLength(1 + 1);
    expect(alone.status().grpc?.failures).toBe(0);
  },
);

test.each(ROWS.filter(({ outcome }) => outcome === "unimplemented"))(
  "$name to a look-up: REST answers and nothing counts",
  async ({ reply }) => {
    const { client } = await start(reply);
    expect(await client.getUserPermissions(ANA)).toEqual(["read"]);
    expect(client.status().grpc?.failures).toBe(0);
  },
);

describe("our own credential is refused", () => {
  test.each([7, 16])("grpc-status %i says so once, and again after it worked in between", async (code) => {
    const { grpc, alone, logger } = await start(reply.trailers(code));
    const ask = (userId: string) => alone.getUserPermissions({ ...ANA, userId }).catch(() => undefined);
    await ask("ana");
    await ask("bea");
    await alone.getUserLocals(ANA).catch(() => undefined);
    expect(logger.errors).toEqual([expect.stringMatching(/grpc refuses this service's own credentials/)]);

    grpc.reply = HELLO;
    expect(await ask("cid")).toEqual(["hello"]);
    grpc.reply = reply.trailers(code);
    await ask("dan");
    expect(logger.errors).toHaveLength(2);
  });

  test("is not what the refusal of a token, or a proxy without a grpc-status, says", async () => {
    const { grpc, alone, logger } = await start(reply.trailers(16));
    await alone.verifyToken("token-ana").catch(() => undefined);
    grpc.reply = reply.bareHttp(401);
    await alone.getUserPermissions(ANA).catch(() => undefined);
    expect(grpc.requests).toHaveLength(2);
    expect(logger.errors).toEqual([]);
  });
});

test("an empty list is an answer, and is remembered", async () => {
  const { grpc, alone } = await start(reply.message(Buffer.alloc(0)));
  expect(await alone.getUserLocals(ANA)).toEqual([]);
  expect(await alone.getUserLocals(ANA)).toEqual([]);
  expect(grpc.requests).toHaveLength(1);
});

test.each([
  ["without an id", ""],
  ["of another id", "\x0a\x05org-2"],
])("an organization %s is no answer: REST is asked", async (_what, message) => {
  const { rest, client } = await start(reply.message(Buffer.from(message)));
  expect(await client.getOrganization("org-1")).toMatchObject({ id: "org-1" });
  expect(rest.calls.GetOrganization).toBe(1);
  expect(client.status().grpc?.failures).toBe(1);
});
