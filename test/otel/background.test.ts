import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import { context, trace } from "@opentelemetry/api";
import { isTracingSuppressed } from "@opentelemetry/core";
import { createAuthClient } from "../../src/client.js";
import { instrument } from "../../src/otel.js";
import { eventually } from "../support/eventually.js";
import { afterwards, startService } from "../support/open-client.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { registerContext, TestTraces } from "../support/traced.js";

interface Sent {
  readonly command: string;
  /** Nothing would make a span of it. */
  readonly isSilent: boolean;
  readonly trace: string | undefined;
}

type Method = (this: unknown, words?: unknown, ...more: unknown[]) => unknown;

/** Sees what the Redis client sends, and in which context, where an instrumentation of it would. */
function watchRedis(): Sent[] {
  const sent: Sent[] = [];
  let owner = createClient() as unknown as Record<"sendCommand" | "connect", Method>;
  while (!Object.hasOwn(owner, "sendCommand")) owner = Object.getPrototypeOf(owner);
  for (const name of ["sendCommand", "connect"] as const) {
    const method = owner[name];
    owner[name] = function (words, ...more) {
      const active = context.active();
      const command = Array.isArray(words) ? String(words[0]) : name;
      sent.push({ command, isSilent: isTracingSuppressed(active), trace: trace.getSpanContext(active)?.traceId });
      return method.call(this, words, ...more);
    };
    afterwards(() => {
      owner[name] = method;
    });
  }
  return sent;
}

describeWithRedis("Redis", () => {
  let forget: () => void;

  beforeAll(() => {
    forget = registerContext();
  });
  afterAll(() => forget());

  test("is connected to, pinged and followed in silence; what a request asks of it belongs to the request", async () => {
    const redis = await startRedisServer();
    afterwards(() => redis.kill());
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const sent = watchRedis();
    const client = createAuthClient({
      ...service.upstreams,
      logger: false,
      cache: { redis: { url: redis.url, pingIntervalMs: 1000 }, secret: "a secret of at least 32 bytes, for a test" },
    });
    afterwards(() => client.close());
    const traces = new TestTraces("app");
    instrument(client, { tracerProvider: traces.provider });
    await client.ready();
    const span = traces.provider.getTracer("test").startSpan("request");
    await context.with(trace.setSpan(context.active(), span), () => client.verifyToken("token-ana"));
    await eventually(() => sent.some(({ command }) => command === "SET"), "the answer is shared");
    const before = sent.filter(({ command }) => command === "UNLINK").length;
    const isPinged = () => sent.filter(({ command }) => command === "UNLINK").length > before;
    await eventually(isPinged, "a ping");

    const asked = sent.filter(({ isSilent }) => !isSilent);
    expect([...new Set(asked.map(({ command }) => command))].sort()).toEqual(["MGET", "SET"]);
    expect(new Set(asked.map((each) => each.trace))).toEqual(new Set([span.spanContext().traceId]));
    const silent = new Set(sent.filter(({ isSilent }) => isSilent).map(({ command }) => command));
    expect([...silent].sort()).toEqual(expect.arrayContaining(["PEXPIRE", "UNLINK", "XREAD", "connect"]));
  });
});
