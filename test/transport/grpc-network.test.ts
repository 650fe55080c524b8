import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { closedPort, startTcpGate } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
const SETTINGS = { retry: { attempts: 2 }, random: () => 0, logger: false } satisfies AuthClientOptions;
/** Far longer than a test takes: timers below ours are real, and must not be the ones that fire. */
const GRPC_MS = 60_000;
const REST_MS = 120_000;

async function startRest() {
  return opened(await startAuthService({ users: { "token-ana": { id: "ana" } } })).rest;
}

describe("a refused connection", () => {
  test("falls back to REST and counts", async () => {
    const rest = await startRest();
    const grpc = { url: `http://127.0.0.1:${await closedPort()}`, timeoutMs: GRPC_MS };
    const client = opened(createAuthClient({ ...SETTINGS, grpc, rest: { url: rest.url, timeoutMs: REST_MS } }));
    expect(await client.verifyToken("token-ana")).toMatchObject({ source: "rest" });
    expect(rest.calls.VerifyToken).toBe(1);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1 });
  });

  test("is an outage when there is nothing else, tried again and counted each time", async () => {
    const grpc = { url: `http://127.0.0.1:${await closedPort()}`, timeoutMs: GRPC_MS };
    const client = opened(createAuthClient({ ...SETTINGS, grpc }));
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 2 });
  });

  test("of one replica costs no call, though one try is all that may be: nothing left", async () => {
    const service = opened(await startAuthService({ users: { "token-ana": { id: "ana" } } }));
    const url = [`http://127.0.0.1:${await closedPort()}`, service.grpc.url];
    const grpc = { url, hedgeMs: 0, timeoutMs: GRPC_MS };
    const client = opened(
      createAuthClient({ ...SETTINGS, retry: { attempts: 1 }, cache: { ttlMs: 0 }, clock: new ManualClock(), grpc }),
    );
    for (let call = 0; call < 6; call++) expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    expect(service.grpc.calls.VerifyToken).toBe(6);
    expect(client.status().grpc).toMatchObject({ secondTries: 1, failures: 0 });
  });
});

test("only our own clock ends a call: a timer of Connect's would be due before an answer that came while we were busy is read", async () => {
  const service = opened(await startAuthService({ users: { "token-ana": { id: "ana" } } }));
  const clock = new ManualClock();
  const grpc = { ...ONE_CONNECTION, url: service.grpc.url, timeoutMs: 20 };
  const client = opened(createAuthClient({ ...SETTINGS, clock, grpc }));
  service.grpc.hang();
  const verified = client.verifyToken("token-ana");
  await until(() => service.grpc.calls.VerifyToken === 1);
  await new Promise((resolve) => setTimeout(resolve, 60)); // a timer that should not be there has had its time
  service.grpc.allow();
  expect((await verified).source).toBe("grpc");
});

describe("a server that accepts and never answers", () => {
  async function start({ deadlineMs, withRest = true }: { deadlineMs?: number; withRest?: boolean } = {}) {
    const rest = await startRest();
    const hole = opened(await startTcpGate());
    const clock = new ManualClock();
    const client = opened(
      createAuthClient({
        ...SETTINGS,
        clock,
        ...(deadlineMs !== undefined && { deadlineMs }),
        grpc: { ...ONE_CONNECTION, url: hole.url, timeoutMs: GRPC_MS },
        ...(withRest && { rest: { url: rest.url, timeoutMs: REST_MS } }),
      }),
    );
    return { rest, clock, client };
  }

  test("costs its own timeout, then REST answers; it counts", async () => {
    const { rest, clock, client } = await start();
    const answer = client.verifyToken("token-ana");
    await clock.advance(GRPC_MS - 1);
    expect(rest.calls.total).toBe(0);
    await clock.advance(1);
    expect(await answer).toMatchObject({ user: { id: "ana" }, source: "rest" });
    expect(rest.calls.VerifyToken).toBe(1);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1 });
  });

  test("leaves REST its part of a short deadline", async () => {
    const { rest, clock, client } = await start({ deadlineMs: 30_000 });
    const answer = client.verifyToken("token-ana");
    await clock.advance(10_000 - 1);
    expect(rest.calls.total).toBe(0);
    await clock.advance(1);
    expect(await answer).toMatchObject({ source: "rest" });
  });

  test("alone is an outage at the deadline, not before and not after", async () => {
    const { clock, client } = await start({ withRest: false });
    const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
    let settled = false;
    void failure.finally(() => {
      settled = true;
    });
    await clock.advance(GRPC_MS - 1);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await failure).toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1 });
  });
});
