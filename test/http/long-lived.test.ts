import { afterEach, describe, expect, test } from "@jest/globals";
import { type AuthClient, authenticate, type VerifiedToken } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { AnswerGate } from "../support/answer-gate.js";
import { bearer, closeAll, startAuth, USERS } from "../support/http-fixture.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

afterEach(closeAll);

const DEADLINE_MS = 1000;
const ana = { userId: "ana", organizationId: "org-1" };

/** Looks at one request again and again, as the owner of a WebSocket does. */
function looker(client: AuthClient, token = "token-ana") {
  const upgrade = { headers: bearer(token), rawHeaders: Object.entries(bearer(token)).flat() };
  return () =>
    authenticate(upgrade, { client, attach: true }).then(
      ({ user }) => user.id,
      ({ code }) => code as string,
    );
}

/** Nothing is cached, so that every question is seen. */
async function open(token = "token-ana") {
  const clock = new ManualClock();
  const cache = { ttlMs: 0, refusalTtlMs: 0 };
  const { service, client } = await startAuth({}, { clock, deadlineMs: DEADLINE_MS, cache });
  service.allow(token, USERS["token-ana"]);
  return { clock, service, client, look: looker(client, token) };
}

describe("A request that lives for hours, as that of a WebSocket does, is looked at anew", () => {
  test("after the client's deadline", async () => {
    const { clock, service, look } = await open();
    expect(await look()).toBe("ana");
    await clock.advance(DEADLINE_MS - 1);
    expect([await look(), service.calls.VerifyToken]).toEqual(["ana", 1]);
    service.refuse("token-ana");
    await clock.advance(1);
    expect(await look()).toBe("invalid_token");
  });

  test("after an invalidation of its token or user, and of no other", async () => {
    const { service, client, look } = await open();
    expect(await look()).toBe("ana");
    service.refuse("token-ana");
    await client.invalidateToken("token-bea");
    await client.invalidateUser({ ...ana, userId: "bea" });
    expect(await look()).toBe("ana");
    await client.invalidateToken("token-ana");
    expect(await look()).toBe("invalid_token");
    service.allow("token-ana", USERS["token-ana"]);
    expect(await look()).toBe("ana");
    service.refuse("token-ana");
    await client.invalidateUser(ana);
    expect(await look()).toBe("invalid_token");
  });

  test("after an invalidation while the service was being asked", async () => {
    const gate = new AnswerGate();
    const service = await startService({ users: USERS });
    const client = openClient(service, { grpc: { interceptors: [gate.interceptor] } });
    const look = looker(client);
    gate.close();
    const first = look();
    await until(() => gate.held === 1);
    await client.invalidateUser(ana);
    service.refuse("token-ana");
    gate.open();
    gate.release();
    expect(await first).toBe("ana"); // it began before
    expect(await look()).toBe("invalid_token");
  });

  test("after the service refused its token to another request", async () => {
    const { service, client, look } = await open();
    expect(await look()).toBe("ana");
    service.refuse("token-ana");
    await client.verifyToken("garbage", { fresh: true }).catch(() => undefined);
    expect(await look()).toBe("ana");
    await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    expect(await look()).toBe("invalid_token");
  });

  test("once, where its connection listens as docs/fleet.md shows: a refused one ends", async () => {
    const clock = new ManualClock();
    const service = await startService({ users: USERS });
    for (const store of [undefined, new MemoryStore(clock)]) {
      service.allow("token-ana", USERS["token-ana"]);
      const client = openClient(service, { clock, cache: { ...(store && { store }), namespace: "shop" } });
      const upgrade = { headers: bearer("token-ana") };
      let listened = 0;
      let hasEnded = false;
      const listen = (auth: VerifiedToken): unknown =>
        ++listened < 1000 &&
        client.onInvalidated(auth, async () => {
          try {
            listen(await authenticate(upgrade, { client }));
          } catch {
            hasEnded = true;
          }
        });
      listen(await authenticate(upgrade, { client, attach: true }));
      service.refuse("token-ana");
      await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
      await clock.advance(0);
      expect([hasEnded, listened]).toEqual([true, 1]);
    }
  });

  test("after another process invalidated its user, when this one reads that in the shared cache", async () => {
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), namespace: "shop" };
    const service = await startService({ users: USERS });
    const client = openClient(service, { clock, cache });
    const look = looker(client);
    expect(await look()).toBe("ana");
    const other = openClient(service, { clock, cache });
    await other.getUserLocals(ana);
    await settle();
    await other.invalidateUser(ana);
    await client.getUserLocals(ana);
    service.refuse("token-ana");
    expect(await look()).toBe("invalid_token");
  });

  test("after the token's own end", async () => {
    const now = new ManualClock().now();
    const token = unsignedJwt({ exp: now / 1000 + 0.5 });
    const { clock, service, look } = await open(token);
    expect(await look()).toBe("ana");
    service.refuse(token);
    await clock.advance(499);
    expect(await look()).toBe("ana");
    await clock.advance(1);
    expect(await look()).toBe("invalid_token");
  });

  test("where the application hands out copies: of them it is not known", async () => {
    const { service, client } = await open();
    const copying = { ...client, verifyToken: async (token: string) => ({ ...(await client.verifyToken(token)) }) };
    const look = looker(copying);
    expect(await look()).toBe("ana");
    service.refuse("token-ana");
    expect(await look()).toBe("invalid_token");
  });

  test("with the stub client", async () => {
    const client = stubAuthClient({ users: USERS });
    afterwards(() => client.close());
    const look = looker(client);
    expect(await look()).toBe("ana");
    client.allow("token-ana", { ...USERS["token-ana"], id: "dora" });
    expect(await look()).toBe("ana");
    await client.invalidateToken("token-ana");
    expect(await look()).toBe("dora");
    client.refuse("token-ana");
    expect(await look()).toBe("invalid_token");
  });
});
