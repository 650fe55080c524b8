import { afterEach, describe, expect, test } from "@jest/globals";
import express, { type RequestHandler } from "express";
import type { Middleware } from "koa";
import { type AuthenticateOptions, authenticate, bearerToken, cookieToken } from "../../src/client.js";
import { createSourceReader, type RequestAccess } from "../../src/http/guard-source.js";
import type { MaybeHeaded } from "../../src/http/request.js";
import { requireAuth, requireOrganization } from "../../src/index.js";
import { type Face, faces, type Step } from "../support/faces.js";
import { closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

type Headers = MaybeHeaded["headers"];

async function outcomeOf(request: MaybeHeaded, options: AuthenticateOptions<MaybeHeaded> = {}): Promise<string> {
  const { service, client } = await startAuth();
  const outcome = await authenticate(request, { client, ...options }).then(
    ({ user }) => user.id,
    (error: { code?: string }) => error.code ?? String(error),
  );
  if (outcome !== "ana") expect(service.calls.total).toBe(0);
  return outcome;
}

/** Headers as a library's object may hold them. */
const bare = (headers: object) => Object.assign(Object.create(null), headers);
const ANA = "Bearer token-ana";

describe("authenticate() of an event", () => {
  test.each<[string, Headers, string]>([
    ["a name in upper case", { AUTHORIZATION: ANA }, "ana"],
    ["a name as API gateways write it", { Authorization: ANA }, "ana"],
    ["a name in any case", { aUTHORIZATION: ANA }, "ana"],
    ["no prototype", bare({ Authorization: ANA }), "ana"],
    ["a list of one", { Authorization: [ANA] }, "ana"],
    ["a list of two", { Authorization: [ANA, ANA] }, "invalid_request"],
    ["a list of two, of different schemes", { Authorization: ["Basic abc", ANA] }, "invalid_request"],
    ["an empty list", { Authorization: [] }, "missing_token"],
    ["the same under two spellings", { Authorization: ANA, authorization: ANA }, "ana"],
    ["others under two spellings", { Authorization: ANA, authorization: "Bearer token-bea" }, "invalid_request"],
    ["others in the other order", { authorization: "Bearer token-bea", Authorization: ANA }, "invalid_request"],
    ["another scheme under another spelling", { authorization: "Basic abc", AUTHORIZATION: ANA }, "invalid_request"],
    ["a list under another spelling", { authorization: ANA, Authorization: ["Basic abc"] }, "invalid_request"],
    ["nothing under another spelling", { authorization: undefined, Authorization: ANA }, "ana"],
    ["null", null, "missing_token"],
    ["nothing", undefined, "missing_token"],
    ["no header", {}, "missing_token"],
    ["a value that is null", { authorization: null as never }, "missing_token"],
    ["a value that is a number", { authorization: 7 as never }, "invalid_request"],
    ["a value that is an object", { authorization: { Bearer: "token-ana" } as never }, "invalid_request"],
    ["a list that holds a number", { authorization: [ANA, 7] as never }, "invalid_request"],
    ["a header that is inherited", Object.create({ authorization: ANA }), "missing_token"],
  ])("with %s", async (_what, headers, expected) => {
    expect(await outcomeOf({ headers })).toBe(expected);
  });

  test("without headers at all", async () => {
    expect(await outcomeOf({})).toBe("missing_token");
    expect(await outcomeOf({}, { token: cookieToken("session") })).toBe("missing_token");
    expect(await outcomeOf({ headers: null, method: "POST" }, { token: cookieToken("session") })).toBe("missing_token");
    expect(bearerToken({ headers: null })).toBeUndefined();
  });

  test.each<[string, Headers, string]>([
    ["in upper case", { COOKIE: "session=token-ana" }, "ana"],
    ["as a list", { Cookie: ["a=b", "session=token-ana"] }, "ana"],
    ["under two spellings", { Cookie: "a=b", cookie: "session=token-ana" }, "ana"],
    ["under two spellings, with two tokens", { Cookie: "session=a", cookie: "session=token-ana" }, "invalid_request"],
    ["from another site", { Cookie: "session=token-ana", "SEC-Fetch-Site": "cross-site" }, "cross_site"],
    [
      "from another origin",
      { Cookie: "session=token-ana", Origin: "https://a.example", HOST: "b.example" },
      "cross_site",
    ],
    ["from its own origin", { Cookie: "session=token-ana", ORIGIN: "https://a.example", Host: "a.example" }, "ana"],
    [
      "from two sites",
      { Cookie: "session=token-ana", "Sec-Fetch-Site": "same-origin", "sec-fetch-site": "cross-site" },
      "cross_site",
    ],
    ["of an upgrade", { Cookie: "session=token-ana", Upgrade: "websocket", Origin: "https://a.example" }, "cross_site"],
  ])("with a cookie %s", async (_how, headers, expected) => {
    const method = headers && "Upgrade" in headers ? "GET" : "POST";
    expect(await outcomeOf({ headers, method }, { token: cookieToken("session") })).toBe(expected);
  });
});

describe("A guard's header, where there are no lines of the wire,", () => {
  const access: RequestAccess<MaybeHeaded & object> = {
    node: (request) => request,
    params: () => undefined,
    query: () => undefined,
    routePath: () => undefined,
    placeOfGuards: "",
  };
  const read = (header: string, headers: Headers) => {
    try {
      return createSourceReader("requireLocal", { header }, access)({ headers });
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    }
  };

  test.each<[string, Headers, unknown]>([
    ["in any case", { "X-LOCAL-id": "madrid" }, ["madrid"]],
    ["under two spellings", { "X-Local-ID": "madrid", "x-local-id": "lugo" }, ["madrid", "lugo"]],
    ["as a list", { "x-local-id": ["madrid", "lugo"] }, ["madrid", "lugo"]],
    ["of Fetch", new globalThis.Headers({ "X-Local-ID": "madrid" }), ["madrid"]],
    ["as an empty list", { "x-local-id": [] }, "missing_parameter"],
    ["nowhere", {}, "missing_parameter"],
    ["in no headers", null, "missing_parameter"],
    ["inherited", Object.create({ "x-local-id": "madrid" }), "missing_parameter"],
    ["as a number", { "x-local-id": 7 as never }, "invalid_request"],
  ])("is found %s", (_how, headers, expected) => {
    expect(read("X-Local-ID", headers)).toEqual(expected);
  });

  test.each(["constructor", "toString", "__proto__", "hasOwnProperty"])("is not what every object has: %s", (name) => {
    expect(read(name, {})).toBe("missing_parameter");
    expect(read(name, bare({ [name]: "madrid" }))).toEqual(["madrid"]);
  });
});

describe.each(faces)("in $name a header that the application sets", (face: Face) => {
  type Change = (headers: Record<string, unknown>) => void;

  /** Asks with these lines whether the local may be acted on, once the application has changed `req.headers`. */
  async function answer(change: Change, ...lines: string[]): Promise<number> {
    const { client } = await startAuth();
    const expressStep: RequestHandler = (req, _res, next) => {
      change(req.headers as Record<string, unknown>);
      next();
    };
    const koaStep: Middleware = (ctx, next) => {
      change(ctx.headers as Record<string, unknown>);
      return next();
    };
    const step = (face.framework === "koa" ? koaStep : expressStep) as Step;
    const guard = face.requireLocal({ header: "X-Local-ID" });
    const send = await listenRaw(face.serve("/", step, face.requireAuth({ client }), guard));
    return (await send({ headers: ["Authorization: Bearer token-ana", ...lines] })).status;
  }

  const set =
    (value: unknown, name = "x-local-id"): Change =>
    (headers) => {
      headers[name] = value;
    };
  const nothing: Change = () => undefined;
  const away: Change = (headers) => {
    delete headers["x-local-id"];
  };
  const [madrid, sevilla, lugo] = ["madrid", "sevilla", "lugo"].map((local) => `X-Local-ID: ${local}`) as [
    string,
    string,
    string,
  ];

  test.each<[string, Change, readonly string[], number]>([
    ["to another that is not allowed", set("lugo"), [madrid], 403],
    ["to another that is allowed, over one that is not", set("madrid"), [lugo], 403],
    ["to another, both allowed", set("sevilla"), [madrid], 200],
    ["to the same", set("madrid"), [madrid], 200],
    ["not", nothing, [madrid, sevilla], 200],
    ["to one of two lines", set("madrid"), [madrid, sevilla], 200],
    ["to one of two lines, the other not allowed", set("madrid"), [madrid, lugo], 403],
    ["to the lines joined otherwise", set("madrid,sevilla"), [madrid, sevilla], 403],
    ["to a list, all allowed", set(["madrid", "sevilla"]), [madrid], 200],
    ["to a list, one not allowed", set(["madrid", "lugo"]), [madrid], 403],
    ["to nothing", set(""), [madrid], 400],
    ["to an empty list", set([]), [madrid], 400],
    ["to undefined", set(undefined), [madrid], 400],
    ["to what is no text", set(7), [madrid], 400],
    ["away", away, [madrid], 400],
    ["that is not on the wire, allowed", set("madrid"), [], 200],
    ["that is not on the wire, not allowed", set("lugo"), [], 403],
    ["in another case, not allowed", set("lugo", "X-Local-ID"), [madrid], 403],
    ["in another case, allowed", set("sevilla", "X-LOCAL-ID"), [madrid], 200],
    ["in another case, not on the wire", set("lugo", "X-Local-ID"), [], 403],
  ])("%s", async (_how, change, lines, expected) => {
    expect(await answer(change, ...lines)).toBe(expected);
  });
});

test("A header of which Node keeps the first line is judged by all of its lines, and requireOrganization reads alike.", async () => {
  const { client } = await startAuth();
  const app = express();
  app.use(requireAuth({ client }), requireOrganization({ header: "From" }), (_req, res) => {
    res.end();
  });
  const send = await listenRaw(app);
  const status = async (...lines: string[]) =>
    (await send({ headers: ["Authorization: Bearer token-ana", ...lines] })).status;

  expect(await status("From: org-1", "From: org-1")).toBe(200);
  expect(await status("From: org-1", "From: org-2")).toBe(403);
});
