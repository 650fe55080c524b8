import { describe, expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { type Script, startFrameServer, wellBehaved } from "../support/frame-server.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
const IDLE_MS = 10_000;
const TIMEOUT_MS = 1200;
const PING_MS = TIMEOUT_MS / 4;

/** A gRPC server behind a network, and a client of it that asks about another token each time. */
async function start({ script, timeoutMs = TIMEOUT_MS }: { script?: Partial<Script>; timeoutMs?: number } = {}) {
  const pings: string[] = [];
  const server = opened(
    await startFrameServer(
      ...(Array.from({ length: 10 }, () => ({
        ...wellBehaved,
        ping: (socket, data) => {
          pings.push(data.toString("hex"));
          wellBehaved.ping?.(socket, data);
        },
        ...script,
      })) satisfies Script[]),
    ),
  );
  const network = opened(await startTcpProxy(server.port));
  const clock = new ManualClock();
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: network.url, timeoutMs },
      retry: { attempts: 1 },
      cache: { ttlMs: 0 },
      clock,
      logger: false,
    }),
  );
  let asked = 0;
  const ask = async () => {
    const { source } = await client.verifyToken(`token-${asked++}`);
    return source;
  };
  return { server, network, clock, client, ask, pings };
}

describe("a gRPC connection that was idle for 10 s", () => {
  test("is asked before a call is put on it, and used when it answers", async () => {
    const { network, clock, ask, pings } = await start();
    await ask();
    await clock.advance(IDLE_MS);
    expect(pings).toHaveLength(0); // never without a call
    expect(await ask()).toBe("grpc");
    expect([pings.length, network.connections]).toEqual([1, 1]);
  });

  test("is asked once for all calls that come meanwhile", async () => {
    const { network, clock, ask, pings } = await start();
    await ask();
    await clock.advance(IDLE_MS);
    expect(await Promise.all(Array.from({ length: 20 }, ask))).toEqual(Array.from({ length: 20 }, () => "grpc"));
    expect([pings.length, network.connections]).toEqual([1, 1]);
    await ask();
    expect(pings).toHaveLength(1);
  });

  test.each([
    ["is not asked after less", IDLE_MS - 1, 0],
    ["is asked anew after each quiet time", IDLE_MS, 3],
  ])("%s", async (_name, quietMs, count) => {
    const { clock, ask, pings } = await start();
    await ask();
    for (let time = 0; time < 3; time++) {
      await clock.advance(quietMs);
      await ask();
    }
    expect(pings).toHaveLength(count);
  });

  test("is asked also where only the wall clock knows of it: the process was frozen", async () => {
    const { clock, ask, pings } = await start();
    await ask();
    await clock.advance(0); // the call has left the connection
    clock.setWall(IDLE_MS);
    await ask();
    expect(pings).toHaveLength(1);
  });

  test("is replaced when it is silent: no call is lost, and nothing counts", async () => {
    const { network, clock, client, ask } = await start();
    await ask();
    network.strike({ kind: "black hole" });
    network.heal(); // for new connections
    await clock.advance(IDLE_MS);
    const answers = Promise.all([ask(), ask(), ask()]);
    await clock.advance(PING_MS - 1);
    expect(network.connections).toBe(1);
    await clock.advance(1);
    expect(await answers).toEqual(["grpc", "grpc", "grpc"]);
    expect(network.connections).toBe(2);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("is replaced when it ends instead of answering", async () => {
    const { network, clock, client, ask } = await start({ script: { ping: (socket) => socket.resetAndDestroy() } });
    await ask();
    await clock.advance(IDLE_MS);
    expect(await ask()).toBe("grpc");
    expect(network.connections).toBe(2);
    expect(client.status().grpc?.failures).toBe(0);
  });

  test.each([
    [20, 50],
    [200, 50],
    [1000, 250],
    [2000, 500],
    [60_000, 500],
  ])("with a timeout of %d ms has %d ms to answer", async (timeoutMs, pingMs) => {
    const { network, clock, ask } = await start({ timeoutMs, script: { ping: () => undefined } });
    await ask();
    await clock.advance(IDLE_MS);
    const outcome = ask().catch(() => "none");
    await clock.advance(pingMs - 1);
    expect(network.connections).toBe(1);
    await clock.advance(1);
    if (pingMs < timeoutMs) expect(await outcome).toBe("grpc");
    else expect(await outcome).toBe("none"); // its own time was over before
    await ask();
    expect(network.connections).toBe(2);
  });

  test("lets go of its calls when the client is closed, and no other one is made", async () => {
    const { network, clock, client, ask } = await start({ script: { ping: () => undefined } });
    await ask();
    await clock.advance(IDLE_MS);
    const failure = ask().catch((error: unknown) => error);
    await clock.advance(0);
    await client.close();
    expect(await failure).toMatchObject({ code: "auth_unavailable" });
    await until(() => network.standing === 0);
    expect([network.connections, clock.pending]).toEqual([1, 0]);
  });
});
