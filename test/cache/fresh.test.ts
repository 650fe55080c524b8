import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import type { CacheOptions } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const readOnly = { id: "ana", permissions: ["read"], locals: ["madrid"] };
const readWrite = { id: "ana", permissions: ["read", "write"], locals: ["madrid", "sevilla"] };

/** A transport that answers with what `next` returns, be it an error. */
function createTransport(next: () => unknown): Transport {
  return {
    unary: async (method, _signal, _timeoutMs, header) => {
      const message = next();
      if (message instanceof ConnectError) throw message;
      const service = method.parent;
      return { stream: false, service, method, header: new Headers(header), trailer: new Headers(), message } as never;
    },
    stream: () => Promise.reject(new ConnectError("no", Code.Unimplemented)),
  };
}

async function gated(cache: CacheOptions = {}) {
  const service = await startService({ users: { "token-ana": readOnly } });
  const gate = new AnswerGate();
  const clock = new ManualClock();
  const client = openClient(service, {
    clock,
    cache: { namespace: "shop", ...cache },
    grpc: { interceptors: [gate.interceptor] },
  });
  return { service, gate, clock, client };
}

describe("A fresh call", () => {
  test("asks the service, whatever the cache holds, and the cache learns from it", async () => {
    const { service, client } = await gated();
    await client.verifyToken("token-ana");
    service.allow("token-ana", readWrite);
    const answer = await client.verifyToken("token-ana", { fresh: true });
    expect([answer.source, answer.user.permissions]).toEqual(["grpc", ["read", "write"]]);
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["read", "write"]);
    expect(service.calls.total).toBe(2);
  });

  test("asks the service after a remembered refusal too", async () => {
    const { service, client } = await gated();
    await expect(client.verifyToken("token-ben")).rejects.toMatchObject({ code: "invalid_token" });
    service.allow("token-ben", { id: "ben" });
    expect((await client.verifyToken("token-ben", { fresh: true })).user.id).toBe("ben");
    expect((await client.verifyToken("token-ben")).source).toBe("process");
  });

  test("skips the shared cache", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const service = await startService({ users: { "token-ana": readOnly } });
    await openClient(service, { clock, cache: { store } }).verifyToken("token-ana");
    const answer = await openClient(service, { clock, cache: { store } }).verifyToken("token-ana", { fresh: true });
    expect(answer.source).toBe("grpc");
  });

  test("does not outweigh a refusal that was asked for later, by a flight that began earlier", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const service = await startService({ users: { "token-ana": readOnly } });
    const client = openClient(service, { clock, cache: { store, processTtlMs: 10 } });
    const letGo = store.hold("get", "token");
    const slow = client.verifyToken("token-ana").catch((error: unknown) => error); // still looks into the shared cache
    await until(() => store.count("get") > 0);
    store.before = () => undefined;
    await client.verifyToken("token-ana", { fresh: true });
    await clock.advance(10);
    store.texts.clear();
    service.refuse("token-ana");
    letGo();
    expect(await slow).toMatchObject({ code: "invalid_token" });
    expect(service.calls.VerifyToken).toBe(2);
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
    expect(service.calls.VerifyToken).toBe(2); // it is remembered
  });

  test("does not outweigh a refusal that a later try of an earlier call brought", async () => {
    const clock = new ManualClock();
    const verdicts: (() => unknown)[] = [
      () => new ConnectError("gone", Code.Unavailable),
      () => create(VerifyTokenResponseSchema, { userId: "ana", isActive: true }),
      () => new ConnectError("no", Code.Unauthenticated),
    ];
    const client = openBareClient({
      clock,
      random: () => 0.5,
      grpc: { transport: createTransport(() => verdicts.shift()?.()) },
      retry: { attempts: 2, initialDelayMs: 100 },
    });
    const retried = client.verifyToken("token-ana").catch((error: unknown) => error);
    await settle();
    await client.verifyToken("token-ana", { fresh: true });
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
    await clock.advance(50);
    expect(await retried).toMatchObject({ code: "invalid_token" });
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("nor an answer that it brought", async () => {
    const clock = new ManualClock();
    const answer = (permissions: string[]) =>
      create(VerifyTokenResponseSchema, { userId: "ana", isActive: true, permissions });
    const verdicts: unknown[] = [new ConnectError("gone", Code.Unavailable), answer(["read"]), answer(["write"])];
    const client = openBareClient({
      clock,
      random: () => 0.5,
      grpc: { transport: createTransport(() => verdicts.shift()) },
      retry: { attempts: 2, initialDelayMs: 100 },
    });
    const retried = client.verifyToken("token-ana");
    await clock.advance(10);
    await client.verifyToken("token-ana", { fresh: true });
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["read"]);
    await clock.advance(40);
    expect((await retried).user.permissions).toEqual(["write"]);
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["write"]);
  });

  test("rejects when the service cannot tell, and leaves the entry in its place", async () => {
    const { service, client } = await gated();
    await client.verifyToken("token-ana");
    service.grpc.fail();
    service.rest.fail();
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.peekToken("token-ana")?.user.id).toBe("ana");
  });

  test("rejects so with staleIfErrorMs too: it asked for the service's word", async () => {
    const { service, client } = await gated({ staleIfErrorMs: 60_000 });
    await client.verifyToken("token-ana");
    service.grpc.fail();
    service.rest.fail();
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("does not join a flight that began before it", async () => {
    const { service, gate, client } = await gated();
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    gate.open();
    service.allow("token-ana", readWrite);
    expect((await client.verifyToken("token-ana", { fresh: true })).user.permissions).toEqual(["read", "write"]);
    gate.release();
    expect((await early).user.permissions).toEqual(["read"]);
    expect(service.calls.total).toBe(2);
  });

  test("is joined by a later call that is not fresh", async () => {
    const { service, gate, client } = await gated();
    gate.close();
    const fresh = client.verifyToken("token-ana", { fresh: true });
    const later = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    gate.release();
    expect((await later).user).toBe((await fresh).user);
    expect(service.calls.total).toBe(1);
  });

  test("leaves an earlier flight to those aboard: who comes later joins the newer one", async () => {
    const { service, gate, client } = await gated();
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    service.allow("token-ana", readWrite);
    const fresh = client.verifyToken("token-ana", { fresh: true });
    const later = client.verifyToken("token-ana");
    await until(() => gate.held === 2);
    gate.release();
    const answers = await Promise.all([early, fresh, later]);
    expect(answers.map(({ user }) => user.permissions.length)).toEqual([1, 2, 2]);
    expect(service.calls.total).toBe(2);
  });
});

describe("An older flight that lands later", () => {
  test("does not overwrite a newer answer, here or in the shared cache", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { service, gate, client } = await gated({ store });
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    gate.open();
    service.allow("token-ana", readWrite);
    await client.verifyToken("token-ana", { fresh: true });
    gate.release();
    await early;
    await settle();
    expect(client.peekToken("token-ana")?.user.permissions).toEqual(["read", "write"]);
    const elsewhere = await openClient(service, { clock, cache: { store, namespace: "shop" } }).verifyToken(
      "token-ana",
    );
    expect([elsewhere.source, elsewhere.user.permissions]).toEqual(["shared", ["read", "write"]]);
  });

  test.each([
    ["a newer refusal", {}],
    ["a newer refusal that is not remembered", { refusalTtlMs: 0 }],
  ])("does not overwrite %s", async (_what, cache) => {
    const { service, gate, client } = await gated(cache);
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    gate.open();
    service.refuse("token-ana");
    await expect(client.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "invalid_token" });
    gate.release();
    await early;
    expect(client.peekToken("token-ana")).toBeUndefined();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
  });

  test("does not overwrite a newer refusal of a look-up", async () => {
    const { service, gate, client } = await gated();
    gate.close();
    const early = client.getUserLocals(anaRef);
    await until(() => gate.held === 1);
    gate.open();
    service.refuse("token-ana");
    await expect(client.getUserLocals(anaRef, { fresh: true })).rejects.toMatchObject({ code: "lookup_refused" });
    gate.release();
    await early;
    await expect(client.getUserLocals(anaRef)).rejects.toMatchObject({ code: "lookup_refused" });
  });

  test("does not evict a newer answer with its refusal", async () => {
    const { service, gate, client } = await gated();
    service.refuse("token-ana");
    gate.close();
    const early = client.verifyToken("token-ana");
    await until(() => gate.held === 1);
    gate.open();
    service.allow("token-ana", readOnly);
    await client.verifyToken("token-ana", { fresh: true });
    gate.release();
    await expect(early).rejects.toMatchObject({ code: "invalid_token" });
    expect((await client.verifyToken("token-ana")).source).toBe("process");
  });
});
