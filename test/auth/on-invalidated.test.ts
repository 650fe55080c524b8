import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { VerifyTokenResponseSchema } from "../../gen/auth/auth_service_pb.js";
import type { AuthClient, InvalidationReason, VerifiedToken } from "../../src/client.js";
import { systemClock } from "../../src/runtime/clock.js";
import { stubAuthClient } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const ana = { userId: "ana", organizationId: "org-1" };

async function start(cache?: { store: MemoryStore | undefined }) {
  const clock = new ManualClock();
  const exp = Math.round(clock.now() / 1000) + 60;
  const jwt = unsignedJwt({ sub: "ana", exp });
  const service = await startService({
    users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" }, [jwt]: { id: "ana" } },
  });
  const logger = new RecordingLogger();
  const { store } = cache ?? { store: new MemoryStore(clock) };
  const open = () => openClient(service, { clock, logger, cache: { ...(store && { store }), namespace: "shop" } });
  const client = open();
  /** What the listener was told. */
  const listen = async (token = "token-ana", to: AuthClient = client) => {
    const reasons: InvalidationReason[] = [];
    const stop = to.onInvalidated(await to.verifyToken(token), (reason) => reasons.push(reason));
    return { reasons, stop };
  };
  return { clock, service, jwt, logger, client, open, listen };
}

describe("A connection that lives for long learns once", () => {
  test("that its token was invalidated, whichever answer it was let in with", async () => {
    const { client, listen } = await start();
    const [asked, hit, ben] = [await listen(), await listen(), await listen("token-ben")];
    await client.invalidateToken("token-ana");
    await client.invalidateToken("token-ana");
    expect([asked, hit, ben].map(({ reasons }) => reasons)).toEqual([["invalidated"], ["invalidated"], []]);
  });

  test("that its user was", async () => {
    const { client, listen } = await start();
    const [first, ben] = [await listen(), await listen("token-ben")];
    await client.invalidateUser(ana);
    expect([first.reasons, ben.reasons]).toEqual([["invalidated"], []]);
    const later = await listen();
    await client.invalidateOrganization("org-1");
    expect(later.reasons).toEqual([]);
  });

  test("that the service refused its token, and not that it refused another", async () => {
    for (const store of [undefined, new MemoryStore(new ManualClock())]) {
      const { service, client, listen } = await start({ store });
      const { reasons } = await listen();
      await client.verifyToken("garbage").catch(() => undefined);
      expect(reasons).toEqual([]);
      service.refuse("token-ana");
      await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
      expect(reasons).toEqual(["invalidated"]);
    }
  });

  test("that the same JWT was, with another signature", async () => {
    const { service, jwt, client, listen } = await start();
    const twin = `${jwt.slice(0, jwt.lastIndexOf("."))}.AAAA`;
    service.allow(twin, { id: "ana" });
    const { reasons } = await listen(jwt);
    await client.invalidateToken(twin);
    expect(reasons).toEqual(["invalidated"]);
  });

  test("that another process invalidated its user, when this one reads it in the shared cache", async () => {
    const { clock, client, open, listen } = await start();
    const { reasons } = await listen();
    await settle();
    await open().invalidateUser(ana);
    await clock.advance(30_000);
    await client.verifyToken("token-ana");
    expect(reasons).toEqual(["invalidated"]);
  });

  test("that its token has ended, by the clock", async () => {
    const { clock, jwt, listen } = await start();
    const { reasons } = await listen(jwt);
    await clock.advance(30_000);
    clock.setWall(-10_000);
    await clock.advance(30_000);
    expect(reasons).toEqual([]);
    await clock.advance(10_000);
    expect(reasons).toEqual(["expired"]);
    expect(clock.pending).toBeLessThan(5);
  });

  test("what happened before it began to listen, in the next moment", async () => {
    const { clock, client, jwt, listen } = await start();
    const [auth, ended] = [await client.verifyToken("token-ana"), await client.verifyToken(jwt)];
    await client.invalidateUser(ana);
    const reasons: InvalidationReason[] = [];
    client.onInvalidated(auth, (reason) => reasons.push(reason));
    client.onInvalidated(auth, (reason) => reasons.push(reason))();
    await settle();
    expect(reasons).toEqual([]);
    await clock.advance(0);
    expect(reasons).toEqual(["invalidated"]);
    const again = await listen();
    await clock.advance(60_000);
    expect(again.reasons).toEqual([]);
    client.onInvalidated(ended, (reason) => reasons.push(reason));
    await clock.advance(0);
    expect(reasons).toEqual(["invalidated", "invalidated"]);
  });

  test("and one that listens to the same answer again and again keeps nothing else from its turn", async () => {
    const { service } = await start();
    const client = openClient(service, { clock: systemClock });
    const auth = await client.verifyToken("token-ana");
    await client.invalidateUser(ana);
    let calls = 0;
    const listen = (): unknown => calls < 10_000 && client.onInvalidated(auth, () => void [calls++, listen()]);
    listen();
    await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toBeLessThan(100);
  });
});

test("The answer to a later try holds against a refusal between the tries: it is kept, and nothing is told.", async () => {
  const clock = new ManualClock();
  const gone = new ConnectError("gone", Code.Unavailable);
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const tries: (() => unknown)[] = [
    () => held.then(() => Promise.reject(gone)),
    () => Promise.reject(new ConnectError("no", Code.Unauthenticated)),
    () => ({ message: create(VerifyTokenResponseSchema, { userId: "ana", isActive: true }) }),
  ];
  const transport = { unary: async () => tries.shift()?.(), stream: () => Promise.reject(gone) };
  const client = openBareClient({
    clock,
    random: () => 0.5,
    grpc: { transport: transport as unknown as Transport, timeoutMs: 60_000 },
    retry: { attempts: 2, initialDelayMs: 100 },
  });
  const asked = client.verifyToken("token-ana");
  await until(() => tries.length === 2);
  await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
  letGo();
  await settle();
  await clock.advance(50);
  const reasons: InvalidationReason[] = [];
  const listen = (auth: VerifiedToken) => client.onInvalidated(auth, (reason) => reasons.push(reason));
  listen(await asked);
  listen(await client.verifyToken("token-ana"));
  await clock.advance(0);
  expect([client.peekToken("token-ana")?.source, reasons]).toEqual(["process", []]);
  await client.invalidateUser({ userId: "ana", organizationId: "" });
  expect(reasons).toEqual(["invalidated", "invalidated"]);
});

test("Nothing is told after the listener was taken away, or the client closed.", async () => {
  const { clock, jwt, client, listen } = await start();
  const [stopped, closed, ending] = [await listen(), await listen(), await listen(jwt)];
  stopped.stop();
  stopped.stop();
  await client.close();
  await clock.advance(100_000);
  await client.invalidateUser(ana).catch(() => undefined);
  expect([stopped, closed, ending].map(({ reasons }) => reasons)).toEqual([[], [], []]);
  expect(() => client.onInvalidated({} as never, () => undefined)).toThrow("closed");
});

test("A listener that throws, or rejects, disturbs nobody.", async () => {
  const { client, logger, listen } = await start();
  const auth = await client.verifyToken("token-ana");
  client.onInvalidated(auth, () => {
    throw new Error("mine");
  });
  client.onInvalidated(auth, (() => Promise.reject(new Error("mine"))) as () => void);
  const { reasons } = await listen();
  await client.invalidateUser(ana);
  await settle();
  expect(reasons).toEqual(["invalidated"]);
  expect(logger.lines.slice(1)).toEqual(Array(2).fill("error portero: a listener of onInvalidated threw"));
});

test("Only an answer of a client is taken, itself and no copy; and only a function.", async () => {
  const { client } = await start();
  const auth = await client.verifyToken("token-ana");
  for (const other of [{ ...auth }, structuredClone(auth), undefined, null, "token-ana"])
    expect(() => client.onInvalidated(other as never, () => undefined)).toThrow(TypeError);
  expect(() => client.onInvalidated(auth, undefined as never)).toThrow(TypeError);
  expect(Reflect.ownKeys(auth).sort()).toEqual(["locals", "source", "user"]); // nothing of it shows
});

test("The stub client tells of what is invalidated, or refused, with it.", async () => {
  const client = stubAuthClient({ users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } } });
  const reasons: string[] = [];
  const listen = async (token: string) =>
    client.onInvalidated(await client.verifyToken(token), (reason) => reasons.push(`${token} ${reason}`));
  await listen("token-ana");
  const stop = await listen("token-ben");
  await client.invalidateUser(ana);
  await listen("token-ana");
  client.refuse("token-ana");
  client.allow("token-ana", { id: "ana" });
  await listen("token-ana");
  await client.invalidateToken("token-ana");
  stop();
  await client.invalidateToken("token-ben");
  expect(reasons).toEqual(Array(3).fill("token-ana invalidated"));
  expect(() => client.onInvalidated({} as never, () => undefined)).toThrow(TypeError);
});
