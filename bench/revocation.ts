import { startRedisCluster } from "../test/support/redis-cluster.js";
import { redisAvailable, redisRequired, startRedisServer } from "../test/support/redis-process.js";
import type { Bench, Context, Findings, Plot } from "./kit/bench.js";
import { Processes } from "./kit/process.js";
import { quantile, spreadOf } from "./kit/spread.js";
import { ofListeners, ofLooks } from "./revocation/cost.js";
import { overCluster, overSentinel } from "./revocation/failovers.js";
import { type Hearing, RevocationFleet } from "./revocation/fleet.js";
import type { RedisLoadProcess } from "./subjects/redis-load.js";

const FULL = { processes: 4, invalidations: 400, perSecond: 70 };
const QUICK = { processes: 2, invalidations: 30, perSecond: 100 };
const MGET_PER_SECOND = 3000;
const GOAL_MS = 100;
const SHARES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1];
const NOTHING: Findings = { figures: [], ratios: [], counts: [] };

export const revocation: Bench = {
  name: "revocation",
  question: "How soon is a token that was invalidated in one process forgotten in the others?",
  setup:
    `${FULL.processes} processes on one shared cache with a secret, which all hold the same users. The first one invalidates their tokens, ` +
    `${FULL.perSecond} a second. The time runs from the resolved promise of \`invalidateToken\` until another process has forgotten ` +
    "(`client.onInvalidated` calls back), on a single Redis and on a Redis Cluster of three masters, idle and beside " +
    `${MGET_PER_SECOND.toLocaleString("en-US")} \`MGET\`s a second of another application. Then masters are killed meanwhile, 30 invalidations a second: what a promise ` +
    "rejects is told later; a process that noticed a gap knows as well when it has asked the service anew. Then the CPU that Redis takes " +
    "for many processes, and the looks of a fleet of four, of which the log must not make more.",
  async run(context) {
    if (!redisAvailable) {
      if (redisRequired) throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
      console.log("   skipped: redis-server is not installed (Debian: apt-get install redis-server)");
      return NOTHING;
    }
    const parts: Findings[] = [];
    const courses: Course[] = [];
    for (const course of context.quick ? QUICK_COURSES : COURSES) courses.push(await course(context));
    parts.push(...courses.map(findingsOf));
    if (!context.quick) {
      parts.push({ ...NOTHING, plots: [plotOf(courses)] });
      for (const failovers of [overCluster, overSentinel]) {
        context.progress("failovers");
        parts.push(await failovers());
      }
      parts.push(await ofListeners(context), await ofLooks(context));
    }
    return {
      figures: parts.flatMap(({ figures }) => figures),
      ratios: parts.flatMap(({ ratios }) => ratios),
      counts: parts.flatMap(({ counts }) => counts),
      plots: parts.flatMap(({ plots = [] }) => plots),
    };
  },
};

/** What was heard of the invalidations of one part. */
interface Course {
  readonly title: string;
  readonly invalidations: number;
  readonly hearings: readonly Hearing[];
  /** That another application had in a second. */
  readonly mgetsPerSecond: number;
}

const COURSES = [onOne(false), onOne(true), onCluster(false), onCluster(true)];
const QUICK_COURSES = [onOne(true)];

function onOne(isBusy: boolean) {
  return async (context: Context): Promise<Course> => {
    await using redis = await startRedisServer();
    return await tell("a single Redis", redis.url, isBusy ? [redis.url] : [], context);
  };
}

function onCluster(isBusy: boolean) {
  return async (context: Context): Promise<Course> => {
    await using cluster = await startRedisCluster({ replicas: false });
    return await tell("a Redis Cluster", cluster.url, isBusy ? cluster.nodes.map(({ url }) => url) : [], context);
  };
}

/** @param busy the masters that another application reads from meanwhile */
async function tell(
  where: string,
  url: string,
  busy: readonly string[],
  { quick, progress }: Context,
): Promise<Course> {
  const { processes: size, invalidations, perSecond } = quick ? QUICK : FULL;
  const title = `${where}, ${busy.length > 0 ? "busy" : "idle"}`;
  progress(title);
  await using processes = new Processes();
  await using fleet = await RevocationFleet.open(url, size);
  const module = new URL("./subjects/redis-load.ts", import.meta.url);
  const load = busy.length > 0 ? await processes.launch<RedisLoadProcess>(module, { urls: busy }) : undefined;
  const users = await fleet.meet(invalidations);
  await load?.call("begin", MGET_PER_SECOND);
  const began = performance.now();
  const revocations = await fleet.revoke(users, perSecond);
  const seconds = (performance.now() - began) / 1000;
  const mgets = (await load?.call("end")) ?? 0;
  const hearings = await fleet.allHearings(revocations);
  return { title, invalidations, hearings, mgetsPerSecond: mgets / seconds };
}

function findingsOf({ title, invalidations, hearings, mgetsPerSecond }: Course): Findings {
  const took = hearings.filter(({ isTold }) => isTold).map(({ afterPromiseMs }) => afterPromiseMs);
  const figure = (what: string, value: number) => ({ subject: title, what, spread: spreadOf([value]) });
  return {
    figures: [
      figure("invalidations", invalidations),
      figure("other `MGET`/s", mgetsPerSecond),
      figure("p50, ms", quantile(took, 0.5)),
      figure("p99, ms", quantile(took, 0.99)),
      figure("slowest, ms", Math.max(...took)),
    ],
    ratios: [
      {
        what: `${title}: ms from the resolved promise until the other processes had forgotten, p99`,
        spread: spreadOf([quantile(took, 0.99)]),
        target: { atMost: GOAL_MS },
      },
    ],
    counts: [
      {
        what: `${title}: invalidations that another process did not hear`,
        is: hearings.filter(({ afterCallMs }) => !Number.isFinite(afterCallMs)).length,
        target: { exactly: 0 },
      },
    ],
  };
}

function plotOf(courses: readonly Course[]): Plot {
  return {
    name: "times",
    title: "Until the other processes had forgotten",
    x: { name: "% of all" },
    y: { name: "ms", scale: "log" },
    series: courses.map(({ title, hearings }) => {
      const took = hearings.map(({ afterPromiseMs }) => afterPromiseMs);
      const point = (share: number) => [100 * share, Number(Math.max(0.05, quantile(took, share)).toFixed(2))] as const;
      return { name: title, points: SHARES.map(point) };
    }),
  };
}
