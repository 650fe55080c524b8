import { type AuthClient, createAuthClient } from "portero";
import { redisAvailable, redisRequired, startRedisServer } from "../test/support/redis-process.js";
import { bareRest } from "./kit/bare-rest.js";
import type { Bench, Context, Count, Figure, Findings, Ratio } from "./kit/bench.js";
import { Processes } from "./kit/process.js";
import { quantile, spreadOf } from "./kit/spread.js";
import { type Moment, type Moments, recordTimeline } from "./kit/timeline.js";
import { distinctToken } from "./kit/tokens.js";
import type { AuthServiceProcess } from "./subjects/auth-service.js";

/** A new user, and a batch of those who are known, at every tick. */
const EVERY_MS = 5;
const HITS_PER_TICK = 50;
const KNOWN_USERS = 100;
const BREAKER = { failureThreshold: 5, recoveryMs: 2000 };
/** Where no breaker of an upstream opens, the shared tier's own has done so by then, in milliseconds after the fault. */
const SETTLED_MS = 1000;

export const outage: Bench = {
  name: "outage",
  question: "How long do new users and cached ones wait while an upstream is gone?",
  setup:
    `Every ${EVERY_MS} ms a new user comes, and ${HITS_PER_TICK} of those who are cached; beside each, at the same tick, what portero is held against. ` +
    "Healthy for a while, then the fault, then healthy again. Black-holed and paused: the process is stopped (SIGSTOP), its connections " +
    `stay open. Timeouts are the defaults (gRPC 1 s, REST 2 s); breakers open after ${BREAKER.failureThreshold} failures and probe ` +
    `after ${BREAKER.recoveryMs / 1000} s. *While it lasts* begins when the breaker has opened.`,
  async run(context) {
    const parts = [await grpcBlackHoled(context), await bothDown(context), await redisPaused(context)];
    return {
      figures: parts.flatMap(({ figures }) => figures),
      ratios: parts.flatMap(({ ratios }) => ratios),
      counts: parts.flatMap(({ counts }) => counts),
      plots: parts.flatMap(({ plots = [] }) => plots),
    };
  },
};

async function grpcBlackHoled(context: Context): Promise<Findings> {
  await using world = await World.open();
  const { grpc, rest } = world;
  await using client = createAuthClient({
    grpc: { url: grpc.url },
    rest: { url: rest.url },
    breaker: BREAKER,
    logger: false,
  });
  const ask = bareRest(rest.url, 2000);
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
  await using client = createAuthClient({
    grpc: { url: grpc.url },
    rest: { url: rest.url },
    breaker: BREAKER,
    logger: false,
  });
  const course = await world.endure("gRPC and REST black-holed", client, context, {
    beside: {},
    fault: () => [grpc, rest].map((upstream) => upstream.pause()),
    relief: () => [grpc, rest].map((upstream) => upstream.resume()),
  });
  const others = course.moments.portero.filter(({ error }) => error !== undefined && error !== "auth_unavailable");
  return course.findings({
    ratios: [],
    counts: [
      {
        what: "new users who got anything but an answer or auth_unavailable",
        is: others.length,
        target: { exactly: 0 },
      },
    ],
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
    grpc: { url: grpc.url },
    cache: { redisUrl: redis.url, secret: "s".repeat(32), processTtlMs: 3_600_000, ttlMs: 3_600_000 },
    logger: false,
  });
  await using alone = createAuthClient({ grpc: { url: grpc.url }, logger: false });
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

interface Upstream {
  readonly url: string;
  pause(): unknown;
  resume(): unknown;
}

/** What happens, and who is asked beside portero. */
interface Plan<S extends string> {
  readonly beside: Readonly<Record<S, () => Promise<unknown>>>;
  fault(): unknown;
  relief(): unknown;
}

/** Two upstreams in processes of their own, and the users who come. */
class World {
  readonly #processes = new Processes();
  #newcomers = KNOWN_USERS;
  grpc!: Upstream;
  rest!: Upstream;

  static async open(): Promise<World> {
    const world = new World();
    world.grpc = await world.#upstream("grpc");
    world.rest = await world.#upstream("rest");
    return world;
  }

  newcomer(): string {
    return distinctToken(this.#newcomers++);
  }

  async endure<S extends string>(title: string, client: AuthClient, { quick, progress }: Context, plan: Plan<S>) {
    progress(title);
    const known = Array.from({ length: KNOWN_USERS }, (_, user) => distinctToken(user));
    await client.ready();
    for (const token of known) await client.verifyToken(token);
    const everyMs = quick ? 4 * EVERY_MS : EVERY_MS;
    const [from, to, lengthMs] = quick ? [400, 3400, 3600] : [4000, 12_000, 18_000];
    const started = performance.now();
    let settled = from + SETTLED_MS;
    client.on("breaker", ({ to: state }) => {
      if (state === "open") settled = Math.max(settled, performance.now() - started);
    });
    let missed = 0;
    let at = 0;
    const hits = () => {
      for (let hit = 0; hit < HITS_PER_TICK; hit++) {
        at = (at + 1) % KNOWN_USERS;
        if (!client.peekToken(known[at]!)) missed++;
      }
    };
    const requests = {
      ...plan.beside,
      portero: () => client.verifyToken(this.newcomer()),
      "cached users": hits,
    } as Readonly<Record<S | "portero" | "cached users", () => unknown>>;
    const events = [
      { at: from, run: plan.fault },
      { at: to, run: plan.relief },
    ];
    const moments = await recordTimeline({ requests, everyMs, lengthMs, events });
    return new Course(title, moments, { from, settled, to, missed, beside: Object.keys(plan.beside) as S[] });
  }

  async #upstream(kind: "grpc" | "rest"): Promise<Upstream> {
    const process = await this.#processes.launch<AuthServiceProcess>(
      new URL("./subjects/auth-service.ts", import.meta.url),
    );
    const urls = await process.call("urls");
    return {
      url: urls[kind],
      pause: () => process.child.kill("SIGSTOP"),
      resume: () => process.child.kill("SIGCONT"),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#processes[Symbol.asyncDispose]();
  }
}

interface CourseFacts<S> {
  /** When the fault began and ended, in milliseconds from the start. */
  readonly from: number;
  readonly to: number;
  /** From when on the fault is known. */
  readonly settled: number;
  /** Cached users who were not answered at once. */
  readonly missed: number;
  readonly beside: readonly S[];
}

/** How it went, and what it shows. */
class Course<S extends string> {
  readonly #title: string;
  readonly #facts: CourseFacts<S>;
  readonly moments: Moments<S | "portero" | "cached users">;

  constructor(title: string, moments: Moments<S | "portero" | "cached users">, facts: CourseFacts<S>) {
    this.#title = title;
    this.moments = moments;
    this.#facts = facts;
  }

  before(moments: readonly Moment[]): readonly Moment[] {
    const { from } = this.#facts;
    return moments.filter(({ at }) => at > from / 4 && at < from); // the first ones warm up
  }

  during(moments: readonly Moment[]): readonly Moment[] {
    const { settled, to } = this.#facts;
    return moments.filter(({ at }) => at > settled && at < to);
  }

  failures(who: string, moments: readonly Moment[]): Count {
    const failed = moments.filter(({ error }) => error !== undefined);
    return { what: `${this.#title}: ${who} without an answer`, is: failed.length, target: { exactly: 0 } };
  }

  findings({ ratios, counts }: { ratios: readonly Ratio[]; counts: readonly Count[] }): Findings {
    const cached = this.moments["cached users"];
    const hits = (moments: readonly Moment[]) =>
      moments.length === 0 ? Number.NaN : quantile(moments.map(tookMs), 0.5);
    return {
      figures: [...this.#facts.beside, "portero" as const].flatMap((name) => this.#figures(name)),
      ratios: [
        ...ratios,
        {
          what: `${this.#title}, while it lasts: hit of a cached user / the same when healthy`,
          spread: spreadOf([hits(this.during(cached)) / hits(this.before(cached))]),
          target: { atMost: 1.1 },
        },
      ],
      counts: [
        ...counts,
        {
          what: `${this.#title}: cached users who were not answered at once`,
          is: this.#facts.missed,
          target: { exactly: 0 },
        },
      ],
      plots: [
        {
          name: this.#title.toLowerCase().replaceAll(/\W+/g, "-"),
          title: `${this.#title}, from ${this.#facts.from / 1000} s to ${this.#facts.to / 1000} s`,
          x: { name: "seconds" },
          y: { name: "latency of new users, ms", scale: "log" },
          marks: "dots",
          series: [...this.#facts.beside, "portero" as const].flatMap((name) => seriesOf(name, this.moments[name])),
        },
      ],
    };
  }

  #figures(name: S | "portero"): Figure[] {
    const subject = `${this.#title}: ${name === "portero" ? "new users" : name}`;
    const moments = this.moments[name];
    return [
      { subject, what: "p99 when healthy, ms", spread: spreadOf([p99(this.before(moments))]) },
      { subject, what: "p99 while it lasts, ms", spread: spreadOf([p99(this.during(moments))]) },
      { subject, what: "longest of all, ms", spread: spreadOf([Math.max(...moments.map(tookMs))]) },
    ];
  }
}

const tookMs = (moment: Moment) => moment.tookMs;

/** Not a number where a machine was so slow that nobody came. */
function p99(moments: readonly Moment[]): number {
  return moments.length === 0 ? Number.NaN : quantile(moments.map(tookMs), 0.99);
}

/** Answers, and apart from them what was no answer. Rounded: a plot has no room for more. */
function seriesOf(name: string, moments: readonly Moment[]) {
  const points = (chosen: readonly Moment[]) =>
    chosen.map(({ at, tookMs }) => [round(at / 1000, 3), round(Math.max(tookMs, 0.01), 2)] as const);
  const [answers, failures] = [
    moments.filter(({ error }) => error === undefined),
    moments.filter(({ error }) => error !== undefined),
  ];
  return [
    { name, points: points(answers) },
    ...(failures.length > 0 ? [{ name: `${name}: 503`, points: points(failures) }] : []),
  ];
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
