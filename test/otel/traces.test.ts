import { afterAll, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { context, propagation, type Span, trace } from "@opentelemetry/api";
import type { AuthClient } from "../../src/client.js";
import { instrument } from "../../src/otel.js";
import type { FakeAuthService } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { registerContext, TestTraces } from "../support/traced.js";
import { until } from "../support/until.js";

const users = { "token-ana": { id: "ana", organizationId: "org-1", email: "ana@example.com" } };
const USER = { userId: "ana", organizationId: "org-1" };
const TRY = "auth.AuthService/VerifyToken";

describe("the spans of a client", () => {
  const traces = new TestTraces("app");
  const tracer = traces.provider.getTracer("test");
  let forget: () => void;
  let service: FakeAuthService;
  let clock: ManualClock;

  beforeAll(() => {
    forget = registerContext();
  });
  afterAll(() => forget());
  beforeEach(async () => {
    traces.forget();
    clock = new ManualClock();
    service = await startService({ users, organizations: { "org-1": {} } });
  });

  function open(options: Parameters<typeof openClient>[1] = {}, telemetry: Parameters<typeof instrument>[1] = {}) {
    const client = openClient(service, { clock, grpc: { ...ONE_CONNECTION }, ...options });
    afterwards(instrument(client, { tracerProvider: traces.provider, ...telemetry }));
    return client;
  }

  /** Runs something as a request of its own, and resolves with its span. */
  async function request(name: string, run: () => Promise<unknown>): Promise<Span> {
    const span = tracer.startSpan(name);
    const within = propagation.setBaggage(trace.setSpan(context.active(), span), baggage);
    await context.with(within, run).catch(() => undefined);
    span.end();
    return span;
  }

  const one = (name: string) => {
    const spans = traces.named(name);
    expect(spans).toHaveLength(1);
    return spans[0]!;
  };
  /** As anybody may send it along. */
  const baggage = propagation.createBaggage({ stranger: { value: "of a stranger" } });
  const idOf = (span: Span) => span.spanContext().spanId;

  test("lead from the request to each try, and the trace goes on at the service", async () => {
    const client = open({ retry: { attempts: 2, initialDelayMs: 0 } });
    service.grpc.fail();
    service.rest.fail();
    const asked = request("failed", () => client.verifyToken("token-ana"));
    await until(() => service.rest.calls.total === 1);
    await clock.advance(1); // the wait before the retry
    const failed = await asked;
    expect(client.status().upstream.retries).toBe(1);
    const [verify, tries] = [one("portero.verify"), traces.named(TRY)];
    expect(verify).toMatchObject({ parent: idOf(failed), kind: "INTERNAL", isError: true, links: [] });
    expect(verify.attributes).toEqual({ "portero.fresh": false, "error.type": "auth_unavailable" });
    expect(tries.map(({ parent, kind, isError }) => ({ parent, kind, isError }))).toEqual(
      [1, 2].map(() => ({ parent: verify.id, kind: "CLIENT", isError: true })),
    );
    expect(tries[1]?.attributes).toEqual({
      ...{ "rpc.system.name": "grpc", "rpc.method": TRY, "rpc.status_code": "UNAVAILABLE" },
      ...{ "portero.outcome": "unreachable", "error.type": "UNAVAILABLE" },
    });
    expect(service.grpc.lastRequest?.headers.traceparent).toBe(`00-${verify.trace}-${tries[1]?.id}-01`);
    for (const side of [service.grpc, service.rest]) expect(side.lastRequest?.headers).not.toHaveProperty("baggage");
  });

  test("are no errors where a token is refused", async () => {
    await request("refused", () => open().verifyToken("token-bad"));
    expect(one("portero.verify")).toMatchObject({ isError: false, attributes: { "error.type": "invalid_token" } });
    expect(one(TRY)).toMatchObject({ isError: false, attributes: { "rpc.status_code": "UNAUTHENTICATED" } });
  });

  test("go on over REST without an instrumentation of node:http", async () => {
    service.grpc.fail();
    await request("fallback", () => open().verifyToken("token-ana"));
    const verify = one("portero.verify");
    expect(verify).toMatchObject({ isError: false, attributes: { "portero.source": "rest" } });
    expect(service.rest.lastRequest?.headers.traceparent).toBe(`00-${verify.trace}-${verify.id}-01`);
    expect(traces.spans.map(({ name }) => name).sort()).toEqual([TRY, "fallback", "portero.verify"].sort());
  });

  test.each([false, true])("of a question that joins another one link to it, fresh: %s", async (fresh) => {
    const client = open();
    const ask = () => client.verifyToken("token-ana", { fresh });
    service.grpc.hang();
    const first = request("first", ask);
    await until(() => service.grpc.calls.total === 1);
    // Of fresh ones the second must not get what was asked before: the third joins that.
    const others = ["second", "third"].map((name) => request(name, ask));
    await settle();
    service.grpc.allow();
    const requests = await Promise.all([first, ...others]);
    const verified = requests.map((span) => traces.spans.find(({ parent }) => parent === idOf(span))!);
    expect(verified.map(({ name, attributes }) => [name, attributes["portero.source"]])).toEqual(
      requests.map(() => ["portero.verify", "grpc"]),
    );
    const [a, b, c] = verified as [(typeof verified)[0], (typeof verified)[0], (typeof verified)[0]];
    expect([a, b, c].map(({ links }) => links)).toEqual(fresh ? [[], [], [b.id]] : [[], [a.id], [a.id]]);
    expect(traces.named(TRY).map(({ parent }) => parent)).toEqual(fresh ? [a.id, b.id] : [a.id]);
    expect(new Set(verified.map(({ trace }) => trace)).size).toBe(3);
  });

  test("of a refresh are a trace of their own, with a link to the request that set it off", async () => {
    const client = open({ cache: { ttlMs: 100_000 } });
    await client.verifyToken("token-ana");
    await clock.advance(90_000);
    traces.forget();
    const hit = await request("hit", () => client.verifyToken("token-ana"));
    await until(() => traces.named("portero.renew").length === 1);
    const renew = one("portero.renew");
    expect(renew).toMatchObject({ parent: undefined, links: [idOf(hit)], attributes: { "portero.source": "grpc" } });
    expect(renew.trace).not.toBe(hit.spanContext().traceId);
    expect(one(TRY)).toMatchObject({ parent: renew.id, trace: renew.trace });
    expect(service.grpc.lastRequest?.headers.traceparent).toContain(renew.trace);
  });

  test("are named by what is asked, and there are none of a hit", async () => {
    const client = open();
    const all = async () => {
      await client.verifyToken("token-ana");
      for (const ask of [client.getUserLocals, client.getUserPermissions]) await ask(USER);
      await client.getOrganization("org-1");
    };
    await request("asked", all);
    const ours = traces.spans.filter(({ name }) => name.startsWith("portero."));
    expect(ours.map(({ name }) => name)).toEqual(
      ["verify", "locals", "permissions", "organization"].map((name) => `portero.${name}`),
    );
    traces.forget();
    await request("hit", all);
    expect(traces.spans.map(({ name }) => name)).toEqual(["hit"]);
  });

  test("say of the user what the application has them say, and nothing else", async () => {
    const client = open({}, { spanAttributes: ({ user }) => ({ "user.id": user.id }) });
    await request("one", () => client.verifyToken("token-ana"));
    expect(one("portero.verify").attributes).toEqual({
      ...{ "portero.fresh": false, "portero.source": "grpc", "user.id": "ana" },
    });
    expect(JSON.stringify(traces.spans)).not.toContain("ana@example.com");
  });

  test("and what they say of the user may throw", async () => {
    const throwing = () => {
      throw new Error("of the application");
    };
    const client = open({}, { spanAttributes: throwing });
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
    expect(one("portero.verify").attributes).toEqual({ "portero.fresh": false, "portero.source": "grpc" });
  });

  test("and what comes later, or rejects, is not said", async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", onUnhandled);
    afterwards(() => process.off("unhandledRejection", onUnhandled));
    const client = open({}, { spanAttributes: (async () => Promise.reject(new Error("of the application"))) as never });
    await client.verifyToken("token-ana");
    await new Promise(setImmediate);
    expect(unhandled).toEqual([]);
    expect(one("portero.verify").attributes).toEqual({ "portero.fresh": false, "portero.source": "grpc" });
  });

  test("that are under way end with what makes them", async () => {
    const client = openClient(service, { clock, grpc: { ...ONE_CONNECTION } });
    const undo = instrument(client, { tracerProvider: traces.provider });
    service.grpc.hang();
    const asked = client.verifyToken("token-ana");
    await until(() => service.grpc.calls.total === 1);
    undo();
    expect(traces.spans.map(({ name }) => name).sort()).toEqual([TRY, "portero.verify"].sort());
    service.grpc.allow();
    await asked;
    expect(traces.spans).toHaveLength(2);
  });

  test("end where they are no longer wanted", async () => {
    const client: AuthClient = openClient(service, { clock });
    const undo = instrument(client, { tracerProvider: traces.provider });
    undo();
    await client.verifyToken("token-ana");
    expect(traces.spans).toEqual([]);
    expect(service.grpc.lastRequest?.headers).not.toHaveProperty("traceparent");
  });
});
