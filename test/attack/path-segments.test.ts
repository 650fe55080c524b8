import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import { type AuthClient, requireAuth, requireLocal } from "../../src/index.js";
import { closedAfterEach } from "../support/after-each.js";
import { closeAll } from "../support/http-fixture.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";
import { startRawRest } from "../support/raw-upstreams.js";

const opened = closedAfterEach();
afterEach(closeAll);

const IDS = [
  "a/b",
  "/",
  "//",
  "../admin",
  "../../organizations/org-2",
  "a/../b",
  "./a",
  "...",
  "..;",
  "%2f",
  "%2e%2e",
  "%2e%2e%2fadmin",
  "%252f",
  "%",
  "a?b=c",
  "?",
  "a#b",
  "#",
  "a\\b",
  "..\\admin",
  "a b",
  " ",
  "a+b",
  "a&b",
  "a;b=c",
  "a:b",
  "http://evil.example/",
  "//evil.example/",
  "@evil.example",
  "ñ",
  "商品",
  "\u2025",
  "😀",
  "{user_id}",
  "$&",
  "$1",
  "__proto__",
];

const questions: readonly (readonly [string, (client: AuthClient, id: string) => Promise<unknown>, string, string])[] =
  [
    [
      "a user's locals",
      (client, userId) => client.getUserLocals({ userId, organizationId: "org-1" }),
      "/api/v1/users/",
      "/locals",
    ],
    [
      "a user's permissions",
      (client, userId) => client.getUserPermissions({ userId, organizationId: "org-1" }),
      "/api/v1/users/",
      "/permissions",
    ],
    ["an organization", (client, id) => client.getOrganization(id), "/api/v1/organizations/", ""],
  ];

describe.each(questions)("The id in the path of %s", (_what, ask, before, after) => {
  test("stays one segment, and means itself", async () => {
    const rest = opened(
      await startRawRest((response, { path = "" }) => {
        const id = decodeURIComponent(path.split("/").at(-1) ?? ""); // of an organization, the one that was asked about
        response.end(JSON.stringify({ id, locals: [], permissions: [] }));
      }),
    );
    const client = openBareClient({ rest: { url: rest.url, timeoutMs: 60_000 } });

    for (const id of IDS) await ask(client, id);

    const paths = rest.requests.map(({ path = "" }) => path);
    expect(paths.every((path) => path.startsWith(before) && path.endsWith(after))).toBe(true);
    const segments = paths.map((path) => path.slice(before.length, path.length - after.length));
    expect(segments.filter((segment) => /[/\\?#]/.test(segment))).toEqual([]);
    expect(segments.map(decodeURIComponent)).toEqual(IDS);
    expect(rest.requests.map(({ path = "" }) => new URL(path, rest.url).pathname)).toEqual(paths);
  });

  test.each(["", ".", "..", "\ud800", "a\udfff", "a\0b", "a\r\nX-Evil: 1", "a\tb", "\x7f"])(
    "is refused before any call when it is %j",
    async (id) => {
      const service = await startService();
      const client = openClient(service);

      await expect(ask(client, id)).rejects.toMatchObject({ code: "lookup_refused" });
      expect(service.calls.total).toBe(0);
    },
  );
});

test("Ids that would run together are answered and remembered apart.", async () => {
  const users = {
    one: { id: "b", organizationId: "a:b", locals: ["one"] },
    two: { id: "b:b", organizationId: "a", locals: ["two"] },
    three: { id: 'b","c', organizationId: "a", locals: ["three"] },
    four: { id: "c", organizationId: 'a","b', locals: ["four"] },
  };
  const service = await startService({ users });
  const client = openClient(service);

  for (const pass of ["asked", "remembered"]) {
    for (const [local, { id: userId, organizationId }] of Object.entries(users)) {
      expect([pass, await client.getUserLocals({ userId, organizationId })]).toEqual([pass, [local]]);
    }
  }
  expect(service.calls.GetUserLocals).toBe(4);
});

describe("A local in a route's path", () => {
  test.each([
    ["/locals/madrid", 200],
    ["/locals/%6dadrid", 200], // the same name, written otherwise
    ["/locals/madrid%2f..%2flugo", 403],
    ["/locals/lugo%2f..%2fmadrid", 403],
    ["/locals/..%2fmadrid", 403],
    ["/locals/madrid%00", 403],
    ["/locals/madrid%20", 403],
    ["/locals/MADRID", 403],
    ["/locals/madrid%2clugo", 403],
    ["/locals/madrid?localId=lugo", 200], // the parameter is the path's
    ["/locals/lugo?localId=madrid", 403],
    ["/locals/lugo#/locals/madrid", 403],
    ["/locals/__proto__", 403],
    ["/locals/length", 403],
    ["/locals/0", 403],
  ])("%s is answered with %d", async (path, expected) => {
    const service = await startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
    const app = express().use(requireAuth({ client: openClient(service) }));
    app.get("/locals/:localId", requireLocal("localId"), (_req, res) => void res.send("hello"));
    const send = await listenRaw(app);

    const { status } = await send({ line: `GET ${path} HTTP/1.1`, headers: ["Authorization: Bearer token-ana"] });

    expect(status).toBe(expected);
  });
});
