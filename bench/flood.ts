import { redisAvailable, redisRequired, startRedisServer } from "../test/support/redis-process.js";
import type { FloodCourse } from "./flood/course.js";
import { type Crowd, garbage, newcomers, usersInTurn } from "./flood/crowds.js";
import { type FloodPlan, flood as letFlood } from "./flood/flood.js";
import type { Bench, Context, Findings, Ratio } from "./kit/bench.js";
import { load } from "./kit/load.js";
import { spreadOf } from "./kit/spread.js";
import { distinctToken } from "./kit/tokens.js";

const KNOWN = "known users";
const STRANGERS = "strangers with a good token";
const GARBAGE = "garbage";
const FRESH = "a known user on the fresh route";

/** Many times over while a flood lasts. */
const TTL_MS = 5000;
const USERS = 20;
const DELAY_MS = 20;
const SECONDS = { long: 60, short: 20, calm: 8, quick: 0.5 };
/** A smoke check needs no more open files than a process has everywhere. */
const ATTACKERS_CONNECTIONS = { full: 1350, quick: 100 };

export const flood: Bench = {
  name: "flood",
  question: "Are known users answered while strangers flood the client, or while the service is slow?",
  setup:
    "The load comes from one process, the client is in a second one, where `client.verifyToken` is measured, and the auth service in a third one. " +
    "The service gives so many answers a second, in the order of the questions, each 20 ms after its turn; it answers what is waited for no more, too. " +
    `${USERS} known users come in turn, 100 requests a second, with a TTL of ${TTL_MS / 1000} s: the flood lasts for many of these. ` +
    "Beside them come garbage, each token once, and forty strangers a second with a good token. " +
    `Before, for ${SECONDS.calm} s, the same users come with 200 garbage a second. ` +
    "A known user of a process that was just started is one that the shared cache knows; without it, all begin as strangers.",
  async run(context) {
    const parts: Findings[] = [];
    for (const part of context.quick ? QUICK : PARTS) parts.push(await part(context));
    return {
      figures: parts.flatMap(({ figures }) => figures),
      ratios: parts.flatMap(({ ratios }) => ratios),
      counts: parts.flatMap(({ counts }) => counts),
      plots: parts.flatMap(({ plots = [] }) => plots),
    };
  },
};

type Part = (context: Context) => Promise<Findings>;

const PARTS: readonly Part[] = [
  byGrpc,
  withRedis,
  atSlowService,
  bySeldomUsers,
  byOneAccount,
  blackHoled,
  started,
  startedWithRedis,
];
const QUICK: readonly Part[] = [byGrpc, byOneAccount];

function secondsOf({ quick }: Context, seconds: keyof typeof SECONDS): number {
  return 1000 * SECONDS[quick ? "quick" : seconds];
}

function crowdsOf(garbagePerSecond: number, known: Crowd = usersInTurn(USERS, 100)) {
  return { [KNOWN]: known, [STRANGERS]: newcomers(40), [GARBAGE]: garbage(garbagePerSecond) };
}

/** What comes before a flood: the same users, and some garbage. What comes later finds a process that has done all of it before. */
function calmOf(context: Context): Pick<FloodPlan, "known" | "calm" | "calmMs"> {
  return {
    known: USERS,
    calm: { [KNOWN]: usersInTurn(USERS, 100), [GARBAGE]: garbage(200) },
    calmMs: secondsOf(context, "calm"),
  };
}

async function byGrpc(context: Context): Promise<Findings> {
  const course = await letFlood(
    {
      title: "gRPC, 400/s, 1,200 garbage/s",
      service: { perSecond: 400, delayMs: DELAY_MS },
      client: { cache: { ttlMs: TTL_MS } },
      ...calmOf(context),
      crowds: crowdsOf(1200),
      floodMs: secondsOf(context, "long"),
    },
    context,
  );
  return findings(course, "grpc", [...served(course), slowest(course), ...fair(course)]);
}

async function withRedis(context: Context): Promise<Findings> {
  if (!hasRedis()) return NOTHING;
  await using redis = await startRedisServer();
  const course = await letFlood(
    {
      title: "gRPC and Redis, 400/s, 2,500 garbage/s",
      service: { perSecond: 400, delayMs: DELAY_MS },
      client: { cache: { ttlMs: TTL_MS, processTtlMs: 2000, redisUrl: redis.url, secret: SECRET } },
      ...calmOf(context),
      crowds: crowdsOf(2500),
      floodMs: secondsOf(context, "long"),
    },
    context,
  );
  return findings(course, "redis", [...served(course), slowest(course), ...fair(course)]);
}

async function atSlowService(context: Context): Promise<Findings> {
  const course = await letFlood(
    {
      title: "gRPC, 200/s, 1,200 garbage/s, deadline 1 s",
      service: { perSecond: 200, delayMs: DELAY_MS },
      client: { cache: { ttlMs: TTL_MS }, deadlineMs: 1000 },
      ...calmOf(context),
      crowds: crowdsOf(1200),
      floodMs: secondsOf(context, "short"),
    },
    context,
  );
  const opened = ratio(`${course.title}: times that the breaker opened`, course.report.opened, { atMost: 0 });
  return findings(course, "slow", [...served(course), ...fair(course), opened]);
}

/** All their requests go to the service: they come less often than once in a TTL. */
async function bySeldomUsers(context: Context): Promise<Findings> {
  const [users, perSecond] = [400, 50];
  const course = await letFlood(
    {
      title: `gRPC, 400/s, 1,200 garbage/s, ${users} users who come every ${users / perSecond} s`,
      service: { perSecond: 400, delayMs: DELAY_MS },
      client: { cache: { ttlMs: TTL_MS } },
      ...calmOf(context),
      known: users,
      crowds: crowdsOf(1200, usersInTurn(users, perSecond)),
      floodMs: secondsOf(context, "short"),
    },
    context,
  );
  return findings(course, "seldom", served(course));
}

async function byOneAccount(context: Context): Promise<Findings> {
  const connections = ATTACKERS_CONNECTIONS[context.quick ? "quick" : "full"];
  const attackers = usersInTurn(1, 10, { first: 1_000_000 });
  const course = await letFlood(
    {
      title: `${connections.toLocaleString("en-US")} connections of one account on a fresh route`,
      service: { perSecond: 400, delayMs: DELAY_MS },
      client: { cache: { ttlMs: TTL_MS } },
      known: 2,
      calm: { [KNOWN]: usersInTurn(1, 50), attackers },
      calmMs: secondsOf(context, "calm"),
      crowds: { [KNOWN]: usersInTurn(1, 50), [FRESH]: usersInTurn(1, 20, { fresh: true, first: 1 }) },
      floodMs: secondsOf(context, "short"),
      async onFlood({ client }) {
        const authorizations = [`Bearer ${distinctToken(1_000_000)}`];
        const seconds = secondsOf(context, "short") / 1000;
        await load({
          url: await client.serve(),
          authorizations,
          users: "mixed",
          connections,
          seconds,
        });
      },
    },
    context,
  );
  return findings(course, "account", [...served(course), ...served(course, FRESH)]);
}

async function blackHoled(context: Context): Promise<Findings> {
  const title = "gRPC black-holed, REST well, 300/s";
  const crowds = { [STRANGERS]: newcomers(300) };
  const course = await letFlood(
    {
      title,
      service: { delayMs: DELAY_MS },
      hasRest: true,
      calm: crowds,
      calmMs: secondsOf(context, "calm"),
      crowds,
      floodMs: secondsOf(context, "short"),
      onFlood: ({ pauseGrpc }) => pauseGrpc(),
    },
    context,
  );
  const refused = course.of(STRANGERS).filter(({ error }) => error === "overloaded").length;
  return findings(course, "black-holed", [
    ratio(`${title}: refused by the limit`, refused, { atMost: 0 }),
    ratio(`${title}: answered, %`, course.answered(STRANGERS), { atLeast: 99.9 }),
  ]);
}

/** Nothing is promised of it. */
async function started(context: Context): Promise<Findings> {
  const course = await letFlood(
    {
      title: "a process started into 1,200 garbage/s, 400/s",
      service: { perSecond: 400, delayMs: DELAY_MS },
      client: { cache: { ttlMs: 300_000 } },
      crowds: crowdsOf(1200),
      floodMs: secondsOf(context, "short"),
    },
    context,
  );
  return findings(course, "started", firsts(course));
}

async function startedWithRedis(context: Context): Promise<Findings> {
  if (!hasRedis()) return NOTHING;
  await using redis = await startRedisServer();
  const service = { perSecond: 400, delayMs: DELAY_MS };
  const client = { cache: { ttlMs: 300_000, redisUrl: redis.url, secret: SECRET, namespace: "flood" } };
  const calm = calmOf(context);
  await letFlood(
    { title: "users come to another process", service, client, crowds: calm.calm ?? {}, floodMs: calm.calmMs ?? 0 },
    context,
  );
  const title = "a process started into 1,200 garbage/s, 400/s, with a Redis that knows the users";
  const floodMs = secondsOf(context, "short");
  const course = await letFlood({ title, service, client, crowds: crowdsOf(1200), floodMs }, context);
  return findings(course, "started-redis", [...served(course), ...firsts(course)]);
}

const SECRET = "a secret of the benches, made at random";
const NOTHING: Findings = { figures: [], ratios: [], counts: [] };

function hasRedis(): boolean {
  if (redisAvailable) return true;
  if (redisRequired) throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
  console.log("   with Redis: skipped, redis-server is not installed (Debian: apt-get install redis-server)");
  return false;
}

function findings(course: FloodCourse, plot: string, ratios: readonly Ratio[]): Findings {
  return { figures: course.figures, ratios, counts: course.counts, plots: course.plots(plot) };
}

function ratio(what: string, value: number, target?: Ratio["target"]): Ratio {
  return { what, spread: spreadOf([value]), ...(target && { target }) };
}

function served(course: FloodCourse, crowd = KNOWN): Ratio[] {
  return [ratio(`${course.title}: ${crowd} answered, %`, course.answered(crowd), { atLeast: 99.9 })];
}

function slowest(course: FloodCourse): Ratio {
  return ratio(`${course.title}: slowest answer to a known user, ms`, course.slowest(KNOWN), { atMost: 250 });
}

/** What the service does is of use, and a good token gets as far as any other. */
function fair(course: FloodCourse): Ratio[] {
  const { title } = course;
  return [
    ratio(`${title}: answers of the service that were still awaited, %`, course.awaited, { atLeast: 90 }),
    ratio(
      `${title}: strangers let in with a good token / garbage that the service refused`,
      course.answered(STRANGERS) / course.refused(GARBAGE),
      {
        from: 0.75,
        to: 1.33,
      },
    ),
  ];
}

/** Until all of the users had been answered once, and what share of their requests before. */
function firsts(course: FloodCourse): Ratio[] {
  const moments = course.of(KNOWN);
  const answered = new Map<number, number>();
  moments.forEach(({ at, tookMs, error }, index) => {
    const user = index % USERS;
    if (error === undefined && !answered.has(user)) answered.set(user, at + tookMs);
  });
  const all = answered.size === USERS ? Math.max(...answered.values()) : Number.POSITIVE_INFINITY;
  const first = moments.filter(({ at }) => at < 1000);
  const share = (100 * first.filter(({ error }) => error === undefined).length) / first.length;
  return [
    ratio(`${course.title}: ms until each of ${USERS} users had been answered`, all),
    ratio(`${course.title}: requests of these users answered in the first second, %`, share),
  ];
}
