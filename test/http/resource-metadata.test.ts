import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type ErrorRequestHandler } from "express";
import request from "supertest";
import { AuthError, authenticate, ConfigError, getAuth, optionalAuth } from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { type FaceOptions, faces } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

const URL_OF_METADATA = "https://shop.example/.well-known/oauth-protected-resource";
const PARAMETER = `resource_metadata="${URL_OF_METADATA}"`;

describe.each(faces)("in $name challenges carry resource_metadata", (face) => {
  const challenge = async (options: FaceOptions, headers: Record<string, string>, handsOn = false) => {
    const { client } = await startAuth();
    const make = handsOn ? face.requireAuthHandingOn : face.requireAuth;
    const given = { client, resourceMetadata: URL_OF_METADATA, ...options };
    const response = await request(face.serveBare("/", make(given), face.requirePermission("admin")))
      .get("/")
      .set(headers);
    return response.headers["www-authenticate"];
  };

  test.each<[string, Record<string, string>, string]>([
    ["missing_token", {}, `Bearer realm="api", ${PARAMETER}`],
    ["invalid_token", bearer("no-such"), `Bearer realm="api", error="invalid_token", ${PARAMETER}`],
    ["inactive_user", bearer("token-gone"), `Bearer realm="api", error="invalid_token", ${PARAMETER}`],
    ["invalid_request", bearer("two words"), `Bearer realm="api", error="invalid_request", ${PARAMETER}`],
    [
      "insufficient_scope, of a guard behind",
      bearer("token-ana"),
      `Bearer realm="api", error="insufficient_scope", scope="admin", ${PARAMETER}`,
    ],
  ])("of %s", async (_code, headers, expected) => {
    expect(await challenge({}, headers)).toBe(expected);
    expect(await challenge({}, headers, true)).toBe(expected);
    expect(await challenge({ realm: "shop" }, headers)).toBe(expected.replace("api", "shop"));
  });

  test("for an anonymous request at a guard", async () => {
    const optional = face.optionalAuth({ client: stubAuthClient(), resourceMetadata: URL_OF_METADATA });

    const response = await request(face.serve("/", optional, face.requirePermission("admin"))).get("/");

    expect(response.headers["www-authenticate"]).toBe(`Bearer realm="api", ${PARAMETER}`);
  });

  test("of the last middleware, and none where that has none", async () => {
    const { client } = await startAuth();
    const steps = [face.requireAuth({ client, resourceMetadata: URL_OF_METADATA }), face.requireAuth({ client })];

    const response = await request(face.serve("/", ...steps, face.requirePermission("admin")))
      .get("/")
      .set(bearer("token-ana"));

    expect(response.headers["www-authenticate"]).toBe('Bearer realm="api", error="insufficient_scope", scope="admin"');
  });

  test("but 503 and cross_site have none", async () => {
    const client = stubAuthClient();
    client.fail();

    const response = await request(face.serve("/", face.requireAuth({ client, resourceMetadata: URL_OF_METADATA })))
      .get("/")
      .set(bearer("token-ana"));

    expect([response.status, response.headers["www-authenticate"]]).toStrictEqual([503, undefined]);
  });

  test.each([
    "https://shop.example/",
    "http://localhost:3000/.well-known/oauth-protected-resource/a",
    "https://[::1]/?a=b&c='d'",
    "HTTPS://shop.example/a%20b",
  ])("which may be %s", async (resourceMetadata) => {
    expect(await challenge({ resourceMetadata }, {})).toBe(
      `Bearer realm="api", resource_metadata="${resourceMetadata}"`,
    );
  });

  test.each([
    "",
    "/.well-known/oauth-protected-resource",
    "shop.example",
    "//shop.example/a",
    "ftp://shop.example/a",
    "javascript:alert(1)",
    "https://",
    "https:shop.example",
    "https://shop.example/a b",
    "https://shop.example/ñ",
    "https://shop.example/a\r\nX-Evil: 1",
    'https://shop.example/", error="none',
    "https://shop.example\\a",
    "https://shop.example/a#b",
    "https://user:password@shop.example/",
    7,
    null,
    new URL("https://shop.example/"),
  ])("but not %j, which is a ConfigError", (resourceMetadata) => {
    const given = { client: stubAuthClient(), resourceMetadata } as FaceOptions;
    for (const make of [face.requireAuth, face.optionalAuth]) {
      expect(() => make(given)).toThrow(ConfigError);
      expect(() => make(given)).toThrow(/resourceMetadata: expected a URL/);
      expect(() => make(given)).not.toThrow(/password/);
    }
  });
});

test("A rejection of authenticate() carries it too.", async () => {
  const client = stubAuthClient();
  const rejected = authenticate({ headers: {} }, { client, realm: "shop", resourceMetadata: URL_OF_METADATA });

  await expect(rejected).rejects.toMatchObject({
    headers: { "WWW-Authenticate": `Bearer realm="shop", ${PARAMETER}` },
  });
});

test("So does what getAuth() throws for an anonymous request, wherever it is caught.", async () => {
  const client = stubAuthClient();
  const app = express();
  app.use(optionalAuth({ client, realm: "shop", resourceMetadata: URL_OF_METADATA }), (req) => void getAuth(req));
  const catches: ErrorRequestHandler = (error, _req, res, _next) => void res.json(error.headers["WWW-Authenticate"]);
  app.use(catches);

  expect((await request(app).get("/")).body).toBe(`Bearer realm="shop", ${PARAMETER}`);
});

test("An AuthError keeps it when only the realm is told anew, and is the same when both are as they were.", () => {
  const error = new AuthError("missing_token", { realm: "a", resourceMetadata: URL_OF_METADATA });

  expect(error.inRealm("b").headers["WWW-Authenticate"]).toBe(`Bearer realm="b", ${PARAMETER}`);
  expect(error.inRealm("a", URL_OF_METADATA)).toBe(error);
  expect(error.inRealm("a", "https://b.example/").headers["WWW-Authenticate"]).toContain("https://b.example/");
});
