import { type AuthClient, createAuthClient } from "portero";
import { redisAvailable, redisRequired, startRedisServer } from "../test/support/redis-process.js";
import { bareRest } from "./kit/bare-rest.js";
import type { Bench, Context, Findings } from "./kit/bench.js";
import { p99 } from "./kit/course.js";
import { spreadOf } from "./kit/spread.js";
import { EVERY_MS, HITS_PER_TICK, World } from "./kit/world.js";

/** One server: between two connections to it, questions are asked again. */
const ONE_CONNECTION = { connections: { min: 1 } } as const;
/** For an upstream that stays healthy: a slow machine is no outage. */
const PATIENT = { timeoutMs: 60_000 };
/** What is 503: the upstreams are out of reach, or all places are taken by questions that wait for them. */
const UNAVAILABLE = ["auth_unavailable", "overloaded"];
const BREAKER = { failureThreshold: 5, recoveryMs: 2000 };

export const outage: Bench = {
  name: "outage",
  question: "How long do new users and cached ones wait while an upstream is gone?",
  setup:
    `Every ${EVERY_MS} ms a new user comes, and ${HITS_PER_TICK} of those who are cached; beside each, at the same tick, what portero is held against. ` +
    "Healthy for a while, then the fault, then healthy again. Black-holed and paused: the process is stopped (SIGSTOP), its connections " +
    `stay open. Timeouts of what fails are the defaults (gRPC 1 s, REST 2 s); breakers open after ${BREAKER.failureThreshold} failures and probe ` +
    `after ${BREAKER.recoveryMs / 1000} s. *While it lasts* begins when the breaker has opened first, and its probes are in it.`,
  async run(context) {
    const parts: Findings[] = [];
    if (context.quick) parts.push(...(await Promise.all(FAULTS.map((fault) => fault(context)))));
    else for (const fault of FAULTS) parts.push(await fault(context));
    return {
      figures: parts.flatMap(({ figures }) => figures),
      ratios: parts.flatMap(({ ratios }) => ratios),
      counts: parts.flatMap(({ counts }) => counts),
      plots: parts.flatMap(({ plots = [] }) => plots),
    };
  },
};

const FAULTS = [grpcBlackHoled, bothDown, redisPaused];

async function grpcBlackHoled(context: Context): Promise<Findings> {
  await using world = await World.open();
  const { grpc, rest } = world;
  await using client = clientOf(world, PATIENT);
  const ask = bareRest(rest.url, PATIENT.timeoutMs);
  const course = await world.endure("gRPC black-holed, REST up", client, context, {
    beside: { "bare got": () => ask(world.newcomer()) },
    fault: () => grpc.pause(),
    relief: () => grpc.resume(),
  });
  const { portero, "bare got": bare } = course.moments;
  return course.findings({
    ratios: [
      {
        what: "gRPC black-holed, while it lasts: p99 of new users / p99 of bare got",
        spread: spreadOf([p99(course.during(portero)) / p99(course.during(bare))]),
        target: { atMost: 1.5 },
      },
    ],
    counts: [course.failures("new users", course.during(portero))],
  });
}

async function bothDown(context: Context): Promise<Findings> {
  await using world = await World.open();
  const { grpc, rest } = world;
  await using client = clientOf(world);
  const course = await world.endure("gRPC and REST black-holed", client, context, {
    beside: {},
    fault: () => [grpc, rest].map((upstream) => upstream.pause()),
    relief: () => [grpc, rest].map((upstream) => upstream.resume()),
  });
  const others = course.moments.portero.filter(({ error }) => error !== undefined && !UNAVAILABLE.includes(error));
  return course.findings({
    ratios: [],
    counts: [
      {
        what: "new users who got anything but an answer or 503",
        is: others.length,
        target: { exactly: 0 },
      },
    ],
  });
}

/** With both upstreams, and no shared cache. */
function clientOf({ grpc, rest }: World, restTimeout: { timeoutMs?: number } = {}): AuthClient {
  return createAuthClient({
    grpc: { ...ONE_CONNECTION, url: grpc.url },
    rest: { url: rest.url, ...restTimeout },
    breaker: BREAKER,
    logger: false,
  });
}

async function redisPaused(context: Context): Promise<Findings> {
  if (!redisAvailable) {
    if (redisRequired) throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
    console.log("   Redis paused: skipped, redis-server is not installed (Debian: apt-get install redis-server)");
    return { figures: [], ratios: [], counts: [] };
  }
  await using redis = await startRedisServer();
  await using world = await World.open();
  const { grpc } = world;
  await using client = createAuthClient({
    grpc: { ...ONE_CONNECTION, url: grpc.url, ...PATIENT },
    cache: {
      redisUrl: redis.url,
      secret: "a secret of the benches, made at random",
      processTtlMs: 3_600_000,
      ttlMs: 3_600_000,
    },
    logger: false,
  });
  await using alone = createAuthClient({ grpc: { ...ONE_CONNECTION, url: grpc.url, ...PATIENT }, logger: false });
  const course = await world.endure("Redis paused", client, context, {
    beside: { "portero without Redis": () => alone.verifyToken(world.newcomer()) },
    fault: () => redis.pause(),
    relief: () => redis.resume(),
  });
  const { portero, "portero without Redis": without } = course.moments;
  return course.findings({
    ratios: [
      {
        what: "Redis paused, while it lasts: p99 of new users / p99 of those of a client without Redis",
        spread: spreadOf([p99(course.during(portero)) / p99(course.during(without))]),
        target: { atMost: 1.5 },
      },
    ],
    counts: [course.failures("new users", portero)],
  });
}
