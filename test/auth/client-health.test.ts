import { describe, expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";

const directory = { users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } };

async function open(options: Parameters<typeof openClient>[1] = {}) {
  const service = await startService(directory);
  const clock = new ManualClock();
  const client = openClient(service, { clock, ...options });
  const ask = () => client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
  return { service, clock, client, ask };
}

describe("health()", () => {
  test("is ready from the first ready() to close()", async () => {
    const { client } = await open();
    expect(client.health()).toEqual({ status: "ok", ready: false, grpc: "ok", rest: "ok" });
    await client.ready();
    expect(client.health()).toEqual({ status: "ok", ready: true, grpc: "ok", rest: "ok" });
    await client.close();
    expect(client.health()).toMatchObject({ status: "down", ready: false });
  });

  test("is degraded while one upstream fails, and down while both do", async () => {
    const { service, clock, client, ask } = await open({ breaker: { failureThreshold: 1 } });
    service.grpc.fail();
    await ask();
    expect(client.health()).toMatchObject({ status: "degraded", grpc: "down", rest: "ok" });
    service.rest.fail();
    await ask();
    expect(client.health()).toMatchObject({ status: "down", grpc: "down", rest: "down" });
    service.grpc.allow();
    await clock.advance(30_000);
    await ask();
    expect(client.health()).toMatchObject({ status: "degraded", grpc: "ok", rest: "down" });
  });

  test("is degraded, not down, after one failure beside answers, whatever is asked then", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const rest = { url: service.rest.url, timeoutMs: 60_000 };
    const client = openBareClient({ rest, clock, retry: { attempts: 1 } });
    const ask = () => client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    for (let time = 0; time < 20; time++) await ask();
    service.rest.fail(500);
    await ask();
    expect(client.health()).toMatchObject({ status: "degraded", rest: "degraded" });
    await clock.advance(59_999);
    expect(client.health()).toMatchObject({ status: "degraded", rest: "degraded" });
    await clock.advance(1);
    expect(client.health()).toMatchObject({ status: "ok", rest: "ok" });
    for (const status of ["degraded", "down"]) {
      await ask(); // the second and the third in a row
      expect(client.health()).toMatchObject({ status });
    }
  });

  test("sees a wrong REST path, which opens no breaker", async () => {
    const service = await startService(directory);
    const client = openBareClient({ rest: { url: `${service.rest.url}/v2`, timeoutMs: 60_000 } });
    await expect(client.verifyToken("token-ana")).rejects.toThrow();
    expect(client.status().rest?.breaker).toBe("closed");
    expect(client.health()).toMatchObject({ status: "down", rest: "down" });
  });

  test("is down as long as the breaker is open, and says no more than it knows of what was not asked for a minute", async () => {
    const { service, clock, client, ask } = await open({ breaker: { failureThreshold: 1, recoveryMs: 120_000 } });
    service.grpc.fail();
    service.rest.fail(500);
    await ask();
    await clock.advance(60_000);
    expect(client.health()).toMatchObject({ grpc: "down", rest: "ok" });
    await clock.advance(60_000);
    expect(client.health()).toMatchObject({ status: "ok", grpc: "ok", rest: "ok" });
  });

  test("is degraded where look-ups alone fail", async () => {
    const { service, client, ask } = await open({ rest: undefined });
    await ask();
    service.grpc.fail(12);
    service.rest.fail();
    await expect(client.getOrganization("org-1")).rejects.toThrow();
    service.grpc.allow();
    expect(client.health()).toMatchObject({ status: "degraded", grpc: "degraded" });
  });

  test("is degraded without the shared cache, and while that takes no writes", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { client, ask } = await open({ clock, cache: { store } });
    expect(client.health()).toMatchObject({ status: "ok", sharedCache: "ok" });
    store.set = () => Promise.reject(new Error("full"));
    for (let time = 0; time < 8; time++) {
      await ask();
      await settle();
      await clock.advance(1000);
    }
    expect(client.status().cache.sharedWrites).toBe("failing");
    expect(client.health()).toMatchObject({ status: "degraded", sharedCache: "degraded", grpc: "ok" });
  });
});
