import { subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, jest, test } from "@jest/globals";
import { trace } from "@opentelemetry/api";
import express from "express";
import supertest from "supertest";
import { ConfigError, requireAuth, requireLocal, requireModule, requirePermission } from "../../src/index.js";
import { outcomeOf, rpcEndOf } from "../../src/otel/attributes.js";
import { type InstrumentOptions, instrument } from "../../src/otel.js";
import { systemClock } from "../../src/runtime/clock.js";
import { stubAuthClient } from "../../src/testing.js";
import type { CallMessage } from "../../src/transport/call-channel.js";
import { TestMeters } from "../support/collected.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openBareClient, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { root } from "../support/workspace.js";

const users = { "token-ana": { id: "ana", organizationId: "org-1", locals: ["madrid"], permissions: ["read"] } };
const organizations = { "org-1": { modules: ["inventory"] } };

/** How many series each counter and gauge has from the beginning, with gRPC, REST and a shared cache. */
const SERIES = {
  "portero.authentications": ["{decision}", 15],
  "portero.authorizations": ["{decision}", 18],
  "portero.cache.lookups": ["{lookup}", 20],
  "portero.cache.evictions": ["{entry}", 1],
  "portero.cache.renewals": ["{renewal}", 1],
  "portero.cache.invalidations": ["{invalidation}", 7],
  "portero.cache.shared.errors": ["{error}", 4],
  "portero.cache.entry.count": ["{entry}", 1],
  "portero.cache.size": ["By", 1],
  "portero.upstream.fallbacks": ["{call}", 16],
  "portero.upstream.retries": ["{retry}", 1],
  "portero.upstream.active_calls": ["{call}", 1],
  "portero.upstream.queued_calls": ["{call}", 1],
  "portero.upstream.call.limit": ["{call}", 1],
  "portero.breaker.state": ["1", 9],
  "portero.breaker.transitions": ["{transition}", 9],
  "portero.replica.count": ["{replica}", 3],
  "portero.replica.transitions": ["{transition}", 3],
  "portero.replica.hedges": ["{call}", 1],
  "portero.replica.second_tries": ["{call}", 1],
  "portero.log.state": ["1", 3],
  "portero.log.told": ["{invalidation}", 1],
  "portero.log.heard": ["{invalidation}", 1],
  "portero.log.gaps": ["{gap}", 1],
  "portero.log.outbox": ["{invalidation}", 1],
} as const;

function startMeters(): TestMeters {
  const meters = new TestMeters();
  afterwards(() => meters.shutdown());
  return meters;
}

describe("the metrics of a client", () => {
  test("have every series of a counter from the beginning, as 0", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const meters = startMeters();
    instrument(openClient(service, { clock, cache: { store: new MemoryStore(clock) } }), {
      meterProvider: meters.provider,
    });
    const collected = await meters.collect();
    const series = collected.map(({ name, unit, points }) => [name, [unit, points.length]]);
    expect(Object.fromEntries(series)).toEqual(SERIES);
    const ones = collected.flatMap(({ name, points }) =>
      points
        .filter(({ value }) => value !== 0)
        .map(({ attributes }) => `${name} ${Object.values(attributes).join(" ")}`),
    );
    expect(ones.sort()).toEqual([
      "portero.breaker.state grpc closed",
      "portero.breaker.state rest closed",
      "portero.breaker.state shared_cache closed",
      "portero.log.state none",
      "portero.replica.count connecting",
      "portero.upstream.call.limit ",
    ]);
  });

  test("tell what became of requests, questions and calls", async () => {
    const service = await startService({ users, organizations });
    const clock = new ManualClock();
    const meters = startMeters();
    const client = openClient(service, {
      ...{ clock, breaker: { failureThreshold: 2 }, cache: { maxEntries: 2 } },
      grpc: { ...service.upstreams.grpc, ...ONE_CONNECTION },
    });
    const undo = instrument(client, { meterProvider: meters.provider });
    const app = express()
      .use(requireAuth({ client }))
      .get("/", requirePermission("read"), requireModule("inventory"), (_req, res) => void res.end())
      .get("/locals/:local", requireLocal("local"), (_req, res) => void res.end())
      .get("/fresh/:local", requireLocal("local", { fresh: true }), (_req, res) => void res.end());
    const get = async (path: string, token: string) =>
      (await supertest(app).get(path).set("Authorization", `Bearer ${token}`)).status;

    expect([await get("/", "token-ana"), await get("/", "token-ana"), await get("/", "token-bad")]).toEqual([
      200, 200, 401,
    ]);
    expect(await get("/locals/lugo", "token-ana")).toBe(403);
    service.grpc.fail();
    expect([await get("/fresh/madrid", "token-ana"), await get("/fresh/madrid", "token-ana")]).toEqual([200, 200]);
    service.rest.fail();
    expect(await get("/fresh/madrid", "token-ana")).toBe(503);
    await client.invalidateUser({ userId: "ana", organizationId: "org-1" });
    expect(await get("/", "token-ana")).toBe(503);
    expect((await supertest(app).get("/")).status).toBe(401);

    const values = (name: string) => meters.valuesOf(`portero.${name}`);
    expect(await values("authentications")).toEqual({
      grpc: 1,
      process: 5,
      invalid_token: 1,
      missing_token: 1,
      auth_unavailable: 1,
    });
    expect(await values("authorizations")).toEqual({
      "requirePermission allowed": 2,
      "requireModule allowed": 2,
      "requireLocal allowed": 2,
      "requireLocal denied": 1,
      "requireLocal error": 1,
    });
    expect(await values("cache.lookups")).toEqual({
      "token process_hit": 5,
      "token miss": 3,
      "organization process_hit": 1,
      "organization miss": 1,
      "locals miss": 3,
    });
    expect(await values("cache.invalidations")).toEqual({ "user here": 1 });
    expect(await values("cache.evictions")).toEqual({ "": 1 });
    expect(await values("upstream.fallbacks")).toEqual({
      "GetUserLocals unreachable": 2,
      "GetUserLocals open": 1,
      "VerifyToken open": 1,
    });
    expect(await values("breaker.transitions")).toMatchObject({ "grpc open": 1 });
    expect(await values("replica.transitions")).toEqual({ ready: 1 });
    expect(await values("breaker.state")).toMatchObject({ "grpc open": 1 });

    // Histograms: of what a request waits for, and of nothing else.
    expect(await values("authentication.duration")).toEqual({ grpc: 1, invalid_token: 1, auth_unavailable: 1 });
    expect(await values("upstream.queue.duration")).toEqual({});
    expect(await values("upstream.call.duration")).toMatchObject({
      "grpc VerifyToken answered": 1,
      "grpc VerifyToken refused Unauthenticated": 1,
      "grpc GetUserLocals unreachable Unavailable": 2,
      "rest GetUserLocals answered": 2,
    });
    expect(await meters.valuesOf("rpc.client.call.duration")).toEqual({
      "grpc auth.AuthService/VerifyToken OK": 1,
      "grpc auth.AuthService/VerifyToken UNAUTHENTICATED UNAUTHENTICATED": 1,
      "grpc auth.AuthService/GetOrganization OK": 1,
      "grpc auth.AuthService/GetUserLocals UNAVAILABLE UNAVAILABLE": 2,
    });

    undo();
    const before = client.status().requests;
    await get("/", "token-eve");
    expect(client.status().requests.refused.auth_unavailable).toBe(before.refused.auth_unavailable + 1);
    expect((await meters.valuesOf("portero.authentication.duration")).auth_unavailable).toBe(1);
  });

  test("have the number of tries that status() has", async () => {
    const service = await startService({ users });
    const meters = startMeters();
    const client = openClient(service, {
      clock: systemClock, // retries wait
      retry: { attempts: 2, initialDelayMs: 0 },
      breaker: { failureThreshold: 10 },
    });
    instrument(client, { meterProvider: meters.provider });
    const same = async () => {
      const tries: Record<string, number> = {};
      for (const [key, count] of Object.entries(await meters.valuesOf("portero.upstream.call.duration"))) {
        const [upstream, , outcome] = key.split(" ");
        tries[`${upstream} ${outcome}`] = (tries[`${upstream} ${outcome}`] ?? 0) + count;
      }
      const { grpc, rest } = client.status();
      const counted = Object.entries({ grpc, rest }).flatMap(([upstream, status]) =>
        Object.entries(status?.calls ?? {}).map(([outcome, count]) => [`${upstream} ${outcome}`, count] as const),
      );
      expect(Object.fromEntries(counted.filter(([, count]) => count > 0))).toEqual(tries);
      return tries;
    };
    await client.verifyToken("token-ana");
    await client.verifyToken("token-bad").catch(() => undefined);
    service.grpc.fail();
    service.rest.fail();
    for (let call = 0; call < 3; call++) await client.verifyToken("token-ana", { fresh: true }).catch(() => undefined);
    const { "grpc unreachable": unreachable = 0, ...others } = await same();
    expect(others).toMatchObject({ "grpc answered": 1, "grpc refused": 1 });
    expect(unreachable).toBe(service.grpc.calls.total - 2); // what another connection was asked besides
    service.grpc.allow();
    service.rest.allow();
    await client.diagnose();
    expect(await same()).toMatchObject({ "grpc unreachable": unreachable });
  });

  test("are of those that waited for a place", async () => {
    const service = await startService({ users });
    const clock = new ManualClock();
    const meters = startMeters();
    const client = openBareClient({ ...service.upstreams, clock, limit: { maxConcurrent: 1 }, random: () => 0 });
    instrument(client, { meterProvider: meters.provider });
    service.grpc.hang();
    const asked = [client.verifyToken("token-ana"), client.verifyToken("token-bob")];
    const settled = Promise.allSettled(asked);
    for (let step = 0; step < 100; step++) await clock.advance(100);
    await settled;
    expect(await meters.valuesOf("portero.upstream.queue.duration")).toEqual({ "": 1 });
    const ends = await meters.valuesOf("portero.upstream.call.duration");
    expect(Object.keys(ends)).toContain("grpc VerifyToken unreachable timeout");
  });

  test("have no label and no number of an application's own verifyToken", async () => {
    const meters = startMeters();
    const client = stubAuthClient({ users });
    afterwards(() => client.close());
    const verify = async (token: string) => ({ ...(await client.verifyToken(token)), source: "tenant-17" as never });
    instrument(client, { meterProvider: meters.provider });
    const app = express().use(requireAuth({ client: { ...client, peekToken: () => undefined, verifyToken: verify } }));
    const decisions: unknown[] = [];
    const onMessage = (message: unknown) => decisions.push(message);
    subscribe("portero:decision", onMessage);
    afterwards(() => unsubscribe("portero:decision", onMessage));
    await supertest(app).get("/").set("Authorization", "Bearer token-ana");
    expect(await meters.valuesOf("portero.authentications")).toEqual({ _OTHER: 1 });
    expect(decisions).toEqual([{ client: expect.anything(), by: "requireAuth", allowed: true }]);
    expect(JSON.stringify(client.status().requests)).not.toMatch(/null|tenant/);
  });

  test("end with the client, after one more collection, and are not there twice", async () => {
    const service = await startService({ users });
    const logger = new RecordingLogger();
    const { lines } = logger;
    const meters = startMeters();
    const client = openClient(service, { logger });
    const open = () => instrument(client, { meterProvider: meters.provider });
    open();
    const undo = open(); // as a second entry file does
    expect(lines.filter((line) => line.includes("with the same "))).toHaveLength(2);
    await client.verifyToken("token-ana");
    expect(await meters.valuesOf("portero.authentication.duration")).toEqual({ grpc: 1 });
    undo(); // ends what it has begun, which is nothing
    await client.verifyToken("token-ana");
    await client.close();
    expect((await meters.valuesOf("portero.cache.lookups"))["token process_hit"]).toBe(1);
    const status = jest.spyOn(client, "status");
    await meters.collect();
    expect(status).not.toHaveBeenCalled();
    status.mockRestore();
    expect(tracingChannel("portero:question").start.hasSubscribers).toBe(false);
    open()(); // those that have ended may be had again
    expect(lines.filter((line) => line.includes("with the same "))).toHaveLength(2);
  });

  test("of two clients are not mixed: a meter provider measures one until that has ended, and the log says so", async () => {
    const service = await startService({ users });
    const logger = new RecordingLogger();
    const { lines } = logger;
    const meters = startMeters();
    const [first, second] = [openClient(service, { logger }), openClient(service, { logger })];
    const open = (client: typeof first) => instrument(client, { meterProvider: meters.provider });
    open(first);
    const undo = open(second);
    expect(lines).toEqual([expect.stringContaining("this MeterProvider measures another client")]);
    expect(lines[0]).toContain("instrument(client, { meterProvider: new MeterProvider(");
    for (let time = 0; time < 3; time++) await first.verifyToken("token-ana");
    await second.verifyToken("token-ana");
    const hits = async () => (await meters.valuesOf("portero.cache.lookups"))["token process_hit"];
    expect(await hits()).toBe(2);
    expect(await meters.valuesOf("portero.authentication.duration")).toEqual({ grpc: 1 });
    undo(); // takes nothing from the first one
    expect(await hits()).toBe(2);
    await first.close();
    await meters.collect();
    open(second);
    await second.verifyToken("token-ana");
    expect([await hits(), lines]).toEqual([1, [expect.anything()]]);
  });

  test("want options that there are", async () => {
    const client = openClient(await startService());
    const { provider } = startMeters();
    const said = (options: unknown) => {
      try {
        instrument(client, options as InstrumentOptions)();
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
        return (error as Error).message;
      }
      return undefined;
    };
    expect(said({ meterprovider: provider })).toContain("did you mean meterProvider?");
    expect(said(provider)).toContain("options: expected { meterProvider: … }, got the provider itself");
    expect(said(trace.getTracerProvider())).toContain("expected { tracerProvider: … }");
    expect(said(null)).toContain("options: expected an object with any of meterProvider, tracerProvider, spanAttrib");
    expect(said({ meterProvider: {} })).toContain("meterProvider: expected a MeterProvider, which has getMeter");
    expect(said({ tracerProvider: provider })).toContain("tracerProvider: expected a TracerProvider");
    expect(said({ spanAttributes: {} })).toContain("spanAttributes: expected a function");
    expect([said({ meterProvider: provider }), said(undefined)]).toStrictEqual([undefined, undefined]);
  });

  test("are missed in the log where the SDK has not started", async () => {
    const logger = new RecordingLogger();
    const { lines } = logger;
    const client = openBareClient({ ...(await startService()).upstreams, logger });
    const said = () => lines.filter((line) => line.includes("no MeterProvider is registered")).length;
    instrument(client, { tracerProvider: trace.getTracerProvider() })(); // for its traces
    expect(said()).toBe(0);
    instrument(client)();
    expect(said()).toBe(1);
  });

  test("have a bounded number of codes, whatever a transport says", () => {
    const call = (errorType: string) => ({ outcome: "broken", errorType }) as CallMessage;
    const said = (errorType: string) => outcomeOf(call(errorType))["error.type"];
    expect(["ECONNRESET", "HTTP 500", "https://user@host", "x".repeat(65), "", "ana@example.com"].map(said)).toEqual([
      ...["ECONNRESET", "HTTP 500", "_OTHER", "_OTHER", "_OTHER", "_OTHER"],
    ]);
    const many = new Set(Array.from({ length: 200 }, (_, at) => said(`E${at}`)));
    expect(many.size).toBeLessThanOrEqual(51);
    expect(rpcEndOf(call("E199"))["error.type"]).toBe("_OTHER");
    expect(said("ECONNRESET")).toBe("ECONNRESET");
  });

  test("are all in the documents, and no others", async () => {
    const text =
      readFileSync(join(root, "docs", "observability.md"), "utf8")
        .split("### Metrics")[1]
        ?.split("### ")[0] ?? "";
    const documented = [...text.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(
      ([, names = ""]) => names.match(/[\w.]+/g) ?? [],
    );
    const histograms = ["authentication", "upstream.queue", "upstream.call"].map((name) => `portero.${name}.duration`);
    expect(documented.sort()).toEqual([...Object.keys(SERIES), ...histograms, "rpc.client.call.duration"].sort());
  });

  test("of a client without REST, gRPC or a network have what there is", async () => {
    const { upstreams } = await startService();
    const named = async (client: Parameters<typeof instrument>[0]) => {
      const meters = startMeters();
      instrument(client, { meterProvider: meters.provider });
      const states = (await meters.collect()).find(({ name }) => name === "portero.breaker.state");
      return [...new Set(states?.points.map(({ attributes }) => attributes["portero.upstream"]))];
    };
    expect(await named(openBareClient({ rest: upstreams.rest }))).toEqual(["rest"]);
    expect(await named(openBareClient({ grpc: upstreams.grpc }))).toEqual(["grpc"]);
    const stub = stubAuthClient();
    afterwards(() => stub.close());
    expect(await named(stub)).toEqual(["grpc"]);
    expect(() => instrument({} as never)).toThrow(TypeError);
  });
});
