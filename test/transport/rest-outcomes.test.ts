import { inspect } from "node:util";
import { Code } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, AuthError, createAuthClient } from "../../src/client.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { closedPort, type RawServer, startRawRest, startTcpGate } from "../support/raw-upstreams.js";
import { until } from "../support/until.js";
import * as reply from "./rest-replies.js";
import { CUT_ROWS, SHAPE_ROWS, TOKEN_STATUS_ROWS } from "./rest-rows.js";

const opened = closedAfterEach();
const ROWS = [...TOKEN_STATUS_ROWS, ...SHAPE_ROWS, ...CUT_ROWS];
const rows = (outcome: string) => ROWS.filter((row) => row.outcome === outcome);

/** Long timeouts, so that a busy machine changes no outcome, and no wait between tries. */
const TIMEOUT_MS = 30_000;
const SETTINGS = {
  retry: { attempts: 2 },
  random: () => 0,
  maxAnswerBytes: reply.MAX_ANSWER_BYTES,
  logger: false,
} satisfies AuthClientOptions;

async function restAlone(answer: reply.RestReply) {
  const rest = opened(await startRawRest(answer));
  const client = opened(createAuthClient({ ...SETTINGS, rest: { url: rest.url, timeoutMs: TIMEOUT_MS } }));
  return { rest, client, ask: () => client.verifyToken("token-ana") };
}

/** Behind a gRPC side that answers, if at all, with nonsense: whether that counts is for REST to show. */
async function asFallback(answer: reply.RestReply) {
  const rest = opened(await startRawRest(answer));
  const { grpc } = opened(await startAuthService());
  grpc.fail(Code.Internal);
  const client = opened(
    createAuthClient({
      ...SETTINGS,
      grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: TIMEOUT_MS },
      rest: { url: rest.url, timeoutMs: TIMEOUT_MS },
    }),
  );
  return { rest, grpc, client, ask: () => client.verifyToken("token-ana") };
}

describe("an answer", () => {
  test("alone: asked once, a success, and remembered", async () => {
    const { rest, client, ask } = await restAlone(reply.status(503));
    await ask().catch(() => undefined);
    expect(client.status().rest?.failures).toBe(2);
    rest.reply = reply.json(reply.ANA);
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "rest" });
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "process" });
    expect(rest.requests).toHaveLength(2 + 1);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
  });
});

test.each(ROWS)("$name: the error holds neither the token nor what the upstream wrote", async ({ reply }) => {
  const { ask } = await restAlone(reply);
  const error = await ask().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(AuthError);
  expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/token-ana|ana@example|html/);
});

describe("a refusal of a token over REST is final", () => {
  test.each(rows("refused"))(
    "$name: not retried, neither a failure nor a success, and remembered",
    async ({ reply: refusal }) => {
      const { rest, client, ask } = await restAlone(reply.status(503));
      await ask().catch(() => undefined);
      const { failures } = client.status().rest!;
      expect(failures).toBeGreaterThan(0);
      rest.reply = refusal;
      rest.requests.length = 0;
      await expect(ask()).rejects.toMatchObject({ code: "invalid_token", status: 401 });
      await expect(ask()).rejects.toMatchObject({ code: "invalid_token" });
      expect(rest.requests).toHaveLength(1);
      expect(client.status().rest).toMatchObject({ breaker: "closed", failures });
    },
  );

  test.each(rows("refused"))(
    "$name as the fallback: a verdict, and gRPC is not blamed: a stranger could make the token up",
    async ({ reply }) => {
      const { rest, grpc, client, ask } = await asFallback(reply);
      await expect(ask()).rejects.toMatchObject({ code: "invalid_token" });
      expect([grpc.calls.total, rest.requests.length]).toEqual([1, 1]);
      expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
    },
  );
});

describe("unreachable REST", () => {
  test.each(rows("unreachable"))("$name: retried, each try counts, nothing is remembered", async ({ reply }) => {
    const { rest, client, ask } = await restAlone(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(rest.requests).toHaveLength(2);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 2 });
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(4);
  });

  test.each(rows("unreachable"))(
    "$name as the fallback: both are asked again, and gRPC is not blamed",
    async ({ reply }) => {
      const { rest, grpc, client, ask } = await asFallback(reply);
      await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
      expect([grpc.calls.total, rest.requests.length]).toEqual([2, 2]);
      expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 2 } });
    },
  );

  test("a refused connection: retried, each try counts", async () => {
    const rest = { url: `http://127.0.0.1:${await closedPort()}`, timeoutMs: TIMEOUT_MS };
    const client = opened(createAuthClient({ ...SETTINGS, rest }));
    await expect(client.verifyToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 2 });
  });

  test("a refused connection counts in a short try too: it is no time-out", async () => {
    const clock = new ManualClock();
    const rest = { url: `http://127.0.0.1:${await closedPort()}`, timeoutMs: TIMEOUT_MS };
    const retry = { attempts: 2, initialDelayMs: TIMEOUT_MS, maxDelayMs: TIMEOUT_MS };
    const client = opened(createAuthClient({ ...SETTINGS, clock, rest, retry, random: () => 0.5 }));
    const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
    await until(() => client.status().rest?.failures === 1);
    await settle();
    await clock.advance(TIMEOUT_MS / 2);
    expect(await failure).toMatchObject({ code: "auth_unavailable" });
    expect(client.status().rest?.failures).toBe(2);
  });

  test.each<[string, () => Promise<RawServer>]>([
    ["a server that accepts and never answers", () => startTcpGate()],
    ["a server that takes the request and hangs", () => startRawRest(() => undefined)],
    ["a body that stops half-way", () => startRawRest(reply.stopsHalfWay)],
  ])("%s is an outage at the timeout, and counts", async (_name, start) => {
    const { url } = opened(await start());
    const clock = new ManualClock();
    const client = opened(createAuthClient({ ...SETTINGS, clock, rest: { url, timeoutMs: TIMEOUT_MS } }));
    let settled = false;
    const failure = client.verifyToken("token-ana").catch((error: unknown) => error);
    void failure.finally(() => {
      settled = true;
    });
    await clock.advance(TIMEOUT_MS - 1);
    expect(settled).toBe(false);
    await clock.advance(1);
    expect(await failure).toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 1 });
  });
});

describe("busy REST", () => {
  test.each(rows("busy"))("$name: retried, neither counted nor remembered", async ({ reply: busy }) => {
    const { rest, client, ask } = await restAlone(reply.status(503));
    await ask().catch(() => undefined);
    rest.reply = busy;
    rest.requests.length = 0;
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(rest.requests).toHaveLength(2);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(4);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 2 }); // those from before
  });

  test.each(rows("busy"))("$name as the fallback: both are asked again, and nobody is blamed", async ({ reply }) => {
    const { rest, grpc, client, ask } = await asFallback(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect([grpc.calls.total, rest.requests.length]).toEqual([2, 2]);
    expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
  });
});

describe("broken REST", () => {
  test.each(rows("broken"))("$name: an outage, neither retried nor counted nor remembered", async ({ reply }) => {
    const { rest, client, ask } = await restAlone(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(rest.requests).toHaveLength(1);
    expect(client.status().rest).toMatchObject({ breaker: "closed", failures: 0 });
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(rest.requests).toHaveLength(2);
  });

  test.each(rows("broken"))("$name as the fallback: nobody could tell, nobody is blamed", async ({ reply }) => {
    const { rest, grpc, client, ask } = await asFallback(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect([grpc.calls.total, rest.requests.length]).toEqual([1, 1]);
    expect(client.status()).toMatchObject({ grpc: { failures: 0 }, rest: { failures: 0 } });
  });
});
