import { inspect } from "node:util";
import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, AuthError, createAuthClient } from "../../src/client.js";
import { type FakeAuthService, startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { type RawGrpcServer, startRawGrpc } from "../support/raw-upstreams.js";
import { CUT_ROWS, MALFORMED_ROWS, MAX_ANSWER_BYTES, PROXY_ROWS, TOKEN_STATUS_ROWS } from "./grpc-rows.js";

const opened = closedAfterEach();
const ROWS = [...TOKEN_STATUS_ROWS, ...PROXY_ROWS, ...MALFORMED_ROWS, ...CUT_ROWS];
const refused = ROWS.filter(({ outcome }) => outcome === "refused");
const unreachable = ROWS.filter(({ outcome }) => outcome === "unreachable");
const busy = ROWS.filter(({ outcome }) => outcome === "busy");
const broken = ROWS.filter(({ outcome }) => outcome === "broken");
const unimplemented = ROWS.filter(({ outcome }) => outcome === "unimplemented");

/** Long timeouts, so that a busy machine changes no outcome, and no wait between tries. */
const SETTINGS = {
  retry: { attempts: 2 },
  random: () => 0,
  maxAnswerBytes: MAX_ANSWER_BYTES,
  logger: false,
} satisfies AuthClientOptions;

async function grpcAlone(answer: reply.GrpcReply) {
  const grpc = opened(await startRawGrpc(answer));
  const client = opened(
    createAuthClient({ ...SETTINGS, grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 10_000 } }),
  );
  return { grpc, client, ask: () => client.verifyToken("token-ana") };
}

/** gRPC has failed once before, so that a success can be told from an outcome that is not counted. */
async function withRest(answer: reply.GrpcReply) {
  const grpc: RawGrpcServer = opened(await startRawGrpc(reply.trailersOnly(14)));
  const service: FakeAuthService = opened(
    await startAuthService({ users: { "token-ana": { id: "ana" }, "token-bea": { id: "bea" } } }),
  );
  const client = opened(
    createAuthClient({
      ...SETTINGS,
      grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 10_000 },
      rest: { url: service.rest.url, timeoutMs: 10_000 },
    }),
  );
  await client.verifyToken("token-bea");
  expect(client.status().grpc?.failures).toBe(1);
  grpc.reply = answer;
  grpc.requests.length = 0;
  service.resetCalls();
  return { grpc, rest: service.rest, client, ask: () => client.verifyToken("token-ana") };
}

describe("a refusal of a token over gRPC is final", () => {
  test.each(refused)(
    "$name: neither retried nor asked of REST, neither a failure nor a success, and remembered",
    async ({ reply }) => {
      const { grpc, rest, client, ask } = await withRest(reply);
      await expect(ask()).rejects.toMatchObject({ code: "invalid_token", status: 401 });
      await expect(ask()).rejects.toMatchObject({ code: "invalid_token" });
      expect([grpc.requests.length, rest.calls.total]).toEqual([1, 0]);
      expect(client.status()).toMatchObject({ grpc: { breaker: "closed", failures: 1 }, cache: { refusals: 1 } });
    },
  );

  test("gRPC alone: asked once, and remembered", async () => {
    const { grpc, client, ask } = await grpcAlone(reply.trailers(16));
    await expect(ask()).rejects.toMatchObject({ code: "invalid_token" });
    await expect(ask()).rejects.toMatchObject({ code: "invalid_token" });
    expect(grpc.requests).toHaveLength(1);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });
});

describe("unreachable gRPC", () => {
  test.each(unreachable)(
    "$name: REST answers, it counts, and the answer is remembered",
    async ({ reply, asks = 1 }) => {
      const { grpc, rest, client, ask } = await withRest(reply);
      expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "rest" });
      expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "process" });
      expect([grpc.requests.length, rest.calls.VerifyToken]).toEqual([asks, 1]);
      expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 2 });
    },
  );

  test.each(unreachable)(
    "$name: alone it is retried, each try counts, nothing is remembered",
    async ({ reply, asks = 1 }) => {
      const { grpc, client, ask } = await grpcAlone(reply);
      await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
      expect(grpc.requests).toHaveLength(2 * asks);
      expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 2 });
      await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
      expect(grpc.requests).toHaveLength(4 * asks);
    },
  );
});

describe("busy gRPC", () => {
  test.each(busy)("$name: REST answers, and nothing moves the breaker", async ({ reply }) => {
    const { grpc, rest, client, ask } = await withRest(reply);
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "rest" });
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "process" });
    expect([grpc.requests.length, rest.calls.VerifyToken]).toEqual([1, 1]);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1 });
  });

  test.each(busy)("$name: alone it is retried, neither counted nor remembered", async ({ reply }) => {
    const { grpc, client, ask } = await grpcAlone(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(grpc.requests).toHaveLength(2);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(4);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
  });
});

describe("broken gRPC", () => {
  test.each(broken)("$name: REST answers, therefore it counts", async ({ reply }) => {
    const { grpc, rest, client, ask } = await withRest(reply);
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "rest" });
    expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "process" });
    expect([grpc.requests.length, rest.calls.VerifyToken]).toEqual([1, 1]);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 2 });
  });

  test.each(broken)("$name: alone it is an outage, neither retried nor counted nor remembered", async ({ reply }) => {
    const { grpc, client, ask } = await grpcAlone(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
    expect(grpc.requests).toHaveLength(1);
    expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 0 });
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(2);
  });

  test("does not count when REST refuses the same token: a stranger could make it up", async () => {
    const { rest, client } = await withRest(reply.trailers(13));
    await expect(client.verifyToken("token-nobody")).rejects.toMatchObject({ code: "invalid_token" });
    expect(rest.calls.VerifyToken).toBe(1);
    expect(client.status().grpc?.failures).toBe(1);
  });

  test("does not count when REST is broken too, and is not retried", async () => {
    const { grpc, rest, client, ask } = await withRest(reply.trailers(13));
    rest.fail(500);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect([grpc.requests.length, rest.calls.total]).toEqual([1, 1]);
    expect(client.status()).toMatchObject({ grpc: { failures: 1 }, rest: { failures: 0 } });
  });

  test("does not count when REST is out of reach, and is asked again with it", async () => {
    const { grpc, rest, client, ask } = await withRest(reply.trailers(13));
    rest.fail(503);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect([grpc.requests.length, rest.calls.total]).toEqual([2, 2]);
    expect(client.status()).toMatchObject({ grpc: { failures: 1 }, rest: { failures: 2 } });
  });
});

describe("gRPC without the operation", () => {
  test.each(unimplemented)(
    "$name: REST answers, and the breaker sees a sign of life, which wipes no failure",
    async ({ reply }) => {
      const { grpc, rest, client, ask } = await withRest(reply);
      expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "rest" });
      expect([grpc.requests.length, rest.calls.VerifyToken]).toEqual([1, 1]);
      expect(client.status().grpc).toMatchObject({ breaker: "closed", failures: 1 });
    },
  );

  test.each(unimplemented)("$name: alone it is an outage that is not retried", async ({ reply }) => {
    const { grpc, client, ask } = await grpcAlone(reply);
    await expect(ask()).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(grpc.requests).toHaveLength(1);
    expect(client.status().grpc?.failures).toBe(0);
  });
});

test.each(ROWS)("$name: the error holds neither the token nor what the upstream wrote", async ({ reply }) => {
  const { ask } = await grpcAlone(reply);
  const error = await ask().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(AuthError);
  expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(/token-ana|said the service|said%20|html/);
});

test("an answer of exactly maxAnswerBytes is an answer", async () => {
  const frame = reply.user("ana", "a".repeat(MAX_ANSWER_BYTES - reply.user("ana", "a".repeat(1000)).length + 1000));
  expect(frame).toHaveLength(MAX_ANSWER_BYTES);
  const { ask } = await grpcAlone(reply.message(frame));
  expect(await ask()).toMatchObject({ user: { id: "ana" }, source: "grpc" });
});
