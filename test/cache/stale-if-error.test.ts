import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import type { CacheOptions } from "../../src/client.js";
import type { FakeAuthService } from "../../src/testing.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail as failStore, MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const TTL_MS = 300_000;
const START = Date.UTC(2026, 0, 1);
const anaRef = { userId: "ana", organizationId: "org-1" };
const unavailable = { code: "auth_unavailable" };

async function withKeptToken(cache: CacheOptions, token = "token-ana") {
  const service = await startService({
    users: { [token]: { id: "ana", locals: ["madrid"] } },
    organizations: { "org-1": { modules: ["stock"] } },
  });
  const clock = new ManualClock(START);
  const client = openClient(service, { clock, cache });
  await client.verifyToken(token);
  const fail = () => {
    service.grpc.fail();
    service.rest.fail();
  };
  return { service, clock, client, fail };
}

describe("While the service is unavailable, an expired entry", () => {
  test("does not stand in by default", async () => {
    const { clock, client, fail } = await withKeptToken({});
    fail();
    await clock.advance(TTL_MS);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("is not there for a token that was never seen, and the error has its cause", async () => {
    const { client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
    fail();
    await expect(client.verifyToken("token-ben")).rejects.toMatchObject({
      ...unavailable,
      cause: { name: "UnavailableError" },
    });
  });

  test("stands in for staleIfErrorMs, and says so", async () => {
    const { clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
    fail();
    await clock.advance(TTL_MS);
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "stale", user: { id: "ana" } });
    await clock.advance(59_999);
    expect((await client.verifyToken("token-ana")).source).toBe("stale");
    expect(client.status().cache.stale).toBe(2);
    await clock.advance(1);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("stands in for look-ups as well", async () => {
    const { clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await client.getUserLocals(anaRef);
    fail();
    await clock.advance(3_600_000 + 59_999);
    expect(await client.getUserLocals(anaRef)).toEqual(["madrid"]);
    await clock.advance(1);
    await expect(client.getUserLocals(anaRef)).rejects.toMatchObject(unavailable);
  });

  test("stands in for an organization, of whom no user is the subject", async () => {
    const { clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await client.getOrganization("org-1");
    fail();
    await clock.advance(3_600_000);
    expect((await client.getOrganization("org-1")).modules).toEqual(["stock"]);
  });

  test("does not stand in when the service answers", async () => {
    const { clock, client } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await clock.advance(TTL_MS);
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  });

  test("is not served synchronously: the service is asked first", async () => {
    const { clock, client } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await clock.advance(TTL_MS);
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("stands in as well where there is no place to ask: not for a fresh call, and not past its time", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } } });
    const clock = new ManualClock(START);
    const limit = { maxConcurrent: 1, maxQueue: 0 };
    const client = openClient(service, { clock, limit, cache: { staleIfErrorMs: 60_000 } });
    await client.verifyToken("token-ana");
    await clock.advance(TTL_MS - 1);
    await client.verifyToken("token-ben");
    await clock.advance(1);
    service.grpc.hang();
    const other = client.verifyToken("token-ben", { fresh: true }).catch(() => undefined);
    await until(() => service.grpc.calls.VerifyToken === 3);
    expect((await client.verifyToken("token-ana")).source).toBe("stale");
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "overloaded" });
    await clock.advance(59_999);
    expect((await client.verifyToken("token-ana")).source).toBe("stale");
    service.grpc.fail();
    service.rest.fail();
    await other;
    await clock.advance(1);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("does not stand in for a caller who has gone: that one gets its own reason", async () => {
    const { service, clock, client } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await clock.advance(TTL_MS);
    service.grpc.hang();
    const leaving = new AbortController();
    const call = client.verifyToken("token-ana", { signal: leaving.signal });
    const outcome = expect(call).rejects.toThrow("the client went away");
    await until(() => service.grpc.calls.VerifyToken === 2);
    leaving.abort(new Error("the client went away"));
    await outcome;
    expect(client.status().cache.stale).toBe(0);
    service.grpc.allow();
  });

  test("never stands in past the token's exp", async () => {
    const token = unsignedJwt({ exp: (START + TTL_MS + 30_000) / 1000 });
    const { clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 }, token);
    fail();
    await clock.advance(TTL_MS + 29_999);
    expect((await client.verifyToken(token)).source).toBe("stale");
    await clock.advance(1);
    await expect(client.verifyToken(token)).rejects.toMatchObject(unavailable);
  });

  test.each([
    ["a bad token", undefined],
    ["an inactive user", { id: "ana", isActive: false }],
  ])("never stands in after a refusal: %s", async (_what, user) => {
    const { service, clock, client, fail } = await withKeptToken({ staleIfErrorMs: 600_000 });
    await clock.advance(TTL_MS);
    if (user) service.allow("token-ana", user);
    else service.refuse("token-ana");
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ status: 401 });
    fail();
    await clock.advance(10_000); // the refusal is forgotten by now
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test.each([
    ["its token", (client: Awaited<ReturnType<typeof withKeptToken>>["client"]) => client.invalidateToken("token-ana")],
    ["its user", (client: Awaited<ReturnType<typeof withKeptToken>>["client"]) => client.invalidateUser(anaRef)],
  ])("never stands in after the invalidation of %s", async (_what, invalidate) => {
    const { clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
    await clock.advance(TTL_MS);
    fail();
    await invalidate(client);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });
});

describe("With a shared cache an expired entry", () => {
  async function twoClients(staleIfErrorMs = 60_000) {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock(START);
    const store = new MemoryStore(clock);
    const open = () => openClient(service, { clock, cache: { store, staleIfErrorMs } });
    const fail = () => {
      service.grpc.fail();
      service.rest.fail();
    };
    return { service, clock, store, first: open(), second: open(), fail };
  }

  test("stands in for a process that never saw it", async () => {
    const { clock, first, second, fail } = await twoClients();
    await first.verifyToken("token-ana");
    fail();
    await clock.advance(TTL_MS + 59_999);
    expect((await second.verifyToken("token-ana")).source).toBe("stale");
    await clock.advance(1);
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  /** A clock that was set while the service is being asked, and the end of the entry by the other one. */
  test.each<[string, (clock: ManualClock) => unknown]>([
    [
      "as time has passed, though the clock was set back",
      async (clock) => {
        clock.setWall(-5000);
        await clock.advance(1000);
      },
    ],
    ["by a clock that was set forward", (clock) => clock.setWall(1000)],
  ])("does not stand in once it has ended %s", async (_how, passes) => {
    const { service, clock, first, second } = await twoClients(TTL_MS);
    await first.verifyToken("token-ana");
    await settle();
    await clock.advance(2 * TTL_MS - 1000);
    service.grpc.hang();
    service.rest.fail();
    const asked = second.verifyToken("token-ana").catch((error: unknown) => error);
    await until(() => service.grpc.calls.VerifyToken === 2);
    await passes(clock);
    service.grpc.fail();
    expect(await asked).toMatchObject(unavailable);
  });

  test("stands in from the process when the shared cache cannot be asked either", async () => {
    const { clock, store, first, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await settle();
    store.before = failStore;
    fail();
    await clock.advance(TTL_MS + 59_999);
    expect((await first.verifyToken("token-ana")).source).toBe("stale");
    await clock.advance(1);
    await expect(first.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("stands in from there where the process has an older one", async () => {
    const { service, clock, first, second, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await clock.advance(1000);
    service.allow("token-ana", { id: "ana", permissions: ["orders.read"] });
    await second.verifyToken("token-ana", { fresh: true });
    await settle();
    fail();
    await clock.advance(TTL_MS);
    expect(await first.verifyToken("token-ana")).toMatchObject({
      source: "stale",
      user: { permissions: ["orders.read"] },
    });
  });

  test("does not stand in from the process where an older one lies in the shared cache: it may have been written after a deletion", async () => {
    const { clock, store, first, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await settle();
    const [key = ""] = store.keys("token");
    const entry = JSON.parse(String(store.texts.get(key)));
    await store.set(key, JSON.stringify({ ...entry, askedAt: entry.askedAt - 100 }), TTL_MS);
    fail();
    await clock.advance(30_000); // the process has to look there
    await expect(first.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("does not stand in by default, not even one that only the process cache has let go of", async () => {
    const { clock, store, first, fail } = await twoClients(0);
    await first.verifyToken("token-ana");
    await settle();
    store.before = failStore;
    fail();
    await clock.advance(30_000);
    await expect(first.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("does not stand in by default, when the store still holds it", async () => {
    const { clock, store, first, second, fail } = await twoClients(0);
    await first.verifyToken("token-ana");
    await settle();
    const [key = ""] = store.keys("token");
    const text = String(store.texts.get(key));
    await clock.advance(TTL_MS);
    await store.set(key, text, TTL_MS);
    fail();
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("does not stand in for a token that is invalidated while the service is asked", async () => {
    const { service, clock, first } = await twoClients();
    await first.verifyToken("token-ana");
    await settle();
    await clock.advance(TTL_MS);
    service.grpc.hang();
    service.rest.fail();
    const outcome = expect(first.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
    await until(() => service.grpc.calls.VerifyToken === 2);
    await first.invalidateToken("token-ana");
    service.grpc.fail();
    await outcome;
  });

  test("does not stand in for a user whom another process has invalidated", async () => {
    const { clock, first, second, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await second.verifyToken("token-ana");
    await clock.advance(30_000); // the process cache of the second one is over
    await first.invalidateUser(anaRef);
    fail();
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("does not stand in for a token that another process has invalidated", async () => {
    const { clock, first, second, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await second.verifyToken("token-ana");
    await first.invalidateToken("token-ana");
    await clock.advance(30_000);
    fail();
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });

  test("does not stand in for a token that the service refused to another process", async () => {
    const { service, clock, first, second, fail } = await twoClients();
    await first.verifyToken("token-ana");
    await second.verifyToken("token-ana");
    await clock.advance(30_000);
    service.refuse("token-ana");
    await expect(first.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "invalid_token" });
    await settle();
    fail();
    await expect(second.verifyToken("token-ana")).rejects.toMatchObject(unavailable);
  });
});

describe("A question that is asked while an earlier one, which it may not join, is under way, and fails when that has landed,", () => {
  /** Both were asked when the store held an expired entry; the earlier one has landed, the later one not yet. */
  async function twoQuestions(change: (service: FakeAuthService) => void) {
    const service = await startService({ users: { "token-ana": { id: "ana", permissions: ["orders.read"] } } });
    const clock = new ManualClock(START);
    const gate = new AnswerGate();
    const client = openClient(service, {
      clock,
      cache: { store: new MemoryStore(clock), namespace: "shop", staleIfErrorMs: 60_000 },
      grpc: { interceptors: [gate.interceptor] },
    });
    await client.verifyToken("token-ana");
    await settle();
    await clock.advance(TTL_MS);
    change(service);
    gate.close();
    const early = client.verifyToken("token-ana").catch(() => undefined);
    await until(() => gate.held === 1);
    gate.open();
    await client.invalidateUser({ userId: "ben", organizationId: "org-1" }); // whom a question is about shows when it lands
    service.grpc.hang();
    service.rest.fail();
    const late = client.verifyToken("token-ana").catch((error: unknown) => error);
    await until(() => service.grpc.calls.VerifyToken === 3);
    gate.release();
    await early;
    service.grpc.fail();
    return late;
  }

  test("is not answered by the expired entry of a token that was refused", async () => {
    expect(await twoQuestions((service) => service.refuse("token-ana"))).toMatchObject(unavailable);
  });

  test("is answered by what that brought, not by the expired entry", async () => {
    const change = (service: FakeAuthService) => service.allow("token-ana", { id: "ana", permissions: [] });
    expect(await twoQuestions(change)).toMatchObject({ source: "stale", user: { permissions: [] } });
  });
});

test("What stood in is not kept as if it were an answer.", async () => {
  const { service, clock, client, fail } = await withKeptToken({ staleIfErrorMs: 60_000 });
  fail();
  await clock.advance(TTL_MS);
  await client.verifyToken("token-ana");
  expect(client.peekToken("token-ana")).toBeUndefined();
  service.grpc.allow();
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  await until(() => client.status().inFlight === 0);
});

test.each([
  ["", 0],
  [", however many others are refused", 10_001],
])(
  "What a refusal has overtaken does not stand in after a later try of the earlier call%s.",
  async (_also, others) => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const unavailable = new ConnectError("gone", Code.Unavailable);
    const refuse = () => Promise.reject(new ConnectError("no", Code.Unauthenticated));
    const tries: (() => unknown)[] = [
      () => ({ message: create(VerifyTokenResponseSchema, { userId: "ana", isActive: true }) }),
      () => held.then(() => Promise.reject(unavailable)),
      () => refuse(),
      () => Promise.reject(unavailable),
    ];
    const unary = async (...[, , , , message]: Parameters<Transport["unary"]>) =>
      "token" in message && message.token !== "token-ana" ? refuse() : tries.shift()?.();
    const transport = { unary, stream: () => Promise.reject(unavailable) };
    const client = openBareClient({
      clock,
      random: () => 0.5,
      grpc: { transport: transport as unknown as Transport, timeoutMs: 60_000 },
      retry: { attempts: 2, initialDelayMs: 100 },
      cache: { store, namespace: "shop", ttlMs: 1000, processTtlMs: 0, staleIfErrorMs: 60_000 },
    });
    await client.verifyToken("token-ana");
    await clock.advance(1000);
    const earlier = client.verifyToken("token-ana").catch((error: unknown) => error);
    await until(() => tries.length === 2); // it has found the expired answer, and asks
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "invalid_token" });
    for (let n = 0; n < others; n++) await client.verifyToken(`garbage-${n}`).catch(() => undefined);
    letGo();
    await settle();
    await clock.advance(50);
    expect(await earlier).toMatchObject({ code: "auth_unavailable" });
    expect(tries).toEqual([]);
  },
  60_000,
);
