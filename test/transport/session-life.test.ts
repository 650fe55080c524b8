import { describe, expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { closedPort, startRawGrpc, startTcpGate } from "../support/raw-upstreams.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
const ANSWER = reply.message(reply.user("ana"));
const TIMEOUT_MS = 60_000;
const LIFE_MS = 600_000;
const EXTENSION_MS = 60_000;

/** A gRPC server behind a network, and a client whose random numbers are as given: 0.5 takes nothing from a life, and adds nothing. */
async function start(random = 0.5) {
  const server = opened(await startRawGrpc(ANSWER));
  const network = opened(await startTcpProxy(server.port));
  const clock = new ManualClock();
  const client = opened(
    createAuthClient({
      grpc: { ...ONE_CONNECTION, url: network.url, timeoutMs: TIMEOUT_MS },
      retry: { attempts: 1 },
      cache: { ttlMs: 0 },
      clock,
      random: () => random,
      logger: false,
    }),
  );
  let asked = 0;
  const ask = async () => {
    const { source } = await client.verifyToken(`token-${asked++}`);
    await clock.advance(0); // it has left its connection
    return source;
  };
  /** Lets its connection grow so old, which is never idle. */
  const grow = async (ms: number) => {
    await clock.advance(ms - 1);
    await ask();
    await clock.advance(1);
  };
  return { server, network, clock, client, ask, grow };
}

describe("a gRPC connection", () => {
  test.each([
    ["8 min at least", 0, 0.8],
    ["10 min", 0.5, 1],
    ["12 min at most", 1 - Number.EPSILON, 1.2],
  ])("lives for %s, and has a successor before a call needs it", async (_name, random, part) => {
    const { network, ask, grow } = await start(random);
    await ask();
    await grow(LIFE_MS * part - 1);
    expect(network.connections).toBe(1);
    await grow(1);
    await until(() => network.connections === 2 && network.standing === 1);
    expect(await ask()).toBe("grpc");
    expect(network.connections).toBe(2);
  });

  test("has successors that end as well", async () => {
    const { network, ask, grow } = await start();
    await ask();
    for (let life = 1; life <= 3; life++) {
      await grow(LIFE_MS);
      await until(() => network.connections === life + 1 && network.standing === 1);
    }
    expect(await ask()).toBe("grpc");
  });

  test("ends with the last of the calls that are under way on it", async () => {
    const { server, network, client, ask, grow } = await start();
    await ask();
    await grow(LIFE_MS - 2);
    let answer: (() => void) | undefined;
    server.reply = (stream) => {
      answer = () => ANSWER(stream);
    };
    const underWay = client.verifyToken("token-under-way");
    await until(() => answer !== undefined);
    server.reply = ANSWER;
    await grow(2);
    await until(() => network.connections === 2);
    expect(await ask()).toBe("grpc");
    expect(network.standing).toBe(2);
    answer?.();
    expect(await underWay).toMatchObject({ source: "grpc" });
    await until(() => network.standing === 1);
    expect(network.connections).toBe(2);
  });

  test("that is idle by then ends without one", async () => {
    const { network, clock, ask } = await start();
    await ask();
    await clock.advance(LIFE_MS);
    await until(() => network.standing === 0);
    expect(network.connections).toBe(1);
    expect(await ask()).toBe("grpc");
    expect(network.connections).toBe(2);
  });

  test("goes on where no other one can be made, until one can", async () => {
    const { server, network, client, ask, grow } = await start();
    await ask();
    network.heal(await closedPort()); // a balancer without a backend: it accepts, and hangs up
    await grow(LIFE_MS);
    await until(() => network.connections === 2 && network.standing === 1);
    expect(await ask()).toBe("grpc");
    network.heal(opened(await startTcpGate()).port); // one that hangs
    await grow(EXTENSION_MS);
    await until(() => network.connections === 3);
    await grow(TIMEOUT_MS);
    await until(() => network.standing === 1);
    expect(await ask()).toBe("grpc");
    network.heal(server.port);
    await grow(EXTENSION_MS);
    await until(() => network.connections === 4 && network.standing === 1);
    expect(await ask()).toBe("grpc");
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });

  test("that is lost while its successor is being made is followed by that one, and by no third", async () => {
    const { server, network, clock, client, ask, grow } = await start();
    await ask();
    network.heal(opened(await startTcpGate()).port); // new connections are accepted there, and nothing else happens
    await grow(LIFE_MS);
    await until(() => network.connections === 2);
    server.reply = (stream) => stream.session?.destroy();
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    const next = ask().catch(() => "lost");
    await clock.advance(1000);
    expect(network.connections).toBe(2);
    await client.close();
    expect(await next).toBe("lost");
  });
});

test("close() ends the successor that is being made, too, and leaves no timer behind", async () => {
  const { network, clock, client, ask, grow } = await start();
  await ask();
  network.heal(opened(await startTcpGate()).port);
  await grow(LIFE_MS);
  await until(() => network.connections === 2);
  await client.close();
  await until(() => network.standing === 0);
  expect([network.connections, clock.pending]).toEqual([2, 0]);
});
