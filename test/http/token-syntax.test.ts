import * as http from "node:http";
import { afterEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { type AuthClientOptions, authenticate, bearerToken, cookieToken } from "../../src/client.js";
import { type Face, type FaceOptions, faces } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { exchange, listen } from "../support/raw-request.js";

afterEach(closeAll);

const TOKEN = "user:1:abc";
const COLONS: Partial<AuthClientOptions> = { tokenSyntax: /user:\d+:\w+/ };

const open = (options: Partial<AuthClientOptions>, ...more: readonly string[]) =>
  startAuth({ users: Object.fromEntries([TOKEN, "abc", ...more].map((token) => [token, { id: "ana" }])) }, options);

describe.each(faces)("in $name the client's tokenSyntax", (face: Face) => {
  const ask = async (options: FaceOptions, headers: Record<string, string>) => {
    const { status, text } = await request(face.serve("/", face.requireAuth(options)))
      .get("/")
      .set(headers);
    return `${status} ${JSON.parse(text).code ?? ""}`.trim();
  };

  test("holds for the Authorization header", async () => {
    const { service, client } = await open(COLONS);

    expect(await ask({ client }, bearer(TOKEN))).toBe("200");
    expect(await ask({ client, fresh: true }, bearer(TOKEN))).toBe("200");
    expect(await ask({ client }, bearer("abc"))).toBe("400 invalid_request");
    expect(await ask({ client }, bearer(`${TOKEN} ${TOKEN}`))).toBe("400 invalid_request");
    expect(await ask({ client }, bearer(`${TOKEN},${TOKEN}`))).toBe("400 invalid_request");
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("holds for a source of one's own, and for those of portero in it", async () => {
    const { client } = await open(COLONS);
    const cookie = cookieToken("session");
    const token: NonNullable<FaceOptions["token"]> = (req) => bearerToken(req) ?? cookie(req);

    expect(await ask({ client, token }, bearer(TOKEN))).toBe("200");
    expect(await ask({ client, token }, bearer("abc"))).toBe("400 invalid_request");
    expect(await ask({ client, token }, { Cookie: `session=${TOKEN}` })).toBe("200");
    expect(await ask({ client, token }, { Cookie: `session=${encodeURIComponent(TOKEN)}` })).toBe("200");
    expect(await ask({ client, token }, { Cookie: "session=abc" })).toBe("400 invalid_request");
    expect(await ask({ client, token: () => "abc" }, {})).toBe("400 invalid_request");
  });

  test("holds for a copy of the client", async () => {
    const { client } = await open(COLONS);
    const copy = { ...client, close: async () => undefined };

    expect(await ask({ client: copy }, bearer(TOKEN))).toBe("200");
    expect(await ask({ client: copy }, bearer("abc"))).toBe("400 invalid_request");
  });

  test("is that of each client where there are two", async () => {
    const colons = await open(COLONS);
    const plain = await open({});
    const both = [face.requireAuth({ client: plain.client }), face.optionalAuth({ client: colons.client })];
    const status = async (token: string) =>
      (
        await request(face.serve("/", ...both))
          .get("/")
          .set(bearer(token))
      ).status;

    expect(await ask({ client: plain.client }, bearer(TOKEN))).toBe("400 invalid_request");
    expect([await status("abc"), await status(TOKEN)]).toEqual([400, 400]);
    expect(colons.service.calls.total).toBe(0);
  });

  test("leaves the one of 8 KiB, where maxTokenBytes does not say more", async () => {
    const long = "a".repeat(9000);
    const { client } = await open({}, long);
    const wide = await open({ maxTokenBytes: 10_000 }, long);
    const token: FaceOptions["token"] = (req) => bearerToken(req);

    expect(await ask({ client }, bearer(long))).toBe("400 invalid_request");
    expect(await ask({ client: wide.client }, bearer(long))).toBe("200");
    expect(await ask({ client: wide.client, token }, bearer(long))).toBe("200");
    expect(await ask({ client: wide.client }, bearer("a".repeat(10_001)))).toBe("400 invalid_request");
  });
});

test("bearerToken() takes a token68 outside of a middleware, also after one", async () => {
  const { client } = await open(COLONS);
  const headers = { authorization: `Bearer ${TOKEN}` };

  await authenticate({ headers }, { client, token: bearerToken });
  expect(() => bearerToken({ headers })).toThrow("malformed");
  await authenticate({ headers: {} }, { client, token: (req) => bearerToken(req) ?? null }).catch(() => undefined);
  const failing = () => {
    throw new Error("no store");
  };
  await expect(authenticate({ headers }, { client, token: failing })).rejects.toThrow("no store");
  expect(() => bearerToken({ headers })).toThrow("malformed");
});

test("One connection that two clients of different syntax serve mixes up nothing.", async () => {
  const colons = await open(COLONS);
  const plain = await open({});
  const server = http.createServer((req, res) => {
    const { client } = req.url === "/colons" ? colons : plain;
    authenticate(req, { client }).then(
      ({ user }) => res.end(user.id),
      ({ code }) => res.end(code),
    );
  });
  const port = await listen(server);
  const get = async (path: string, token: string) =>
    (await exchange(port, { line: `GET ${path} HTTP/1.1`, headers: [`Authorization: Bearer ${token}`] })).body;

  expect([await get("/plain", "abc"), await get("/plain", "abc")].every((body) => body.includes("ana"))).toBe(true);
  expect(await get("/colons", "abc")).toContain("invalid_request");
  expect(await get("/colons", TOKEN)).toContain("ana");
  expect(await get("/plain", TOKEN)).toContain("invalid_request");
});
