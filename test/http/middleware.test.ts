import { afterEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import type { AuthClient, RequestLike } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { type Face, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, startAuth, USERS } from "../support/http-fixture.js";

afterEach(closeAll);

const ANA = {
  id: "ana",
  email: "ana@example.com",
  organizationId: "org-1",
  permissions: ["products:read", "products:write"],
};
const LOCALS = ["madrid", "sevilla"];

function get(face: Face, steps: readonly Step[], headers: Record<string, string> = bearer("token-ana")) {
  return request(face.serve("/", ...steps))
    .get("/")
    .set(headers);
}

describe.each(faces)("in $name", (face) => {
  describe("requireAuth", () => {
    test("attaches the user and the locals, and getAuth tells them with their source", async () => {
      const { client } = await startAuth();
      const steps = [face.requireAuth({ client })];

      const first = await get(face, steps);
      const second = await get(face, steps);

      expect(first.body).toEqual({ user: ANA, locals: LOCALS, auth: { user: ANA, locals: LOCALS, source: "grpc" } });
      expect(second.body).toEqual({ ...first.body, auth: { ...first.body.auth, source: "process" } });
    });

    test("tells the end of a token that has one", async () => {
      const payload = Buffer.from('{"exp":4102444800}').toString("base64url");
      const token = `h.${payload}.s`;
      const { client } = await startAuth({ users: { [token]: USERS["token-ana"] } });

      const { body } = await get(face, [face.requireAuth({ client })], bearer(token));

      expect(body.auth.expiresAt).toBe(4_102_444_800_000);
    });

    test("asks once, however often the token comes", async () => {
      const { service, client } = await startAuth();
      const steps = [face.requireAuth({ client })];

      for (let time = 0; time < 3; time++) await get(face, steps);

      expect(service.calls.VerifyToken).toBe(1);
    });

    test("with fresh asks for every request", async () => {
      const { service, client } = await startAuth();
      const steps = [face.requireAuth({ client, fresh: true })];

      const sources = [(await get(face, steps)).body.auth.source, (await get(face, steps)).body.auth.source];

      expect(sources).toEqual(["grpc", "grpc"]);
      expect(service.calls.VerifyToken).toBe(2);
    });

    test("with fresh refuses a token that was good a moment ago", async () => {
      const { service, client } = await startAuth();
      await client.verifyToken("token-ana");
      service.refuse("token-ana");

      expect((await get(face, [face.requireAuth({ client })])).status).toBe(200);
      expect((await get(face, [face.requireAuth({ client, fresh: true })])).status).toBe(401);
    });

    test("takes the token from a source of one's own, under the same rules", async () => {
      const { client } = await startAuth();
      const token: NonNullable<Parameters<Face["requireAuth"]>[0]>["token"] = ({ headers }) =>
        (headers as Record<string, string>)["x-token"];
      const steps = [face.requireAuth({ client, token })];

      expect((await get(face, steps, { "X-Token": "token-ana" })).body.user.id).toBe("ana");
      expect((await get(face, steps, { "X-Token": "token ana" })).status).toBe(400);
      expect((await get(face, steps, { "X-Token": "" })).status).toBe(401);
      expect((await get(face, steps, bearer("token-ana"))).status).toBe(401);
    });

    test("looks at the token itself, whatever client it is given", async () => {
      const words = { "two words": USERS["token-ana"], "token=ana": USERS["token-ana"] };
      const client = stubAuthClient({ users: words });

      expect((await get(face, [face.requireAuth({ client })], bearer("two words"))).status).toBe(400);
      expect((await get(face, [face.requireAuth({ client, fresh: true })], bearer("token=ana"))).status).toBe(400);
      expect((await get(face, [face.requireAuth({ client, token: () => "two words" })])).status).toBe(400);
    });

    test("takes null of a token source for no token, as of a session that is not there", async () => {
      const { client } = await startAuth();

      expect((await get(face, [face.requireAuth({ client, token: () => null })])).status).toBe(401);
      expect((await get(face, [face.optionalAuth({ client, token: () => null })])).body.auth).toBe("missing_token");
    });

    test.each<[string, () => unknown, string]>([
      ["a promise", async () => "token-ana", "a Promise: it must not be async"],
      ["a promise that rejects", () => Promise.reject(new Error("no store")), "a Promise: it must not be async"],
      ["a function", () => () => "token-ana", "a function"],
      ["a symbol", () => Symbol("token"), "a symbol"],
    ])("tells what a token source returned: %s", async (_what, token, got) => {
      const { client } = await startAuth();

      const { status, body } = await get(face, [face.requireAuth({ client, token: token as () => string })]);

      const thrown = `the option \`token\` must return a string or nothing, got ${got}`;
      expect([status, body]).toEqual([500, { thrown }]);
    });

    test.each<[string, (request: RequestLike) => unknown]>([
      ["a list", () => ["token-ana", "token-bea"]],
      ["a list of one", () => ["token-ana"]],
      ["an empty list", () => []],
      ["an object", () => ({ x: "token-ana" })],
      ["an object without a prototype", () => Object.assign(Object.create(null), { x: "token-ana" })],
      ["a number", () => 7],
      ["a number that is none", () => Number.NaN],
      ["a boolean", () => false],
    ])("takes what a client can make of a parameter for malformed, not for a fault: %s", async (_what, token) => {
      const { service, client } = await startAuth();
      for (const make of [face.requireAuth, face.optionalAuth]) {
        const { status, text } = await get(face, [make({ client, token: token as () => string })]);

        expect([status, JSON.parse(text).code]).toEqual([400, "invalid_request"]);
        expect(text).not.toContain("token-ana");
      }
      expect(service.calls.total).toBe(0);
    });

    test("leaves a token source that throws, or returns no text, to the framework", async () => {
      const { client } = await startAuth();
      const thrower = () => {
        throw new Error("no session store");
      };

      const thrown = await get(face, [face.requireAuth({ client, token: thrower })]);
      const wrong = await get(face, [face.requireAuth({ client, token: (() => () => "a") as never })]);

      expect([thrown.status, thrown.body]).toEqual([500, { thrown: "no session store" }]);
      expect([wrong.status, wrong.body.thrown]).toEqual([500, expect.stringContaining("`token`")]);
    });
  });

  describe("a second requireAuth", () => {
    const askedBy = async (second: (client: AuthClient) => Step, first?: (client: AuthClient) => Step) => {
      // Nothing is cached: a question more would be seen.
      const { service, client } = await startAuth({}, { cache: { ttlMs: 0 } });
      const response = await get(face, [first?.(client) ?? face.requireAuth({ client }), second(client)]);
      expect(response.body.auth.user.id).toBe("ana");
      return service.calls.VerifyToken;
    };

    test("with the same client does not ask again", async () => {
      expect(await askedBy((client) => face.requireAuth({ client }))).toBe(1);
      expect(await askedBy((client) => face.optionalAuth({ client }))).toBe(1);
    });

    test("does not ask again after an optionalAuth that found a token", async () => {
      const optional = (client: AuthClient) => face.optionalAuth({ client });
      expect(await askedBy((client) => face.requireAuth({ client }), optional)).toBe(1);
    });

    test("asks again when it is fresh", async () => {
      expect(await askedBy((client) => face.requireAuth({ client, fresh: true }))).toBe(2);
    });

    test("is not satisfied with an anonymous first", async () => {
      const { client } = await startAuth();
      const steps = [face.optionalAuth({ client }), face.requireAuth({ client })];

      expect((await get(face, steps, {})).status).toBe(401);
    });

    test("finds a token where an anonymous first did not look", async () => {
      const { client } = await startAuth();
      const nowhere = face.optionalAuth({ client, token: () => undefined });

      expect((await get(face, [nowhere, face.requireAuth({ client })])).body.auth.user.id).toBe("ana");
    });

    test("with another client asks that one, and its answer holds from there on", async () => {
      const staff = await startAuth();
      const shop = await startAuth({ users: { "token-ana": { id: "ana-of-the-shop", permissions: ["buy"] } } });
      const steps = [face.requireAuth({ client: staff.client }), face.requireAuth({ client: shop.client })];

      const open = await get(face, steps);
      const guarded = await get(face, [...steps, face.requirePermission("products:read")]);

      expect([open.body.user.id, open.body.locals, open.body.auth.user.id]).toEqual([
        "ana-of-the-shop",
        [],
        "ana-of-the-shop",
      ]);
      expect(guarded.status).toBe(403);
      expect([staff.service.calls.VerifyToken, shop.service.calls.VerifyToken]).toEqual([1, 1]);
    });

    test("with another client that refuses ends the request", async () => {
      const staff = await startAuth();
      const shop = await startAuth({ users: {} });
      const steps = [face.requireAuth({ client: staff.client }), face.requireAuth({ client: shop.client })];

      expect((await get(face, steps)).status).toBe(401);
    });
  });

  describe("optionalAuth", () => {
    test("lets a request without credentials through as anonymous, and asks nobody", async () => {
      const { service, client } = await startAuth();

      const { status, body } = await get(face, [face.optionalAuth({ client })], {});

      expect([status, body]).toEqual([200, { auth: "missing_token" }]);
      expect(service.calls.total).toBe(0);
    });

    test("attaches the user of a good token", async () => {
      const { client } = await startAuth();

      const { body } = await get(face, [face.optionalAuth({ client })]);

      expect([body.user, body.locals, body.auth.user]).toEqual([ANA, LOCALS, ANA]);
    });

    test.each([
      ["a bad token", "Bearer no-such", 401, "invalid_token"],
      ["the token of an inactive user", "Bearer token-gone", 401, "inactive_user"],
      ["a malformed token", "Bearer two words", 400, "invalid_request"],
    ])("does not take %s for anonymous", async (_what, authorization, status, code) => {
      const { client } = await startAuth();

      const response = await get(face, [face.optionalAuth({ client })], { Authorization: authorization });

      expect([response.status, JSON.parse(response.text).code]).toEqual([status, code]);
    });

    test("does not take an outage for anonymous", async () => {
      const { service, client } = await startAuth();
      await Promise.all([service.grpc.stop(), service.rest.stop()]);

      const response = await get(face, [face.optionalAuth({ client })]);

      expect([response.status, response.headers["retry-after"]]).toEqual([503, "1"]);
    });
  });

  test("getAuth without requireAuth is a programming error that says so", async () => {
    const { body } = await get(face, []);

    expect(body.auth).toContain("getAuth() needs requireAuth() before it");
  });
});
