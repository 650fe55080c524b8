import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import {
  type AuthClient,
  type AuthError,
  type AuthenticateOptions,
  authenticate,
  cookieToken,
} from "../../src/client.js";
import { getAuth } from "../../src/index.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { exchange, listen } from "../support/raw-request.js";

afterEach(closeAll);

/** A server that upgrades to a protocol of one message: whose connection it is. */
async function openUpgrades(options: Omit<AuthenticateOptions<http.IncomingMessage>, "client"> = {}) {
  const { service, client } = await startAuth();
  const server = http.createServer();
  server.on("upgrade", (req, socket) => {
    authenticate(req, { client, ...options }).then(
      ({ user }) => socket.end(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n${user.id}`),
      (error: unknown) => {
        const { status, code, headers } = error as AuthError;
        const challenge = headers["WWW-Authenticate"] ?? "none";
        socket.end(`HTTP/1.1 ${status} No\r\nWWW-Authenticate: ${challenge}\r\n\r\n${code}`);
      },
    );
  });
  const port = await listen(server);
  const upgrade = (...headers: string[]) =>
    exchange(port, { headers: ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", ...headers] });
  return { service, client, upgrade };
}

describe("authenticate() on a WebSocket upgrade", () => {
  test("lets a good token in", async () => {
    const { upgrade } = await openUpgrades();

    const response = await upgrade("Authorization: Bearer token-ana");

    expect([response.status, response.body]).toEqual([101, "ana"]);
  });

  test.each([
    ["no token", [], 401, "missing_token", 'Bearer realm="sockets"'],
    [
      "a bad token",
      ["Authorization: Bearer no"],
      401,
      "invalid_token",
      'Bearer realm="sockets", error="invalid_token"',
    ],
    [
      "two Authorization headers",
      ["Authorization: Bearer token-ana", "Authorization: Bearer token-bea"],
      400,
      "invalid_request",
      'Bearer realm="sockets", error="invalid_request"',
    ],
  ])("rejects %s with a coded error in its realm", async (_what, headers, status, code, challenge) => {
    const { upgrade } = await openUpgrades({ realm: "sockets" });

    const response = await upgrade(...headers);

    expect([response.status, response.body]).toEqual([status, code]);
    expect(response.headers["www-authenticate"]).toBe(challenge);
  });

  test("rejects with auth_unavailable in an outage", async () => {
    const { service, upgrade } = await openUpgrades();
    await Promise.all([service.grpc.stop(), service.rest.stop()]);

    const response = await upgrade("Authorization: Bearer token-ana");

    expect([response.status, response.body]).toEqual([503, "auth_unavailable"]);
  });

  test("remembers tokens as requireAuth does, and asks again with fresh", async () => {
    const remembering = await openUpgrades();
    await remembering.upgrade("Authorization: Bearer token-ana");
    await remembering.upgrade("Authorization: Bearer token-ana");
    const fresh = await openUpgrades({ fresh: true });
    await fresh.upgrade("Authorization: Bearer token-ana");
    await fresh.upgrade("Authorization: Bearer token-ana");

    expect([remembering.service.calls.VerifyToken, fresh.service.calls.VerifyToken]).toEqual([1, 2]);
  });
});

// It begins as a GET, but what follows on the connection is not safe, and browsers let every site open one.
describe("a cookie on a WebSocket upgrade", () => {
  const options = { token: cookieToken("session", { trustedOrigins: ["https://app.example.com"] }) };

  test.each([
    ["from a page of the same host", ["Origin: https://api.example.com"]],
    ["from the same origin", ["Sec-Fetch-Site: same-origin", "Origin: https://api.example.com"]],
    ["from a trusted origin", ["Origin: https://app.example.com", "Sec-Fetch-Site: same-site"]],
    ["from a client that is no browser", []],
  ])("is good %s", async (_from, headers) => {
    const { upgrade } = await openUpgrades(options);

    const response = await upgrade("Cookie: session=token-ana", ...headers);

    expect([response.status, response.body]).toEqual([101, "ana"]);
  });

  test.each([
    ["from a page of another site", ["Origin: https://evil.example"]],
    ["from another site, as the browser says", ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"]],
    ["from a neighbour that is not trusted", ["Sec-Fetch-Site: same-site", "Origin: https://www.example.com"]],
    ["from a sandboxed frame", ["Origin: null"]],
  ])("is refused %s", async (_from, headers) => {
    const { service, upgrade } = await openUpgrades(options);

    const response = await upgrade("Cookie: session=token-ana", ...headers);

    expect([response.status, response.body]).toEqual([403, "cross_site"]);
    expect(service.calls.total).toBe(0);
  });
});

describe("authenticate()", () => {
  const cases: readonly (readonly [string, (client: AuthClient) => Promise<{ user: { id: string } }>])[] = [
    [
      "a Fetch Request",
      (client) => authenticate(new Request("http://api.example.com/", { headers: bearer("token-ana") }), { client }),
    ],
    [
      "a Fetch Request with a cookie",
      (client) =>
        authenticate(new Request("http://api.example.com/", { headers: { Cookie: "session=token-ana" } }), {
          client,
          token: cookieToken("session"),
        }),
    ],
    ["Fetch headers alone", (client) => authenticate({ headers: new Headers(bearer("token-ana")) }, { client })],
    ["a plain object", (client) => authenticate({ headers: { authorization: "Bearer token-ana" } }, { client })],
    [
      "a token source of one's own",
      (client) => authenticate({ headers: {}, ticket: "token-ana" }, { client, token: (request) => request.ticket }),
    ],
  ];

  test.each(cases)("knows whose %s it is", async (_what, run) => {
    const { client } = await startAuth();

    await expect(run(client)).resolves.toMatchObject({ user: { id: "ana" }, locals: ["madrid", "sevilla"] });
  });

  test.each<[string, unknown, string]>([
    ["the headers of Node", bearer("token-ana"), "takes the request, not its headers: pass req, or { headers }"],
    ["those with a cookie", { Cookie: "session=token-ana" }, "takes the request, not its headers"],
    ["those of Fetch", new Headers(bearer("token-ana")), "takes the request, not its headers"],
    ["a token", "token-ana", "takes the request, got a string; a token alone goes to client.verifyToken(token)"],
    ["nothing", undefined, "takes the request, got nothing"],
    ["null", null, "takes the request, got null"],
  ])("and getAuth() say so of %s in the place of a request", async (_what, given, message) => {
    const { service, client } = await startAuth();

    const error = await authenticate(given as never, { client }).catch((thrown: unknown) => thrown);

    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toContain(`authenticate() ${message}`);
    expect((error as Error).message).not.toContain("token-ana");
    expect(() => getAuth(given as never)).toThrow(`getAuth() ${message}`);
    expect(service.calls.total).toBe(0);
  });

  test("leaves what a request is to a token source of one's own, but for headers of Fetch", async () => {
    const { client } = await startAuth();
    const event = { cookie: "token-ana" };

    const token = (given: typeof event) => given.cookie;

    await expect(authenticate(event as never, { client, token: token as never })).resolves.toMatchObject({
      user: { id: "ana" },
    });
    await expect(
      authenticate(new Headers({ Cookie: "session=token-ana" }) as never, { client, token: cookieToken("session") }),
    ).rejects.toThrow("takes the request, not its headers");
  });

  test("rejects a Fetch Request without a token, and from another site", async () => {
    const { client } = await startAuth();
    const post = new Request("http://api.example.com/", {
      method: "POST",
      headers: { Cookie: "session=token-ana", Host: "api.example.com", Origin: "https://evil.example" },
    });

    await expect(authenticate(new Request("http://a.example/"), { client })).rejects.toMatchObject({
      code: "missing_token",
    });
    await expect(authenticate(post, { client, token: cookieToken("session") })).rejects.toMatchObject({
      code: "cross_site",
    });
  });

  test("rejects a malformed token of a source of one's own, even when it is to ask the service", async () => {
    const { service, client } = await startAuth();
    const token = () => "two words";

    for (const fresh of [false, true]) {
      await expect(authenticate({ headers: {} }, { client, token, fresh })).rejects.toMatchObject({
        code: "invalid_request",
      });
    }
    expect(service.calls.total).toBe(0);
  });
});

describe("authenticate() on an HTTP/2 request", () => {
  async function post(headers: http2.OutgoingHttpHeaders): Promise<string> {
    const { client } = await startAuth();
    const server = http2.createServer((req, res) => {
      authenticate(req, { client, token: cookieToken("session") }).then(
        ({ user }) => res.end(user.id),
        ({ code }: AuthError) => res.end(code),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    const stream = session.request({ ":method": "POST", ":authority": "api.example.com", ...headers });
    const body = await new Promise<string>((resolve, reject) => {
      stream.setEncoding("utf8").on("data", resolve).on("error", reject);
    });
    session.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return body;
  }

  test("compares the origin with the authority, which is its host", async () => {
    const cookie = "session=token-ana";

    await expect(post({ cookie, origin: "https://api.example.com" })).resolves.toBe("ana");
    await expect(post({ cookie, origin: "https://evil.example" })).resolves.toBe("cross_site");
  });
});
