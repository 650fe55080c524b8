import { describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import express4 from "express4";
import Koa, { type Middleware } from "koa";
import Koa2 from "koa2";
import request from "supertest";
import { getAuth } from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { express5Face, type Face, koa3Face } from "../support/faces.js";
import { bearer, USERS } from "../support/http-fixture.js";

const client = stubAuthClient({ users: USERS });

/** Everything that is mounted, of one entry point. */
const middleware = (door: Face): [string, unknown][] => [
  ["requireAuth()", door.requireAuth({ client })],
  ["optionalAuth()", door.optionalAuth({ client })],
  ["requirePermission()", door.requirePermission("a")],
  ["requireAnyPermission()", door.requireAnyPermission("a")],
  ["requireUser()", door.requireUser(() => true)],
  ["requireLocal()", door.requireLocal("a")],
  ["requireOrganization()", door.requireOrganization("a")],
  ["requireModule()", door.requireModule("a")],
];

describe.each([
  ["Express 5", express],
  ["Express 4", express4],
])("in %s what is imported from portero/koa says so to the app's error handler:", (_name, create) => {
  const ask = async (handler: unknown) => {
    const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
      res.status(500).json({ name: error.name, message: error.message });
    };
    const app = create().use(handler as RequestHandler, onThrown);
    return (await request(app).get("/").set(bearer("token-ana"))).body;
  };
  const told = (caller: string) => ({
    name: "TypeError",
    message: `${caller} of "portero/koa" was given no Koa context: in Express, import it from "portero"`,
  });

  test.each(middleware(koa3Face))("%s", async (caller, handler) => {
    expect(await ask(handler)).toEqual(told(caller));
  });

  test("getAuth()", async () => {
    expect(await ask((req: never) => getAuth(req))).toEqual(told("getAuth()"));
    expect(() => getAuth(undefined as never)).toThrow(new TypeError(told("getAuth()").message));
  });
});

describe.each([
  ["Koa 3", () => new Koa()],
  ["Koa 2", () => new Koa2()],
])("in %s what is imported from portero says so to the app:", (_name, create) => {
  test.each(middleware(express5Face))("%s", async (caller, handler) => {
    const app = create();
    const errors: unknown[] = [];
    app.on("error", (error) => errors.push(error));
    app.use(handler as Middleware);

    const { status } = await request(app.callback()).get("/").set(bearer("token-ana"));

    expect(status).toBe(500);
    expect(errors).toEqual([
      new TypeError(`${caller} of "portero" was given no (req, res, next): in Koa, import it from "portero/koa"`),
    ]);
  });
});
