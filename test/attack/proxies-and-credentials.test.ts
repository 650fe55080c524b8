import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import express from "express";
import request from "supertest";
import { type AuthClient, requireAuth, requireLocal } from "../../src/index.js";
import type { FakeAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { startRawGrpc } from "../support/raw-upstreams.js";
import { RecordingLogger } from "../support/recording-logger.js";

const opened = closedAfterEach();
const USERS = Array.from({ length: 20 }, (_, index) => `user-${index}`);

/** What each of the users gets. */
async function statuses(client: AuthClient): Promise<number[]> {
  const app = express().use(requireAuth({ client }), (_req, res) => void res.send("hello"));
  const all: number[] = [];
  for (const user of USERS) {
    const { status } = await request(app).get("/").set("Authorization", `Bearer token-${user}`);
    all.push(status);
  }
  return all;
}

const everybody = (status: number) => USERS.map(() => status);

describe("A mesh that answers in gRPC's place with a bare", () => {
  const known = { users: Object.fromEntries(USERS.map((id) => [`token-${id}`, { id }])) };

  test.each([401, 403])("HTTP %d is an outage, and nobody is refused", async (status) => {
    const grpc = opened(await startRawGrpc(reply.bareHttp(status, { "www-authenticate": "Bearer" })));
    const client = openBareClient({ grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 60_000 } });

    expect(await statuses(client)).toEqual(everybody(503));
    expect(grpc.requests).toHaveLength(USERS.length);

    grpc.reply = reply.message(reply.user("somebody"));
    expect(await statuses(client)).toEqual(everybody(200)); // at once: no refusal was remembered, no breaker opened
  });

  test.each([401, 403])("HTTP %d leaves everybody to REST", async (status) => {
    const grpc = opened(await startRawGrpc(reply.bareHttp(status)));
    const service = await startService(known);
    const client = openClient(service, { grpc: { ...ONE_CONNECTION, url: grpc.url } });

    expect(await statuses(client)).toEqual(everybody(200));
    expect(service.rest.calls.VerifyToken).toBe(USERS.length);
    expect(client.status().grpc?.breaker).toBe("open"); // REST contradicted it
  });

  test.each([401, 403])("HTTP %d is no refusal of a user's locals either", async (status) => {
    const grpc = opened(await startRawGrpc(reply.bareHttp(status)));
    const client = openBareClient({ grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 60_000 } });

    await expect(client.getUserLocals({ userId: "ana", organizationId: "org-1" })).rejects.toMatchObject({
      code: "auth_unavailable",
    });
  });
});

describe("Our own credential, refused on look-ups by", () => {
  const directory = {
    users: Object.fromEntries(USERS.map((id) => [`token-${id}`, { id, locals: ["madrid"] }])),
  };

  /** Every user's token is known already; now each wants to be looked up. */
  async function lookUps(client: AuthClient): Promise<number[]> {
    const app = express();
    app.use(requireAuth({ client }));
    app.get("/locals/:localId", requireLocal("localId", { fresh: true }), (_req, res) => void res.send("hello"));
    const all: number[] = [];
    for (const user of USERS) {
      const { status } = await request(app).get("/locals/madrid").set("Authorization", `Bearer token-${user}`);
      all.push(status);
    }
    return all;
  }

  async function start(sides: readonly ("grpc" | "rest")[]) {
    const service = await startService(directory);
    const logger = new RecordingLogger();
    const client = openBareClient({
      ...Object.fromEntries(sides.map((side) => [side, { ...service.upstreams[side], timeoutMs: 60_000 }])),
      retry: { attempts: 1 },
      logger,
    });
    for (const user of USERS) await client.verifyToken(`token-${user}`);
    return { service, client, logger };
  }

  const grpcRefuses = (code: Code) => (service: FakeAuthService) => service.grpc.fail(code);
  const restRefuses = (status: number) => (service: FakeAuthService) => service.rest.fail(status);

  test.each([
    ["gRPC with UNAUTHENTICATED", ["grpc"], [grpcRefuses(Code.Unauthenticated)]],
    ["gRPC with PERMISSION_DENIED", ["grpc"], [grpcRefuses(Code.PermissionDenied)]],
    ["REST with 401", ["rest"], [restRefuses(401)]],
    ["REST with 403", ["rest"], [restRefuses(403)]],
    ["both", ["grpc", "rest"], [grpcRefuses(Code.Unauthenticated), restRefuses(401)]],
  ] as const)("%s, is an outage: 503 for everybody, and one line for each of them", async (_who, sides, refusals) => {
    const { service, client, logger } = await start(sides);
    for (const refuse of refusals) refuse(service);

    expect(await lookUps(client)).toEqual(everybody(503));
    expect(logger.lines).toEqual(
      sides.map(
        (side) => `error portero: ${side} refuses this service's own credentials on look-ups; see the option "headers"`,
      ),
    );

    service.grpc.allow();
    service.rest.allow();
    expect(await lookUps(client)).toEqual(everybody(200));
    expect(logger.lines).toHaveLength(sides.length);
  });

  test("gRPC alone, is no outage: REST looks them up, and one line says so", async () => {
    const { service, client, logger } = await start(["grpc", "rest"]);
    service.grpc.fail(Code.PermissionDenied);

    expect(await lookUps(client)).toEqual(everybody(200));
    expect(logger.lines.filter((line) => line.startsWith("error"))).toHaveLength(1);
  });
});
