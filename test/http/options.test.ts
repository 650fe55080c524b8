import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import {
  authenticate,
  ConfigError,
  type CookieTokenOptions,
  cookieToken,
  getAuthClient,
  type LocalGuardOptions,
} from "../../src/index.js";
import { stubAuthClient } from "../../src/testing.js";
import { type Face, type FaceOptions, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, closing, startAuth } from "../support/http-fixture.js";

const VARIABLES = /^(AUTH_|CIRCUIT_BREAKER_|REDIS_URL$)/;
const environment = { ...process.env };

beforeEach(() => {
  for (const name of Object.keys(process.env)) if (VARIABLES.test(name)) delete process.env[name];
});

afterEach(async () => {
  await closeAll();
  Object.assign(process.env, environment);
});

/** The problems that are told when it is made. */
function toldOf(make: () => unknown): ConfigError["problems"] {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  throw new Error("nothing was thrown");
}

function messageOf(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("nothing was thrown");
}

/** Their names. */
function problemsOf(make: () => unknown): readonly string[] {
  return toldOf(make).map(({ name }) => name);
}

const wrong: readonly (readonly [string, unknown, string[]])[] = [
  ["a client that is none", { client: {} }, ["client"]],
  ["null as the client", { client: null }, ["client"]],
  ["a token that is no function", { client: stubAuthClient(), token: "X-Token" }, ["token"]],
  ["an empty realm", { client: stubAuthClient(), realm: "" }, ["realm"]],
  ["a realm that is no text", { client: stubAuthClient(), realm: 7 }, ["realm"]],
  ["fresh that is no boolean", { client: stubAuthClient(), fresh: "yes" }, ["fresh"]],
  ["an onError that is no function", { client: stubAuthClient(), onError: true }, ["onError"]],
  ["an option that does not exist", { client: stubAuthClient(), relm: "api" }, ["relm"]],
  ["several mistakes, all of which are named", { client: 1, realm: "", fresh: 1 }, ["client", "realm", "fresh"]],
  ["a client in place of options", stubAuthClient(), ["options"]],
  ["null", null, ["options"]],
];

describe.each(faces)("in $name a ConfigError, when it is made and not on a request, says of", (face) => {
  test.each(wrong)("requireAuth and optionalAuth: %s", (_what, options, names) => {
    expect(problemsOf(() => face.requireAuth(options as FaceOptions))).toEqual(names);
    expect(problemsOf(() => face.optionalAuth(options as FaceOptions))).toEqual(names);
  });

  const guards: readonly (readonly [string, (face: Face) => unknown])[] = [
    ["requirePermission without a name", () => face.requirePermission()],
    ["requirePermission with an empty name", () => face.requirePermission("a", "")],
    ["requirePermission with a list", () => face.requirePermission(["a"] as unknown as string)],
    ["requirePermission with nothing", () => face.requirePermission(undefined as unknown as string)],
    ["requireAnyPermission without a name", () => face.requireAnyPermission()],
    ["requireAnyPermission with an empty name", () => face.requireAnyPermission("")],
    ["requireModule without a name", () => face.requireModule()],
    ["requireModule with an empty name", () => face.requireModule("")],
    ["requireUser without a predicate", () => face.requireUser(undefined as never)],
    ["requireUser with a user's id", () => face.requireUser("ana" as never)],
    ["requireLocal without a source", () => face.requireLocal(undefined as never)],
    ["requireLocal with an empty parameter", () => face.requireLocal("")],
    ["requireLocal with an empty header", () => face.requireLocal({ header: "" })],
    ["requireLocal with an empty query", () => face.requireLocal({ query: "" })],
    ["requireLocal with a header that is no name", () => face.requireLocal({ header: 7 } as never)],
    ["requireLocal with a query that is no name", () => face.requireLocal({ query: ["a"] } as never)],
    ["requireLocal with a source that does not exist", () => face.requireLocal({ cookie: "a" } as never)],
    ["requireLocal with null", () => face.requireLocal(null as never)],
    ["requireLocal with an empty orPermission", () => face.requireLocal("a", { orPermission: "" })],
    ["requireLocal with fresh that is no boolean", () => face.requireLocal("a", { fresh: "yes" as never })],
    ["requireLocal with a misspelt option", () => face.requireLocal("a", { frehs: true } as LocalGuardOptions)],
    ["requireOrganization without a source", () => face.requireOrganization(undefined as never)],
  ];

  test.each(guards)("%s", (_what, make) => {
    expect(problemsOf(() => make(face))).toHaveLength(1);
  });
});

describe.each(faces)("in $name a ConfigError of a middleware says what and what else:", (face) => {
  test.each<[string, unknown, string, string]>([
    ["client", {}, "an object", "an AuthClient"],
    ["token", "X-Token", '"X-Token"', "a function of the request"],
    ["realm", "", '""', "printable ASCII that is not empty"],
    ["realm", "Añade", '"Añade"', "printable ASCII that is not empty"],
    ["realm", "a\r\nSet-Cookie: b", '"a\\r\\nSet-Cookie: b"', "printable ASCII that is not empty"],
    ["realm", "a\tb", '"a\\tb"', "printable ASCII that is not empty"],
    ["realm", "a\x7f", '"a\x7f"', "printable ASCII that is not empty"],
    ["fresh", "yes", '"yes"', "true or false"],
    ["onError", true, "true", "a function"],
  ])("%s", (name, given, value, expected) => {
    const options = { client: stubAuthClient(), [name]: given } as FaceOptions;
    expect(toldOf(() => face.requireAuth(options))).toEqual([{ name, value, expected }]);
  });
});

test("A ConfigError says whose an option is that was given to another.", async () => {
  const client = stubAuthClient();
  const [{ requireAuth, optionalAuth }] = faces as [Face];
  const invalidToken = { client, invalidToken: "anonymous" } as FaceOptions;
  const attach = { client, attach: true } as FaceOptions;
  const expected = (owner: string) => `nothing: it is an option of ${owner}`;
  const ofInvalidToken = { name: "invalidToken", value: '"anonymous"', expected: expected("optionalAuth") };
  const ofAttach = { name: "attach", value: "true", expected: expected("authenticate") };

  expect(toldOf(() => requireAuth(invalidToken))).toEqual([ofInvalidToken]);
  expect(toldOf(() => requireAuth({ ...attach, ...invalidToken }))).toEqual([ofInvalidToken, ofAttach]);
  expect(toldOf(() => optionalAuth(attach))).toEqual([ofAttach]);
  await expect(authenticate({ headers: {} }, invalidToken)).rejects.toMatchObject({ problems: [ofInvalidToken] });
  const misspelt = { client, invalidTokn: "anonymous" } as FaceOptions;
  expect(messageOf(() => requireAuth(misspelt))).not.toContain("did you mean");
  expect(messageOf(() => optionalAuth(misspelt))).toContain("did you mean invalidToken?");
});

describe.each(faces)("in $name a ConfigError of a guard says where, what and what else:", (face) => {
  const names = "one or more names";
  const parameter = "a route parameter's name alone, as localId of /:localId";
  const sources = "a route parameter's name, { header }, { query } or a function of the request";

  test.each<[string, string, string, () => unknown]>([
    ["requirePermission", "nothing", names, () => face.requirePermission()],
    ["requirePermission", '""', names, () => face.requirePermission("a", "")],
    ["requireModule", "7", names, () => face.requireModule("a", 7 as unknown as string, "b")],
    ["requireAnyPermission", "nothing", names, () => face.requireAnyPermission()],
    ["requireModule", "nothing", names, () => face.requireModule()],
    ["requireUser(predicate)", '"ana"', "a function", () => face.requireUser("ana" as never)],
    ["requireLocal.orPermission", '""', "a name", () => face.requireLocal("a", { orPermission: "" })],
    ["requireLocal.fresh", '"yes"', "true or false", () => face.requireLocal("a", { fresh: "yes" as never })],
    ["requireLocal(source)", "nothing", sources, () => face.requireLocal(undefined as never)],
    ["requireLocal(source)", "null", sources, () => face.requireLocal(null as never)],
    ["requireLocal(source)", '""', sources, () => face.requireLocal("")],
    ["requireOrganization(source)", "an object", sources, () => face.requireOrganization({ cookie: "a" } as never)],
    ["requireLocal(source)", '":localId"', parameter, () => face.requireLocal(":localId")],
    ["requireLocal(source)", '"*path"', parameter, () => face.requireLocal("*path")],
    ["requireOrganization(source)", '"/orgs/:id"', parameter, () => face.requireOrganization("/orgs/:id")],
    ["requireLocal({ header })", '"X Y"', "the name of a header", () => face.requireLocal({ header: "X Y" })],
    ["requireLocal({ header })", '"X-Y:"', "the name of a header", () => face.requireLocal({ header: "X-Y:" })],
    ["requireLocal({ header })", '""', "the name of a header", () => face.requireLocal({ header: "" })],
    ["requireLocal({ query })", '""', "the name of a query parameter", () => face.requireLocal({ query: "" })],
  ])("%s, %s, %s", (name, value, expected, make) => {
    expect(toldOf(make)).toEqual([{ name, value, expected }]);
  });
});

describe.each(faces)("in $name a mistake is told in one line:", (face) => {
  const lineOf = (make: () => unknown) => messageOf(make).split("\n").slice(1);

  test("a client in the place of the options", () => {
    for (const make of [face.requireAuth, face.optionalAuth]) {
      const lines = lineOf(() => make(stubAuthClient() as FaceOptions));
      expect(lines).toEqual(["  options: pass { client }: what was given is the client itself"]);
    }
  });

  test.each([
    ["an array", ["a", "b"]],
    ["an empty array", []],
    ["a Set", new Set(["a"])],
  ])("a list of names in one argument: %s", (_what, list) => {
    for (const guard of ["requirePermission", "requireAnyPermission", "requireModule"] as const) {
      const told = [`  ${guard}: spread it: ${guard}(...names)`];
      expect(lineOf(() => face[guard](list as unknown as string))).toEqual(told);
      expect(lineOf(() => face[guard]("a", list as unknown as string))).toEqual(told);
    }
  });

  test("a misspelt option", () => {
    const misspelt = { client: stubAuthClient(), relm: "api" } as FaceOptions;
    expect(lineOf(() => face.requireAuth(misspelt))).toEqual(["  relm: there is no such option; did you mean realm?"]);
    expect(lineOf(() => face.requireLocal("a", { frehs: true } as LocalGuardOptions))).toEqual([
      "  requireLocal.frehs: there is no such option; did you mean requireLocal.fresh?",
    ]);
  });
});

describe.each(faces)("in $name what makes a middleware, mounted without being called, says so:", (face) => {
  test.each([
    ["requireAuth", "requireAuth()"],
    ["optionalAuth", "optionalAuth()"],
    ["requirePermission", 'requirePermission("…")'],
    ["requireAnyPermission", 'requireAnyPermission("…")'],
    ["requireModule", 'requireModule("…")'],
    ["requireUser", "requireUser(predicate)"],
    ["requireLocal", "requireLocal(source)"],
    ["requireOrganization", "requireOrganization(source)"],
  ] as const)("%s", async (maker, call) => {
    const { status, body } = await request(face.serve("/", face[maker] as Step))
      .get("/")
      .set(bearer("token-ana"));

    expect([status, body]).toEqual([500, { thrown: `${maker} is to be called: app.use(${call})` }]);
  });
});

describe("cookieToken, when it is made, refuses", () => {
  test.each([
    ["an empty name", ""],
    ["a name with a space", "my session"],
    ["a name with =", "session="],
    ["a name with a semicolon", "a;b"],
    ["no name", undefined as unknown as string],
  ])("%s", (_what, name) => {
    expect(() => cookieToken(name)).toThrow(ConfigError);
  });

  test.each([
    ["a host", ["app.example.com"]],
    ["a URL with a path", ["https://app.example.com/"]],
    ["a wildcard", ["*"]],
    ["null", ["null"]],
    ["a default port, which no browser sends", ["https://app.example.com:443"]],
    ["one origin that is none among others", ["https://app.example.com", "https://"]],
    ["a string that is no list", "https://app.example.com" as unknown as string[]],
  ])("as a trusted origin %s", (_what, trustedOrigins) => {
    expect(() => cookieToken("session", { trustedOrigins })).toThrow(ConfigError);
  });

  test("an option that it does not have", () => {
    expect(() => cookieToken("session", { trustedOrigin: ["https://a.example"] } as CookieTokenOptions)).toThrow(
      ConfigError,
    );
  });

  test.each(["session", "__Host-session", "sid.1", "a!#$%&'*+-.^_`|~b"])("but not the name %s", (name) => {
    expect(cookieToken(name)({ headers: { cookie: `${name}=abc` }, method: "GET" })).toBe("abc");
  });
});

describe.each(faces)("in $name the client, where none is given,", (face) => {
  const use = async () => request(face.serve("/", face.requireAuth())).get("/").set(bearer("token-ana"));

  test.each([
    ["gRPC", "AUTH_GRPC_URL", "grpc"],
    ["REST", "AUTH_REST_URL", "rest"],
  ] as const)("is made from the environment: %s", async (_name, variable, side) => {
    const { service } = await startAuth();
    process.env[variable] = service[side].url;

    const { status, body } = await use();
    closing(getAuthClient());

    expect([status, body.auth.user.id, body.auth.source]).toEqual([200, "ana", side]);
  });

  test("is one for all middleware of the process", async () => {
    const { service } = await startAuth();
    process.env.AUTH_GRPC_URL = service.grpc.url;

    await use();
    await use();
    const direct = await authenticate({ headers: { authorization: "Bearer token-ana" } });
    closing(getAuthClient());

    expect(direct.source).toBe("process");
    expect(service.calls.VerifyToken).toBe(1);
  });

  test("is validated with requireAuth, not on the first request", () => {
    expect(problemsOf(() => face.requireAuth())).toEqual(["AUTH_GRPC_URL or AUTH_REST_URL"]);

    process.env.AUTH_GRPC_URL = "auth:50051";
    process.env.AUTH_GRPC_TIMEOUT = "soon";
    expect(problemsOf(() => face.requireAuth())).toEqual(["AUTH_GRPC_URL", "AUTH_GRPC_TIMEOUT"]);
  });

  test("is not looked for where one is given", () => {
    expect(() => face.requireAuth({ client: stubAuthClient() })).not.toThrow();
  });
});

test("authenticate() without a client and an environment rejects with a ConfigError", async () => {
  await expect(authenticate({ headers: {} })).rejects.toThrow(ConfigError);
  await expect(authenticate({ headers: {} }, { client: stubAuthClient(), realm: "" })).rejects.toThrow(ConfigError);
});
