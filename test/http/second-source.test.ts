import { inspect } from "node:util";
import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler, type Request, type RequestHandler } from "express";
import Koa, { type Middleware } from "koa";
import request from "supertest";
import {
  type AuthClient,
  type AuthClientOptions,
  authenticate,
  bearerToken,
  cookieToken,
  getAuth,
  optionalAuth,
  requireAuth,
  requirePermission,
} from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { type Face, type FaceOptions, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, startAuth, USERS } from "../support/http-fixture.js";
import { RecordingLogger } from "../support/recording-logger.js";

afterEach(closeAll);

type Source = NonNullable<FaceOptions["token"]>;
const internal: Source = ({ headers }) => (headers as Record<string, string | undefined>)["x-internal"];
const cookie = cookieToken("session");

/** Nothing is cached, so that every question is seen; what is logged is kept. */
async function open(options: Partial<AuthClientOptions> = {}) {
  const logger = new RecordingLogger();
  const { service, client } = await startAuth({}, { logger, cache: { ttlMs: 0, refusalTtlMs: 0 }, ...options });
  return { service, client, logger };
}

async function ask(
  face: Face,
  steps: readonly Step[],
  headers: Record<string, string> = {},
  method: "get" | "post" = "get",
) {
  const { status, text } = await request(face.serve("/", ...steps))
    [method]("/")
    .set(headers);
  const { code, thrown, user, locals, auth } = JSON.parse(text);
  return status === 200 ? { user: user?.id, locals, auth: auth.user?.id ?? auth } : `${status} ${code ?? thrown}`;
}

const ANA = { user: "ana", locals: ["madrid", "sevilla"], auth: "ana" };
const ANONYMOUS = { user: undefined, locals: undefined, auth: "missing_token" };

describe.each(faces)("in $name a second middleware", (face) => {
  test.each(["requireAuth", "optionalAuth"] as const)("behind %s reads its own source", async (maker) => {
    const { service, client } = await open();
    const steps = [face[maker]({ client }), face.requireAuth({ client, token: internal })];

    expect(await ask(face, steps, bearer("token-ana"))).toBe("401 missing_token");
    expect(await ask(face, steps, { ...bearer("token-ana"), "X-Internal": "" })).toBe("401 missing_token");
    expect(await ask(face, steps, { ...bearer("token-ana"), "X-Internal": "no-such" })).toBe("401 invalid_token");
    expect(await ask(face, steps, { ...bearer("token-ana"), "X-Internal": "two words" })).toBe("400 invalid_request");
    expect(await ask(face, steps, { ...bearer("token-ana"), "X-Internal": "token-gone" })).toBe("401 inactive_user");
    expect(service.calls.VerifyToken).toBe(7);
  });

  test("with another token is let in for the user of that one", async () => {
    const { service, client } = await open();
    const steps = [face.optionalAuth({ client }), face.requireAuth({ client, token: internal })];
    const headers = { ...bearer("token-ana"), "X-Internal": "token-bea" };

    expect(await ask(face, steps, headers)).toEqual({ user: "bea", locals: [], auth: "bea" });
    expect(await ask(face, [...steps, face.requirePermission("products:read")], headers)).toBe(
      "403 insufficient_scope",
    );
    expect(service.calls.VerifyToken).toBe(4);
  });

  test("with the same token from another source asks nobody, unless it is fresh", async () => {
    const { service, client } = await open();
    const both = { ...bearer("token-ana"), "X-Internal": "token-ana" };

    expect(
      await ask(face, [face.requireAuth({ client }), face.requireAuth({ client, token: internal })], both),
    ).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(1);
    expect(
      await ask(face, [face.requireAuth({ client, token: internal }), face.requireAuth({ client })], both),
    ).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(2);
    const fresh = face.requireAuth({ client, token: internal, fresh: true });
    expect(await ask(face, [face.requireAuth({ client }), fresh], both)).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(4);
  });

  test("and a third and a fourth ask nobody either", async () => {
    const { service, client } = await open();
    const steps = [face.requireAuth({ client }), face.optionalAuth({ client }), face.requireAuth({ client })];

    expect(await ask(face, [...steps, face.requireAuth({ client })], bearer("token-ana"))).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(1);
  });

  test("that is fresh refuses what was good a moment ago", async () => {
    const { service, client } = await startAuth();
    await client.verifyToken("token-ana");
    service.refuse("token-ana");
    const steps = [face.requireAuth({ client }), face.requireAuth({ client, fresh: true })];

    expect(await ask(face, steps, bearer("token-ana"))).toBe("401 invalid_token");
  });

  test("of another client asks that one, also about the same token", async () => {
    const staff = await open();
    const shop = await open();
    shop.service.refuse("token-ana");
    const steps = [face.requireAuth({ client: staff.client }), face.requireAuth({ client: shop.client })];

    expect(await ask(face, steps, bearer("token-ana"))).toBe("401 invalid_token");
    expect([staff.service.calls.VerifyToken, shop.service.calls.VerifyToken]).toEqual([1, 1]);
  });

  test("does not take the answer of a third for its own, when another stood between", async () => {
    const staff = await open();
    const shop = await open();
    const steps = [staff, shop, staff].map(({ client }) => face.requireAuth({ client }));

    expect(await ask(face, steps, bearer("token-ana"))).toEqual(ANA);
    expect([staff.service.calls.VerifyToken, shop.service.calls.VerifyToken]).toEqual([2, 1]);
  });

  test("checks where a cookie comes from, though an earlier one has let the request in", async () => {
    const { client } = await open();
    const steps = [face.requireAuth({ client }), face.requireAuth({ client, token: cookie })];
    const headers = { ...bearer("token-ana"), Cookie: "session=token-ana" };

    expect(await ask(face, steps, { ...headers, "Sec-Fetch-Site": "cross-site" }, "post")).toBe("403 cross_site");
    expect(await ask(face, steps, { ...headers, "Sec-Fetch-Site": "same-origin" }, "post")).toEqual(ANA);
    const optional = [face.optionalAuth({ client }), face.optionalAuth({ client, token: cookie })];
    expect(await ask(face, optional, { ...headers, "Sec-Fetch-Site": "cross-site" }, "post")).toBe("403 cross_site");
  });

  test("refuses a malformed Authorization header that an earlier one did not look at", async () => {
    const { client } = await open();
    const steps = [face.requireAuth({ client, token: cookie }), face.requireAuth({ client })];

    expect(await ask(face, steps, { ...bearer("two words"), Cookie: "session=token-ana" })).toBe("400 invalid_request");
  });

  test("that is optional and finds nothing makes the request anonymous", async () => {
    const { client } = await open();
    const steps = [face.requireAuth({ client }), face.optionalAuth({ client, token: internal })];

    expect(await ask(face, steps, bearer("token-ana"))).toEqual(ANONYMOUS);
    expect(await ask(face, [...steps, face.requirePermission("products:read")], bearer("token-ana"))).toBe(
      "401 missing_token",
    );
  });

  test("that is optional does not take a bad token for none", async () => {
    const { service, client } = await open();
    const steps = [face.requireAuth({ client }), face.optionalAuth({ client, token: internal })];
    const headers = { ...bearer("token-ana"), "X-Internal": "no-such" };

    expect(await ask(face, steps, headers)).toBe("401 invalid_token");
    service.grpc.refuse();
    expect(await ask(face, steps, headers)).toBe("401 invalid_token");
  });

  test("whose source throws, or is async, stops the request", async () => {
    const { client } = await open();
    const failing: readonly (() => unknown)[] = [
      () => {
        throw new Error("no store");
      },
      async () => "token-ana",
    ];
    for (const token of failing) {
      const steps = [face.requireAuth({ client }), face.requireAuth({ client, token: token as Source })];
      expect(await ask(face, steps, bearer("token-ana"))).toMatch(/^500 /);
    }
    const list = face.optionalAuth({ client, token: (() => ["token-ana"]) as never });
    expect(await ask(face, [face.requireAuth({ client }), list], bearer("token-ana"))).toBe("400 invalid_request");
  });

  test("gives the guards behind it its own realm, and its user to getAuth", async () => {
    const { client } = await open();
    const steps = [
      face.requireAuth({ client, realm: "outer" }),
      face.requireAuth({ client, realm: "inner" }),
      face.requirePermission("admin"),
    ];

    const response = await request(face.serve("/", ...steps))
      .get("/")
      .set(bearer("token-ana"));

    expect(response.headers["www-authenticate"]).toContain('realm="inner"');
  });

  test("with the cure, a source of both, lets in whom either would", async () => {
    const { service, client, logger } = await open();
    const token: Source = (req) => bearerToken(req) ?? cookie(req);
    const steps = [face.optionalAuth({ client, token }), face.requireAuth({ client, token })];

    expect(await ask(face, steps, bearer("token-ana"))).toEqual(ANA);
    expect(await ask(face, steps, { Cookie: "session=token-ana" })).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(2);
    expect(logger.lines).toEqual([]);
  });

  test("that finds nothing where another did is named in the log, once for each client", async () => {
    const { client, logger } = await open();
    const steps = [face.optionalAuth({ client }), face.requireAuth({ client, token: internal })];
    const optional = [face.requireAuth({ client }), face.optionalAuth({ client, token: internal })];

    for (const each of [[], steps, steps, optional]) await ask(face, each, bearer("token-ana"));
    expect(logger.lines).toEqual([
      "warn portero: requireAuth found no token on a request that an earlier optionalAuth had let in for a user: each middleware reads " +
        "its own token source, and this one holds from there on. Where both are to read the same, give both " +
        'token: (req) => bearerToken(req) ?? cookieToken("session")(req)',
    ]);
    const other = await open();
    await ask(
      face,
      [face.optionalAuth({ client: other.client }), face.requireAuth({ client: other.client, token: internal })],
      bearer("token-ana"),
    );
    expect(other.logger.lines).toHaveLength(1);
  });

  test("is not worth a line where nobody was let in, or another client is asked", async () => {
    const { client, logger } = await open();
    const other = await open();
    const second = face.requireAuth({ client, token: internal });

    await ask(face, [face.optionalAuth({ client }), second]);
    await ask(face, [face.optionalAuth({ client: other.client }), second], bearer("token-ana"));
    await ask(face, [face.requireAuth({ client }), face.requireAuth({ client })], bearer("token-ana"));
    await ask(face, [second], bearer("token-ana"));
    expect([...logger.lines, ...other.logger.lines]).toEqual([]);
  });

  test("of a client whose functions are wrapped asks through them", async () => {
    const stub = stubAuthClient({ users: USERS });
    const asked: string[] = [];
    const verifyToken: AuthClient["verifyToken"] = (token, call) => {
      asked.push(token);
      return stub.verifyToken(token, call);
    };
    const client = { ...stub, verifyToken };
    const steps = [face.requireAuth({ client }), face.requireAuth({ client })];

    expect(await ask(face, steps, bearer("token-ana"))).toEqual(ANA);
    expect(asked).toEqual(["token-ana"]);
  });
});

describe("What a second middleware takes away", () => {
  test("is what portero attached, not what others did", async () => {
    const { client } = await open();
    const app = express();
    const replace: RequestHandler = (req, _res, next) => {
      req.user = { id: "session", organizationId: "", email: "", permissions: [] };
      next();
    };
    app.use(requireAuth({ client }), replace, optionalAuth({ client, token: () => undefined }), (req, res) => {
      res.json([req.user?.id, req.locals ?? null]);
    });

    expect((await request(app).get("/").set(bearer("token-ana"))).body).toEqual(["session", null]);
  });

  test("goes through nested routers of Express", async () => {
    const { client } = await open();
    const app = express();
    const inner = express.Router();
    const middle = express.Router();
    app.use(requireAuth({ client }));
    app.use("/public", middle);
    middle.use(optionalAuth({ client, token: internal }), inner);
    inner.get("/page", (req, res) => void res.json([req.user ?? null]));
    inner.get("/guarded", requirePermission("products:read"), (_req, res) => void res.end());
    app.get("/own", requirePermission("products:read"), (req, res) => void res.json([req.user?.id]));
    const get = (path: string) => request(app).get(path).set(bearer("token-ana"));

    expect((await get("/public/page")).body).toEqual([null]);
    expect((await get("/public/guarded")).status).toBe(401);
    expect((await get("/own")).body).toEqual(["ana"]);
  });

  test("stays away in an error handler behind, when a later middleware swallows the error", async () => {
    const { client } = await open();
    const app = express();
    const swallow: ErrorRequestHandler = (_error, _req, _res, next) => next();
    app.use(requireAuth({ client }));
    app.use(requireAuth({ client, token: internal, onError: (error, _req, _res, next) => next(error) }));
    app.use(swallow);
    app.use(optionalAuth({ client, token: internal }), (req, res) => void res.json([req.user ?? null]));

    expect((await request(app).get("/").set(bearer("token-ana"))).body).toEqual([null]);
  });

  test("is gone in Koa too when the way out is caught further out", async () => {
    const { client } = await open();
    const app = new Koa();
    const caught: Middleware = async (ctx, next) => {
      await next().catch(() => undefined);
      ctx.status = 200;
      ctx.body = [ctx.state.user ?? null];
    };
    app.use(caught);
    app.use(forKoa.requireAuth({ client }));
    app.use(forKoa.optionalAuth({ client, token: internal }));
    app.use(forKoa.requirePermission("products:read"));

    expect((await request(app.callback()).get("/").set(bearer("token-ana"))).body).toEqual([null]);
  });
});

describe("authenticate() behind requireAuth", () => {
  const answer = (client: AuthClient, run: (req: Request) => Promise<{ user: { id: string } }>) => {
    const app = express();
    app.use(requireAuth({ client }), async (req, res) => {
      res.json(
        await run(req).then(
          ({ user }) => user.id,
          ({ code }) => code,
        ),
      );
    });
    return request(app).get("/").set(bearer("token-ana"));
  };

  test("reads its own source, and asks nobody about the same token", async () => {
    const { service, client } = await open();

    expect((await answer(client, (req) => authenticate(req, { client }))).body).toBe("ana");
    expect(service.calls.VerifyToken).toBe(1);
    expect((await answer(client, (req) => authenticate(req, { client, token: internal }))).body).toBe("missing_token");
    expect((await answer(client, (req) => authenticate(req, { client, token: () => "token-bea" }))).body).toBe("bea");
    expect((await answer(client, (req) => authenticate(req, { client, fresh: true }))).body).toBe("ana");
    expect(service.calls.VerifyToken).toBe(6);
  });

  test("in Koa as well", async () => {
    const { service, client } = await open();
    const app = new Koa();
    app.use(forKoa.requireAuth({ client }));
    app.use(async (ctx) => {
      ctx.body = [(await authenticate(ctx, { client })).user.id, (await authenticate(ctx.request, { client })).user.id];
    });

    expect((await request(app.callback()).get("/").set(bearer("token-ana"))).body).toEqual(["ana", "ana"]);
    expect(service.calls.VerifyToken).toBe(1);
  });
});

test("A request that is logged shows no token, nor a digest of one, but in its headers.", async () => {
  const { client } = await open();
  const app = express();
  app.use(requireAuth({ client, token: cookie }), (req, res) => {
    req.headers.cookie = "";
    req.rawHeaders.length = 0;
    const seen = inspect(
      Object.getOwnPropertySymbols(req).map((key) => Reflect.get(req, key)),
      {
        depth: 4,
        showHidden: true,
      },
    );
    const copy = JSON.stringify({ ...req, socket: null, client: null, res: null, next: null, _readableState: null });
    res.json([seen.includes(getAuth(req).user.id), seen.includes("token-ana"), copy.includes("token-ana")]);
  });

  const { body } = await request(app).get("/").set({ Cookie: "session=token-ana" });

  expect(body).toEqual([true, false, false]);
});
