import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler } from "express";
import express4 from "express4";
import Koa from "koa";
import Koa2 from "koa2";
import request from "supertest";
import {
  AuthError,
  type AuthOptions,
  requireAuth,
  requireLocal,
  requirePermission,
  requireUser,
} from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { bearer, closeAll, startAuth, USERS } from "../support/http-fixture.js";
import { settle } from "../support/manual-clock.js";

afterEach(closeAll);

const expresses = [
  ["Express 5", express],
  ["Express 4", express4],
] as const;

describe.each(expresses)("onError in %s", (_name, create) => {
  test("answers in place of the default, for requireAuth and for the guards behind it", async () => {
    const { client } = await startAuth();
    const app = create();
    app.use(
      requireAuth({
        client,
        realm: "catalog",
        onError: (error, req, res) => {
          res.writeHead(418, { "WWW-Authenticate": error.headers["WWW-Authenticate"] });
          res.end(`${req.url} ${error.code} ${error.status} ${error instanceof AuthError}`);
        },
      }),
      requirePermission("admin"),
    );

    const refused = await request(app).get("/a").set(bearer("no-such"));
    const insufficient = await request(app).get("/b").set(bearer("token-ana"));

    expect([refused.status, refused.text]).toEqual([418, "/a invalid_token 401 true"]);
    expect(refused.headers["www-authenticate"]).toBe('Bearer realm="catalog", error="invalid_token"');
    expect(refused.headers["cache-control"]).toBeUndefined();
    expect([insufficient.status, insufficient.text]).toEqual([418, "/b insufficient_scope 403 true"]);
    expect(insufficient.headers["www-authenticate"]).toContain('realm="catalog"');
  });

  test("hands the error on to the app's own handler with next(error), from guards too", async () => {
    const { client } = await startAuth();
    const seen: unknown[] = [];
    const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
      seen.push(error);
      res.status(error.status).set(error.headers).json({ problem: error.code });
    };
    const app = create();
    app.use(requireAuth({ client, onError: (error, _req, _res, next) => next(error) }), requirePermission("admin"));
    app.use(onThrown);

    const refused = await request(app).get("/").set(bearer("no-such"));
    const insufficient = await request(app).get("/").set(bearer("token-ana"));

    expect([refused.status, refused.body]).toEqual([401, { problem: "invalid_token" }]);
    expect([insufficient.status, insufficient.body]).toEqual([403, { problem: "insufficient_scope" }]);
    expect(seen).toEqual([expect.any(AuthError), expect.any(AuthError)]);
  });

  test.each([[[]], [[undefined]], [[null]], [["route"]], [["router"]], [[false]], [[0]], [[""]]])(
    "lets no request past its refusal: next(...%j) is next(error)",
    async (given) => {
      const { client } = await startAuth();
      const reached: unknown[] = [];
      const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
        res.status(error.status).json({ problem: error.code, challenge: error.headers["WWW-Authenticate"] });
      };
      const onError: AuthOptions["onError"] = (_error, _req, _res, next) => next(...given);
      const later: AuthOptions["onError"] = async (...[, , , next]) => {
        await settle();
        next(...given);
      };
      for (const own of [onError, later]) {
        const app = create();
        // Guards and the handler on one route, where "route" skips the guards, and one more route behind.
        app.get(
          "/",
          requireAuth({ client, realm: "catalog", onError: own }),
          requirePermission("admin"),
          (req, res) => {
            reached.push(req.url);
            res.end();
          },
        );
        app.use((req, res) => {
          reached.push(req.url);
          res.end();
        });
        app.use(onThrown);

        const refused = await request(app).get("/").set(bearer("no-such"));
        const insufficient = await request(app).get("/").set(bearer("token-ana"));

        expect([refused.status, refused.body.problem]).toEqual([401, "invalid_token"]);
        expect([insufficient.status, insufficient.body.problem]).toEqual([403, "insufficient_scope"]);
        expect(refused.body.challenge).toContain('realm="catalog"');
      }
      expect(reached).toEqual([]);
    },
  );

  test.each([[undefined], [null], ["route"], ["router"], [""]])(
    "lets no request pass when it throws %j, which is no error, and neither does a token source or a guard",
    async (thrown) => {
      const { client } = await startAuth();
      const throws = () => {
        throw thrown;
      };
      const rejects = () => Promise.reject(thrown);
      const steps = [
        [requireAuth({ client, onError: throws }), requirePermission("admin")],
        [requireAuth({ client, onError: rejects }), requirePermission("admin")],
        [requireAuth({ client, token: throws })],
        [requireAuth({ client: { ...client, peekToken: () => undefined, verifyToken: rejects } })],
        [requireAuth({ client }), requireUser(throws)],
        [requireAuth({ client }), requireUser(rejects)],
        [requireAuth({ client }), requireLocal(throws)],
      ];
      for (const each of steps) {
        const app = create();
        app.get("/", ...each, (_req, res) => {
          res.end();
        });
        app.use((_req, res) => {
          res.end();
        });
        const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
          res.status(500).json({ thrown: error.message });
        };
        app.use(onThrown);

        const { status, body } = await request(app).get("/").set(bearer("token-ana"));

        expect([status, body]).toEqual([500, { thrown: "what was thrown here is no error" }]);
      }
    },
  );

  test("may hand on an error of its own", async () => {
    const { client } = await startAuth();
    const app = create();
    app.use(requireAuth({ client, onError: (error, _req, _res, next) => next(`own ${error.code}`) }));
    const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
      res.end(error);
    };
    app.use(onThrown);

    expect((await request(app).get("/").set(bearer("no-such"))).text).toBe("own invalid_token");
  });
});

describe("onError in Koa", () => {
  test("answers in place of the default, for requireAuth and for the guards behind it", async () => {
    const { client } = await startAuth();
    const app = new Koa();
    app.use(
      forKoa.requireAuth({
        client,
        onError: (error, ctx) => {
          ctx.status = 418;
          ctx.body = error.code;
        },
      }),
    );
    app.use(forKoa.requirePermission("admin"));

    const refused = await request(app.callback()).get("/").set(bearer("no-such"));
    const insufficient = await request(app.callback()).get("/").set(bearer("token-ana"));

    expect([refused.status, refused.text]).toEqual([418, "invalid_token"]);
    expect([insufficient.status, insufficient.text]).toEqual([418, "insufficient_scope"]);
    expect(refused.headers["www-authenticate"]).toBeUndefined();
  });

  test.each<[string, (...given: unknown[]) => unknown, number]>([
    ["does nothing", () => undefined, 404],
    ["returns something", () => "go on", 404],
    ["calls a next as in Express, which it does not get", (...given) => (given[3] as () => void)(), 500],
    ["calls a next as in Koa, which it does not get", (...given) => (given[2] as () => void)(), 500],
  ])("that %s lets no request past its refusal", async (_what, onError, status) => {
    const { client } = await startAuth();
    for (const create of [() => new Koa(), () => new Koa2()]) {
      const app = create();
      const reached: string[] = [];
      app.silent = true;
      app.use(forKoa.requireAuth({ client, onError }));
      app.use(forKoa.requirePermission("admin"));
      app.use((ctx) => {
        reached.push(ctx.url);
        ctx.body = "reached";
      });

      const refused = await request(app.callback()).get("/").set(bearer("no-such"));
      const insufficient = await request(app.callback()).get("/").set(bearer("token-ana"));

      expect([refused.status, insufficient.status, reached]).toEqual([status, status, []]);
    }
  });

  test("is waited for when it is asynchronous", async () => {
    const { client } = await startAuth();
    const app = new Koa();
    app.use(
      forKoa.requireAuth({
        client,
        onError: async (error, ctx) => {
          await settle();
          ctx.body = error.code;
        },
      }),
    );

    const response = await request(app.callback()).get("/").set(bearer("no-such"));

    expect([response.status, response.text]).toEqual([200, "invalid_token"]);
  });
});

describe("an onError of an Express app that fails", () => {
  const failing = {
    "throws at once": () => {
      throw new Error("onError failed");
    },
    "rejects later": async () => {
      await settle();
      throw new Error("onError failed");
    },
  };

  // An unhandled rejection ends the process: anybody with a bad token could do it.
  test.each(Object.entries(failing))("and %s ends in the app's error handler", async (_how, onError) => {
    const client = stubAuthClient({ users: USERS });
    const thrown = await new Promise<unknown>((resolve) => {
      const handler = requireAuth({ client, onError });
      handler({ headers: { authorization: "Bearer no-such" } } as never, {} as never, resolve);
      void settle()
        .then(settle)
        .then(() => resolve("nothing was told"));
    });

    expect(thrown).toMatchObject({ message: "onError failed" });
  });
});

test("an error after the head of the response was sent goes to the app's error handler", async () => {
  const { client } = await startAuth();
  const app = express();
  app.use((_req, res, next) => {
    res.write("begun, ");
    next();
  });
  app.use(requireAuth({ client }));
  const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
    res.end(error.code);
  };
  app.use(onThrown);

  const response = await request(app).get("/").set(bearer("no-such"));

  expect([response.status, response.text]).toEqual([200, "begun, invalid_token"]);
});
