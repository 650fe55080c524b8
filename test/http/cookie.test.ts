import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import express4 from "express4";
import request from "supertest";
import { bearerToken, type CookieTokenOptions, cookieToken, requireAuth } from "../../src/index.js";
import { express5Face, type FaceOptions, faces } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

/** An app that takes the token from the cookie `session`; `abc` is Ana's. */
async function openDoor(options?: CookieTokenOptions, face = express5Face) {
  const { service, client } = await startAuth({ users: { abc: { id: "ana" } } });
  const send = await listenRaw(face.serve("/", face.requireAuth({ client, token: cookieToken("session", options) })));
  return { service, send };
}

describe("the token is found", () => {
  test.each([
    ["in a cookie alone", ["Cookie: session=abc"]],
    ["between other cookies", ["Cookie: a=b; session=abc; c=d"]],
    ["without spaces between cookies", ["Cookie: a=b;session=abc;c=d"]],
    ["in quotes", ['Cookie: session="abc"']],
    ["with spaces and tabs around its name and its value", ["Cookie: a=b; \t session \t = \t abc \t ; c=d"]],
    ["beside a cookie whose name ends like it", ["Cookie: xsession=no; session=abc"]],
    ["beside a cookie whose name begins like it", ["Cookie: sessionid=no; session=abc"]],
    ["beside a cookie whose value looks like it", ["Cookie: a=session=no; session=abc"]],
    ["beside a cookie of another case", ["Cookie: Session=no; session=abc"]],
    ["beside a cookie without a value", ["Cookie: flag; session=abc"]],
    ["on the second line of cookies", ["Cookie: a=b", "Cookie: session=abc"]],
    ["twice, when both are the same", ["Cookie: session=abc; session=abc"]],
  ])("%s", async (_where, headers) => {
    const { send } = await openDoor();

    const response = await send({ headers });

    expect(response.status).toBe(200);
    expect(JSON.parse(response.body)).toMatchObject({ user: { id: "ana" } });
  });
});

describe("there is no token", () => {
  test.each([
    ["without cookies", []],
    ["with other cookies only", ["Cookie: sessionid=abc; xsession=abc"]],
    ["with a cookie of another case", ["Cookie: SESSION=abc"]],
    ["with an empty cookie", ["Cookie: session="]],
    ["with an empty cookie in quotes", ['Cookie: session=""']],
    ["with the name alone", ["Cookie: session"]],
    ["with spaces and tabs for a value", ["Cookie: session= \t ; a=b"]],
    ["with a no-break space before the name", ["Cookie: \xa0session=abc"]],
    ["with a no-break space after the name", ["Cookie: a=b; session\xa0=abc"]],
    ["with an Authorization header, which is not the source", ["Authorization: Bearer abc"]],
  ])("%s", async (_how, headers) => {
    const { service, send } = await openDoor();

    const response = await send({ headers });

    expect(response.status).toBe(401);
    expect(JSON.parse(response.body)).toMatchObject({ code: "missing_token" });
    expect(service.calls.total).toBe(0);
  });
});

describe("the rules for tokens hold for cookies: malformed is", () => {
  test.each([
    ["a space inside", ["Cookie: session=ab c"]],
    ["a comma", ["Cookie: session=ab,c"]],
    ["= in the middle", ["Cookie: session=a=b"]],
    ["one quote", ['Cookie: session="abc']],
    ["what cannot be decoded", ["Cookie: session=abc%"]],
    ["what cannot be decoded to text", ["Cookie: session=abc%ff"]],
    ["a percent sign that is encoded twice", ["Cookie: session=abc%253D"]],
    ["an encoded space", ["Cookie: session=ab%20c"]],
    ["an encoded line end", ["Cookie: session=abc%0d%0a"]],
    ["an encoded comma", ["Cookie: session=ab%2Cc"]],
    ["an encoded quote", ["Cookie: session=%22abc%22"]],
    ["a second cookie that is another when it is decoded", ["Cookie: session=abc%3D; session=abc%3D%3D"]],
    ["a second cookie that cannot be decoded", ["Cookie: session=abc; session=%"]],
    ["a byte that is not ASCII", ["Cookie: session=ab\xe9c"]],
    ["a no-break space before the value", ["Cookie: session=\xa0abc"]],
    ["a no-break space after the value", ["Cookie: session=abc\xa0; a=b"]],
    ["spaces inside of quotes", ['Cookie: session=" abc "']],
    ["a scheme in the cookie", ["Cookie: session=Bearer abc"]],
    ["a token of 8193 bytes", [`Cookie: session=${"a".repeat(8193)}`]],
    ["a second cookie with another token", ["Cookie: session=abc; session=def"]],
    ["a second cookie with another token on another line", ["Cookie: session=abc", "Cookie: session=def"]],
    ["a second cookie that is empty", ["Cookie: session=abc; session="]],
    ["a first cookie that is empty", ["Cookie: session=; session=abc"]],
  ])("%s", async (_what, headers) => {
    const { service, send } = await openDoor();

    const response = await send({ headers });

    expect(response.status).toBe(400);
    expect(JSON.parse(response.body)).toMatchObject({ code: "invalid_request" });
    expect(service.calls.total).toBe(0);
  });

  test("but not a token of 8192 bytes with = at its end", async () => {
    const { service, send } = await openDoor();
    const token = `${"a".repeat(8190)}==`;
    service.allow(token, { id: "bea" });

    expect((await send({ headers: [`Cookie: session=${token}`] })).status).toBe(200);
  });
});

describe("a cookie is decoded once", () => {
  test.each([
    ["%61bc", "abc"],
    ["abc%3D%3d", "abc=="],
    ["a%2Bb%2Fc%3D", "a+b/c="],
    ["a+b", "a+b"],
    ['"abc%3D"', "abc="],
    ["abc%3D; session=abc=", "abc="],
    ["%61bc; session=a%62c; session=abc", "abc"],
  ])("%s is %s", async (cookie, token) => {
    const { service, send } = await openDoor();
    service.allow(token, { id: "bea" });

    const { status, body } = await send({ headers: [`Cookie: other=%; session=${cookie}`] });

    expect([status, JSON.parse(body).user?.id]).toEqual([200, "bea"]);
  });

  test.each([
    ["Express 5", express],
    ["Express 4", express4],
  ])("so that what res.cookie() of %s writes is read", async (_name, create) => {
    const token = "v1/a+b/c==";
    const { client } = await startAuth({ users: { [token]: { id: "ana" } } });
    const app = create();
    app.get("/login", (_req, res) => {
      res.cookie("session", token).end();
    });
    app.get("/", requireAuth({ client, token: cookieToken("session") }), (req, res) => {
      res.end(req.user?.id);
    });
    const agent = request.agent(app);
    await agent.get("/login");

    const { status, text } = await agent.get("/").buffer(true);

    expect([status, text]).toEqual([200, "ana"]);
  });

  test.each(faces)("in $name, before the token rules", async (face) => {
    const { send } = await openDoor({}, face);

    expect((await send({ headers: ["Cookie: session=%61bc"] })).status).toBe(200);
    expect((await send({ headers: ["Cookie: session=%"] })).status).toBe(400);
  });
});

/** Each as Go's `http.CrossOriginProtection` decides it for an unsafe method. The host is `api.example.com`. */
const crossOriginCases: readonly (readonly [string, readonly string[], "allowed" | "refused"])[] = [
  ["neither Sec-Fetch-Site nor Origin", [], "allowed"],
  ["Sec-Fetch-Site: same-origin", ["Sec-Fetch-Site: same-origin"], "allowed"],
  ["Sec-Fetch-Site: none", ["Sec-Fetch-Site: none"], "allowed"],
  ["Sec-Fetch-Site: same-site", ["Sec-Fetch-Site: same-site"], "refused"],
  ["Sec-Fetch-Site: cross-site", ["Sec-Fetch-Site: cross-site"], "refused"],
  ["a Sec-Fetch-Site nobody knows", ["Sec-Fetch-Site: other"], "refused"],
  ["Sec-Fetch-Site twice", ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"], "refused"],
  [
    "Sec-Fetch-Site: same-origin, which counts more than a foreign Origin",
    ["Sec-Fetch-Site: same-origin", "Origin: https://evil.example"],
    "allowed",
  ],
  [
    "Sec-Fetch-Site: cross-site, which counts more than our Origin",
    ["Sec-Fetch-Site: cross-site", "Origin: https://api.example.com"],
    "refused",
  ],
  ["an Origin of our host", ["Origin: https://api.example.com"], "allowed"],
  ["an Origin of our host, of either scheme", ["Origin: http://api.example.com"], "allowed"],
  ["an Origin of our host in any case", ["Host: API.example.com", "Origin: https://api.example.com"], "allowed"],
  ["an Origin of our host and port", ["Host: localhost:3000", "Origin: http://localhost:3000"], "allowed"],
  ["an Origin of another port", ["Host: localhost:3000", "Origin: http://localhost:4000"], "refused"],
  ["an Origin of another host", ["Origin: https://evil.example"], "refused"],
  ["an Origin of a neighbour", ["Origin: https://www.example.com"], "refused"],
  ["an Origin that begins like our host", ["Origin: https://api.example.com.evil.example"], "refused"],
  ["an Origin that ends like our host", ["Origin: https://evilapi.example.com"], "refused"],
  ["an Origin with our host as user-info", ["Origin: https://api.example.com@evil.example"], "refused"],
  ["Origin: null", ["Origin: null"], "refused"],
  ["an Origin that is no URL", ["Origin: api.example.com"], "refused"],
  ["two Origins", ["Origin: https://api.example.com", "Origin: https://evil.example"], "refused"],
  ["an empty Sec-Fetch-Site and a foreign Origin", ["Sec-Fetch-Site:", "Origin: https://evil.example"], "refused"],
  ["an empty Origin", ["Origin:"], "allowed"],
];

describe.each(["POST", "PUT", "PATCH", "DELETE"])("the cookie of a %s request", (method) => {
  test.each(crossOriginCases)("with %s", async (_what, headers, expected) => {
    const { service, send } = await openDoor();

    const response = await send({ line: `${method} / HTTP/1.1`, headers: ["Cookie: session=abc", ...headers] });

    if (expected === "allowed") {
      expect(response.status).toBe(200);
    } else {
      expect(response.status).toBe(403);
      expect(JSON.parse(response.body)).toMatchObject({ code: "cross_site" });
      expect(response.headers["www-authenticate"]).toBeUndefined();
      expect(service.calls.total).toBe(0);
    }
  });
});

describe("from another site", () => {
  const crossSite = ["Sec-Fetch-Site: cross-site", "Origin: https://evil.example"];

  test.each(["GET", "HEAD", "OPTIONS"])("a %s request may bring the cookie: it changes nothing", async (method) => {
    const { send } = await openDoor();

    const response = await send({ line: `${method} / HTTP/1.1`, headers: ["Cookie: session=abc", ...crossSite] });

    expect(response.status).toBe(200);
  });

  test("a POST request without the cookie is anonymous, not cross-site", async () => {
    const { send } = await openDoor();

    const response = await send({ line: "POST / HTTP/1.1", headers: crossSite });

    expect(JSON.parse(response.body)).toMatchObject({ code: "missing_token" });
  });

  test("a POST request with a cookie that is malformed is cross-site first", async () => {
    const { send } = await openDoor();
    for (const cookie of ["session=%", "session=abc; session=def", "session=; session=abc"]) {
      const response = await send({ line: "POST / HTTP/1.1", headers: [`Cookie: ${cookie}`, ...crossSite] });

      expect(JSON.parse(response.body)).toMatchObject({ code: "cross_site" });
    }
  });

  test("optionalAuth does not let the cookie through either", async () => {
    const { client } = await startAuth({ users: { abc: { id: "ana" } } });
    const app = express5Face.serve("/", express5Face.optionalAuth({ client, token: cookieToken("session") }));
    const send = await listenRaw(app);

    const response = await send({ line: "POST / HTTP/1.1", headers: ["Cookie: session=abc", ...crossSite] });

    expect(response.status).toBe(403);
  });

  test("a trusted origin may send the cookie, with Sec-Fetch-Site and without", async () => {
    const { send } = await openDoor({ trustedOrigins: ["https://app.example.com", "http://localhost:8080"] });
    const post = (...headers: string[]) =>
      send({ line: "POST / HTTP/1.1", headers: ["Cookie: session=abc", ...headers] });

    const answers = await Promise.all([
      post("Origin: https://app.example.com"),
      post("Origin: https://app.example.com", "Sec-Fetch-Site: same-site"),
      post("Origin: http://localhost:8080", "Sec-Fetch-Site: cross-site"),
      post("Origin: http://app.example.com"),
      post("Origin: https://app.example.com:444"),
      post("Origin: https://app.example.com.evil.example"),
    ]);

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 403, 403, 403]);
  });

  test.each(faces)("$name refuses the cookie of an unsafe request", async (face) => {
    const { send } = await openDoor({}, face);
    const line = "POST / HTTP/1.1";

    const own = await send({ line, headers: ["Cookie: session=abc", "Sec-Fetch-Site: same-origin"] });
    const foreign = await send({ line, headers: ["Cookie: session=abc", ...crossSite] });

    expect([own.status, foreign.status]).toEqual([200, 403]);
  });
});

test("a source of both takes the cookie only where there is no bearer token", async () => {
  const { client } = await startAuth();
  const cookie = cookieToken("session");
  const token: FaceOptions["token"] = (request) => bearerToken(request) ?? cookie(request);
  const send = await listenRaw(express5Face.serve("/", express5Face.requireAuth({ client, token })));
  const of = async (...lines: string[]) => {
    const { status, body } = await send({ headers: ["Cookie: session=token-ana", ...lines] });
    return [status, JSON.parse(body).user?.id ?? JSON.parse(body).code];
  };

  expect(await of()).toEqual([200, "ana"]);
  expect(await of("Authorization: Bearer token-bea")).toEqual([200, "bea"]);
  expect(await of("Authorization: Basic dXNlcg==")).toEqual([200, "ana"]);
  expect(await of("Authorization: Bearer two words")).toEqual([400, "invalid_request"]);
  expect(await of("Authorization: Bearer no-such")).toEqual([401, "invalid_token"]);
  expect(() => bearerToken({ headers: { authorization: "Bearer two words" } })).toThrow("malformed");
});
