import { setTimeout as sleep } from "node:timers/promises";
import { type ClusterNode, type RedisClusterServers, startRedisCluster } from "../../test/support/redis-cluster.js";
import { startRedisSentinel } from "../../test/support/redis-sentinel.js";
import type { Findings, Plot } from "../kit/bench.js";
import { quantile, spreadOf } from "../kit/spread.js";
import { type Hearing, RevocationFleet } from "./fleet.js";

const PROCESSES = 4;
const PER_SECOND = 30;
/** From the beginning to the first failover, in milliseconds. */
const CALM_MS = 2000;
/** From one to the next: what the first one held up is made good by then, or late. In milliseconds. */
const BETWEEN_MS = 6000;
/** After a promotion everything is to be made good within so many milliseconds. */
const GOOD_WITHIN_MS = 5000;
/** A master takes the last writes with it that its replica did not have yet: so old they are at most, in milliseconds. */
const UNREPLICATED_MS = 1000;
const NEVER_PROMOTED_MS = 25_000;

/** When a master was killed, and when the other one had taken over, by the clock of the machine. */
interface Failover {
  readonly what: string;
  readonly killedAt: number;
  readonly promotedAt: number;
}

const now = () => performance.timeOrigin + performance.now();

/** 500 invalidations, while the master of the log is killed, and another one. */
export async function overCluster(): Promise<Findings> {
  await using cluster = await startRedisCluster();
  await using fleet = await RevocationFleet.open(cluster.url, PROCESSES);
  return await endure("Redis Cluster", fleet, 500, async () => {
    const logKey = (await cluster.keys()).find((key) => key.startsWith("portero:1:log:"));
    if (logKey === undefined) throw new Error("there is no log");
    const holder = await cluster.masterOf(logKey);
    const failovers = [await failOver(cluster, "the master of the log", holder)];
    await sleep(BETWEEN_MS);
    const other = (await cluster.masters()).find((node) => node !== holder && !isSame(node, holder)) as ClusterNode;
    const second = (await cluster.masterOf(logKey)) === other ? (await cluster.masters()).at(-1)! : other;
    failovers.push(await failOver(cluster, "another master", second));
    return failovers;
  });
}

/** 500 invalidations, while a master that sentinels watch is killed. */
export async function overSentinel(): Promise<Findings> {
  const set = await startRedisSentinel();
  try {
    await using fleet = await RevocationFleet.open(set.url, PROCESSES);
    return await endure("Sentinel", fleet, 500, async () => {
      const killedAt = now();
      await set.servers[0].kill();
      await until(async () => (await set.masterPort()) === set.servers[1].port);
      return [{ what: "the master", killedAt, promotedAt: now() }];
    });
  } finally {
    await set.close();
  }
}

async function failOver(cluster: RedisClusterServers, what: string, node: ClusterNode): Promise<Failover> {
  const killedAt = now();
  await node.kill();
  await until(async () => {
    const masters = await cluster.masters();
    return masters.length === 3 && !masters.includes(node);
  });
  const promotedAt = now();
  await node.start();
  return { what, killedAt, promotedAt };
}

async function endure(
  title: string,
  fleet: RevocationFleet,
  count: number,
  strike: () => Promise<readonly Failover[]>,
): Promise<Findings> {
  const users = await fleet.meet(count);
  const began = now();
  const revoking = fleet.revoke(users, PER_SECOND);
  await sleep(CALM_MS);
  const failovers = await strike();
  const revocations = await revoking;
  await sleep(Math.max(0, Math.max(...failovers.map(({ promotedAt }) => promotedAt)) + GOOD_WITHIN_MS - now()));
  await sleep(GOOD_WITHIN_MS / 2); // the last ones are heard
  const hearings = await fleet.hearings(revocations);
  const auditor = await fleet.openForgetful();
  await auditor.call("ready");
  const forgotten = await fleet.forgotten(revocations);
  const shared = await auditor.call("shared", forgotten);
  const late = hearings.filter((hearing) => hearing.calledAt + hearing.afterCallMs > dueAt(hearing, failovers));
  const subject = `${title}, ${failovers.map(({ what }) => what).join(", then ")} killed`;
  const figure = (what: string, value: number) => ({ subject, what, spread: spreadOf([value]) });
  const told = hearings.filter(({ isTold }) => isTold);
  return {
    figures: [
      figure("invalidations", revocations.length),
      figure("rejected, and told later", revocations.filter(({ isTold }) => !isTold).length),
      figure(
        "ms from the promise to the others, p50",
        quantile(
          told.map(({ afterPromiseMs }) => afterPromiseMs),
          0.5,
        ),
      ),
      figure(
        "p99",
        quantile(
          told.map(({ afterPromiseMs }) => afterPromiseMs),
          0.99,
        ),
      ),
      figure(
        "promoted after, s",
        Math.max(...failovers.map(({ killedAt, promotedAt }) => promotedAt - killedAt)) / 1000,
      ),
      figure("latest after a promotion, s", latestMs(hearings, failovers) / 1000),
    ],
    ratios: [
      {
        what: `${subject}: not heard by every process within 5 s of the promotion, of ${revocations.length}`,
        spread: spreadOf([new Set(late.map(({ user }) => user)).size]),
        target: { atMost: 0 },
      },
      {
        what: `${subject}: still answered by Redis at the end, of ${forgotten.length} that were not asked about anew`,
        spread: spreadOf([shared]),
        target: { atMost: 0 },
      },
    ],
    counts: [],
    plots: [plotOf(title, hearings, failovers, began)],
  };
}

/** Of what was told before the master was lost, or while there was none: from the promotion on. */
function dueAt({ calledAt }: Hearing, failovers: readonly Failover[]): number {
  const met = failovers.filter((each) => calledAt >= each.killedAt - UNREPLICATED_MS && calledAt < each.promotedAt);
  return Math.max(calledAt, ...met.map(({ promotedAt }) => promotedAt)) + GOOD_WITHIN_MS;
}

function latestMs(hearings: readonly Hearing[], failovers: readonly Failover[]): number {
  return Math.max(
    ...hearings.map((hearing) => hearing.calledAt + hearing.afterCallMs - (dueAt(hearing, failovers) - GOOD_WITHIN_MS)),
  );
}

/** Of each invalidation, how long until the last process had heard. */
function plotOf(title: string, hearings: readonly Hearing[], failovers: readonly Failover[], began: number): Plot {
  const slowest = new Map<number, Hearing>();
  for (const hearing of hearings) {
    const known = slowest.get(hearing.user);
    if (!known || hearing.afterCallMs > known.afterCallMs) slowest.set(hearing.user, hearing);
  }
  const points = (isTold: boolean) =>
    [...slowest.values()]
      .filter((hearing) => hearing.isTold === isTold && Number.isFinite(hearing.afterCallMs))
      .map(({ calledAt, afterCallMs }) => [round((calledAt - began) / 1000), round(afterCallMs)] as const);
  const seconds = (at: number) => ((at - began) / 1000).toFixed(1);
  const lost = failovers.map(({ killedAt, promotedAt }) => `${seconds(killedAt)} s to ${seconds(promotedAt)} s`);
  return {
    name: title.toLowerCase().replaceAll(/\W+/g, "-"),
    title: `${title}: without a master from ${lost.join(", and from ")}`,
    x: { name: "seconds" },
    y: { name: "ms from the call until the last of 3 processes knew", scale: "log" },
    marks: "dots",
    series: [
      { name: "invalidation", points: points(true) },
      { name: "its promise rejected", points: points(false) },
    ],
  };
}

function round(value: number): number {
  return Number(value.toFixed(2));
}

function isSame(one: ClusterNode, other: ClusterNode): boolean {
  return one.port === other.port;
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + NEVER_PROMOTED_MS;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error("no replica was promoted");
    await sleep(20);
  }
}
