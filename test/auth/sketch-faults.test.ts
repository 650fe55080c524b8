import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openBareClient, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";

const START = Date.UTC(2026, 0, 1);

/** A REST side that answers every question with the same 200. */
async function startRestThatSays(body: string): Promise<{ url: string; asked: () => number }> {
  let asked = 0;
  const server = http.createServer((_request, response) => {
    asked++;
    response.writeHead(200, { "Content-Type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterwards(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked };
}

describe("A fault of the sketch that is not copied:", () => {
  test("the cache key is token[:20], and one user gets another's identity", async () => {
    const [ana, ben] = [unsignedJwt({ sub: "ana" }), unsignedJwt({ sub: "ben" })];
    expect(ana.slice(0, 40)).toBe(ben.slice(0, 40));
    const service = await startService({ users: { [ana]: { id: "ana" }, [ben]: { id: "ben" } } });
    const clock = new ManualClock(START);
    const cache = { store: new MemoryStore(clock) };
    const [first, second] = [openClient(service, { clock, cache }), openClient(service, { clock, cache })];
    expect((await first.verifyToken(ana)).user.id).toBe("ana");
    expect((await first.verifyToken(ben)).user.id).toBe("ben");
    await settle();
    expect([(await second.verifyToken(ben)).user.id, (await second.verifyToken(ana)).user.id]).toEqual(["ben", "ana"]);
    expect(service.calls.VerifyToken).toBe(2);
  });

  test("locals:{org}:{user}: the key of a:b + c is the key of a + b:c", async () => {
    const service = await startService({
      users: {
        t1: { organizationId: "a:b", id: "c", locals: ["madrid"] },
        t2: { organizationId: "a", id: "b:c", locals: ["sevilla"] },
      },
    });
    const client = openClient(service);
    expect(await client.getUserLocals({ organizationId: "a:b", userId: "c" })).toEqual(["madrid"]);
    expect(await client.getUserLocals({ organizationId: "a", userId: "b:c" })).toEqual(["sevilla"]);
    await client.invalidateUser({ organizationId: "a:b", userId: "c" });
    expect(await client.getUserLocals({ organizationId: "a", userId: "b:c" })).toEqual(["sevilla"]);
    expect(service.calls.GetUserLocals).toBe(2);
  });

  test("the breaker calls the function and the caller awaits it: asynchronous failures are never counted", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const client = openClient(service);
    service.grpc.fail();
    for (let n = 1; n <= 5; n++) {
      await client.verifyToken("token-ana", { fresh: true });
      expect(client.status().grpc).toMatchObject(
        n < 5 ? { breaker: "closed", failures: n } : { breaker: "open", failures: 0 },
      );
    }
    await client.verifyToken("token-ana", { fresh: true });
    expect(service.grpc.calls.VerifyToken).toBe(5);
  });

  test("any exception falls back and counts: a burst of bad tokens opens the breaker, each is asked twice", async () => {
    const service = await startService();
    const client = openClient(service);
    for (let n = 0; n < 20; n++) {
      await expect(client.verifyToken(`bad-${n}`)).rejects.toMatchObject({ code: "invalid_token" });
    }
    expect([service.grpc.calls.total, service.rest.calls.total]).toEqual([20, 0]);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("if cached: an empty list is asked again every time", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const client = openClient(service);
    const ana = { userId: "ana", organizationId: "org-1" };
    for (let n = 0; n < 3; n++) {
      expect(await client.getUserLocals(ana)).toEqual([]);
      expect(await client.getUserPermissions(ana)).toEqual([]);
    }
    expect(service.calls).toMatchObject({ GetUserLocals: 1, GetUserPermissions: 1 });
  });

  test("a TTL of 300 s whatever the token says: accepted after it expired", async () => {
    const token = unsignedJwt({ sub: "ana", exp: START / 1000 + 60 });
    const service = await startService({ users: { [token]: { id: "ana" } } });
    const clock = new ManualClock(START);
    const client = openClient(service, { clock });
    await client.verifyToken(token);
    service.refuse(token);
    await clock.advance(59_999);
    expect((await client.verifyToken(token)).source).toBe("process");
    await clock.advance(1);
    await expect(client.verifyToken(token)).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("retries wait 2–10 s around everything: a request hangs for half a minute", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock(START);
    const client = openClient(service, {
      clock,
      grpc: { timeoutMs: 10_000 },
      rest: { url: service.rest.url, timeoutMs: 20_000 },
      retry: { attempts: 10, initialDelayMs: 2000, maxDelayMs: 10_000 },
    });
    service.grpc.hang();
    service.rest.hang();
    let settled = false;
    const call = client.verifyToken("token-ana").finally(() => {
      settled = true;
    });
    const outcome = expect(call).rejects.toMatchObject({ code: "auth_unavailable" });
    await clock.advance(29_999);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(settled).toBe(true);
    await outcome;
  });

  test("the diagram says open → gRPC: closed asks gRPC, open asks REST", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const client = openClient(service, { breaker: { failureThreshold: 1 } });
    const ask = async () => (await client.verifyToken("token-ana", { fresh: true })).source;
    expect([client.status().grpc?.breaker, await ask()]).toEqual(["closed", "grpc"]);
    service.grpc.fail();
    await ask();
    service.grpc.allow();
    service.resetCalls();
    expect([client.status().grpc?.breaker, await ask()]).toEqual(["open", "rest"]);
    expect(service.grpc.calls.total).toBe(0);
  });

  test.each(["{}", '{"is_active":true}', '{"user_id":"","is_active":true}', '"ana"', "[]", "null", "true", ""])(
    "a REST 200 with any JSON is a user: %j would be let in",
    async (body) => {
      const { url, asked } = await startRestThatSays(body);
      const client = openBareClient({ rest: { url, timeoutMs: 60_000 }, retry: { attempts: 1 } });
      await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
      expect(client.peekToken("token-ana")).toBeUndefined();
      expect(asked()).toBe(1);
    },
  );

  test("but a REST 200 with a user is a user", async () => {
    const { url } = await startRestThatSays('{"user_id":"ana","is_active":true}');
    const client = openBareClient({ rest: { url, timeoutMs: 60_000 } });
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
  });
});
