import * as http from "node:http";
import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "@jest/globals";
import { createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { startTcpProxy } from "../support/tcp-proxy.js";

const opened = closedAfterEach();
const IDLE_MS = 10_000;
const WELL = { breaker: "closed", failures: 0 };

/** REST alone behind a network, one try for each question, and every question about another token. */
async function start(agent?: http.Agent) {
  const users = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`token-${index}`, { id: "ana" }]));
  const service = opened(await startAuthService({ users }));
  const network = opened(await startTcpProxy(Number(new URL(service.rest.url).port)));
  const clock = new ManualClock();
  const client = opened(
    createAuthClient({
      rest: { url: network.url, ...(agent && { agent }) },
      ...(agent && { cache: { namespace: "idle" } }),
      retry: { attempts: 1 },
      clock,
      logger: false,
    }),
  );
  let asked = 0;
  const ask = async () => {
    const outcome = await client.verifyToken(`token-${asked++}`).then(
      ({ source }) => source,
      ({ code }: { code: string }) => code,
    );
    await setImmediate(); // Node puts a connection back a turn after its answer
    return outcome;
  };
  const askMany = (count: number) => Promise.all(Array.from({ length: count }, ask));
  /** The balancer has forgotten what was quiet; new connections are well. */
  const forget = () => {
    network.strike({ kind: "black hole" });
    network.heal();
  };
  return { network, clock, client, ask, askMany, forget };
}

describe("a REST connection that was idle for 10 s", () => {
  test("is not used again: a balancer that forgot it costs no call", async () => {
    const { network, clock, client, ask, forget } = await start();
    await ask();
    for (let quietTime = 1; quietTime <= 3; quietTime++) {
      await clock.advance(IDLE_MS);
      forget();
      expect(await ask()).toBe("rest");
      expect(network.connections).toBe(1 + quietTime);
    }
    expect(client.status().rest).toMatchObject(WELL);
  });

  test("is ended, and those that were used since stay", async () => {
    const { network, clock, client, ask, askMany } = await start();
    await askMany(5);
    expect(network.standing).toBe(5);
    await clock.advance(IDLE_MS - 1);
    expect(await ask()).toBe("rest"); // on one of them, which is used again
    await clock.advance(1);
    expect(await askMany(5)).toEqual(Array.from({ length: 5 }, () => "rest"));
    expect([network.connections, network.standing]).toEqual([5 + 4, 5]);
    expect(client.status().rest).toMatchObject(WELL);
  });

  test("is used when it was idle for less", async () => {
    const { network, clock, ask } = await start();
    for (let time = 0; time < 5; time++) {
      expect(await ask()).toBe("rest");
      await clock.advance(IDLE_MS - 1);
    }
    expect(network.connections).toBe(1);
  });

  test("is not used again by a process that was frozen meanwhile, which the wall clock alone tells", async () => {
    const { network, clock, client, ask, forget } = await start();
    await ask();
    clock.setWall(IDLE_MS);
    forget();
    expect(await ask()).toBe("rest");
    expect(network.connections).toBe(2);
    expect(client.status().rest).toMatchObject(WELL);
  });

  test("is not used again where an agent of the application's made it, and the agent's others stay", async () => {
    const agent = new http.Agent({ keepAlive: true });
    opened({ close: () => agent.destroy() });
    const { network, clock, client, ask, forget } = await start(agent);
    const other = opened(await startAuthService({ users: {} }));
    const get = () =>
      new Promise((resolve) =>
        http.get(other.rest.url, { agent }, (response) => response.resume().once("end", resolve)),
      );
    await get();
    await ask();
    await clock.advance(IDLE_MS);
    forget();
    expect(await ask()).toBe("rest");
    expect(network.connections).toBe(2);
    expect(client.status().rest).toMatchObject(WELL);
    const kept = Object.values(agent.freeSockets).flatMap((sockets) => sockets ?? []);
    expect(kept.filter(({ destroyed }) => !destroyed)).toHaveLength(2);
  });
});
