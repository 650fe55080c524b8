import { expect, test } from "@jest/globals";
import express from "express";
import request from "supertest";
import { createAuthClient, getAuth, requireAuth, requireLocal } from "../src/index.js";
import { startAuthService } from "../src/testing.js";

test("the whole path", async () => {
  const service = await startAuthService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
  const client = createAuthClient({ ...service.upstreams, logger: false });
  const app = express();
  app.use(requireAuth({ client }));
  app.get("/locals/:localId", requireLocal("localId"), (req, res) => {
    res.json({ id: getAuth(req).user.id, source: getAuth(req).source });
  });
  await client.ready();
  const get = (path: string, token?: string) => {
    const r = request(app).get(path);
    return token ? r.set("Authorization", `Bearer ${token}`) : r;
  };
  const a = await get("/locals/madrid", "token-ana");
  expect([a.status, a.body]).toEqual([200, { id: "ana", source: "grpc" }]);
  const b = await get("/locals/madrid", "token-ana");
  expect(b.body).toEqual({ id: "ana", source: "process" });
  expect(service.calls.total).toBe(1);
  const c = await get("/locals/sevilla", "token-ana");
  expect([c.status, c.headers["www-authenticate"]]).toEqual([403, 'Bearer realm="api", error="insufficient_scope"']);
  const d = await get("/locals/madrid", "nope");
  expect([d.status, d.body.code]).toEqual([401, "invalid_token"]);
  const e = await get("/locals/madrid");
  expect([e.status, e.headers["www-authenticate"], e.body.code]).toEqual([401, 'Bearer realm="api"', "missing_token"]);
  await client.invalidateToken("token-ana");
  await service.grpc.stop();
  const f = await get("/locals/madrid", "token-ana");
  expect(f.body).toEqual({ id: "ana", source: "rest" });
  await service.rest.stop();
  await client.invalidateToken("token-ana");
  const g = await get("/locals/madrid", "token-ana");
  expect([g.status, g.body.code, g.headers["retry-after"]]).toEqual([503, "auth_unavailable", "1"]);
  console.log(JSON.stringify(client.status()));
  await client.close();
  await service.close();
});
