import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from "@jest/globals";
import { io, type Socket } from "socket.io-client";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { snippetsOf } from "../support/markdown.js";
import { root } from "../support/workspace.js";
import { Program } from "./program.js";

jest.setTimeout(60_000);

const overHttp = ["nest", "fastify", "hono"] as const;
const recipes = [...overHttp, "socket-io"] as const;
type Recipe = (typeof recipes)[number];

const ana = { permissions: ["products:read", "products:write"], locals: ["madrid"] };
const users = {
  "token-ana": { id: "ana", ...ana },
  "token-bea": { id: "bea" },
  "token-carla": { id: "carla", ...ana }, // logs out
  "token-dora": { id: "dora" }, // gets a permission, and loses her token
  "token-eli": { id: "eli" }, // logs out, but nothing revokes the token
};

let service: FakeAuthService;
let env: Record<string, string>;
const programs = new Map<Recipe, { program: Program; url: string }>();

beforeAll(async () => {
  service = await startAuthService({ users });
  const { grpc, rest } = service.upstreams;
  env = { AUTH_GRPC_URL: grpc.url, AUTH_REST_URL: rest.url, PORT: "0", NO_COLOR: "1" };
  const started = recipes.map((recipe) => ({ recipe, program: new Program(`examples/recipes/${recipe}.ts`, env) }));
  for (const { recipe, program } of started) programs.set(recipe, { program, url: "" });
  for (const { recipe, program } of started) {
    await program.wrote("http://");
    programs.set(recipe, { program, url: /http:\/\/\S+/.exec(program.output)![0] });
  }
});
afterAll(async () => {
  for (const { program } of programs.values()) await program.end();
  await service.close();
});

test("docs/recipes.md shows these files, word for word", () => {
  const code = snippetsOf(readFileSync(join(root, "docs", "recipes.md"), "utf8")).filter(
    ({ language }) => language === "ts",
  );
  expect(code.map((snippet) => snippet.code)).toEqual(
    recipes.map((recipe) => readFileSync(join(root, "examples", "recipes", `${recipe}.ts`), "utf8")),
  );
});

/** All of an answer that a client of the API could look at. */
async function ask(recipe: Recipe, path: string, token?: string, method = "GET") {
  const sent = new Headers(token === undefined ? {} : { authorization: `Bearer ${token}` });
  const response = await fetch(programs.get(recipe)!.url + path, { method, headers: sent });
  const text = await response.text();
  const { headers } = response;
  return {
    status: response.status,
    type: headers.get("content-type")?.split(";")[0],
    challenge: headers.get("www-authenticate"),
    retryAfter: headers.get("retry-after"),
    caching: headers.get("cache-control"),
    body: JSON.parse(text) as unknown,
  };
}

const problem = (status: number, code: string, challenge: string | null) => ({
  ...{ status, type: "application/problem+json", challenge, caching: "no-store", retryAfter: null },
  body: { type: "about:blank", title: expect.any(String), status, code, detail: expect.any(String) },
});
const noToken = problem(401, "missing_token", 'Bearer realm="api"');
const badToken = problem(401, "invalid_token", 'Bearer realm="api", error="invalid_token"');
const notWritable = 'Bearer realm="api", error="insufficient_scope", scope="products:write"';

describe.each(overHttp)("%s", (recipe) => {
  test("answers 401 without a token, and with a bad one", async () => {
    expect(await ask(recipe, "/locals/madrid/products")).toEqual(noToken);
    expect(await ask(recipe, "/locals/madrid/products", "no-such")).toEqual(badToken);
    expect(await ask(recipe, "/products", undefined, "POST")).toEqual(noToken);
  });

  test("gives handlers the user and the locals", async () => {
    expect(await ask(recipe, "/locals/madrid/products", "token-ana")).toMatchObject({
      status: 200,
      body: { user: "ana", locals: ["madrid"], local: "madrid" },
    });
    expect(await ask(recipe, "/products", "token-ana", "POST")).toMatchObject({ status: 201, body: { by: "ana" } });
  });

  test("answers 403 to users who may not, with the permission that they lack", async () => {
    expect(await ask(recipe, "/products", "token-bea", "POST")).toEqual(
      problem(403, "insufficient_scope", notWritable),
    );
    const notTheirs = problem(403, "insufficient_scope", 'Bearer realm="api", error="insufficient_scope"');
    expect(await ask(recipe, "/locals/lugo/products", "token-ana")).toEqual(notTheirs);
  });
});

describe("nest", () => {
  // The permission is named on the controller.
  test("with a guard that authenticates in the place of the middleware answers alike, and asks each time", async () => {
    expect(await ask("nest", "/refunds", undefined, "POST")).toEqual(noToken);
    expect(await ask("nest", "/refunds", "no-such", "POST")).toEqual(badToken);
    const before = service.calls.VerifyToken;
    for (let times = 0; times < 2; times++) {
      const { status, challenge } = await ask("nest", "/refunds", "token-ana", "POST");
      expect([status, challenge]).toEqual([403, notWritable.replace("products", "refunds")]);
    }
    expect(service.calls.VerifyToken - before).toBe(2);
  });
});

describe("fastify", () => {
  test("leaves open what is registered beside the hook, and answers its own errors itself", async () => {
    expect(await ask("fastify", "/open")).toMatchObject({ status: 200, body: { open: true } });
    expect(await ask("fastify", "/no-such")).toMatchObject({ status: 404, type: "application/json" });
    const headers = { authorization: "Bearer token-ana", "content-type": "application/json" };
    const { status } = await fetch(`${programs.get("fastify")!.url}/products`, { method: "POST", headers, body: "{" });
    expect(status).toBe(400);
  });
});

describe("hono", () => {
  test("leaves errors of its own their status", async () => {
    const headers = { authorization: "Bearer token-ana" };
    const { status } = await fetch(`${programs.get("hono")!.url}/locals/madrid`, { headers });
    expect(status).toBe(404);
  });
});

describe("socket-io", () => {
  const open: Socket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.close();
  });

  test("refuses a handshake without a token, and with a bad one", async () => {
    expect(await connect(undefined)).toEqual({ refused: { status: 401, code: "missing_token" } });
    expect(await connect("no-such")).toEqual({ refused: { status: 401, code: "invalid_token" } });
    expect(await connect(["token-ana"])).toEqual({ refused: { status: 400, code: "invalid_request" } });
  });

  test("lets a good token in, and looks at permissions with each event", async () => {
    const [anas, beas] = [await connected("token-ana"), await connected("token-bea")];
    expect(await anas.emitWithAck("whoami")).toEqual({ user: "ana", locals: ["madrid"] });
    expect(await anas.emitWithAck("products:add", "bread")).toEqual({ status: 201 });
    expect(await beas.emitWithAck("products:add", "bread")).toEqual({ status: 403, code: "insufficient_scope" });
  });

  test("lives on after events without an acknowledgement, or with another thing in its place", async () => {
    const socket = await connected("token-bea");
    for (const words of [["whoami"], ["whoami", 1], ["products:add"], ["products:add", "bread", {}]] as const) {
      socket.emit(...(words as unknown as [string]));
    }
    expect(await socket.emitWithAck("whoami")).toEqual({ user: "bea", locals: [] });
  });

  test("ends every connection of a token that is invalidated, and no other", async () => {
    const sockets = [await connected("token-carla"), await connected("token-carla")];
    const other = await connected("token-ana");
    const ended = sockets.map((socket) => new Promise((resolve) => socket.once("disconnect", resolve)));
    service.refuse("token-carla");
    sockets[0]!.emit("logout");

    expect(await Promise.all(ended)).toEqual(["io server disconnect", "io server disconnect"]);
    expect(await other.emitWithAck("whoami")).toMatchObject({ user: "ana" });
  });

  test("ends a connection that logs out, and guards other namespaces", async () => {
    const socket = await connected("token-eli");
    const ended = new Promise((resolve) => socket.once("disconnect", resolve));
    socket.emit("logout");
    expect(await ended).toBe("io server disconnect");

    const { url } = programs.get("socket-io")!;
    expect(await connect("no-such", `${url}/admin`)).toEqual({ refused: { status: 401, code: "invalid_token" } });
    expect((await connect("token-ana", `${url}/admin`)).refused).toBeUndefined();
  });

  test("sees what changes at the auth service alone: a permission, and that the token is refused", async () => {
    const program = new Program("examples/recipes/socket-io.ts", { ...env, VERIFY_EACH_MS: "50" });
    try {
      await program.wrote("http://");
      const socket = await connected("token-dora", /http:\/\/\S+/.exec(program.output)![0]);
      expect(await socket.emitWithAck("products:add", "bread")).toMatchObject({ status: 403 });
      service.allow("token-dora", { id: "dora", permissions: ["products:write"] });
      await eventually(async () => (await socket.emitWithAck("products:add", "bread")).status === 201, "she may");
      const ended = new Promise((resolve) => socket.once("disconnect", resolve));
      service.refuse("token-dora");
      expect(await ended).toBe("io server disconnect");
    } finally {
      await program.end();
    }
  });

  /** How a handshake ends. */
  async function connect(
    token: unknown,
    url = programs.get("socket-io")!.url,
  ): Promise<{ socket?: Socket; refused?: unknown }> {
    const socket = io(url, { auth: { token }, forceNew: true, transports: ["websocket"] });
    open.push(socket);
    const refused = await new Promise<undefined | (Error & { data?: unknown })>((resolve) => {
      socket.once("connect", () => resolve(undefined));
      socket.once("connect_error", resolve);
    });
    return refused ? { refused: refused.data } : { socket };
  }

  async function connected(token: string, url?: string): Promise<Socket> {
    const { socket, refused } = await connect(token, url);
    expect(refused).toBeUndefined();
    return socket!;
  }

  test("says in an outage that it is one, and when to come back", async () => {
    await outage(async () => {
      expect(await connect("token-eva")).toEqual({
        refused: { status: 503, code: "auth_unavailable", retryAfter: expect.stringMatching(/^\d+$/) },
      });
    });
  });
});

test.each(overHttp)("%s answers 503 with Retry-After in an outage, and known users go on", async (recipe) => {
  await outage(async () => {
    const unavailable = problem(503, "auth_unavailable", null);
    expect(await ask(recipe, "/locals/madrid/products", "token-eva")).toEqual({
      ...unavailable,
      retryAfter: expect.stringMatching(/^[1-9]\d*$/),
    });
    expect(await ask(recipe, "/locals/madrid/products", "token-ana")).toMatchObject({ status: 200 });
  });
});

async function outage(during: () => Promise<void>): Promise<void> {
  await Promise.all([service.grpc.stop(), service.rest.stop()]);
  try {
    await during();
  } finally {
    await Promise.all([service.grpc.start(), service.rest.start()]);
  }
}
