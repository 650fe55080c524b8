import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { RequestHandler } from "express";
import Koa, { type Middleware } from "koa";
import request from "supertest";
import { AuthError, requireAuth } from "../../src/index.js";
import { requireAuth as requireKoaAuth } from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { express4Face, express5Face, type Face, koa2Face, koa3Face, type Step } from "./faces.js";
import { bearer, closeAll, startAuth, USERS } from "./fixture.js";

afterEach(closeAll);

/** Answers come late: from a client that caches nothing. */
const stub = () => stubAuthClient({ users: USERS });

// Nobody waits for what happens after a verification: what is thrown there would end the process.

describe.each([express5Face, express4Face])("in $name", (face: Face) => {
  test("an answer that cannot be written goes to the app's error handler", async () => {
    const breaks: RequestHandler = (_req, res, next) => {
      res.writeHead = () => {
        Reflect.deleteProperty(res, "writeHead"); // once
        throw new Error("cannot be written");
      };
      next();
    };
    const app = face.serve("/", breaks as unknown as Step, face.requireAuth({ client: stub() }));

    for (const headers of [bearer("no-such"), {}]) {
      const { status, body } = await request(app).get("/").set(headers);
      expect([status, body]).toEqual([500, { thrown: "cannot be written" }]);
    }
  });

  test.each(["a user who is new", "a user who is cached"])(
    "so does a request that cannot be written to, for %s",
    async (who) => {
      const { client } = await startAuth();
      if (who === "a user who is cached") await client.verifyToken("token-ana");
      const seals: RequestHandler = (req, _res, next) => {
        Object.defineProperty(req, "user", { get: () => "another's" });
        next();
      };
      const app = face.serve("/", seals as unknown as Step, face.requireAuth({ client }));

      const { status, body } = await request(app).get("/").set(bearer("token-ana"));

      expect([status, body]).toEqual([500, { thrown: expect.stringContaining("user") }]);
    },
  );
});

test("an error that cannot be moved to its realm goes to the app's error handler", async () => {
  const client = stub();
  const error = Object.assign(new AuthError("invalid_token"), {
    inRealm: () => {
      throw new Error("of another version");
    },
  });
  const handler = requireAuth({ client: { ...client, verifyToken: () => Promise.reject(error) } });
  const req = new IncomingMessage(new Socket());
  req.headers.authorization = "Bearer token-ana";

  const told = await new Promise((resolve) => handler(req, new ServerResponse(req), resolve));

  expect(told).toMatchObject({ message: "of another version" });
});

describe.each([koa3Face, koa2Face])("in $name", (face: Face) => {
  test("an answer that cannot be written rejects", async () => {
    const breaks: Middleware = (ctx, next) => {
      ctx.set = () => {
        throw new Error("cannot be written");
      };
      return next();
    };
    const app = face.serve("/", breaks as unknown as Step, face.requireAuth({ client: stub() }));

    for (const headers of [bearer("no-such"), {}]) {
      const { status, body } = await request(app).get("/").set(headers);
      expect([status, body]).toEqual([500, { thrown: "cannot be written" }]);
    }
  });
});

test.each(["a user who is new", "a user who is cached"])(
  "a context of Koa that cannot be written to rejects, for %s",
  async (who) => {
    const { client } = await startAuth();
    if (who === "a user who is cached") await client.verifyToken("token-ana");
    const req = new IncomingMessage(new Socket());
    req.headers.authorization = "Bearer token-ana";
    const ctx = new Koa().createContext(req, new ServerResponse(req));
    ctx.state = Object.freeze({});

    await expect(requireKoaAuth({ client })(ctx, async () => undefined)).rejects.toThrow(TypeError);
  },
);
