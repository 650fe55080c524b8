import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { context, trace } from "@opentelemetry/api";
import express from "express";
import { requireAuth, requireLocal } from "../../src/index.js";
import { instrument } from "../../src/otel.js";
import { TestMeters } from "../support/collected.js";
import { closeAll } from "../support/http-fixture.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openBareClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";
import { registerContext, TestTraces } from "../support/traced.js";
import { startEchoGrpc, startEchoRest } from "./echoing-upstreams.js";
import { LeakProbe } from "./leak-probe.js";

const TRACED = ["start", "end", "asyncStart", "asyncEnd", "error"];
const CHANNELS = [
  ...["question", "call"].flatMap((name) => TRACED.map((step) => `tracing:portero:${name}:${step}`)),
  ...["breaker", "cache", "decision", "background"].map((name) => `portero:${name}`),
];

let forget: () => void;
beforeAll(() => {
  forget = registerContext();
});
afterAll(() => forget());
afterEach(closeAll);

/** Hears all that telemetry knows of a client; `look` to be called at the end. */
function listen(probe: LeakProbe) {
  const [meters, traces] = [new TestMeters(), new TestTraces("app")];
  afterwards(() => meters.shutdown());
  for (const name of CHANNELS) {
    const onMessage = (message: unknown) => probe.hear(name, message);
    subscribe(name, onMessage);
    afterwards(() => unsubscribe(name, onMessage));
  }
  return {
    watch: (client: Parameters<typeof instrument>[0]) =>
      afterwards(instrument(client, { meterProvider: meters.provider, tracerProvider: traces.provider })),
    async look(): Promise<string> {
      probe.hear("spans", traces.spans);
      probe.hear("metrics", await meters.collect());
      return [...CHANNELS, "spans", "metrics"].flatMap((where) => probe.heardIn(where)).join("\n");
    },
    tracer: traces.provider.getTracer("test"),
  };
}

test("Channels, spans and metrics have no token, no user and no URL.", async () => {
  const probe = new LeakProbe();
  const telemetry = listen(probe);
  const [token, gone, id, organizationId, email, local, permission, path, key] = [
    ...["token", "gone", "user", "organization", "email", "local", "permission", "path", "our own credential"],
  ].map((name) => probe.secret(name)) as [string, string, string, string, string, string, string, string, string];
  const user = { id, organizationId, email: `${email}@example.com`, locals: [local], permissions: [permission] };
  const service = await startService({ users: { [token]: user }, organizations: { [organizationId]: {} } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const { grpc, rest } = service.upstreams;
  const open = (options: object) => {
    const limits = { breaker: { failureThreshold: 1 }, retry: { attempts: 1 }, limit: { maxConcurrent: 1 } };
    const client = openBareClient({
      headers: { "X-Service-Key": key },
      clock,
      cache: { store, namespace: "n" },
      ...limits,
      ...options,
    });
    telemetry.watch(client);
    return client;
  };
  const clients = [
    open({ grpc: { ...grpc, ...ONE_CONNECTION }, rest }),
    open({ rest }),
    open({ rest: { url: `${rest.url}/${path}` } }),
  ];
  for (const client of clients) {
    const app = express().get(
      `/:local`,
      requireAuth({ client }),
      requireLocal("local", { fresh: true }),
      (_req, res) => void res.end(),
    );
    const send = await listenRaw(app);
    for (const outage of [false, true]) {
      if (outage) for (const side of [service.grpc, service.rest]) side.fail();
      for (const each of [token, gone, token]) {
        const span = telemetry.tracer.startSpan("request");
        await context.with(trace.setSpan(context.active(), span), async () => {
          await send({ line: `GET /${local}?token=${each} HTTP/1.1`, headers: [`Authorization: Bearer ${each}`] });
          const ref = { userId: id, organizationId };
          const asked = [client.verifyToken(each, { fresh: true }), client.verifyToken(each), client.verifyToken(gone)];
          const looked = [client.getUserPermissions(ref), client.getOrganization(organizationId)];
          await Promise.allSettled([...asked, ...looked]);
        });
        span.end();
      }
    }
    await client.invalidateUser({ userId: id, organizationId });
    await client.invalidateToken(token);
    for (const side of [service.grpc, service.rest]) side.allow();
  }
  const said = await telemetry.look();
  expect(probe.leaks()).toEqual([]);
  expect(said).not.toMatch(/127\.0\.0\.1|localhost|https?:|redis:/);
  for (const word of [
    "portero.verify",
    "portero.locals",
    "rpc.client.call.duration",
    "lookup",
    "HTTP 404",
    "kind: 'user'",
  ])
    expect(said).toContain(word);
});

test("What upstreams send back of a token is in no channel, span or metric.", async () => {
  const probe = new LeakProbe();
  const telemetry = listen(probe);
  const clock = new ManualClock();
  const grpc = await startEchoGrpc(afterwards);
  const rest = await startEchoRest(afterwards);
  for (const [at, grpcMode] of grpc.modes.entries()) {
    const client = openBareClient({
      grpc: { ...ONE_CONNECTION, url: grpc.url, timeoutMs: 1000 },
      rest: { url: rest.url, timeoutMs: 1000 },
      retry: { attempts: 1 },
      clock,
    });
    telemetry.watch(client);
    const token = probe.secret(`the token of ${grpcMode}`);
    grpc.become(grpcMode, token);
    rest.become(rest.modes[at % rest.modes.length]!);
    const settled = Promise.allSettled([client.verifyToken(token), client.getOrganization(token)]);
    await grpc.settleWith(settled, clock);
    await client.close();
  }
  await telemetry.look();
  expect(probe.heardIn("tracing:portero:call:asyncEnd").length).toBeGreaterThan(grpc.modes.length);
  expect(probe.leaks()).toEqual([]);
});
