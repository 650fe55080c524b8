import { channel, subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "@jest/globals";
import express from "express";
import supertest from "supertest";
import { optionalAuth, requireAuth, requireLocal } from "../../src/index.js";
import { ManualClock } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { until } from "../support/until.js";

const users = { "token-ana": { id: "ana", locals: ["madrid"] } };

type Message = Record<string, unknown> & {
  setHeader(name: string, value: unknown): boolean;
  runIn(around: (run: () => unknown) => void): void;
};

/** What comes on a channel while the test runs. */
function hear(name: string, listener: (message: Message) => void = () => undefined): Message[] {
  const heard: Message[] = [];
  const onMessage = (message: unknown) => {
    heard.push(message as Message);
    listener(message as Message);
  };
  subscribe(name, onMessage);
  afterwards(() => unsubscribe(name, onMessage));
  return heard;
}

/** Without the functions, and `client`. */
function plain({ client, ...message }: Message): object {
  return { ...message };
}

describe("the channels", () => {
  test("tell of each question that the process cannot answer, and of each try", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const client = openClient(service, { clock, grpc: { ...ONE_CONNECTION } });
    const other = openClient(service, { clock });
    const [questions, calls] = ["question", "call"].map((name) => hear(`tracing:portero:${name}:asyncEnd`));
    const errors = hear("tracing:portero:question:error");
    await client.verifyToken("token-ana");
    await client.verifyToken("token-ana");
    expect(questions?.map(plain)).toEqual([
      {
        ...{ kind: "token", fresh: false, isRefresh: false, joined: undefined, queuedMs: undefined },
        ...{ source: "grpc", errorType: undefined, durationMs: 0 },
      },
    ]);
    expect(calls?.map(plain)).toEqual([
      { upstream: "grpc", operation: "VerifyToken", outcome: "answered", errorType: undefined, durationMs: 0 },
    ]);
    service.grpc.fail();
    service.rest.refuse();
    await expect(client.getUserLocals({ userId: "ana", organizationId: "" })).rejects.toThrow();
    await expect(other.verifyToken("token-eve")).rejects.toThrow();
    expect(questions?.slice(1).map(({ kind, errorType }) => [kind, errorType])).toEqual([
      ["locals", "auth_unavailable"],
      ["token", "invalid_token"],
    ]);
    expect(errors).toHaveLength(1); // a refusal is an answer
    expect(calls?.slice(1).map(({ upstream, outcome, errorType }) => [upstream, outcome, errorType])).toEqual([
      ["grpc", "unreachable", "Unavailable"],
      ["rest", "broken", "HTTP 401"],
      ["grpc", "unreachable", "Unavailable"],
      ["rest", "refused", "HTTP 401"],
    ]);
    await expect(client.getUserLocals({ userId: "ana", organizationId: "fits no héader" })).rejects.toThrow();
    expect(calls?.at(-1)).toMatchObject({ upstream: "rest", outcome: undefined }); // not asked
    const clients = [...(questions ?? []), ...(calls ?? [])].map((message) => message.client);
    expect(new Set(clients).size).toBe(2);
    expect(clients.every((each) => Object.isFrozen(each) && Reflect.ownKeys(each as object).length === 0)).toBe(true);
  });

  test("tell of a refresh, which no caller asks, and which question another one waits for", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const client = openClient(service, { clock, cache: { ttlMs: 5000 }, grpc: { ...ONE_CONNECTION } });
    await client.verifyToken("token-ana");
    const questions = hear("tracing:portero:question:start");
    await clock.advance(4000);
    service.grpc.hang();
    expect(client.peekToken("token-ana")).toBeDefined();
    await until(() => service.grpc.calls.total === 2);
    await clock.advance(1000); // its entry is over
    const waiting = client.verifyToken("token-ana");
    service.grpc.allow();
    await waiting;
    const [refresh, joining] = questions;
    expect(refresh).toMatchObject({ kind: "token", fresh: false, isRefresh: true, joined: undefined, source: "grpc" });
    expect(joining).toMatchObject({ fresh: false, isRefresh: false, source: "grpc" });
    expect(joining?.joined).toBe(refresh);
    expect([questions.length, service.grpc.calls.total]).toEqual([2, 2]);
  });

  test("tell how long a question has waited for a place", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const client = openClient(service, { clock, limit: { maxConcurrent: 1 }, grpc: { ...ONE_CONNECTION } });
    const questions = hear("tracing:portero:question:start");
    service.grpc.hang();
    const first = client.verifyToken("token-ana");
    await until(() => service.grpc.calls.total === 1);
    const second = client.getOrganization("org-1").catch(() => undefined);
    await clock.advance(20);
    service.grpc.allow();
    await Promise.all([first, second]);
    expect(questions.map(({ queuedMs }) => queuedMs)).toStrictEqual([undefined, 20]);
  });

  test("tell that the process answered, where it had learned the answer while the shared cache was asked", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, cache: { store }, grpc: { ...ONE_CONNECTION } });
    const questions = hear("tracing:portero:question:asyncEnd");
    const letGo = store.hold("get", "token");
    const looking = client.verifyToken("token-ana");
    await until(() => store.count("get") > 0);
    await client.verifyToken("token-ana", { fresh: true });
    letGo();
    await looking;
    expect(questions.map(({ source }) => source)).toEqual(["grpc", "process"]);
    expect(client.status().cache).toMatchObject({ hits: 1, sharedHits: 0, misses: 1 });
  });

  test("let a header be sent with a try, and none be read or replaced", async () => {
    const service = await startService({ users });
    const said: [name: string, isSent: boolean][] = [];
    const values: readonly (readonly [string, unknown])[] = [
      ["traceparent", "00-1-2-01"],
      ["Traceparent", "00-3-4-01"],
      ["X-Service-Key", "of another"],
      ["baggage", "a=1\r\nauthorization: x"],
      ["tracestate", 7],
      ["two words", "x"],
      ["tracestate", "x".repeat(2048)],
      ...[
        "authorization",
        "Cookie",
        "host",
        ":path",
        "grpc-timeout",
        "content-type",
        "te",
        "x-tenant-id",
        "user-agent",
      ].map((name) => [name, "x"] as const),
    ];
    let late: Message | undefined;
    const [call] = [
      hear("tracing:portero:call:start", (message) => {
        for (const [name, value] of values) said.push([name, message.setHeader(name, value)]);
        late = message;
      }),
    ];
    const client = openClient(service, {
      headers: { "X-Service-Key": "our own credential" },
      grpc: { ...ONE_CONNECTION },
    });
    for (const side of ["grpc", "rest"] as const) {
      said.length = 0;
      if (side === "rest") service.grpc.fail();
      await client.verifyToken("token-ana", { fresh: true });
      expect(said.slice(-values.length)).toEqual(values.map(([name], at) => [name, at === 0]));
      const { headers } = service[side].lastRequest!;
      expect(headers).toMatchObject({ traceparent: "00-1-2-01", "x-service-key": "our own credential" });
      for (const name of ["baggage", "tracestate", "cookie"]) expect(headers).not.toHaveProperty(name);
    }
    expect(late?.setHeader("b3", "0")).toBe(false); // it has left
    expect(JSON.stringify(call)).not.toContain("our own credential");
    expect(Object.values(late ?? {}).filter((value) => typeof value === "object")).toEqual([late?.client]);
  });

  test("have nothing of what a subscriber runs around a question", async () => {
    const service = await startService({ users });
    const client = openClient(service, { grpc: { ...ONE_CONNECTION } });
    const got: unknown[] = [];
    hear("tracing:portero:question:start", (message) => {
      message.runIn((run) => void got.push(run(), run()));
      message.runIn(() => undefined); // forgets to run it
      message.runIn(() => {
        throw new Error("of the subscriber");
      });
    });
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
    expect(service.grpc.calls.VerifyToken).toBe(1);
    expect(got.every((each) => each === undefined)).toBe(true);
  });

  test("tell of breakers, of the shared cache and of invalidations", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, breaker: { failureThreshold: 1 }, cache: { store } });
    const [breaker, cache] = [hear("portero:breaker"), hear("portero:cache")];
    service.grpc.fail();
    await client.verifyToken("token-ana");
    await client.invalidateToken("token-ana");
    store.before = fail;
    for (let failure = 0; failure < 3; failure++) await client.verifyToken(`token-${failure}`).catch(() => undefined);
    expect(breaker.map(plain)).toContainEqual({ upstream: "grpc", from: "closed", to: "open" });
    expect(breaker.map(plain)).toContainEqual({ upstream: "shared_cache", from: "closed", to: "open" });
    expect(cache.map(plain)).toContainEqual({ event: "availability", tier: "shared", available: false });
    expect(client.status().cache).toMatchObject({
      ...{ sharedErrors: { other: 3 }, sharedTransitions: { available: 0, unavailable: 1 } },
      invalidations: { here: { token: 1 } },
    });
    expect(cache.map(plain)).toContainEqual({ event: "invalidation", by: "here", kind: "token" });
  });

  test("tell of decisions, but for those that the process cache let through", async () => {
    const service = await startService({ users });
    const client = openClient(service, { grpc: { ...ONE_CONNECTION } });
    const decisions = hear("portero:decision");
    const app = express()
      .get("/locals/:local", requireAuth({ client }), requireLocal("local"), (_req, res) => void res.end())
      .get("/", optionalAuth({ client }), (_req, res) => void res.end());
    const get = (path: string, token?: string) => {
      const asked = supertest(app).get(path);
      return token === undefined ? asked : asked.set("Authorization", `Bearer ${token}`);
    };
    await get("/locals/madrid", "token-ana");
    await get("/locals/madrid", "token-ana");
    await get("/locals/lugo", "token-ana");
    await get("/locals/lugo", "token-bad");
    await get("/");
    const undefinedOnes = { code: undefined, source: undefined };
    expect(decisions.map((message) => ({ ...undefinedOnes, ...plain(message) }))).toEqual([
      { ...undefinedOnes, by: "requireAuth", allowed: true, source: "grpc" },
      { by: "requireLocal", allowed: false, code: "insufficient_scope", source: "process" },
      { ...undefinedOnes, by: "requireAuth", allowed: false, code: "invalid_token" },
      { ...undefinedOnes, by: "optionalAuth", allowed: true },
    ]);
    expect(channel("portero:question").hasSubscribers).toBe(false);
    expect(tracingChannel("portero:question").start.hasSubscribers).toBe(false);
  });
});
