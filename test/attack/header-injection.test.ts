import { afterEach, describe, expect, test } from "@jest/globals";
import request from "supertest";
import { AuthError, ConfigError } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { express5Face, faces } from "../support/faces.js";
import { bearer, closeAll, startAuth } from "../support/http-fixture.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";
import { type RawRequest, startRawRest } from "../support/raw-upstreams.js";

const opened = closedAfterEach();
afterEach(closeAll);

type Hostile = readonly [what: string, text: string];

/** What would end a header, or the head of a message. */
const UNPRINTABLE: readonly Hostile[] = [
  ["a line break and a header", "a\r\nX-Evil: 1"],
  ["a bare line feed", "a\nX-Evil: 1"],
  ["a bare carriage return", "a\rX-Evil: 1"],
  ["the end of the head and a body", "a\r\n\r\n<script>"],
  ["a NUL", "a\0X-Evil: 1"],
  ["a tab", "a\tb"],
  ["a line separator", "a\u2028X-Evil: 1"],
  ["characters whose low byte is a line break", "a\u010d\u010aX-Evil: 1"],
  ["a lone surrogate", "a\ud800"],
];
/** What would end a quoted string. */
const QUOTING: readonly Hostile[] = [
  ["a quote and a parameter", 'a", error="none'],
  ["a backslash at the end", "a\\"],
  ["a backslash and a quote", 'a\\", x="'],
  ["a comma and another challenge", 'a", Basic realm="b'],
];
const HOSTILE = [...UNPRINTABLE, ...QUOTING];

/** One challenge of one parameter, whose value is one quoted string (RFC 9110 §11.6.1, §5.6.4). */
const REALM_ALONE = /^Bearer realm="(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"$/;

describe.each(faces)("$name writes one clean challenge", (face) => {
  test.each(UNPRINTABLE)("for no realm with %s: it is refused when the middleware is made", (_what, realm) => {
    expect(() => face.requireAuth({ client: stubAuthClient(), realm })).toThrow(ConfigError);
    expect(new AuthError("missing_token", { realm }).headers["WWW-Authenticate"]).toMatch(REALM_ALONE);
  });

  test.each(QUOTING)("for a realm with %s", async (_what, realm) => {
    const { client } = await startAuth();
    const send = await listenRaw(face.serve("/", face.requireAuth({ client, realm })));

    const { status, headers } = await send({});

    expect(status).toBe(401);
    expect(headers["www-authenticate"]).toMatch(REALM_ALONE);
    expect(Object.keys(headers)).not.toContain("x-evil");
  });

  test.each(HOSTILE)("for a permission with %s", async (_what, permission) => {
    const { client } = await startAuth();
    const steps = [face.requireAuth({ client }), face.requirePermission("admin", permission)];
    const send = await listenRaw(face.serve("/", ...steps));

    const { status, headers } = await send({ headers: ["Authorization: Bearer token-bea"] });

    expect(status).toBe(403);
    expect(headers["www-authenticate"]).toBe('Bearer realm="api", error="insufficient_scope", scope="admin"');
    expect(Object.keys(headers)).not.toContain("x-evil");
  });
});

test.each(HOSTILE)(
  "A guard whose source's name has %s answers 400 with a body of one line of JSON",
  async (_what, name) => {
    const { client } = await startAuth();
    const { requireAuth, requireLocal, serve } = express5Face;
    const app = serve("/", requireAuth({ client }), requireLocal({ query: name }));

    const response = await request(app).get("/").set(bearer("token-ana"));

    expect(response.headers["content-type"]).toBe("application/problem+json");
    expect(response.text).toMatch(/^\{\P{Cc}*\}$/u);
    expect(JSON.parse(response.text)).toMatchObject({ status: 400, code: "missing_parameter" });
    expect(response.status).toBe(400);
    expect(response.headers).not.toHaveProperty("x-evil");
  },
);

describe("An organization's id travels in a header of ours", () => {
  const punctuation: readonly Hostile[] = ["a b", "a,b", "a;b", "a:b", "x-tenant-id: evil", "%0d%0aX-Evil: 1"].map(
    (text) => ["punctuation", text],
  );

  test.each([...QUOTING, ...punctuation])("as it is with %s: %j", async (_what, organizationId) => {
    const service = await startService({ users: { t: { id: "ana", organizationId, locals: ["madrid"] } } });
    await service.grpc.stop();
    const client = openClient(service);

    expect(await client.getUserLocals({ userId: "ana", organizationId })).toEqual(["madrid"]);
    expect(service.rest.lastRequest?.headers["x-tenant-id"]).toBe(organizationId);
    expect(service.rest.lastRequest?.headers).not.toHaveProperty("x-evil");
  });

  const lossy: readonly Hostile[] = [
    ["a space at the end", "a "],
    ["a letter that is not ASCII", "\u00f1"],
  ];

  test.each([...UNPRINTABLE, ...lossy])("and is refused with %s, before any call", async (_what, organizationId) => {
    const service = await startService();
    const client = openBareClient({ rest: service.upstreams.rest });
    const user = { userId: "ana", organizationId };

    await expect(client.getUserLocals(user)).rejects.toMatchObject({ code: "lookup_refused" });
    await expect(client.getUserPermissions(user, { fresh: true })).rejects.toMatchObject({ code: "lookup_refused" });
    expect(service.calls.total).toBe(0);
  });

  test.each([...UNPRINTABLE, ...lossy])("and never leaves over REST with %s", async (_what, organizationId) => {
    const service = await startService();
    await service.grpc.stop();
    const client = openClient(service);
    const user = { userId: "ana", organizationId };

    await expect(client.getUserLocals(user)).rejects.toThrow(AuthError);
    await expect(client.getUserPermissions(user, { fresh: true })).rejects.toThrow(AuthError);
    expect(service.rest.calls.total).toBe(0);
  });

  test("and does not travel with nothing in it", async () => {
    const service = await startService({ users: { t: { id: "ana", organizationId: "", locals: ["madrid"] } } });
    await service.grpc.stop();
    const client = openClient(service);

    expect(await client.getUserLocals({ userId: "ana", organizationId: "" })).toEqual(["madrid"]);
    expect(service.rest.lastRequest?.headers).not.toHaveProperty("x-tenant-id");
  });

  test("and one that the service itself made up cannot break out either: the guard says no", async () => {
    const organization_id = "org-1\r\nX-Evil: 1\r\n\r\nGET /admin HTTP/1.1";
    const rest = opened(
      await startRawRest((response) => {
        response.end(JSON.stringify({ user_id: "ana", organization_id, is_active: true, locals: ["madrid"] }));
      }),
    );
    const client = openBareClient({ rest: { url: rest.url, timeoutMs: 60_000 } });
    const { requireAuth, requireLocal, serve } = express5Face;
    const app = serve("/:localId", requireAuth({ client }), requireLocal("localId", { fresh: true }));

    const response = await request(app).get("/madrid").set(bearer("token-ana"));

    expect(response.status).toBe(403);
    expect(rest.requests.map(({ path }: RawRequest) => path)).toEqual(["/auth/verify"]);
  });
});

describe("An upstream's Retry-After", () => {
  test.each([
    ["1, 2", "1"],
    ["-5", "1"],
    ["1e9", "1"],
    ["Infinity", "1"],
    ["NaN", "1"],
    ["0x10", "1"],
    ["99999999999999999999", "1"],
    ['"30"', "1"],
    ["", "1"],
    ["soon", "1"],
    ["7", "7"],
    ["Thu, 01 Jan 1970 00:00:00 GMT", "1"],
    ["7; X-Evil=1", "1"],
    ["3600", "3600"],
    ["3601", "3600"],
    ["999999999", "3600"],
    ["Thu, 01 Jan 2026 00:00:30 GMT", "30"],
    ["Fri, 31 Dec 9999 23:59:59 GMT", "3600"],
    ["Sat, 13 Sep 275760 00:00:00 GMT", "3600"],
  ])("of %j reaches our caller as whole seconds: %s", async (theirs, ours) => {
    const rest = opened(
      await startRawRest((response) => {
        response.writeHead(503, { "Retry-After": theirs }).end();
      }),
    );
    const client = openBareClient({ rest: { url: rest.url, timeoutMs: 60_000 }, retry: { attempts: 1 } });

    const response = await request(express5Face.serve("/", express5Face.requireAuth({ client })))
      .get("/")
      .set(bearer("token-ana"));

    expect([response.status, response.headers["retry-after"]]).toEqual([503, ours]);
  });
});

describe("A credential of our own", () => {
  const ask = async (value: string) => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const client = openClient(service, { headers: () => ({ "X-Service-Key": value }) });
    return { service, asked: client.verifyToken("token-ana") };
  };

  test.each(UNPRINTABLE.filter(([, text]) => text !== "a\tb"))(
    "with %s is an outage, and nothing is sent",
    async (_what, value) => {
      const { service, asked } = await ask(value);

      await expect(asked).rejects.toMatchObject({ code: "auth_unavailable" });
      expect(service.calls.total).toBe(0);
    },
  );

  test.each(QUOTING)("with %s is sent as it is", async (_what, value) => {
    const { service, asked } = await ask(value);

    expect((await asked).user.id).toBe("ana");
    expect(service.grpc.lastRequest?.headers["x-service-key"]).toBe(value);
  });
});
