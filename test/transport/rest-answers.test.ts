import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { startRawRest } from "../support/raw-upstreams.js";
import { RecordingLogger } from "../support/recording-logger.js";
import * as reply from "./rest-replies.js";
import { LOOKUP_STATUS_ROWS } from "./rest-rows.js";

const opened = closedAfterEach();
const REF = { userId: "ana", organizationId: "org-1" };
const { ANA } = reply;

async function start(answer: reply.RestReply, options: AuthClientOptions = {}) {
  const rest = opened(await startRawRest(answer));
  const client = opened(
    createAuthClient({
      retry: { attempts: 2 },
      random: () => 0,
      logger: false,
      ...options,
      rest: { url: rest.url, timeoutMs: 30_000 },
    }),
  );
  return { rest, client };
}

describe("any 2xx with a whole body is an answer", () => {
  test.each([200, 201, 202, 203, 207, 226, 299])("HTTP %i", async (code) => {
    const { rest, client } = await start(reply.status(code));
    expect(await client.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "rest" });
    expect(rest.requests).toHaveLength(1);
    rest.reply = (response) => void response.writeHead(code).end('{"locals":[{"id":"madrid"}]}');
    expect(await client.getUserLocals(REF)).toEqual(["madrid"]);
  });

  test.each<[string, reply.RestReply]>([
    ["empty", (response) => void response.writeHead(201).end()],
    ["no JSON", (response) => void response.writeHead(201).end("created")],
    ["another thing", (response) => void response.writeHead(201).end('{"id":"1"}')],
  ])("but a 201 that is %s", async (_name, answer) => {
    const { rest, client } = await start(answer);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(1);
    expect(client.status().rest?.failures).toBe(0);
  });

  test("nor a 201 whose body ends before its length: out of reach", async () => {
    const { rest, client } = await start((response) => {
      response.writeHead(201, { "content-length": "1000" });
      response.write(JSON.stringify(ANA), () => response.socket?.destroy());
    });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(2);
    expect(client.status().rest?.failures).toBe(2);
  });
});

describe("what a 200 may say of a token", () => {
  const full = { ...ANA, permissions: ["read", "write"], locals: ["madrid"] };
  const user = {
    user: { id: "ana", organizationId: "org-1", email: "ana@example.com", permissions: ["read", "write"] },
    locals: ["madrid"],
    source: "rest",
  };
  const { user_id: userId, organization_id: organizationId, is_active: isActive, ...same } = full;

  test.each([
    ["snake_case", full],
    ["lowerCamelCase", { userId, organizationId, isActive, ...same }],
    ["fields that nobody knows", { ...full, roles: ["admin"], nested: { user_id: "bea" } }],
  ])("%s", async (_name, value) => {
    const { client } = await start(reply.json(value));
    expect(await client.verifyToken("token-ana")).toEqual(user);
  });

  test("what is missing, but for the id and is_active, is empty", async () => {
    const { client } = await start(reply.json({ user_id: "ana", is_active: true }));
    expect(await client.verifyToken("token-ana")).toEqual({
      user: { id: "ana", organizationId: "", email: "", permissions: [] },
      locals: [],
      source: "rest",
    });
  });

  test("__proto__ is a field like others that nobody knows", async () => {
    const { client } = await start(
      reply.body('{"user_id":"ana","is_active":true,"__proto__":{"organizationId":"evil","polluted":true}}'),
    );
    const { user } = await client.verifyToken("token-ana");
    expect(user).toEqual({ id: "ana", organizationId: "", email: "", permissions: [] });
    expect("polluted" in user || "polluted" in {}).toBe(false);
  });

  test.each([
    ["is_active false", { ...full, is_active: false }],
    ["is_active missing: proto JSON leaves false out", { ...full, is_active: undefined }],
    ["is_active null", { ...full, is_active: null }],
  ])("%s is an inactive user: a refusal, remembered, and a success for the breaker", async (_name, value) => {
    const { rest, client } = await start(reply.status(503));
    await client.verifyToken("token-ana").catch(() => undefined);
    rest.reply = reply.json(value);
    rest.requests.length = 0;
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "inactive_user", status: 401 });
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "inactive_user" });
    expect(rest.requests).toHaveLength(1);
    expect(client.status().rest?.failures).toBe(0);
  });

  test("an answer of exactly maxAnswerBytes is an answer, one byte more is none", async () => {
    const text = JSON.stringify({ user_id: "ana", is_active: true });
    const { rest, client } = await start(reply.body(text), { maxAnswerBytes: text.length });
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "rest" });
    rest.reply = reply.body(`${text} `);
    await expect(client.verifyToken("token-bea")).rejects.toMatchObject({ code: "auth_unavailable" });
  });
});

describe("what a 200 may say of a user or an organization", () => {
  test("locals are objects with an id", async () => {
    const { client } = await start(
      reply.json({ locals: [{ id: "madrid", name: "Madrid" }, { id: "sevilla" }], total: 2 }),
    );
    expect(await client.getUserLocals(REF)).toEqual(["madrid", "sevilla"]);
  });

  test.each(["locals", "permissions"] as const)("an empty list of %s is an answer, and remembered", async (list) => {
    const { rest, client } = await start(reply.json({ [list]: [] }));
    const ask = () => (list === "locals" ? client.getUserLocals(REF) : client.getUserPermissions(REF));
    expect(await ask()).toEqual([]);
    expect(await ask()).toEqual([]);
    expect(rest.requests).toHaveLength(1);
  });

  test("an organization comes in both spellings", async () => {
    const acme = { id: "org-1", name: "Acme", plan: "pro", modules: ["inventory"] };
    const { rest, client } = await start(reply.json({ ...acme, is_active: true }));
    expect(await client.getOrganization("org-1")).toEqual({ ...acme, isActive: true });
    rest.reply = reply.json({ ...acme, isActive: true });
    expect(await client.getOrganization("org-1", { fresh: true })).toEqual({ ...acme, isActive: true });
    rest.reply = reply.json(acme);
    expect(await client.getOrganization("org-1", { fresh: true })).toEqual({ ...acme, isActive: false });
  });

  test("another organization than the one that was asked about is no answer", async () => {
    const { client } = await start(reply.json({ id: "org-2", is_active: true }));
    await expect(client.getOrganization("org-1")).rejects.toMatchObject({
      code: "auth_unavailable",
      cause: { message: expect.stringContaining("another organization") },
    });
    expect((await client.getOrganization("org-2")).id).toBe("org-2");
  });

  test.each(
    ["{}", "[]", "null", '{"locals":null}', '{"locals":{}}', '{"locals":["madrid"]}', '{"locals":[{}]}'].concat([
      '{"locals":[{"id":""}]}',
      '{"locals":[{"id":7}]}',
      '{"locals":[{"id":"madrid"},null]}',
      '{"local_ids":["madrid"]}',
    ]),
  )("%s is no answer about locals", async (text) => {
    const { rest, client } = await start(reply.body(text));
    await expect(client.getUserLocals(REF)).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(1);
    expect(client.status().rest?.failures).toBe(0);
  });

  test.each(["{}", "[]", "null", '{"permissions":null}', '{"permissions":"read"}', '{"permissions":[1]}', '["read"]'])(
    "%s is no answer about permissions",
    async (text) => {
      const { rest, client } = await start(reply.body(text));
      await expect(client.getUserPermissions(REF)).rejects.toMatchObject({ code: "auth_unavailable" });
      expect(rest.requests).toHaveLength(1);
    },
  );

  test.each(["{}", "[]", '{"id":""}', '{"id":null}', '{"id":1}', '{"name":"Acme"}', '{"id":"org-1","modules":"all"}'])(
    "%s is no answer about an organization",
    async (text) => {
      const { rest, client } = await start(reply.body(text));
      await expect(client.getOrganization("org-1")).rejects.toMatchObject({ code: "auth_unavailable" });
      expect(rest.requests).toHaveLength(1);
    },
  );
});

describe("the status of a look-up", () => {
  test.each(LOOKUP_STATUS_ROWS)("$name is $outcome", async ({ reply, outcome }) => {
    const { rest, client } = await start(reply);
    const expected = {
      refused: { code: "lookup_refused", requests: 1, failures: 0 },
      unreachable: { code: "auth_unavailable", requests: 2, failures: 2 },
      busy: { code: "auth_unavailable", requests: 2, failures: 0 },
      broken: { code: "auth_unavailable", requests: 1, failures: 0 },
    }[outcome];
    await expect(client.getUserPermissions(REF)).rejects.toMatchObject({ code: expected.code });
    expect(rest.requests).toHaveLength(expected.requests);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: expected.failures });
  });

  test.each([401, 403])("%i is our own credential's fault: said once, and again after it worked", async (status) => {
    const logger = new RecordingLogger();
    const { rest, client } = await start(reply.status(status), { logger });
    const ask = (userId: string) => client.getUserPermissions({ ...REF, userId }).catch(() => undefined);
    await ask("ana");
    await ask("bea");
    await client.getOrganization("org-1").catch(() => undefined);
    expect(logger.errors).toEqual([expect.stringMatching(/rest refuses this service's own credentials/)]);

    rest.reply = reply.json({ permissions: ["read"] });
    expect(await ask("cid")).toEqual(["read"]);
    rest.reply = reply.status(status);
    await ask("dan");
    expect(logger.errors).toHaveLength(2);
  });

  test("a refused token says nothing about our own credential", async () => {
    const logger = new RecordingLogger();
    const { client } = await start(reply.status(401), { logger });
    await client.verifyToken("token-ana").catch(() => undefined);
    expect(logger.lines).toEqual([]);
  });
});

test("a connection that turns to another protocol is closed, not left behind", async () => {
  const closed = new Promise<void>((resolve) => {
    const switches: reply.RestReply = (response) => {
      response.socket?.once("close", () => resolve());
      response.socket?.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
    };
    void start(switches).then(({ client }) => client.getUserPermissions(REF).catch(() => undefined));
  });
  await closed;
});
