import { STATUS_CODES } from "node:http";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import request from "supertest";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { requireAuth, requirePermission } from "../../src/index.js";
import { express5Face, faces } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { errorRows } from "./error-rows.js";

afterEach(closeAll);

describe.each(faces)("$name answers", (face) => {
  test.each(errorRows)("$code with its row of the error table", async ({ code, status, ...row }) => {
    const response = await row.provoke(face, face.requireAuth);

    expect(response.status).toBe(status);
    expect(response.headers["www-authenticate"]).toBe(row.challenge);
    expect(response.headers["retry-after"]).toBe(row.retryAfter);
    expect(response.headers["cache-control"]).toBe("no-store");
    expect(response.headers["content-type"]).toMatch(/^application\/problem\+json\b/);
    expect(JSON.parse(bodyOf(response))).toEqual({
      type: "about:blank",
      title: STATUS_CODES[status],
      status,
      code,
      detail: expect.stringMatching(/^The .+\.$|^Too .+\.$/),
    });
  });

  test.each(errorRows)("$code without a word of credentials, upstreams or code", async (row) => {
    const response = await row.provoke(face, face.requireAuth);

    const said = JSON.stringify(response.headers) + bodyOf(response);
    expect(said).not.toContain("token-secret");
    expect(said).not.toMatch(/127\.0\.0\.1|localhost|ECONN|UNAVAILABLE|grpc|gRPC|REST/);
    expect(said).not.toMatch(/no such token|not found|refused \(/);
    expect(said).not.toMatch(/\.[jt]s:\d+|\bat \S+ \(/);
  });
});

describe.each(faces)("$name, told to hand errors on,", (face) => {
  test.each(errorRows)("answers $code through the framework's own handler", async ({ status, ...row }) => {
    const response = await row.provoke(face, face.requireAuthHandingOn);

    expect(response.status).toBe(status);
    expect(response.headers["www-authenticate"]).toBe(row.challenge);
    expect(response.headers["retry-after"]).toBe(row.retryAfter);
    expect(response.headers["cache-control"]).toBe("no-store");
    expect(response.headers["content-type"]).not.toMatch(/problem/);
    expect(JSON.stringify(response.headers) + bodyOf(response)).not.toContain("token-secret");
  });
});

/** Supertest parses JSON types only; what it did not parse it keeps as text or bytes. */
function bodyOf({ text, body }: { text?: string; body: unknown }): string {
  return text ?? (Buffer.isBuffer(body) ? body.toString("utf8") : JSON.stringify(body));
}

describe.each(faces)("in $name the challenge", (face) => {
  test("names the realm, in the guards behind requireAuth too", async () => {
    const { client } = await startAuth();
    const app = face.serve("/", face.optionalAuth({ client, realm: "catalog" }), face.requirePermission("admin"));

    const anonymous = await request(app).get("/");
    const refused = await request(app).get("/").set(bearer("no-such"));
    const insufficient = await request(app).get("/").set(bearer("token-bea"));

    expect(anonymous.headers["www-authenticate"]).toBe('Bearer realm="catalog"');
    expect(refused.headers["www-authenticate"]).toBe('Bearer realm="catalog", error="invalid_token"');
    expect(insufficient.headers["www-authenticate"]).toBe(
      'Bearer realm="catalog", error="insufficient_scope", scope="admin"',
    );
  });
});

describe("the challenge", () => {
  test.each([
    ["a plain realm", "catalog", '"catalog"'],
    ["quotes and backslashes", 'the "shop" \\ api', '"the \\"shop\\" \\\\ api"'],
  ])("carries %s safely", async (_what, realm, quoted) => {
    const { client } = await startAuth();
    const app = express5Face.serve("/", requireAuth({ client, realm }), requirePermission("admin"));

    const missing = await request(app).get("/");
    const refused = await request(app).get("/").set(bearer("no-such"));
    const insufficient = await request(app).get("/").set(bearer("token-bea"));

    expect(missing.headers["www-authenticate"]).toBe(`Bearer realm=${quoted}`);
    expect(refused.headers["www-authenticate"]).toBe(`Bearer realm=${quoted}, error="invalid_token"`);
    expect(insufficient.headers["www-authenticate"]).toBe(
      `Bearer realm=${quoted}, error="insufficient_scope", scope="admin"`,
    );
    expect(missing.headers["set-cookie"]).toBeUndefined();
  });

  test.each([
    { permissions: ["products:read", "products:write"], scope: ', scope="products:read products:write"' },
    { permissions: ["products write", 'say "hi"', "back\\slash", "añadir", "!#[]~"], scope: ', scope="!#[]~"' },
    { permissions: ["products write"], scope: "" },
  ])("names of $permissions only what can be written as a scope", async ({ permissions, scope }) => {
    const { client } = await startAuth();
    const app = express5Face.serve("/", requireAuth({ client }), requirePermission(...permissions));

    const { headers } = await request(app).get("/").set(bearer("token-bea"));

    expect(headers["www-authenticate"]).toBe(`Bearer realm="api", error="insufficient_scope"${scope}`);
  });

  test("of any of several permissions names them all", async () => {
    const { client } = await startAuth();
    const app = express5Face.serve("/", requireAuth({ client }), express5Face.requireAnyPermission("a", "b"));

    const { headers } = await request(app).get("/").set(bearer("token-bea"));

    expect(headers["www-authenticate"]).toBe('Bearer realm="api", error="insufficient_scope", scope="a b"');
  });
});

describe("a HEAD request", () => {
  test("gets the status and the challenge, and no body", async () => {
    const { client } = await startAuth();
    const app = express().use(requireAuth({ client }));

    const response = await request(app).head("/");

    expect(response.status).toBe(401);
    expect(response.headers["www-authenticate"]).toBe('Bearer realm="api"');
    expect(response.text ?? "").toBe("");
  });
});

describe("what an upstream says", () => {
  test.each([
    { code: Code.Unauthenticated, status: 401 },
    { code: Code.Unavailable, status: 503 },
    { code: Code.Internal, status: 503 },
  ])("is not passed on with $status", async ({ code, status }) => {
    const transport = createRouterTransport(({ service }) => {
      service(AuthService, {
        verifyToken: () => {
          throw new ConnectError("token-secret is unknown to http://10.1.2.3/internal", code);
        },
      });
    });
    const { client } = await startAuth({}, { grpc: { transport }, rest: undefined });
    const app = express5Face.serve("/", requireAuth({ client }));

    const response = await request(app).get("/").set(bearer("token-secret"));

    expect(response.status).toBe(status);
    expect(JSON.stringify(response.headers) + response.text).not.toMatch(/token-secret|10\.1\.2\.3|internal/);
  });
});
