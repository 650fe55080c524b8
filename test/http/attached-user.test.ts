import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type Request, type RequestHandler } from "express";
import express4 from "express4";
import Koa from "koa";
import request from "supertest";
import {
  type AuthClient,
  getAuth,
  optionalAuth,
  requireAuth,
  requireLocal,
  requirePermission,
} from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

const expresses = [
  ["Express 5", express],
  ["Express 4", express4],
] as const;

const ADMIN = { id: "admin", organizationId: "org-1", email: "", permissions: ["admin"] };
const becomeAdmin: RequestHandler = (req, _res, next) => {
  req.user = ADMIN;
  req.locals = ["lugo"];
  next();
};
const end: RequestHandler = (_req, res) => {
  res.end();
};

describe.each(expresses)("in %s what others put on the request is not believed:", (_name, create) => {
  const status = async (...handlers: RequestHandler[]) => {
    const { status } = await request(create().use(...handlers, end))
      .get("/")
      .set(bearer("token-ana"));
    return status;
  };

  test("a guard does not read req.user, nor req.locals", async () => {
    const { client } = await startAuth();
    const auth = requireAuth({ client });

    expect(await status(auth, becomeAdmin, requirePermission("admin"))).toBe(403);
    expect(await status(auth, becomeAdmin, requirePermission("products:read"))).toBe(200);
    expect(
      await status(
        auth,
        becomeAdmin,
        requireLocal(() => "lugo"),
      ),
    ).toBe(403);
    expect(
      await status(
        auth,
        becomeAdmin,
        requireLocal(() => "madrid"),
      ),
    ).toBe(200);
  });

  test("a user that passport attached is neither a user nor a reason to skip the question", async () => {
    const { client } = await startAuth();
    const anonymous = optionalAuth({ client, token: () => undefined });

    expect(await status(becomeAdmin, requirePermission("admin"))).toBe(500);
    expect(await status(becomeAdmin, anonymous, requirePermission("admin"))).toBe(401);
    expect(await status(becomeAdmin, requireAuth({ client }), requirePermission("admin"))).toBe(403);
  });

  test("getAuth tells the user of the token", async () => {
    const { client } = await startAuth();
    const app = create().use(requireAuth({ client }), becomeAdmin, (req: Request, res) => {
      res.json([getAuth(req).user.id, req.user?.id]);
    });

    const { body } = await request(app).get("/").set(bearer("token-ana"));

    expect(body).toEqual(["ana", "admin"]);
  });
});

test("in Koa a guard does not read ctx.state.user", async () => {
  const { client } = await startAuth();
  const app = new Koa();
  app.use(forKoa.requireAuth({ client }));
  app.use((ctx, next) => {
    ctx.state.user = ADMIN;
    ctx.state.locals = ["lugo"];
    return next();
  });
  app.use(forKoa.requireAnyPermission("admin", "owner"));

  const { status } = await request(app.callback()).get("/").set(bearer("token-ana"));

  expect(status).toBe(403);
});

describe("the user is shared between requests, so", () => {
  /** The types say it too; this is what JavaScript could try. */
  interface Writable {
    user: { id?: string; isAdmin?: boolean; permissions: string[] };
    locals: string[];
  }
  const of = (req: Request) => req as unknown as Writable;
  const attempts: Readonly<Record<string, (req: Request) => void>> = {
    "its id cannot be set": (req) => {
      of(req).user.id = "root";
    },
    "it gets no new property": (req) => {
      of(req).user.isAdmin = true;
    },
    "nothing of it can be deleted": (req) => {
      delete of(req).user.id;
    },
    "its permissions cannot be set": (req) => {
      of(req).user.permissions = ["admin"];
    },
    "no permission can be added": (req) => of(req).user.permissions.push("admin"),
    "no permission can be replaced": (req) => of(req).user.permissions.splice(0, 1, "admin"),
    "no local can be added": (req) => of(req).locals.push("lugo"),
    "what getAuth tells cannot be set": (req) => Object.assign(getAuth(req), { user: ADMIN }),
    "the locals that getAuth tells cannot be sorted": (req) => (getAuth(req).locals as string[]).reverse(),
  };

  test.each(Object.entries(attempts))("%s", async (_what, attempt) => {
    const { service, client } = await startAuth();
    const errors: unknown[] = [];
    const app = express().use(requireAuth({ client }), (req, res) => {
      const before = JSON.stringify(getAuth(req));
      try {
        attempt(req);
      } catch (error) {
        errors.push(error);
      }
      res.json(JSON.stringify(getAuth(req)) === before && getAuth(req));
    });

    // The first is what the service said; the others share what is cached.
    const bodies = [];
    for (let time = 0; time < 3; time++) bodies.push((await request(app).get("/").set(bearer("token-ana"))).body);

    expect(errors).toEqual([expect.any(TypeError), expect.any(TypeError), expect.any(TypeError)]);
    expect(bodies[0].user).toMatchObject({ id: "ana", permissions: ["products:read", "products:write"] });
    expect(bodies[2]).toEqual(bodies[1]);
    expect(service.calls.VerifyToken).toBe(1);
  });
});

describe.each(expresses)("in %s a user that the process knows", (_name, create) => {
  /** Whether the handlers call `next` before they return. */
  async function isSynchronous(client: AuthClient, ...handlers: RequestHandler[]): Promise<boolean[]> {
    const seen: boolean[] = [];
    const watched = handlers.map(
      (handler): RequestHandler =>
        (req, res, next) => {
          let called = false;
          handler(req, res, (error?: unknown) => {
            called = true;
            next(error);
          });
          seen.push(called);
        },
    );
    await client.verifyToken("token-ana");
    const { status } = await request(create().use(...watched, end))
      .get("/")
      .set(bearer("token-ana"));
    expect(status).toBe(200);
    return seen.reverse(); // the innermost returns first
  }

  test("is let through in the same tick, by the guards too", async () => {
    const { client } = await startAuth();

    const seen = await isSynchronous(
      client,
      requireAuth({ client }),
      requireAuth({ client }),
      optionalAuth({ client }),
      requirePermission("products:read"),
      requireLocal(() => "madrid"),
    );

    expect(seen).toEqual([true, true, true, true, true]);
  });

  test("is waited for when the service must be asked", async () => {
    const { client } = await startAuth();

    expect(await isSynchronous(client, requireAuth({ client, fresh: true }))).toEqual([false]);
  });
});
