import * as http from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { RequestHandler } from "express";
import type { Middleware } from "koa";
import request from "supertest";
import { type AuthClient, authenticate, ConfigError, getAuth, type RequestLike } from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { type Face, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

type Options = Parameters<typeof authenticate<RequestLike>>[1];

/** A middleware of the application's own, around `authenticate`; `catches` goes on without a user. */
function own(
  face: Face,
  options: Options,
  { catches = false, of = (ctx: { request: RequestLike }) => ctx as never } = {},
): Step {
  const expressStep: RequestHandler = (req, _res, next) => {
    authenticate<RequestLike>(req, options).then(
      () => next(),
      (error) => (catches ? next() : next(error)),
    );
  };
  const koaStep: Middleware = async (ctx, next) => {
    try {
      await authenticate<RequestLike>(of(ctx), options);
    } catch (error) {
      if (!catches) throw error;
    }
    return next();
  };
  return (face.framework === "koa" ? koaStep : expressStep) as Step;
}

async function ask(face: Face, steps: readonly Step[], headers: Record<string, string> = bearer("token-ana")) {
  const { status, text } = await request(face.serve("/", ...steps))
    .get("/")
    .set(headers);
  const { code, thrown, user, locals, auth } = JSON.parse(text);
  return status === 200 ? { user: user?.id, locals, auth: auth.user?.id ?? auth } : `${status} ${code ?? thrown}`;
}

const ANA = { user: "ana", locals: ["madrid", "sevilla"], auth: "ana" };
const ANONYMOUS = { auth: "missing_token" };

describe.each(faces)("in $name authenticate() with attach", (face) => {
  test("leaves the user for handlers, getAuth and guards", async () => {
    const { service, client } = await startAuth();
    const step = own(face, { client, attach: true });

    expect(await ask(face, [step])).toEqual(ANA);
    expect(await ask(face, [step, face.requirePermission("products:read"), face.requireLocal(() => "madrid")])).toEqual(
      ANA,
    );
    expect(await ask(face, [step, face.requirePermission("admin")])).toBe("403 insufficient_scope");
    expect(await ask(face, [step, face.requireLocal(() => "lugo", { fresh: true })])).toBe("403 insufficient_scope");
    expect(service.calls).toMatchObject({ VerifyToken: 1, GetUserLocals: 1 });
  });

  test("gives its realm to the guards", async () => {
    const { client } = await startAuth();
    const steps = [own(face, { client, attach: true, realm: "shop" }), face.requirePermission("admin")];

    const { headers } = await request(face.serve("/", ...steps))
      .get("/")
      .set(bearer("token-ana"));

    expect(headers["www-authenticate"]).toContain('realm="shop"');
  });

  test("makes the request anonymous where it rejects, whatever stood there", async () => {
    const { client } = await startAuth();
    const step = own(face, { client, attach: true, token: () => "no-such" }, { catches: true });

    expect(await ask(face, [step])).toEqual(ANONYMOUS);
    expect(await ask(face, [step, face.requirePermission("products:read")])).toBe("401 missing_token");
    expect(await ask(face, [face.requireAuth({ client }), step])).toEqual(ANONYMOUS);
    expect(await ask(face, [face.requireAuth({ client }), step, face.requirePermission("products:read")])).toBe(
      "401 missing_token",
    );
  });

  test("counts as an earlier middleware", async () => {
    const { service, client } = await startAuth({}, { cache: { ttlMs: 0 } });

    expect(await ask(face, [own(face, { client, attach: true }), face.requireAuth({ client })])).toEqual(ANA);
    expect(service.calls.VerifyToken).toBe(1);
    const nothing = face.optionalAuth({ client, token: () => undefined });
    expect(await ask(face, [own(face, { client, attach: true }), nothing])).toEqual(ANONYMOUS);
  });

  test("without it leaves nothing", async () => {
    const { client } = await startAuth();
    for (const attach of [false, undefined]) {
      const steps = [
        own(face, { client, ...(attach === false && { attach }) }),
        face.requirePermission("products:read"),
      ];
      expect(await ask(face, steps)).toMatch(/^500 requirePermission\(\) needs requireAuth\(\) before it/);
    }
    const failing = own(face, { client, token: () => "no-such" }, { catches: true });
    expect(await ask(face, [face.requireAuth({ client }), failing])).toEqual(ANA);
  });

  if (face.framework === "koa") {
    test("takes Koa's request for its context", async () => {
      const { client } = await startAuth();
      const step = own(face, { client, attach: true }, { of: (ctx) => ctx.request as never });

      expect(await ask(face, [step, face.requirePermission("products:read")])).toEqual(ANA);
    });
  }
});

describe("authenticate() with attach", () => {
  test("leaves it on a request of Node's own", async () => {
    const { client } = await startAuth();
    const server = http.createServer(async (req, res) => {
      await authenticate(req, { client, attach: true });
      res.end(getAuth(req).user.id);
    });

    expect((await request(server).get("/").set(bearer("token-ana")).buffer(true)).text).toBe("ana");
  });

  test("leaves it where Fastify keeps Node's request, and the user on Fastify's", async () => {
    const { client } = await startAuth();
    const raw = {
      headers: bearerHeaders(),
      rawHeaders: ["Authorization", "Bearer token-ana"],
    } as never as http.IncomingMessage;
    const fastifys = { headers: bearerHeaders(), raw, user: undefined as unknown };

    await authenticate(fastifys, { client, attach: true });

    expect([getAuth(raw).user.id, fastifys.user]).toEqual(["ana", getAuth(raw).user]);
    expect(getAuth(fastifys)).toBe(getAuth(raw));
  });

  test("rejects what cannot be written to", async () => {
    const { client } = await startAuth();
    const frozen = Object.freeze({ headers: bearerHeaders() });

    await expect(authenticate(frozen, { client, attach: true })).rejects.toThrow(TypeError);
    await expect(authenticate(frozen, { client })).resolves.toMatchObject({ user: { id: "ana" } });
  });

  test.each(["yes", 1, null])("is a ConfigError with %p", async (attach) => {
    const client: AuthClient = stubAuthClient();

    await expect(authenticate({ headers: {} }, { client, attach: attach as never })).rejects.toThrow(ConfigError);
  });
});

function bearerHeaders() {
  return { authorization: "Bearer token-ana" };
}

describe.each(faces)("in $name a middleware has the name of what made it", (face) => {
  const client = stubAuthClient();

  test.each<[string, () => Step]>([
    ["requireAuth", () => face.requireAuth({ client })],
    ["optionalAuth", () => face.optionalAuth({ client })],
    ["requirePermission", () => face.requirePermission("a")],
    ["requireAnyPermission", () => face.requireAnyPermission("a")],
    ["requireUser", () => face.requireUser(() => true)],
    ["requireLocal", () => face.requireLocal("a")],
    ["requireOrganization", () => face.requireOrganization("a")],
    ["requireModule", () => face.requireModule("a")],
  ])("%s", (name, make) => {
    expect(make().name).toBe(name);
  });

  test("which stands in stack traces", async () => {
    const { prepareStackTrace } = Error;
    let names: readonly unknown[] = [];
    const token = () => {
      Error.prepareStackTrace = (_error, sites) => sites.map((site) => site.getFunctionName());
      names = new Error("here").stack as unknown as unknown[];
      Error.prepareStackTrace = prepareStackTrace;
      return undefined;
    };
    await request(face.serve("/", face.optionalAuth({ client, token }))).get("/");

    expect(names).toContain("optionalAuth");
  });
});

test("Express lists its layers by those names.", async () => {
  const { default: express } = await import("express");
  const { requireAuth, requireLocal } = await import("../../src/index.js");
  const app = express();
  app.use(
    requireAuth({ client: stubAuthClient() }),
    requireLocal(() => "madrid"),
  );

  const names = (app as unknown as { router: { stack: { name: string }[] } }).router.stack.map(({ name }) => name);

  expect(names).toEqual(["requireAuth", "requireLocal"]);
});
