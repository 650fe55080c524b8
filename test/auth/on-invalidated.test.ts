import { describe, expect, test } from "@jest/globals";
import type { AuthClient, InvalidationReason } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";

const ana = { userId: "ana", organizationId: "org-1" };

async function start() {
  const clock = new ManualClock();
  const exp = Math.round(clock.now() / 1000) + 60;
  const jwt = unsignedJwt({ sub: "ana", exp });
  const service = await startService({
    users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" }, [jwt]: { id: "ana" } },
  });
  const logger = new RecordingLogger();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, logger, cache: { store, namespace: "shop" } });
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
    const { service, client, listen } = await start();
    const { reasons } = await listen();
    await client.verifyToken("garbage").catch(() => undefined);
    expect(reasons).toEqual([]);
    service.refuse("token-ana");
    await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    expect(reasons).toEqual(["invalidated"]);
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
    const { client, listen } = await start();
    const auth = await client.verifyToken("token-ana");
    await client.invalidateUser(ana);
    const reasons: InvalidationReason[] = [];
    client.onInvalidated(auth, (reason) => reasons.push(reason));
    expect(reasons).toEqual([]);
    await settle();
    expect(reasons).toEqual(["invalidated"]);
    const again = await listen();
    await settle();
    expect(again.reasons).toEqual([]);
  });
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
