import { afterEach, describe, expect, test } from "@jest/globals";
import request, { type Response } from "supertest";
import type { AuthClient } from "../../src/client.js";
import type { DirectoryOptions, FakeAuthService } from "../../src/testing.js";
import { type Face, faces, type Step } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";

afterEach(closeAll);

const LOCAL = "/locals/:localId";
const ORGANIZATION = "/organizations/:organizationId";
const ACTIVE = { modules: ["inventory", "sales"] };

interface Guarded {
  readonly service: FakeAuthService;
  readonly client: AuthClient;
  get(url: string, token?: string): Promise<Response>;
  /** Only the status and, if it is a problem, its code. */
  ask(url: string, token?: string): Promise<string>;
}

/** An app with `requireAuth` and these guards on one route. */
async function open(
  face: Face,
  path: string,
  guards: readonly Step[],
  directory?: Pick<DirectoryOptions, "organizations">,
): Promise<Guarded> {
  const { service, client } = await startAuth(directory);
  const app = face.serve(path, face.optionalAuth({ client }), ...guards);
  const get = async (url: string, token = "token-ana") =>
    request(app)
      .get(url)
      .set(token === "" ? {} : bearer(token));
  return {
    service,
    client,
    get,
    ask: async (url, token) => {
      const { status, text } = await get(url, token);
      return `${status} ${JSON.parse(text).code ?? ""}`.trim();
    },
  };
}

describe.each(faces)("in $name", (face) => {
  /** One of each guard, all of which let Ana through. */
  const guards: readonly (readonly [string, string, string, () => Step])[] = [
    ["requirePermission", "/", "/", () => face.requirePermission("products:read")],
    ["requireAnyPermission", "/", "/", () => face.requireAnyPermission("products:read", "admin")],
    ["requireUser", "/", "/", () => face.requireUser(({ user }) => user.id === "ana")],
    ["requireLocal", LOCAL, "/locals/madrid", () => face.requireLocal("localId")],
    ["requireLocal, fresh,", LOCAL, "/locals/madrid", () => face.requireLocal("localId", { fresh: true })],
    ["requireOrganization", ORGANIZATION, "/organizations/org-1", () => face.requireOrganization("organizationId")],
    ["requireModule", "/", "/", () => face.requireModule("inventory")],
  ];

  describe.each(guards)("%s", (name, path, url, guard) => {
    const directory = { organizations: { "org-1": ACTIVE } };

    test("lets through whom it is told to let through", async () => {
      const { get } = await open(face, path, [guard()], directory);

      const { status, body } = await get(url);

      expect([status, body.auth.user.id]).toEqual([200, "ana"]);
    });

    test("answers an anonymous request with 401, and asks nobody", async () => {
      const { service, get } = await open(face, path, [guard()], directory);

      const response = await get(url, "");

      expect(response.status).toBe(401);
      expect(response.headers["www-authenticate"]).toBe('Bearer realm="api"');
      expect(JSON.parse(response.text)).toMatchObject({ code: "missing_token" });
      expect(service.calls.total).toBe(0);
    });

    test("is a programming error without requireAuth, and its message says so", async () => {
      const { status, body } = await request(face.serve(path, guard())).get(url).set(bearer("token-ana"));

      expect(status).toBe(500);
      expect(body.thrown).toContain(`${name.split(",")[0]}() needs requireAuth() before it`);
    });

    test("is that error in the framework's own handler too", async () => {
      const { status } = await request(face.serveBare(path, guard())).get(url).set(bearer("token-ana"));

      expect(status).toBe(500);
    });

    test("decides on every request, on the user of that request", async () => {
      const { ask } = await open(face, path, [guard()], directory);

      const order = ["token-ana", "token-stranger", "token-ana", "", "token-ana"];
      const answers: string[] = [];
      for (const token of order) answers.push(await ask(url, token));

      expect(answers).toEqual(["200", "401 invalid_token", "200", "401 missing_token", "200"]);
    });
  });

  test("requirePermission wants every permission", async () => {
    const { ask } = await open(face, "/", [face.requirePermission("products:read", "products:write")]);
    const { ask: askMore } = await open(face, "/", [face.requirePermission("products:read", "admin")]);

    expect([await ask("/"), await askMore("/")]).toEqual(["200", "403 insufficient_scope"]);
    expect(await ask("/", "token-bea")).toBe("403 insufficient_scope");
  });

  test("requireAnyPermission wants one of them", async () => {
    const { ask } = await open(face, "/", [face.requireAnyPermission("admin", "products:write")]);
    const { ask: askOther } = await open(face, "/", [face.requireAnyPermission("admin", "owner")]);

    expect([await ask("/"), await askOther("/")]).toEqual(["200", "403 insufficient_scope"]);
    expect(await ask("/", "token-bea")).toBe("403 insufficient_scope");
  });

  test("permissions are compared whole and to the letter", async () => {
    const answers = await Promise.all(
      ["products", "products:rea", "PRODUCTS:READ", "products:*", "products:read "].map(async (permission) =>
        (await open(face, "/", [face.requirePermission(permission)])).ask("/"),
      ),
    );

    expect(new Set(answers)).toEqual(new Set(["403 insufficient_scope"]));
  });

  test.each([
    ["an empty string", "", '""'],
    ["null", null, "null"],
    ["a list", ["locals:all"], "an array"],
  ])("requireLocal with %s as orPermission says so when it is made", (_what, orPermission, shown) => {
    expect(() => face.requireLocal("localId", { orPermission: orPermission as string })).toThrow(
      `requireLocal.orPermission: expected a name, got ${shown}`,
    );
  });

  test.each([
    ["requirePermission", "products:read,products:write"],
    ["requirePermission", "products:read products:write"],
    ["requireAnyPermission", " products:read, products:write "],
  ] as const)("%s wants each name by itself: %j", (guard, names) => {
    expect(() => face[guard]("admin", names)).toThrow(
      `  ${guard}: write 2 names: ${guard}("products:read", "products:write")`,
    );
  });

  test.each(["requirePermission", "requireAnyPermission", "requireModule"] as const)(
    "%s of blanks is none",
    (guard) => {
      expect(() => face[guard]("admin", " ")).toThrow(`${guard}: expected one or more names, got " "`);
    },
  );

  test("a name may hold what it likes, as long as it does not look like two", () => {
    for (const name of ["Manage users", "a,b", "users: read", "products:read ", "http://a/b, c"])
      expect(() => face.requirePermission(name)).not.toThrow();
  });

  test("requireLocal takes no two names as orPermission", () => {
    expect(() => face.requireLocal("localId", { orPermission: "a:b,c:d" })).toThrow(
      "requireLocal.orPermission: expected a name",
    );
  });

  test("requireLocal says all that is wrong with its options at once", () => {
    const make = () => face.requireLocal("localId", { fresh: "yes" as never, orPermission: "" });

    expect(make).toThrow(/requireLocal\.fresh: .*\n.*requireLocal\.orPermission: /);
  });

  test("guards in a row must all let the request through", async () => {
    const { ask } = await open(face, LOCAL, [face.requirePermission("products:read"), face.requireLocal("localId")]);

    expect(await ask("/locals/madrid")).toBe("200");
    expect(await ask("/locals/lugo")).toBe("403 insufficient_scope");
  });

  describe("requireUser", () => {
    const yes = (value: unknown) => value as boolean;

    test.each([
      ["true", () => true, "200"],
      ["a promise of true", async () => true, "200"],
      ["false", () => false, "403 insufficient_scope"],
      ["a promise of false", async () => false, "403 insufficient_scope"],
      ["null, as of a search that finds nothing", () => yes(null), "403 insufficient_scope"],
      ["zero", () => yes(0), "403 insufficient_scope"],
      ["a promise of nothing", async () => yes(undefined), "403 insufficient_scope"],
      ["nothing, as after a forgotten return", () => yes(undefined), "403 insufficient_scope"],
    ])("of a predicate that returns %s", async (_what, predicate, expected) => {
      const { ask } = await open(face, "/", [face.requireUser(predicate)]);

      expect(await ask("/")).toBe(expected);
    });

    test.each([
      ["a number", () => yes(1), "a number"],
      ["a text, which is not shown", () => yes("hunter2"), "a string"],
      ["an object", () => yes({}), "an object"],
      ["a list", () => yes([]), "an Array"],
      ["a promise of a text", async () => yes("hunter2"), "a string"],
    ])("is a programming error where the predicate returns %s", async (_what, predicate, got) => {
      const { get } = await open(face, "/", [face.requireUser(predicate)]);

      const { status, body } = await get("/");

      const thrown = `requireUser(predicate) must return true or false, or a promise of it, got ${got}`;
      expect([status, body]).toEqual([500, { thrown }]);
    });

    test("gives the predicate the auth and the request", async () => {
      const predicate: Parameters<Face["requireUser"]>[0] = ({ user, locals }, { headers }) =>
        user.email === "ana@example.com" && locals.includes("madrid") && "authorization" in headers;
      const { ask } = await open(face, "/", [face.requireUser(predicate)]);

      expect(await ask("/")).toBe("200");
    });

    test.each([
      ["rejects", () => Promise.reject(new Error("no database"))],
      [
        "throws",
        () => {
          throw new Error("no database");
        },
      ],
    ])("leaves a predicate that %s to the framework", async (_how, predicate) => {
      const { get } = await open(face, "/", [face.requireUser(predicate)]);

      const { status, body } = await get("/");

      expect([status, body]).toEqual([500, { thrown: "no database" }]);
    });
  });

  describe("requireModule", () => {
    const cases: readonly (readonly [string, DirectoryOptions["organizations"], string])[] = [
      ["an active organization with all of them", { "org-1": ACTIVE }, "200"],
      ["an active organization with one of them", { "org-1": { modules: ["sales"] } }, "403 insufficient_scope"],
      ["an inactive organization", { "org-1": { ...ACTIVE, isActive: false } }, "403 insufficient_scope"],
      ["an organization that the service does not know", { "org-2": ACTIVE }, "403 insufficient_scope"],
    ];

    test.each(cases)("of %s", async (_what, organizations, expected) => {
      const { ask } = await open(face, "/", [face.requireModule("inventory", "sales")], { organizations });

      expect(await ask("/")).toBe(expected);
    });

    test("asks for an organization once, and remembers it", async () => {
      const organizations = { "org-1": ACTIVE };
      const { service, ask } = await open(face, "/", [face.requireModule("inventory")], { organizations });

      expect([await ask("/"), await ask("/"), await ask("/", "token-bea")]).toEqual(["200", "200", "200"]);
      expect(service.calls.GetOrganization).toBe(1);
    });
  });

  describe("an outage at a guard that must ask", () => {
    test.each([
      ["requireLocal with fresh", () => face.requireLocal("localId", { fresh: true })],
      ["requireModule", () => face.requireModule("inventory")],
    ])("is never a refusal: %s", async (_name, guard) => {
      const { service, client, get } = await open(face, LOCAL, [guard()], { organizations: { "org-1": ACTIVE } });
      await client.verifyToken("token-ana");
      service.grpc.fail();
      service.rest.fail();

      const response = await get("/locals/madrid");

      expect(response.status).toBe(503);
      expect(response.headers["retry-after"]).toBe("1");
      expect(response.headers["www-authenticate"]).toBeUndefined();
      expect(JSON.parse(response.text)).toMatchObject({ code: "auth_unavailable" });
    });
  });
});
