import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import express4 from "express4";
import request from "supertest";
import type { GuardSource, LocalGuardOptions, RequestLike } from "../../src/client.js";
import { createSourceReader, type RequestAccess } from "../../src/http/guard-source.js";
import { requireAuth, requireLocal } from "../../src/index.js";
import { type Face, faces } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { listenRaw } from "../support/raw-request.js";

afterEach(closeAll);

const NO = "403 insufficient_scope";
const MISSING = "400 missing_parameter";
const PLACE = {
  express: "Mount the guard on the route itself, or make the nested router with mergeParams.",
  koa: "Mount the guard on the route itself.",
};

/** An app whose one route is guarded by `requireLocal`; Ana may act on madrid and sevilla. */
async function open(face: Face, path: string, source: GuardSource<RequestLike>, options?: LocalGuardOptions) {
  const { service, client } = await startAuth();
  const app = face.serve(path, face.requireAuth({ client }), face.requireLocal(source, options));
  const send = await listenRaw(app);
  const ask = async (url: string, headers: readonly string[] = [], token = "token-ana") => {
    const line = `GET ${url} HTTP/1.1`;
    const { status, body } = await send({ line, headers: [`Authorization: Bearer ${token}`, ...headers] });
    const { code, thrown, detail } = JSON.parse(body);
    return { answer: [status, code ?? thrown].filter(Boolean).join(" "), detail };
  };
  return { service, client, ask, answer: async (...args: Parameters<typeof ask>) => (await ask(...args)).answer };
}

describe.each(faces)("in $name the source is", (face) => {
  describe("a route parameter", () => {
    test("of a local of the user, or of another", async () => {
      const { service, answer } = await open(face, "/locals/:localId", "localId");

      expect(await answer("/locals/madrid")).toBe("200");
      expect(await answer("/locals/sevilla")).toBe("200");
      expect(await answer("/locals/lugo")).toBe(NO);
      expect(await answer("/locals/Madrid")).toBe(NO);
      expect(await answer("/locals/madrid%20")).toBe(NO);
      expect(await answer("/locals/%6dadrid")).toBe("200");
      expect(await answer("/locals/madrid", [], "token-bea")).toBe(NO);
      expect(service.calls.GetUserLocals).toBe(0);
    });

    test.each(["local", "localid", "localI", "constructor", "__proto__"])(
      "that the route does not have, a programming error: %s",
      async (name) => {
        const { answer } = await open(face, "/locals/:localId", name);

        expect(await answer("/locals/madrid")).toBe(
          `500 requireLocal("${name}"): this route has no parameter "${name}" (it has: localId). ${PLACE[face.framework]}`,
        );
      },
    );

    test("that may be missing: then the request does not say what it is about", async () => {
      const { ask, answer } = await open(face, face.optionalParameter("/locals", "localId"), "localId");

      expect(await answer("/locals/madrid")).toBe("200");
      expect(await answer("/locals/lugo")).toBe(NO);
      expect(await ask("/locals")).toEqual({
        answer: MISSING,
        detail: "The request has no value for the route parameter localId.",
      });
    });
  });

  describe("a header", () => {
    test.each<[string, string[], string]>([
      ["one value", ["X-Local-ID: madrid"], "200"],
      ["a name in another case", ["x-LOCAL-id: madrid"], "200"],
      ["another local", ["X-Local-ID: lugo"], NO],
      ["two lines, both allowed", ["X-Local-ID: madrid", "X-Local-ID: sevilla"], "200"],
      ["two lines, the first not allowed", ["X-Local-ID: lugo", "X-Local-ID: madrid"], NO],
      ["two lines, the second not allowed", ["X-Local-ID: madrid", "x-local-id: lugo"], NO],
      ["two values on one line, which name no local", ["X-Local-ID: madrid, sevilla"], NO],
      ["no line", [], MISSING],
      ["an empty line", ["X-Local-ID:"], MISSING],
      ["an empty line beside another", ["X-Local-ID: madrid", "X-Local-ID:"], MISSING],
      ["a line of another header", ["X-Local-IDs: madrid"], MISSING],
    ])("with %s", async (_what, headers, expected) => {
      const { answer } = await open(face, "/", { header: "X-Local-ID" });

      expect(await answer("/", headers)).toBe(expected);
    });
  });

  // Node joins most headers, but keeps only the first line of some.
  test("a header of which Node keeps one line: all of its lines count", async () => {
    const { answer } = await open(face, "/", { header: "From" });

    expect(await answer("/", ["From: madrid", "From: sevilla"])).toBe("200");
    expect(await answer("/", ["From: madrid", "From: lugo"])).toBe(NO);
  });

  describe("a query parameter", () => {
    test.each([
      ["one value", "?local=madrid", "200"],
      ["another local", "?local=lugo", NO],
      ["two values, both allowed", "?local=madrid&local=sevilla", "200"],
      ["two values, the first not allowed", "?local=lugo&local=madrid", NO],
      ["two values, the second not allowed", "?local=madrid&local=lugo", NO],
      ["two values, one of them empty", "?local=madrid&local=", MISSING],
      ["two values in one, which name no local", "?local=madrid,sevilla", NO],
      ["no value", "?local=", MISSING],
      ["the name alone", "?local", MISSING],
      ["no such parameter", "?locals=madrid", MISSING],
      ["no query", "", MISSING],
      ["the shape of an object", "?local[a]=madrid", MISSING],
      ["the shape of an object that seems long", "?local[length]=1&local[0]=madrid", MISSING],
    ])("with %s", async (_what, query, expected) => {
      const { answer } = await open(face, "/", { query: "local" });

      expect(await answer(`/${query}`)).toBe(expected);
    });

    test.each(["toString", "constructor", "__proto__"])("named %s, which every object has", async (name) => {
      const { answer } = await open(face, "/", { query: name });

      expect(await answer("/")).toBe(MISSING);
    });
  });

  describe("a function of the request", () => {
    test.each<[string, string | string[] | undefined, string]>([
      ["one local", "madrid", "200"],
      ["another local", "lugo", NO],
      ["several, all allowed", ["madrid", "sevilla"], "200"],
      ["several, one not allowed", ["madrid", "lugo"], NO],
      ["nothing", undefined, MISSING],
      ["an empty text", "", MISSING],
      ["an empty list", [], MISSING],
      ["a list with an empty text", ["madrid", ""], MISSING],
      ["no text at all", 7 as unknown as string, MISSING],
      ["a list that holds a list", [["madrid"]] as unknown as string[], MISSING],
      ["null", null as unknown as string, MISSING],
      ["an object of the body", { a: "madrid" } as unknown as string, MISSING],
      ["an object of a query parser", Object.create(null) as string, MISSING],
    ])("that returns %s", async (_what, value, expected) => {
      const { answer } = await open(face, "/", () => value);

      expect(await answer("/")).toBe(expected);
    });

    test.each<[string, () => unknown, string]>([
      ["a promise", async () => "madrid", "a Promise: it must not be async"],
      [
        "a promise that fails, and ends no process",
        () => Promise.reject(new Error("x")),
        "a Promise: it must not be async",
      ],
      [
        "a list of promises, all of which fail",
        () => ["a", "b"].map(() => Promise.reject(new Error("x"))),
        "a Promise: it must not be async",
      ],
      ["a Set", () => new Set(["madrid"]), "a Set"],
      ["a buffer", () => Buffer.from("madrid"), "a Uint8Array"],
      ["a function", () => () => "madrid", "a function"],
      ["a date", () => new Date(0), "a Date"],
      ["a bigint", () => 7n, "a bigint"],
    ])("that returns %s, a programming error", async (_what, source, got) => {
      const { answer } = await open(face, "/", source as never);

      expect(await answer("/")).toBe(`500 requireLocal(source) must return a string or a list of strings, got ${got}`);
    });

    test.each([
      [7, "a number"],
      [["madrid", true], "a boolean"],
    ])("that returns %j, which the HTTP client may have sent", async (value, type) => {
      const { ask } = await open(face, "/", (() => value) as never);

      expect(await ask("/")).toEqual({
        answer: MISSING,
        detail: `The request's value for what it is about is ${type}, and no string.`,
      });
    });

    test("that looks at the request", async () => {
      const { answer } = await open(face, "/", ({ headers }) => (headers as Record<string, string>)["x-local"]);

      expect(await answer("/", ["X-Local: madrid"])).toBe("200");
      expect(await answer("/", ["X-Local: lugo"])).toBe(NO);
    });

    test("that throws: the framework gets the error", async () => {
      const { answer } = await open(face, "/", () => {
        throw new Error("no such table");
      });

      expect(await answer("/")).toBe("500 no such table");
    });
  });

  test.each<[string, GuardSource<RequestLike>]>([
    ["the header X-Local-ID", { header: "X-Local-ID" }],
    ["the query parameter local", { query: "local" }],
    ["what it is about", () => undefined],
  ])("named to a request that has no value for it: %s", async (label, source) => {
    const { ask } = await open(face, "/", source);

    expect(await ask("/")).toEqual({ answer: MISSING, detail: `The request has no value for ${label}.` });
  });

  test("for requireOrganization the same", async () => {
    const { client } = await startAuth();
    const guard = face.requireOrganization({ header: "X-Organization" });
    const send = await listenRaw(face.serve("/", face.requireAuth({ client }), guard));
    const status = async (...lines: string[]) =>
      (await send({ headers: ["Authorization: Bearer token-ana", ...lines] })).status;

    expect(await status("X-Organization: org-1")).toBe(200);
    expect(await status("X-Organization: org-1", "X-Organization: org-1")).toBe(200);
    expect(await status("X-Organization: org-2")).toBe(403);
    expect(await status("X-Organization: org-1", "X-Organization: org-2")).toBe(403);
    expect(await status()).toBe(400);
  });
});

describe.each(faces)("in $name requireLocal", (face) => {
  test("trusts the attached locals, and with fresh asks for them on every request", async () => {
    const trusting = await open(face, "/locals/:localId", "localId");
    const fresh = await open(face, "/locals/:localId", "localId", { fresh: true });

    for (const { service, client, answer } of [trusting, fresh]) {
      await client.verifyToken("token-ana");
      service.allow("token-ana", { id: "ana", locals: ["lugo"] });
      service.resetCalls();
      const answers = [await answer("/locals/madrid"), await answer("/locals/lugo")];
      expect(answers).toEqual(service === fresh.service ? [NO, "200"] : ["200", NO]);
    }
    expect(trusting.service.calls.total).toBe(0);
    expect(fresh.service.calls).toMatchObject({ GetUserLocals: 2, total: 2 });
  });

  test("with fresh asks nobody about a request that names no local", async () => {
    const { service, answer } = await open(face, "/", { query: "local" }, { fresh: true });

    expect(await answer("/")).toBe(MISSING);
    expect(service.calls.GetUserLocals).toBe(0);
  });

  test("with fresh refuses a user whom the service no longer knows", async () => {
    const { service, client, answer } = await open(face, "/locals/:localId", "localId", { fresh: true });
    await client.verifyToken("token-ana");
    service.refuse("token-ana");

    expect(await answer("/locals/madrid")).toBe(NO);
  });

  test("lets whoever has orPermission act on every local, and asks nobody", async () => {
    const options = { orPermission: "products:write", fresh: true };
    const { service, answer } = await open(face, "/:localId", "localId", options);

    expect(await answer("/lugo")).toBe("200");
    expect(service.calls.GetUserLocals).toBe(0);
    expect(await answer("/lugo", [], "token-bea")).toBe(NO);
  });

  test("with orPermission still wants to know which local", async () => {
    const { answer } = await open(face, "/", { query: "local" }, { orPermission: "products:write" });

    expect(await answer("/")).toBe(MISSING);
  });
});

describe("where the framework tells nothing of", () => {
  const silent: RequestAccess<object> = {
    node: () => ({ headers: {} }),
    params: () => undefined,
    query: () => undefined,
    routePath: () => undefined,
    placeOfGuards: "Mount it there.",
  };

  test("the query, no parameter has a value", () => {
    const read = createSourceReader("requireLocal", { query: "local" }, silent);

    expect(() => read({})).toThrow(expect.objectContaining({ code: "missing_parameter" }));
  });

  test.each([
    ["the parameters", silent],
    ["the pattern", { ...silent, params: () => ({}) }],
    ["the pattern but a regular expression", { ...silent, params: () => ({}), routePath: () => /^\/locals/ }],
    ["the pattern but one without parameters", { ...silent, params: () => ({}), routePath: () => "/locals" }],
  ])("%s, a route parameter is a programming error", (_what, access) => {
    const read = createSourceReader("requireOrganization", "localId", access);

    expect(() => read({})).toThrow(
      new Error(
        'requireOrganization("localId"): this route has no parameter "localId" (it has: none). Mount it there.',
      ),
    );
  });
});

describe("a query parser that makes objects and arrays", () => {
  test.each([
    ["?local[]=madrid&local[]=sevilla", 200],
    ["?local[]=madrid&local[]=lugo", 403],
    ["?local[a]=madrid", 400],
    ["?local[a]=madrid&local=madrid", 400],
    ["?local[][a]=madrid", 400],
    ["?local[7]=madrid&local[2]=lugo", 403],
    ["?local=madrid&local[a]=lugo", 400],
  ])("gives %s no way around the guard", async (query, expected) => {
    const { client } = await startAuth();
    for (const create of [express, express4]) {
      const app = create().set("query parser", "extended");
      app.get("/", requireAuth({ client }), requireLocal({ query: "local" }), (_req, res) => {
        res.end();
      });

      const { status } = await request(app).get(`/${query}`).set(bearer("token-ana"));

      expect(status).toBe(expected);
    }
  });
});
