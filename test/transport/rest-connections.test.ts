import * as http from "node:http";
import * as https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { selfSigned } from "../support/self-signed.js";
import { until } from "../support/until.js";
import { ANA } from "./rest-replies.js";

const opened = closedAfterEach();
/** Less than makes a connection too quiet to be used again. */
const TIMEOUT_MS = 9000;
const MANY = 10;

/** What a server does with a request: `connection` counts from 0, in the order in which they were made. */
type Reply = (response: http.ServerResponse, connection: number) => void;

const answer: Reply = (response) => void response.writeHead(200).end(JSON.stringify(ANA));
const hangUp: Reply = (response) => response.socket?.destroy();
const hang: Reply = () => undefined;

async function startServer(tls?: { key: string; cert: string }) {
  const sockets: Socket[] = [];
  /** The connection of each request, in the order in which they came. */
  const requests: number[] = [];
  /** Requests that nobody has answered. */
  const held: http.ServerResponse[] = [];
  const listener: http.RequestListener = (request, response) => {
    request.resume().once("end", () => {
      const connection = sockets.indexOf(request.socket);
      requests.push(connection);
      held.push(response);
      response.once("close", () => held.splice(held.indexOf(response), 1));
      raw.reply(response, connection);
    });
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  server.keepAliveTimeout = 0;
  server.on(tls ? "secureConnection" : "connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const raw = {
    url: `${tls ? "https" : "http"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    requests,
    held,
    reply: answer,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return opened(raw);
}

/** REST alone, one try for each question, and every question about another token. */
async function start({ tls, ...options }: AuthClientOptions & { tls?: ReturnType<typeof selfSigned> } = {}) {
  const server = await startServer(tls);
  const client = opened(
    createAuthClient({
      rest: { url: server.url, timeoutMs: TIMEOUT_MS, ...(tls && { tls: { ca: tls.cert } }) },
      retry: { attempts: 1 },
      logger: false,
      ...options,
    }),
  );
  let asked = 0;
  const ask = () =>
    client.verifyToken(`token-${asked++}`).then(
      ({ user }) => user.id,
      ({ code }: { code: string }) => code,
    );
  const askMany = async (count = MANY) => {
    const outcomes = Array.from({ length: count }, ask);
    await until(() => server.held.length === count);
    return outcomes;
  };
  /** Connections that are kept, and idle. */
  const keep = async (count = MANY) => {
    server.reply = hang;
    const outcomes = await askMany(count);
    for (const response of [...server.held]) answer(response, 0);
    expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => "ana"));
    await until(() => server.held.length === 0);
    await setImmediate(); // Node puts a connection back a turn after its answer
    server.reply = answer;
    server.requests.length = 0;
  };
  return { server, client, ask, askMany, keep };
}

describe("many connections that are reset at once", () => {
  test.each(["resetAndDestroy", "destroy"] as const)(
    "were made for their requests (%s): those fail, as one failure",
    async (how) => {
      const { server, client, ask, askMany } = await start();
      server.reply = hang;
      const outcomes = await askMany();
      for (const socket of server.sockets) socket[how]();
      expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => "auth_unavailable"));
      expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 1 });
      server.reply = answer;
      expect(await ask()).toBe("ana");
      expect(client.status().rest?.failures).toBe(0);
    },
  );

  test.each(["resetAndDestroy", "destroy"] as const)("had been kept (%s): nobody notices", async (how) => {
    const { server, client, askMany, keep } = await start();
    await keep();
    server.reply = hang;
    const outcomes = await askMany();
    server.reply = answer;
    for (const socket of server.sockets.slice(0, MANY)) socket[how]();
    expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => "ana"));
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("fail one after the other at a server that hangs up on everybody: each counts", async () => {
    const { server, client, ask } = await start();
    server.reply = hangUp;
    for (let call = 0; call < 5; call++) expect(await ask()).toBe("auth_unavailable");
    expect(client.status().rest?.breaker).toBe("open");
  });
});

describe.each([
  ["http", undefined],
  ["https", selfSigned()],
])("a connection that was kept, over %s", (_scheme, tls) => {
  test("and closes before the first byte: the question is asked again on one that is made for it", async () => {
    const { server, client, ask, keep } = await start({ ...(tls && { tls }) });
    await keep();
    server.reply = (response, connection) => (connection < MANY ? hangUp : answer)(response, connection);
    expect(await ask()).toBe("ana");
    expect(server.requests).toEqual([expect.any(Number), MANY]);
    expect(server.requests[0]).toBeLessThan(MANY);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("and closes, as the next one does: out of reach, and one failure", async () => {
    const { server, client, ask, keep } = await start({ ...(tls && { tls }) });
    await keep(2);
    server.reply = hangUp;
    expect(await ask()).toBe("auth_unavailable");
    expect(server.requests).toHaveLength(2);
    expect(client.status().rest?.failures).toBe(1);
  });

  test("and closes after the first byte: nobody knows what was done, and it counts", async () => {
    const { server, client, ask, keep } = await start({ ...(tls && { tls }) });
    await keep(1);
    server.reply = (response) => response.socket?.write("HTTP/1.1 200 OK\r\n", () => response.socket?.destroy());
    expect(await ask()).toBe("auth_unavailable");
    expect(server.requests).toHaveLength(1);
    expect(client.status().rest?.failures).toBe(1);
  });

  test("made for a request that closes is out of reach", async () => {
    const { server, client, ask } = await start({ ...(tls && { tls }) });
    server.reply = (response, connection) => (connection === 0 ? hangUp : answer)(response, connection);
    expect(await ask()).toBe("auth_unavailable");
    expect(server.requests).toEqual([0]);
    expect(client.status().rest?.failures).toBe(1);
  });
});

describe("connections to a backend that hangs, before one that is well", () => {
  /** A pool whose backend hangs from now on; connections that are made later lead to another one. */
  async function pinned(options: AuthClientOptions = {}) {
    const clock = new ManualClock();
    const started = await start({ clock, ...options });
    await started.keep(8);
    started.server.reply = (response, connection) => (connection < 8 ? hang : answer)(response, connection);
    const timeOut = async () => {
      const asked = started.server.requests.length;
      const outcome = started.ask();
      await until(() => started.server.requests.length > asked);
      await clock.advance(TIMEOUT_MS);
      return await outcome;
    };
    return { ...started, clock, timeOut };
  }

  test("are given up at the first timeout: the next question is answered", async () => {
    const { client, ask, timeOut } = await pinned();
    expect(await timeOut()).toBe("auth_unavailable");
    for (let call = 0; call < 20; call++) expect(await ask()).toBe("ana");
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("are given up before whoever waited for the timeout can ask again", async () => {
    const { server, clock, client, ask } = await pinned();
    const next = client.verifyToken("token-first").catch(() => ask());
    await until(() => server.requests.length === 1);
    await clock.advance(TIMEOUT_MS);
    expect(await next).toBe("ana");
  });

  test("stay where they are in use", async () => {
    const { server, clock, ask } = await pinned();
    const first = ask();
    await until(() => server.held.length === 1);
    await clock.advance(TIMEOUT_MS / 2);
    const second = ask();
    await until(() => server.held.length === 2);
    await clock.advance(TIMEOUT_MS / 2);
    expect(await first).toBe("auth_unavailable");
    const response = server.held.at(-1);
    if (response) answer(response, 0);
    expect(await second).toBe("ana");
    expect(server.sockets).toHaveLength(8);
  });

  test("stay where the one that hangs was made for its request: it says nothing about them", async () => {
    const clock = new ManualClock();
    const { server, ask } = await start({ clock });
    server.reply = (response, connection) => (connection === 0 ? hang : answer)(response, connection);
    const slow = ask();
    await until(() => server.held.length === 1);
    expect(await ask()).toBe("ana");
    await clock.advance(TIMEOUT_MS);
    expect(await slow).toBe("auth_unavailable");
    expect(await ask()).toBe("ana");
    expect(server.requests).toEqual([0, 1, 1]);
  });

  test("are given up before a probe", async () => {
    const { server, clock, client, ask } = await pinned({ breaker: { failureThreshold: 1, recoveryMs: 1000 } });
    const hanging = server.reply;
    server.reply = (response) => void response.writeHead(503).end();
    expect(await ask()).toBe("auth_unavailable");
    expect(client.status().rest?.breaker).toBe("open");
    server.reply = hanging;
    await clock.advance(1000);
    expect(await ask()).toBe("ana");
    expect(client.status().rest?.breaker).toBe("closed");
  });
});

describe.each([
  ["http", undefined],
  ["https", selfSigned()],
])("a kept connection that is old, over %s,", (_scheme, tls) => {
  const LIFE_MS = 600_000;
  const FEW = 2;
  const aged = async (random = 0.5) => {
    const clock = new ManualClock();
    const started = await start({ ...(tls && { tls }), clock, random: () => random, cache: { ttlMs: 0 } });
    /** For so long the connections are used often enough to be kept. */
    const live = async (ms: number) => {
      await started.keep(FEW);
      for (let left = ms; left > 0; left -= TIMEOUT_MS) {
        await clock.advance(Math.min(left, TIMEOUT_MS));
        await started.keep(FEW);
      }
    };
    return { clock, ...started, live };
  };
  const standing = (sockets: readonly Socket[]) => sockets.filter(({ destroyed }) => !destroyed).length;

  test.each([
    ["8 min at least", 0, 0.8],
    ["10 min", 0.5, 1],
    ["12 min at most", 1 - Number.EPSILON, 1.2],
  ])("ends while it is idle: after %s", async (_name, random, part) => {
    const { server, clock, ask, live } = await aged(random);
    await live(LIFE_MS * part - 1);
    expect([standing(server.sockets), server.sockets.length]).toEqual([FEW, FEW]);
    await clock.advance(1);
    await until(() => standing(server.sockets) === 0);
    expect(await ask()).toBe("ana");
    expect(server.sockets).toHaveLength(FEW + 1);
  });

  test("ends with the request that is on it: none is lost", async () => {
    const { server, client, clock, ask, askMany, live } = await aged();
    await live(LIFE_MS - 1);
    server.reply = hang;
    const outcomes = await askMany(FEW);
    await clock.advance(1);
    expect([standing(server.sockets), server.sockets.length]).toEqual([FEW, FEW]);
    for (const response of [...server.held]) answer(response, 0);
    expect(await Promise.all(outcomes)).toEqual(outcomes.map(() => "ana"));
    await until(() => standing(server.sockets) === 0);
    server.reply = answer;
    expect(await ask()).toBe("ana");
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("leaves no timer behind", async () => {
    const { client, clock, keep } = await aged();
    await keep();
    await client.close();
    expect(clock.pending).toBe(0);
  });
});
