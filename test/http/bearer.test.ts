import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import { headerToken } from "../../src/http/bearer.js";
import { type AuthOptions, authenticate, getAuth, optionalAuth, requireAuth } from "../../src/index.js";
import type { FakeAuthService } from "../../src/testing.js";
import { faces } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw, type RawHead, type RawResponse } from "../support/raw-request.js";

afterEach(closeAll);

const MAX_BYTES = 8192;

interface Door {
  readonly service: FakeAuthService;
  send(head: RawHead): Promise<RawResponse>;
  /** Sends these lines as the only header lines of interest. */
  authorize(...lines: string[]): Promise<RawResponse>;
}

/** An app that tells whose request it is. Only the tokens that a test allows are good. */
async function openDoor(middleware: (options: AuthOptions) => ReturnType<typeof requireAuth> = requireAuth) {
  const { service, client } = await startAuth({ users: {} });
  const app = express();
  app.use(express.urlencoded(), express.json(), middleware({ client }), (req, res) => {
    res.send(`hello ${req.user ? getAuth(req).user.id : "stranger"}`);
  });
  const send = await listenRaw(app);
  const door: Door = { service, send, authorize: (...headers) => send({ headers }) };
  return door;
}

describe("a request is let in with", () => {
  test.each([
    ["a plain token", "Authorization: Bearer abc", "abc"],
    ["the scheme in lower case", "Authorization: bearer abc", "abc"],
    ["the scheme in any case", "Authorization: bEARER abc", "abc"],
    ["the name of the header in any case", "aUTHORIZATION: Bearer abc", "abc"],
    ["many spaces after the scheme", `Authorization: Bearer${" ".repeat(50)}abc`, "abc"],
    ["spaces around the header's value, which are no part of it", "Authorization:   Bearer abc   ", "abc"],
    ["a tab before the value, which is no part of it", "Authorization:\tBearer abc\t", "abc"],
    ["no space before the value", "Authorization:Bearer abc", "abc"],
    ["a token of one character", "Authorization: Bearer a", "a"],
    ["every character that a token may have", "Authorization: Bearer aZ09-._~+/", "aZ09-._~+/"],
    ["one = at the end", "Authorization: Bearer abc=", "abc="],
    ["several = at the end", "Authorization: Bearer abc====", "abc===="],
    ["a token that looks like a scheme", "Authorization: Bearer Bearer", "Bearer"],
  ])("%s", async (_what, line, token) => {
    const { service, authorize } = await openDoor();
    service.allow(token, { id: "ana" });

    const response = await authorize(line);

    expect([response.status, response.body]).toEqual([200, "hello ana"]);
    expect(service.calls.VerifyToken).toBe(1);
  });

  test("a token of 8192 bytes", async () => {
    const { service, authorize } = await openDoor();
    const token = "a".repeat(MAX_BYTES);
    service.allow(token, { id: "ana" });

    const response = await authorize(`Authorization: Bearer ${token}`);

    expect([response.status, response.body]).toEqual([200, "hello ana"]);
  });
});

describe("credentials are malformed, and reach no upstream, with", () => {
  test.each([
    ["the scheme alone", ["Authorization: Bearer"]],
    ["the scheme and spaces alone", ["Authorization: Bearer    "]],
    ["a tab after the scheme", ["Authorization: Bearer\tabc"]],
    ["a tab after a space", ["Authorization: Bearer \tabc"]],
    ["a second word", ["Authorization: Bearer abc def"]],
    ["a tab and a second word", ["Authorization: Bearer abc\tdef"]],
    ["a comma", ["Authorization: Bearer abc,def"]],
    ["a comma and another scheme", ["Authorization: Bearer abc, Basic def"]],
    ["a comma right after the scheme", ["Authorization: Bearer,abc"]],
    ["a trailing comma", ["Authorization: Bearer abc,"]],
    ["quotes", ['Authorization: Bearer "abc"']],
    ["a parameter in place of a token", ['Authorization: Bearer token="abc"']],
    ["= in front", ["Authorization: Bearer =abc"]],
    ["= in the middle", ["Authorization: Bearer ab=c"]],
    ["= in the middle and at the end", ["Authorization: Bearer a=b="]],
    ["= alone", ["Authorization: Bearer ="]],
    ["a colon", ["Authorization: Bearer user:password"]],
    ["a percent escape", ["Authorization: Bearer abc%20"]],
    ["bytes that are not ASCII", ["Authorization: Bearer ab\xe9c"]],
    ["a byte that is not ASCII at the end", ["Authorization: Bearer abc\xff"]],
    ["a space that is not ASCII after the scheme", ["Authorization: Bearer\xa0abc"]],
    ["two Authorization headers", ["Authorization: Bearer abc", "Authorization: Bearer def"]],
    ["the same Authorization header twice", ["Authorization: Bearer abc", "Authorization: Bearer abc"]],
    ["two Authorization headers of different case", ["Authorization: Bearer abc", "authorization: Bearer def"]],
    ["a second Authorization header of another scheme", ["Authorization: Bearer abc", "Authorization: Basic def"]],
    ["a first Authorization header of another scheme", ["Authorization: Basic def", "Authorization: Bearer abc"]],
    ["a second Authorization header that is empty", ["Authorization: Bearer abc", "Authorization:"]],
    ["a first Authorization header that is empty", ["Authorization:", "Authorization: Bearer abc"]],
    ["two headers with others between", ["Authorization: Bearer abc", "X-A: b", "Authorization: Bearer abc"]],
  ])("%s", async (_what, lines) => {
    const { service, authorize } = await openDoor();
    service.allow("abc", { id: "ana" });

    const response = await authorize(...lines);

    expect(response.status).toBe(400);
    expect(response.headers["www-authenticate"]).toBe('Bearer realm="api", error="invalid_request"');
    expect(JSON.parse(response.body)).toMatchObject({ code: "invalid_request" });
    expect(service.calls.total).toBe(0);
  });

  test("two Authorization headers, and the answer says that it is for that", async () => {
    const { authorize } = await openDoor();

    const response = await authorize("Authorization: Bearer abc", "Authorization: Bearer abc");

    expect(JSON.parse(response.body).detail).toBe("The request carries more than one Authorization header.");
  });

  test("a token of 8193 bytes", async () => {
    const { service, authorize } = await openDoor();
    service.allow("a".repeat(MAX_BYTES + 1), { id: "ana" });

    const response = await authorize(`Authorization: Bearer ${"a".repeat(MAX_BYTES + 1)}`);

    expect(response.status).toBe(400);
    expect(JSON.parse(response.body)).toMatchObject({ code: "invalid_request" });
    expect(service.calls.total).toBe(0);
  });

  test("a token of 8192 bytes and one = more", async () => {
    const { service, authorize } = await openDoor();

    const response = await authorize(`Authorization: Bearer ${"a".repeat(MAX_BYTES)}=`);

    expect(response.status).toBe(400);
    expect(service.calls.total).toBe(0);
  });
});

describe("a request has no bearer token with", () => {
  const without: readonly (readonly [string, readonly string[]])[] = [
    ["no Authorization header", []],
    ["an empty Authorization header", ["Authorization:"]],
    ["an Authorization header of spaces", ["Authorization:    "]],
    ["the scheme Basic", ["Authorization: Basic dXNlcjpwYXNz"]],
    ["the scheme Digest", ['Authorization: Digest username="ana"']],
    ["a scheme that begins like ours", ["Authorization: BearerToken abc"]],
    ["a scheme that begins like ours, with a hyphen", ["Authorization: Bearer-2 abc"]],
    ["the token and no space", ["Authorization: Bearerabc"]],
    ["a shorter scheme", ["Authorization: Bear abc"]],
    ["the token alone", ["Authorization: abc"]],
    ["the token in Proxy-Authorization", ["Proxy-Authorization: Bearer abc"]],
    ["the token in a cookie", ["Cookie: authorization=abc; access_token=abc; token=abc"]],
  ];

  test.each(without)("%s, and is told so", async (_what, lines) => {
    const { service, authorize } = await openDoor();
    service.allow("abc", { id: "ana" });

    const response = await authorize(...lines);

    expect(response.status).toBe(401);
    expect(response.headers["www-authenticate"]).toBe('Bearer realm="api"');
    expect(JSON.parse(response.body)).toMatchObject({ code: "missing_token" });
    expect(service.calls.total).toBe(0);
  });

  test.each(without)("%s, and optionalAuth lets it through as anonymous", async (_what, lines) => {
    const { service, authorize } = await openDoor(optionalAuth);
    service.allow("abc", { id: "ana" });

    const response = await authorize(...lines);

    expect([response.status, response.body]).toEqual([200, "hello stranger"]);
    expect(service.calls.total).toBe(0);
  });
});

describe("a token is not read from", () => {
  test("the query string", async () => {
    const { service, send } = await openDoor();
    service.allow("abc", { id: "ana" });

    const response = await send({ line: "GET /?access_token=abc&token=abc&authorization=Bearer%20abc HTTP/1.1" });

    expect(response.status).toBe(401);
    expect(service.calls.total).toBe(0);
  });

  test.each([
    ["a form", "application/x-www-form-urlencoded", "access_token=abc&token=abc"],
    ["a JSON body", "application/json", '{"access_token":"abc","token":"abc"}'],
  ])("%s", async (_what, type, body) => {
    const { service, send } = await openDoor();
    service.allow("abc", { id: "ana" });

    const response = await send({ line: "POST / HTTP/1.1", headers: [`Content-Type: ${type}`], body });

    expect(response.status).toBe(401);
    expect(service.calls.total).toBe(0);
  });
});

describe.each(faces)("$name", (face) => {
  test("looks at every Authorization line of the wire, not only at the first", async () => {
    const { service, client } = await startAuth({ users: { abc: { id: "ana" } } });
    const send = await listenRaw(face.serve("/", face.requireAuth({ client })));

    const once = await send({ headers: ["Authorization: Bearer abc"] });
    const twice = await send({ headers: ["Authorization: Bearer abc", "Authorization: Bearer other"] });

    expect([once.status, twice.status]).toEqual([200, 400]);
    expect(service.calls.VerifyToken).toBe(1);
  });
});

describe("what stands in the place of the token", () => {
  const credentials = (authorization?: string) =>
    headerToken({ headers: { authorization } }, { find: () => undefined })?.text;

  test.each([
    ["Bearer abc", "abc"],
    ["bearer   ab c", "ab c"],
    ["Bearer ,", ","],
    ["Basic abc", undefined],
    ["Bearerish", undefined],
    [undefined, undefined],
  ])("of %p is %p", (value, expected) => {
    expect(credentials(value)).toBe(expected);
  });

  test.each(["Bearer", "Bearer ", "Bearer    ", "Bearer\tabc", "Bearer,abc"])("is not to be found in %p", (value) => {
    expect(() => credentials(value)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  });
});

describe("without the lines of the wire", () => {
  test.each([
    [
      "joined by Fetch",
      new Headers([
        ["authorization", "Bearer abc"],
        ["authorization", "Bearer abc"],
      ]),
    ],
    ["joined by a server", { authorization: "Bearer abc, Bearer abc" }],
    ["kept as a list", { authorization: ["Bearer abc", "Bearer abc"] }],
  ])("two Authorization headers %s are malformed too", async (_how, headers) => {
    const { service, client } = await startAuth({ users: { abc: { id: "ana" } } });

    await expect(authenticate({ headers }, { client })).rejects.toMatchObject({ code: "invalid_request" });
    expect(service.calls.total).toBe(0);
  });
});
