import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { type AuthClient, type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const directory = { users: { "token-ana": { id: "ana" } }, organizations: { "org-1": {} } };
const closed = { name: "AuthError", code: "auth_unavailable", status: 503 };

async function open(options: Partial<AuthClientOptions> = {}) {
  const service = await startService(directory);
  const clock = new ManualClock();
  return { service, clock, client: openClient(service, { clock, ...options }) };
}

/** Passes everything on to a server, and knows how many connections stand. */
async function startRelay(url: string): Promise<{ url: string; connections: () => number }> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((incoming) => {
    const outgoing = connect(Number(port), hostname);
    sockets.add(incoming);
    incoming.on("close", () => {
      sockets.delete(incoming);
      outgoing.destroy();
    });
    for (const [from, to] of [
      [incoming, outgoing],
      [outgoing, incoming],
    ] as const) {
      from.on("error", () => undefined).pipe(to);
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  afterwards(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: () => sockets.size };
}

describe("After close()", () => {
  test.each<[string, (client: AuthClient) => Promise<unknown>]>([
    ["verifyToken", (client) => client.verifyToken("token-ana")],
    ["a fresh verifyToken", (client) => client.verifyToken("token-ana", { fresh: true })],
    ["getUserLocals", (client) => client.getUserLocals(anaRef)],
    ["getUserPermissions", (client) => client.getUserPermissions(anaRef)],
    ["getOrganization", (client) => client.getOrganization("org-1")],
    ["invalidateToken", (client) => client.invalidateToken("token-ana")],
    ["invalidateUser", (client) => client.invalidateUser(anaRef)],
    ["ready", (client) => client.ready()],
  ])("%s rejects, though the answer was remembered", async (_what, call) => {
    const { service, client } = await open();
    await client.verifyToken("token-ana");
    await client.getUserLocals(anaRef);
    await client.getUserPermissions(anaRef);
    await client.getOrganization("org-1");
    service.resetCalls();
    await client.close();
    await expect(call(client)).rejects.toMatchObject(closed);
    expect(service.calls.total).toBe(0);
  });

  test("peekToken knows nothing", async () => {
    const { client } = await open();
    await client.verifyToken("token-ana");
    await client.close();
    expect(client.peekToken("token-ana")).toBeUndefined();
  });

  test("status() still answers", async () => {
    const { client } = await open();
    await client.close();
    expect(client.status()).toMatchObject({ inFlight: 0, upstream: { active: 0, queued: 0 } });
  });

  test("a second close() does no harm, also beside the first one", async () => {
    const { client } = await open();
    await Promise.all([client.close(), client.close()]);
    await client.close();
  });
});

describe("close()", () => {
  test("ends what is under way: flights, those who wait for a place, and refreshes", async () => {
    const { service, clock, client } = await open({ limit: { maxConcurrent: 1 } });
    await client.getUserLocals(anaRef);
    await clock.advance(3_000_000);
    service.grpc.hang();
    await client.getUserLocals(anaRef); // refreshes in the background
    const calls = [client.verifyToken("token-ana"), client.getOrganization("org-1")].map((call) =>
      expect(call).rejects.toMatchObject(closed),
    );
    await until(() => client.status().upstream.queued === 2);
    await client.close();
    await Promise.all(calls);
    await settle();
    expect(client.status()).toMatchObject({ inFlight: 0, upstream: { active: 0, queued: 0 } });
    expect(clock.pending).toBe(0);
  });

  test("ends the wait before a retry", async () => {
    const { service, clock, client } = await open({ retry: { attempts: 3 }, random: () => 0.5 });
    service.grpc.fail();
    service.rest.fail();
    const idle = clock.pending;
    const call = expect(client.verifyToken("token-ana")).rejects.toMatchObject(closed);
    await until(() => client.status().rest?.failures === 1 && clock.pending === idle + 3); // the back-off, and the life of each connection
    await client.close();
    await call;
    expect([service.rest.calls.total, clock.pending]).toEqual([1, 0]);
  });

  test("ends the wait for credentials that hang, and leaves no timer of it", async () => {
    const { clock, client } = await open({ headers: () => new Promise(() => undefined), grpc: undefined });
    const asking = client.verifyToken("token-ana");
    await settle();
    await client.close();
    await expect(asking).rejects.toMatchObject(closed);
    await settle();
    expect(clock.pending).toBe(0);
  });

  test("ends the wait for an upstream", async () => {
    const { service, clock, client } = await open();
    await Promise.all([service.grpc.stop(), service.rest.stop()]);
    const wait = expect(client.ready()).rejects.toThrow();
    await until(() => clock.pending > 0);
    await client.close();
    await wait;
    expect(clock.pending).toBe(0);
  });

  test("leaves no timer of a client that was never used", async () => {
    const { clock, client } = await open();
    await client.close();
    expect(clock.pending).toBe(0);
  });

  test("waits for what is being written to the shared cache", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { client } = await open({ clock, cache: { store } });
    const letGo = store.hold("set");
    await client.verifyToken("token-ana");
    let done = false;
    const closing = client.close().then(() => {
      done = true;
    });
    await settle();
    expect(done).toBe(false);
    letGo();
    await closing;
    expect(store.keys("token")).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test("does not wait longer than 50 ms for a store that hangs", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { client } = await open({ clock, cache: { store } });
    store.before = (operation) => operation === "set" && new Promise(() => undefined);
    await client.verifyToken("token-ana");
    const closing = client.close();
    await clock.advance(50);
    await closing;
    expect(clock.pending).toBe(0);
  });

  test("tells no listener anything any more", async () => {
    const { service, client } = await open();
    const heard: unknown[] = [];
    client.on("fallback", (event) => heard.push(event));
    service.grpc.hang();
    const call = expect(client.verifyToken("token-ana")).rejects.toMatchObject(closed);
    await until(() => service.grpc.calls.total === 1);
    await client.close();
    await call;
    expect(heard).toEqual([]);
  });

  test("closes the connections to both upstreams", async () => {
    const service = await startService(directory);
    const [grpc, rest] = [await startRelay(service.grpc.url), await startRelay(service.rest.url)];
    const client = openClient({ upstreams: { grpc: { ...ONE_CONNECTION, url: grpc.url }, rest: { url: rest.url } } });
    await client.verifyToken("token-ana");
    service.grpc.fail();
    await client.verifyToken("token-ana", { fresh: true });
    expect([grpc.connections(), rest.connections()]).toEqual([1, 1]);
    await client.close();
    await until(() => grpc.connections() + rest.connections() === 0);
  });

  test("is what `await using` calls", async () => {
    const service = await startService(directory);
    const client = createAuthClient({ ...service.upstreams, logger: false });
    await client.verifyToken("token-ana");
    await client[Symbol.asyncDispose]();
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject(closed);
  });
});
