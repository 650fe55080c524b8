import type * as http from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import express4 from "express4";
import Koa from "koa";
import Koa2 from "koa2";
import request from "supertest";
import { ConfigError, type HealthOptions, healthHandler, requireAuth } from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

const apps: readonly (readonly [string, (options: HealthOptions) => http.RequestListener])[] = [
  [
    "Express 5",
    (options) =>
      express()
        .get("/ready", healthHandler(options))
        .use(requireAuth(clientOf(options))),
  ],
  [
    "Express 4",
    (options) =>
      express4()
        .get("/ready", healthHandler(options))
        .use(requireAuth(clientOf(options))),
  ],
  ["Koa 3", (options) => new Koa().use(forKoa.healthHandler(options)).callback()],
  ["Koa 2", (options) => new Koa2().use(forKoa.healthHandler(options)).callback()],
  ["node:http", (options) => healthHandler(options)],
];

function clientOf({ client }: HealthOptions) {
  return client ? { client } : {};
}

describe.each(apps)("healthHandler() in %s", (_name, create) => {
  test("answers 503 before the first ready(), 200 from then on, and 503 after close()", async () => {
    const { client } = await startAuth();
    const app = create({ client });
    const early = await request(app).get("/ready").expect(503);
    expect(early.body).toMatchObject({ status: "ok", ready: false, detail: expect.stringContaining("ready()") });
    await client.ready();
    const { body, headers } = await request(app).get("/ready").expect(200);
    expect(body).toEqual({ status: "ok", ready: true, grpc: "ok", rest: "ok" });
    expect(headers).toMatchObject({ "content-type": "application/json", "cache-control": "no-store" });
    await client.close();
    await request(app).get("/ready").expect(503);
  });

  test("answers 200 in an outage, with the status in the body; 503 where it is strict", async () => {
    const { service, client } = await startAuth();
    await client.ready();
    service.grpc.fail();
    service.rest.fail();
    await client.verifyToken("token-ana").catch(() => undefined);
    const { body, text } = await request(create({ client })).get("/ready").expect(200);
    expect(body).toMatchObject({ status: "down", ready: true });
    expect(text).not.toMatch(/127\.0\.0\.1|ECONN|VerifyToken/); // it may be read by anyone
    await request(create({ client, strict: true }))
      .get("/ready")
      .expect(503);
    service.rest.allow();
    await client.verifyToken("token-ana");
    const degraded = await request(create({ client, strict: true }))
      .get("/ready")
      .expect(200);
    expect(degraded.body).toMatchObject({ status: "degraded" });
  });

  test("answers HEAD without a body", async () => {
    const client = stubAuthClient();
    await client.ready();
    const { text } = await request(create({ client })).head("/ready").expect(200);
    expect(text ?? "").toBe("");
  });
});

describe("The stub client", () => {
  test("is ready after ready(), down after fail(), and neither after close()", async () => {
    const client = stubAuthClient();
    expect(client.health()).toEqual({ status: "ok", ready: false, grpc: "ok" });
    await client.ready();
    client.fail();
    expect(client.health()).toEqual({ status: "down", ready: true, grpc: "down" });
    await expect(client.ready({ ask: true })).rejects.toMatchObject({ code: "auth_unavailable" });
    client.recover();
    await client.close();
    expect(client.health().ready).toBe(false);
  });
});

test.each([healthHandler, forKoa.healthHandler])("Options that cannot be used are named when it is made", (make) => {
  const client = stubAuthClient();
  expect(() => make(client as never)).toThrow(
    new ConfigError([named("pass { client }: what was given is the client itself")]),
  );
  expect(() => make({ client, strict: 1 } as never)).toThrow(/strict: expected true or false, got 1/);
  expect(() => make({ client, srtict: true } as never)).toThrow(
    /srtict: there is no such option; did you mean strict\?/,
  );
  expect(() => make({ client: {} } as never)).toThrow(/client: expected an AuthClient/);
});

function named(message: string) {
  return { name: "options", value: "an AuthClient", expected: "an object with the client", message };
}
