import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@keyv/redis";
import { startRedisServer } from "../../test/support/redis-process.js";
import { startFleet } from "../capacity/fleet.js";
import type { Context, Figure, Findings } from "../kit/bench.js";
import { Processes } from "../kit/process.js";
import { spreadOf } from "../kit/spread.js";
import type { LogListenersOptions, LogListenersProcess } from "../subjects/log-listeners.js";
import { RevocationFleet, SECRET } from "./fleet.js";

const LISTENERS = 100;
const SECONDS = 5;
const PER_SECOND = 70;

/** What the log costs Redis: its CPU while many follow it, idle and while they are told. */
export async function ofListeners({ progress }: Context): Promise<Findings> {
  await using redis = await startRedisServer();
  await using fleet = await RevocationFleet.open(redis.url, 1);
  await using processes = new Processes();
  const admin = createClient({ url: redis.url });
  await admin.connect();
  const cpu = async () => {
    const info = String(await admin.sendCommand(["INFO", "cpu"]));
    const of = (field: string) => Number(new RegExp(`^used_cpu_${field}:([\\d.]+)`, "m").exec(info)?.[1]);
    return of("sys") + of("user");
  };
  /** In percent of one core. */
  const during = async (act: () => Promise<unknown>) => {
    const [before, began] = [await cpu(), performance.now()];
    await act();
    return (100_000 * ((await cpu()) - before)) / (performance.now() - began);
  };
  const { grpcUrl, redisUrl } = fleet;
  const options: LogListenersOptions = { count: LISTENERS, grpcUrl, redisUrl, secret: SECRET };
  progress(`${LISTENERS} listeners`);
  const alone = await during(() => sleep(SECONDS * 1000));
  const module = new URL("../subjects/log-listeners.ts", import.meta.url);
  const listeners = await processes.launch<LogListenersProcess>(module, options);
  await listeners.call("ready");
  await sleep(1000);
  const idle = await during(() => sleep(SECONDS * 1000));
  const users = await fleet.meet(SECONDS * PER_SECOND);
  const told = await during(() => fleet.revoke(users, PER_SECOND));
  await sleep(500);
  const heard = await listeners.call("heard");
  admin.destroy();
  const figure = (subject: string, value: number): Figure => ({
    subject,
    what: "CPU of Redis, % of a core",
    spread: spreadOf([value]),
  });
  return {
    figures: [
      figure("one process, idle", alone),
      figure(`${LISTENERS} processes more, idle`, idle),
      figure(`${LISTENERS} processes more, ${PER_SECOND} invalidations a second`, told),
    ],
    ratios: [],
    counts: [
      {
        what: `invalidations that one of ${LISTENERS} did not hear`,
        is: users.count * LISTENERS - heard,
        target: { exactly: 0 },
      },
    ],
  };
}

const LOAD = { users: 400, distribution: "uniform", ttlMs: 2000, processTtlMs: 500 } as const;
const [PROCESSES, REQUESTS_PER_SECOND] = [4, 400];

/** That processes follow the log makes them look into Redis no more often. */
export async function ofLooks({ progress }: Context): Promise<Findings> {
  progress("looks into Redis");
  await using fleet = await startFleet(PROCESSES);
  const scenario = { ...LOAD, processes: PROCESSES, requestsPerSecond: REQUESTS_PER_SECOND };
  const without = await fleet.run(scenario, { shared: true, seconds: SECONDS, hasLog: false });
  const withLog = await fleet.run(scenario, { shared: true, seconds: SECONDS });
  const figure = (subject: string, value: number): Figure => ({ subject, what: "MGET/s", spread: spreadOf([value]) });
  const [one, other] = [withLog.redis.mgetPerSecond, without.redis.mgetPerSecond];
  return {
    figures: [
      figure(`${PROCESSES} processes that follow the log`, one),
      figure("the same without rights for it", other),
    ],
    ratios: [
      { what: "looks into Redis, with the log / without", spread: spreadOf([one / other]), target: { atMost: 1.05 } },
    ],
    counts: [{ what: "requests that failed", is: withLog.failed + without.failed, target: { exactly: 0 } }],
  };
}
