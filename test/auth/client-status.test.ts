import { describe, expect, test } from "@jest/globals";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const directory = { users: { "token-ana": { id: "ana" } } };
const noCalls = { answered: 0, refused: 0, unreachable: 0, busy: 0, broken: 0, cancelled: 0 };
const noMoves = { closed: 0, open: 0, "half-open": 0 };
const idle = { breaker: "closed", failures: 0, retryAfterMs: 0, refusals: 0, calls: noCalls, transitions: noMoves };
const noLookups = { hits: 0, sharedHits: 0, refusals: 0, misses: 0, stale: 0, renewals: 0 };
const noFallbacks = { open: 0, unreachable: 0, busy: 0, broken: 0 };
const noVerdicts = { allowed: 0, denied: 0, error: 0 };

describe("status()", () => {
  test("of a client that was never used", async () => {
    const service = await startService(directory);
    expect(openClient(service).status()).toEqual({
      grpc: {
        url: `${service.grpc.url}/`,
        ...idle,
        replicas: [{ address: new URL(service.grpc.url).host, state: "connecting", inFlight: 0, outMs: 0 }],
        hedged: 0,
        secondTries: 0,
        replicaTransitions: { ready: 0, connecting: 0, out: 0 },
      },
      rest: { url: `${service.rest.url}/`, ...idle },
      cache: {
        entries: 0,
        bytes: 0,
        shared: "none",
        ...noLookups,
        lookups: { token: noLookups, locals: noLookups, permissions: noLookups, organization: noLookups },
        evictions: 0,
        invalidations: {
          here: { token: 0, user: 0, organization: 0 },
          log: { token: 0, user: 0, organization: 0, refusal: 0 },
        },
        sharedErrors: { timeout: 0, not_connected: 0, refused: 0, other: 0 },
        sharedTransitions: { available: 0, unavailable: 0 },
        ...{ log: "none", told: 0, heard: 0, gaps: 0, outbox: 0 },
      },
      inFlight: 0,
      upstream: {
        ...{ active: 0, queued: 0, queuedKnown: 0, queuedStrangers: 0, limit: 256, strangersLimit: 192 },
        retries: 0,
        fallbacks: {
          VerifyToken: noFallbacks,
          GetUserPermissions: noFallbacks,
          GetUserLocals: noFallbacks,
          GetOrganization: noFallbacks,
        },
      },
      requests: {
        authenticated: { process: 0, shared: 0, stale: 0, grpc: 0, rest: 0, anonymous: 0, other: 0 },
        refused: {
          ...{ missing_token: 0, invalid_request: 0, invalid_token: 0, inactive_user: 0, cross_site: 0 },
          ...{ auth_unavailable: 0, overloaded: 0, other: 0 },
        },
        guards: {
          requirePermission: noVerdicts,
          requireAnyPermission: noVerdicts,
          requireUser: noVerdicts,
          requireLocal: noVerdicts,
          requireOrganization: noVerdicts,
          requireModule: noVerdicts,
        },
      },
    });
  });

  test("is plain, and survives JSON", async () => {
    const service = await startService(directory);
    const client = openClient(service);
    service.grpc.fail();
    await client.verifyToken("token-ana");
    const status = client.status();
    expect(JSON.parse(JSON.stringify(status))).toEqual(status);
  });

  test("names no upstream that is not there, and no URL that nobody gave", async () => {
    const { upstreams } = await startService(directory);
    const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
    expect(Object.keys(openBareClient({ rest: upstreams.rest }).status())).not.toContain("grpc");
    expect(openBareClient({ grpc: { transport } }).status()).toMatchObject({ grpc: idle });
    expect(openBareClient({ grpc: { transport } }).status().grpc).not.toHaveProperty("url");
  });

  test("never shows the user-info of a URL", () => {
    const client = openBareClient({
      grpc: { url: "http://service:hunter2@127.0.0.1:1" },
      rest: { url: "http://service:hunter2@127.0.0.1:1/base" },
    });
    expect(JSON.stringify(client.status())).not.toMatch(/hunter2|service/);
    expect(client.status().rest?.url).toBe("http://127.0.0.1:1/base");
  });

  test("tells what the breakers do", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const client = openClient(service, { clock, breaker: { failureThreshold: 2 } });
    service.grpc.fail();
    await client.verifyToken("token-ana", { fresh: true });
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1, retryAfterMs: 0 });
    await client.verifyToken("token-ana", { fresh: true });
    await clock.advance(10_000);
    expect(client.status().grpc).toMatchObject({ breaker: "open", retryAfterMs: 20_000 });
    expect(client.status().rest).toMatchObject({ ...idle, calls: { ...noCalls, answered: 2 } });
    await clock.advance(20_000);
    expect(client.status().grpc).toMatchObject({
      ...{ breaker: "half-open", retryAfterMs: 0 },
      transitions: { ...noMoves, open: 1 },
    });
    expect(client.status().upstream.fallbacks.VerifyToken).toEqual({ ...noFallbacks, unreachable: 2 });
  });

  test("tells how calls ended, and why the last one of them failed", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const client = openClient(service, { clock, rest: { url: `${service.rest.url}/wrong`, timeoutMs: 60_000 } });
    service.grpc.fail();
    await clock.advance(1000);
    await expect(client.verifyToken("token-ana")).rejects.toThrow();
    const at = clock.now();
    const { grpc, rest } = client.status();
    expect(grpc).toMatchObject({
      calls: { ...noCalls, unreachable: 1 },
      lastFailure: { reason: "unreachable (Unavailable) at auth.AuthService/VerifyToken", at },
    });
    expect(rest).toMatchObject({ breaker: "closed", failures: 0, calls: { ...noCalls, broken: 1 } });
    expect(rest?.lastFailure?.reason).toMatch(
      /^broken \(HTTP 404\) at POST \/auth\/verify: .*rest\.url \(AUTH_REST_URL\)/,
    );

    service.grpc.allow();
    await clock.advance(1000);
    await client.verifyToken("token-ana");
    await expect(client.verifyToken("garbage")).rejects.toThrow();
    expect(client.status().grpc).toMatchObject({
      calls: { ...noCalls, unreachable: 1, answered: 1, refused: 1 },
      lastFailure: { at },
    });
  });

  test("counts each try, with those that were made for one call", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const client = openBareClient({ grpc: { url: service.grpc.url, timeoutMs: 60_000, hedgeMs: 20 }, clock });
    await client.ready();
    service.grpc.hang();
    const asked = client.verifyToken("token-ana");
    await until(() => service.grpc.calls.total === 1);
    await clock.advance(20);
    await until(() => service.grpc.calls.total === 2);
    service.grpc.allow();
    await asked;
    await until(() => client.status().grpc?.calls.cancelled === 1);
    expect(client.status().grpc).toMatchObject({ calls: { ...noCalls, answered: 1, cancelled: 1 }, hedged: 1 });
    await client.diagnose();
    expect(client.status().grpc?.calls).toEqual({ ...noCalls, answered: 1, cancelled: 1 });
  });

  test("names what was asked for by its pattern: no id, no query, no key", async () => {
    const service = await startService(directory);
    const paths = { userLocals: "/v2/{user_id}/locals?api_key=hunter2" };
    const client = openBareClient({
      rest: { url: service.rest.url, paths, timeoutMs: 60_000 },
      retry: { attempts: 1 },
    });
    service.rest.fail(500);
    await expect(client.getUserPermissions({ userId: "ana", organizationId: "org-1" })).rejects.toThrow();
    expect(client.status().rest?.lastFailure?.reason).toBe(
      "broken (HTTP 500) at GET /api/v1/users/{user_id}/permissions",
    );
    await expect(client.getUserLocals({ userId: "ana", organizationId: "org-1" })).rejects.toThrow();
    expect(JSON.stringify(client.status().rest)).not.toMatch(/ana|hunter2|org-1/);
  });

  test("counts where answers came from", async () => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), staleIfErrorMs: 60_000 };
    const [first, second] = [openClient(service, { clock, cache }), openClient(service, { clock, cache })];
    await first.verifyToken("token-ana");
    await settle();
    await second.verifyToken("token-ana");
    await second.verifyToken("token-ana");
    second.peekToken("token-ana");
    for (let time = 0; time < 3; time++) await expect(second.verifyToken("garbage")).rejects.toThrow();
    service.grpc.fail();
    service.rest.fail();
    await clock.advance(300_000);
    await second.verifyToken("token-ana");
    expect(second.status().cache).toMatchObject({
      hits: 2,
      sharedHits: 1,
      refusals: 2,
      misses: 2, // the garbage, and the outage
      stale: 1,
      shared: "available",
    });
    expect(first.status().cache).toMatchObject({ misses: 1, entries: 1 });
    expect(first.status().cache.bytes).toBeGreaterThan(100);
  });

  test("counts what is under way and what waits", async () => {
    const service = await startService({ users: { t1: { id: "a" }, t2: { id: "b" }, t3: { id: "c" } } });
    const client = openClient(service, { limit: { maxConcurrent: 3 } });
    service.grpc.hang();
    const calls = ["t1", "t1", "t2", "t3"].map((token) => client.verifyToken(token));
    await until(() => service.grpc.calls.total === 2);
    expect(client.status()).toMatchObject({
      inFlight: 3,
      upstream: { active: 2, queued: 1, queuedKnown: 0, queuedStrangers: 1, limit: 3, strangersLimit: 2 },
    });
    service.grpc.allow();
    await Promise.all(calls);
    expect(client.status()).toMatchObject({ inFlight: 0, upstream: { active: 0, queued: 0 } });
  });
});
