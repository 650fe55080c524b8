import { describe, expect, test } from "@jest/globals";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const PROCESS_TTL_MS = 1000;
const unavailable = { code: "auth_unavailable" };

/** Two processes on one store; the first one knows a token, of which its own copy is over. */
async function withSharedCopy(cache: CacheOptions = {}) {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store, processTtlMs: PROCESS_TTL_MS, ...cache } });
  const client = open();
  await client.verifyToken("token-ana");
  await settle();
  await clock.advance(PROCESS_TTL_MS);
  const hang = () => {
    service.grpc.hang();
    service.rest.fail();
  };
  return { service, clock, store, open, client, hang };
}

/** Looks for tokens that wait until they are let go. */
function holdLooks(store: MemoryStore): (() => void)[] {
  const looks: (() => void)[] = [];
  store.before = (operation, key) =>
    operation === "get" && key.includes(":token:") && new Promise<void>((resolve) => looks.push(resolve));
  return looks;
}

/** Begins a call, and hands on its promise without waiting for it. */
function begin(client: AuthClient) {
  const outcome: { source?: string; code?: string } = {};
  const done = client.verifyToken("token-ana").then(
    ({ source }) => {
      outcome.source = source;
    },
    ({ code }) => {
      outcome.code = code;
    },
  );
  return { outcome, done };
}

describe("Beside a fresh call that hangs, with a shared cache,", () => {
  test("who is content with what that holds gets it at once", async () => {
    const { service, client, hang } = await withSharedCopy();
    hang();
    const fresh = client.verifyToken("token-ana", { fresh: true }).catch((error: unknown) => error);
    await until(() => service.grpc.calls.VerifyToken === 2);
    expect((await client.verifyToken("token-ana")).source).toBe("shared");
    service.grpc.fail();
    expect(await fresh).toMatchObject(unavailable);
  });

  test("who finds nothing there waits for it, and nobody asks twice", async () => {
    const { service, store, client } = await withSharedCopy();
    store.texts.clear();
    service.grpc.hang();
    const fresh = client.verifyToken("token-ana", { fresh: true });
    await until(() => service.grpc.calls.VerifyToken === 2);
    const { outcome, done } = begin(client);
    await settle();
    expect([outcome, service.grpc.calls.VerifyToken]).toEqual([{}, 2]);
    service.grpc.allow();
    service.grpc.fail();
    await done;
    expect([(await fresh).source, outcome]).toEqual(["rest", { source: "rest" }]);
    expect(service.rest.calls.VerifyToken).toBe(1);
  });

  test("what another process has invalidated does not stand in", async () => {
    const { service, open, client, hang } = await withSharedCopy({ staleIfErrorMs: 3_600_000 });
    await open().invalidateToken("token-ana");
    hang();
    const fresh = client.verifyToken("token-ana", { fresh: true }).catch((error: unknown) => error);
    await until(() => service.grpc.calls.VerifyToken === 2);
    const { outcome, done } = begin(client);
    await settle();
    service.grpc.fail();
    await fresh;
    await done;
    expect(outcome).toEqual(unavailable);
  });

  test("who has looked for nothing meanwhile meets what it brought", async () => {
    const { service, store, client } = await withSharedCopy();
    const looks = holdLooks(store);
    const { outcome, done } = begin(client);
    await until(() => looks.length > 0);
    await client.verifyToken("token-ana", { fresh: true });
    store.texts.clear();
    for (const letGo of looks) letGo();
    await done;
    expect([outcome, service.grpc.calls.VerifyToken]).toEqual([{ source: "process" }, 2]);
  });

  test("who gets an old answer from there meets what it brought all the same", async () => {
    const { service, store, client } = await withSharedCopy();
    const old = new Map(store.texts);
    const looks = holdLooks(store);
    service.grpc.hang();
    service.allow("token-ana", { id: "ana", permissions: ["new"] });
    const fresh = client.verifyToken("token-ana", { fresh: true });
    await until(() => service.grpc.calls.VerifyToken === 2);
    const { outcome, done } = begin(client);
    await until(() => looks.length > 0);
    service.grpc.allow();
    await fresh;
    await settle();
    for (const [key, text] of old) store.texts.set(key, text);
    for (const letGo of looks) letGo();
    await done;
    expect([outcome, service.grpc.calls.VerifyToken]).toEqual([{ source: "process" }, 2]);
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["new"]);
  });

  test("who gets a newer answer from there keeps that", async () => {
    const { service, clock, store, open, client } = await withSharedCopy();
    service.grpc.hang();
    const fresh = client.verifyToken("token-ana", { fresh: true });
    await until(() => service.grpc.calls.VerifyToken === 2);
    const looks = holdLooks(store);
    const { outcome, done } = begin(client);
    await until(() => looks.length > 0);
    service.grpc.allow();
    await fresh;
    await clock.advance(1);
    service.allow("token-ana", { id: "ana", permissions: ["new"] });
    await open().verifyToken("token-ana", { fresh: true });
    await settle();
    for (const letGo of looks) letGo();
    await done;
    expect(outcome).toEqual({ source: "shared" });
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["new"]);
  });

  test.each([0, 10_000])("or that it was refused, remembered for %d ms", async (refusalTtlMs) => {
    const { service, store, client } = await withSharedCopy({ refusalTtlMs });
    service.grpc.hang();
    service.refuse("token-ana");
    const fresh = client.verifyToken("token-ana", { fresh: true }).catch((error: unknown) => error);
    await until(() => service.grpc.calls.VerifyToken === 2);
    const [old] = [...store.texts.entries()].filter(([key]) => key.includes(":token:"));
    const looks = holdLooks(store);
    const { outcome, done } = begin(client);
    await until(() => looks.length > 0);
    service.grpc.allow();
    expect(await fresh).toMatchObject({ code: "invalid_token" });
    await settle();
    store.texts.set(...(old as [string, unknown])); // the deletion is not seen yet
    for (const letGo of looks) letGo();
    await done;
    expect(outcome).toEqual({ code: "invalid_token" });
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("or the refusal that it brought", async () => {
    const { service, store, client } = await withSharedCopy();
    const looks = holdLooks(store);
    const { outcome, done } = begin(client);
    await until(() => looks.length > 0);
    service.refuse("token-ana");
    const fresh = client.verifyToken("token-ana", { fresh: true });
    await expect(fresh).rejects.toMatchObject({ code: "invalid_token" });
    for (const letGo of looks) letGo();
    await done;
    expect([outcome, service.grpc.calls.VerifyToken]).toEqual([{ code: "invalid_token" }, 2]);
  });
});

test("Who finds nothing in the shared cache asks the service, and waits for nobody who still looks there.", async () => {
  const { service, store, client } = await withSharedCopy();
  store.texts.clear();
  const looks = holdLooks(store);
  const first = begin(client);
  await until(() => looks.length === 1);
  store.before = () => undefined;
  await client.invalidateUser({ userId: "somebody", organizationId: "else" }); // who comes now does not join the first one
  const more = holdLooks(store);
  const second = begin(client);
  await until(() => more.length === 1);
  looks[0]?.();
  await first.done;
  expect([first.outcome, second.outcome, service.grpc.calls.VerifyToken]).toEqual([{ source: "grpc" }, {}, 2]);
  more[0]?.();
  await second.done;
});

test("Beside a refresh that hangs, what the shared cache holds serves to its end, also when the process' copy is over.", async () => {
  const TTL_MS = 2000;
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const client = openClient(service, { clock, cache: { store, ttlMs: TTL_MS, processTtlMs: 1700 } });
  await client.verifyToken("token-ana");
  await settle();
  service.grpc.hang();
  service.rest.fail();
  await clock.advance(1600);
  expect((await client.verifyToken("token-ana")).source).toBe("process"); // and a refresh begins
  await until(() => service.grpc.calls.VerifyToken === 2);
  await clock.advance(100);
  expect((await client.verifyToken("token-ana")).source).toBe("shared");
  await clock.advance(299);
  expect((await client.verifyToken("token-ana")).source).not.toBe("grpc");
  expect(service.grpc.calls.VerifyToken).toBe(2); // one refresh, however often it gets old
  service.grpc.fail();
});
