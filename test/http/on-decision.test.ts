import { expect, test } from "@jest/globals";
import express from "express";
import Koa from "koa";
import supertest from "supertest";
import { authenticate, ConfigError, type Decision } from "../../src/client.js";
import { getAuth, optionalAuth, requireAuth, requireLocal, requirePermission } from "../../src/index.js";
import { requireAuth as requireAuthInKoa, requirePermission as requirePermissionInKoa } from "../../src/koa.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";

const TOKEN = "token-ana-0123456789";
const users = { [TOKEN]: { id: "ana", locals: ["madrid"], permissions: ["read"] } };
const secret = "a secret of at least 32 bytes, for a test";

async function openOne(options: Parameters<typeof openClient>[1] = {}) {
  const service = await startService({ users });
  return openClient(service, { grpc: { ...ONE_CONNECTION }, ...options });
}

test("onDecision is told what a middleware and the guards behind it decide, and of which request.", async () => {
  const client = await openOne();
  const told: [Decision, string][] = [];
  const onDecision = (decision: Decision, req: { url?: string | undefined }) =>
    void told.push([decision, req.url ?? ""]);
  const app = express()
    .get("/locals/:local", requireAuth({ client, onDecision }), requireLocal("local"), (_req, res) => void res.end())
    .get("/open", optionalAuth({ client, onDecision }), requirePermission("read"), (_req, res) => void res.end());
  const get = (path: string, token?: string) => {
    const asked = supertest(app).get(path);
    return token === undefined ? asked : asked.set("Authorization", `Bearer ${token}`);
  };
  for (const path of ["/locals/madrid", "/locals/lugo"]) await get(path, TOKEN);
  await get("/locals/lugo", "token-of-nobody-at-all");
  await get("/locals/lugo");
  await get("/open");
  const [of, other] = [told[0]?.[0].digest, told[4]?.[0].digest];
  expect(told).toEqual([
    [{ by: "requireAuth", allowed: true, source: "grpc", digest: of }, "/locals/madrid"],
    [{ by: "requireLocal", allowed: true, source: "grpc", digest: of }, "/locals/madrid"],
    [{ by: "requireAuth", allowed: true, source: "process", digest: of }, "/locals/lugo"],
    [{ by: "requireLocal", allowed: false, code: "insufficient_scope", source: "process", digest: of }, "/locals/lugo"],
    [{ by: "requireAuth", allowed: false, code: "invalid_token", digest: other }, "/locals/lugo"],
    [{ by: "requireAuth", allowed: false, code: "missing_token" }, "/locals/lugo"],
    [{ by: "optionalAuth", allowed: true }, "/open"],
    [{ by: "requirePermission", allowed: false, code: "missing_token" }, "/open"],
  ]);
  expect([of, other]).toEqual([expect.stringMatching(/^[\w-]{16}$/), expect.stringMatching(/^[\w-]{16}$/)]);
  expect(of).not.toBe(other);
  expect(JSON.stringify(told)).not.toMatch(/token-|ana/);
});

test("onDecision finds the auth of a request that is let through, in Koa too, and authenticate tells it.", async () => {
  const client = await openOne();
  const told: unknown[] = [];
  const app = express().use(
    requireAuth({ client, onDecision: (_decision, req) => void told.push(getAuth(req).user.id) }),
    (_req, res) => void res.end(),
  );
  const koa = new Koa();
  const onDecision = ({ by, allowed }: Decision, request: object) =>
    void told.push([by, allowed, (request as { path?: string }).path]);
  koa.use(requireAuthInKoa({ client, onDecision })).use(requirePermissionInKoa("write"));
  for (const listener of [app, koa.callback()])
    await supertest(listener).get("/a").set("Authorization", `Bearer ${TOKEN}`);
  const request = { headers: { authorization: `Bearer ${TOKEN}` }, path: "/b" };
  await authenticate(request, { client, onDecision });
  await expect(authenticate({ headers: {}, path: "/c" }, { client, onDecision })).rejects.toThrow();
  expect(told).toEqual([
    "ana",
    ["requireAuth", true, "/a"],
    ["requirePermission", false, "/a"],
    ["authenticate", true, "/b"],
    ["authenticate", false, "/c"],
  ]);
});

test("The digest is one for all that have the secret, and another in every other process.", async () => {
  const clock = new ManualClock();
  const digestBy = async (cache: object) => {
    const client = await openOne({ clock, cache });
    let digest: string | undefined;
    const onDecision = (decision: Decision) => {
      digest = decision.digest;
    };
    await authenticate({ headers: { authorization: `Bearer ${TOKEN}` } }, { client, onDecision });
    return digest;
  };
  const shared = { store: new MemoryStore(clock), namespace: "shop" };
  const digests = [
    await digestBy({ ...shared, secret }),
    await digestBy({ ...shared, secret: [secret, "another secret of at least 32 bytes, for a test"] }),
    await digestBy({ ...shared, secret: "another secret of at least 32 bytes, for a test" }),
    await digestBy({}),
  ];
  expect(digests[1]).toBe(digests[0]);
  expect(new Set(digests).size).toBe(3);
});

test.each([
  [
    "throws",
    () => {
      throw new TypeError(TOKEN);
    },
  ],
  ["rejects", () => Promise.reject(new TypeError(TOKEN))],
])("An onDecision that %s changes no answer: one log line a minute says so.", async (_what, onDecision) => {
  const logger = new RecordingLogger();
  const clock = new ManualClock();
  const client = await openOne({ logger, clock });
  const app = express().use(
    requireAuth({ client, onDecision }),
    requirePermission("read"),
    (_req, res) => void res.end(),
  );
  const get = async (token: string) => (await supertest(app).get("/").set("Authorization", `Bearer ${token}`)).status;
  expect([await get(TOKEN), await get(TOKEN), await get("token-of-nobody-at-all")]).toEqual([200, 200, 401]);
  expect(logger.lines).toEqual([expect.stringMatching(/the function given as "onDecision" failed: TypeError$/)]);
  expect(() => requireAuth({ client, onDecision: "log" as never })).toThrow(ConfigError);
});
