import { IncomingMessage, ServerResponse, STATUS_CODES } from "node:http";
import { Socket } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import express4 from "express4";
import Koa, { type Context, type Middleware, type Next } from "koa";
import request from "supertest";
import { AuthError, type AuthErrorCode, requireAuth } from "../../src/index.js";
import { requireAuth as requireKoaAuth } from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { express4Face, express5Face, type Face, faces, koa2Face, koa3Face, type Step } from "../support/faces.js";
import { bearer, closeAll, startAuth, USERS } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

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

/** As old session middleware does: the head is written, and nothing returned. */
const returnsNothing: RequestHandler = (_req, res, next) => {
  const writeHead = res.writeHead as (...given: unknown[]) => unknown;
  res.writeHead = ((...given: unknown[]) => {
    Reflect.apply(writeHead, res, given);
  }) as never;
  next();
};

describe.each(faces)("in $name", (face: Face) => {
  const wrap = (face.framework === "koa" ? wrapKoa : returnsNothing) as Step;

  test.each(["GET", "HEAD", "POST"])(
    "a %s is answered in whole through a writeHead that returns nothing",
    async (method) => {
      const send = await listenRaw(face.serve("/", wrap, face.requireAuth({ client: stub() })));

      for (const [header, code, status] of [
        ["Authorization: Bearer no-such", "invalid_token", 401],
        ["Authorization: Bearer two words", "invalid_request", 400],
        ["X-Nothing: 1", "missing_token", 401],
      ] as const) {
        const response = await send({ line: `${method} / HTTP/1.1`, headers: [header] });
        const body = problemOf(code, status);
        expect([response.status, response.body]).toEqual([status, method === "HEAD" ? "" : body]);
        expect(response.headers["content-length"]).toBe(String(body.length));
        expect(response.headers["www-authenticate"]).toMatch(/^Bearer realm="api"/);
      }
    },
  );

  test("a guard's answer too", async () => {
    const app = face.serve("/", wrap, face.requireAuth({ client: stub() }), face.requirePermission("admin"));
    const send = await listenRaw(app);

    const response = await send({ headers: ["Authorization: Bearer token-ana"] });

    expect([response.status, JSON.parse(response.body).code]).toEqual([403, "insufficient_scope"]);
  });
});

function problemOf(code: AuthErrorCode, status: number): string {
  const { message } = new AuthError(code);
  return JSON.stringify({ type: "about:blank", title: STATUS_CODES[status], status, code, detail: message });
}

function wrapKoa(ctx: Context, next: Next): Promise<unknown> {
  returnsNothing(ctx.req as never, ctx.res as never, () => undefined);
  return next();
}

describe.each([express5Face, express4Face])(
  "in $name what cannot be written goes to the app's error handler:",
  (face) => {
    test("an answer whose end throws", async () => {
      const breaks: RequestHandler = (_req, res, next) => {
        res.end = () => {
          Reflect.deleteProperty(res, "end"); // once
          throw new Error("cannot be ended");
        };
        next();
      };
      const thrown: unknown[] = [];
      const app = express5Face === face ? express() : express4();
      app.use(breaks, face.requireAuth({ client: stub() }) as unknown as RequestHandler);
      const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
        thrown.push(error.message);
        res.destroy();
      };
      app.use(onThrown);

      await request(app)
        .get("/")
        .set(bearer("no-such"))
        .catch(() => undefined);

      expect(thrown).toEqual(["cannot be ended"]);
    });

    test("an answer to what is answered already", async () => {
      const thrown: unknown[] = [];
      const app = express5Face === face ? express() : express4();
      const answers: RequestHandler = (_req, res, next) => {
        res.end("answered");
        next();
      };
      app.use(answers, face.requireAuth({ client: stub() }) as unknown as RequestHandler);
      const onThrown: ErrorRequestHandler = (error, _req, _res, _next) => {
        thrown.push(error.code);
      };
      app.use(onThrown);

      expect((await request(app).get("/").set(bearer("no-such"))).text).toBe("answered");
      expect(thrown).toEqual(["invalid_token"]);
    });
  },
);

describe.each([koa3Face, koa2Face])("in $name", (face: Face) => {
  test("an answer to what is begun already is thrown, and nothing is appended", async () => {
    const thrown: unknown[] = [];
    const begins: Middleware = async (ctx, next) => {
      ctx.res.write("begun");
      await next().catch((error: AuthError) => thrown.push(error.code));
      ctx.res.end();
    };
    const app = face.serve("/", begins as unknown as Step, face.requireAuth({ client: stub() }));

    expect((await request(app).get("/").set(bearer("no-such"))).text).toBe("begun");
    expect(thrown).toEqual(["invalid_token"]);
  });

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
