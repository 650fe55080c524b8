import { redisAvailable, redisRequired } from "../../test/support/redis-process.js";
import type { Context, Count, Figure, Findings, Ratio } from "../kit/bench.js";
import { spreadOf } from "../kit/spread.js";
import { type Fleet, type FleetRun, type Scenario, startFleet } from "./fleet.js";

const TTLS = { ttlMs: 5000, processTtlMs: 1000 };
const SCENARIOS: readonly Scenario[] = [
  { ...TTLS, processes: 4, requestsPerSecond: 800, users: 400, distribution: "uniform" },
  { ...TTLS, processes: 4, requestsPerSecond: 400, users: 2000, distribution: "uniform" },
  { ...TTLS, processes: 4, requestsPerSecond: 800, users: 2000, distribution: "zipf" },
  { ...TTLS, processes: 6, requestsPerSecond: 600, users: 400, distribution: "uniform" },
];
const SECONDS = 20;
const QUICK: readonly Scenario[] = [
  { ttlMs: 500, processTtlMs: 100, processes: 2, requestsPerSecond: 200, users: 50, distribution: "uniform" },
];
const QUICK_SECONDS = 0.5;
/** A machine that stalls for 50 ms looks like a dead Redis, which is then left alone for a second: that is another question. */
const TRIES = 3;

export const fleetSetup =
  "Processes, an auth service and a Redis on this machine. Each process verifies tokens of random users, in intervals as chance brings them, " +
  `with TTLs so short that ${SECONDS} s show several (${TTLS.ttlMs / 1000} s, and ${TTLS.processTtlMs / 1000} s in the process with Redis). ` +
  "What was counted is held against the formulas.";

/** What several processes with one Redis ask of the auth service and of Redis, beside what the arithmetic foretells. */
export async function checkFleet({ quick, progress }: Context): Promise<Findings> {
  if (!redisAvailable) {
    if (redisRequired) throw new Error("redis-server is not installed, and PORTERO_REQUIRE_REDIS=1 asks for it");
    console.log("   skipped: redis-server is not installed (Debian: apt-get install redis-server)");
    return { figures: [], ratios: [], counts: [] };
  }
  const scenarios = quick ? QUICK : SCENARIOS;
  const seconds = quick ? QUICK_SECONDS : SECONDS;
  await using fleet = await startFleet(Math.max(...scenarios.map(({ processes }) => processes)));
  const figures: Figure[] = [];
  const ratios: Ratio[] = [];
  const counts: Count[] = [];
  for (const scenario of scenarios) {
    const subject = nameOf(scenario);
    progress(`${subject}: without Redis`);
    const alone = await fleet.run(scenario, { shared: false, seconds });
    progress(`${subject}: with Redis`);
    const shared = await undisturbed(fleet, scenario, seconds, quick ? 1 : TRIES);
    for (const { what, computed, measured } of comparisons(alone, shared)) {
      const spread = spreadOf([measured / computed]);
      figures.push(
        { subject, what: `${what}, computed`, spread: spreadOf([computed]) },
        { subject, what: `${what}, measured`, spread: spreadOf([measured]) },
      );
      ratios.push({ what: `${what}, measured / computed: ${subject}`, spread, target: { from: 0.85, to: 1.15 } });
    }
    figures.push(
      { subject, what: "bytes in Redis/user", spread: spreadOf([shared.bytesPerKey]) },
      { subject, what: "times that Redis was given up", spread: spreadOf([shared.outages]) },
    );
    counts.push(
      { what: `requests that failed: ${subject}`, is: alone.failed + shared.failed, target: { exactly: 0 } },
      {
        what: `upstream calls without a miss, and misses without a call: ${subject}`,
        is: alone.unaccounted + shared.unaccounted,
        target: { exactly: 0 },
      },
    );
  }
  return { figures, ratios, counts };
}

async function undisturbed(fleet: Fleet, scenario: Scenario, seconds: number, most: number): Promise<FleetRun> {
  for (let tries = 1; ; tries++) {
    const run = await fleet.run(scenario, { shared: true, seconds });
    if (run.outages === 0 || tries === most) return run;
  }
}

function comparisons(alone: FleetRun, shared: FleetRun) {
  return [
    {
      what: "upstream calls/s without Redis",
      computed: alone.computed.upstreamAlone,
      measured: alone.upstreamPerSecond,
    },
    {
      what: "upstream calls/s with Redis",
      computed: shared.computed.upstreamShared,
      measured: shared.upstreamPerSecond,
    },
    { what: "MGET/s", computed: shared.computed.redisLooks, measured: shared.redis.mgetPerSecond },
    { what: "SET/s", computed: shared.computed.redisSets, measured: shared.redis.setPerSecond },
  ];
}

function nameOf({ processes, requestsPerSecond, users, distribution }: Scenario): string {
  const crowd = distribution === "zipf" ? "as Zipf has it" : "equally often";
  return `${processes} processes, ${requestsPerSecond} requests/s, ${users.toLocaleString("en-US")} users ${crowd}`;
}
