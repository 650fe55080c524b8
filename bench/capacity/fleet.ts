import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@keyv/redis";
import { startRedisServer } from "../../test/support/redis-process.js";
import { Processes } from "../kit/process.js";
import type { AuthServiceProcess } from "../subjects/auth-service.js";
import type { DriveOptions, FleetMemberProcess, Tally } from "../subjects/fleet-member.js";
import { type FleetLoad, loadOf, sharesOf } from "./fleet-model.js";

export interface Scenario extends Pick<DriveOptions, "users" | "distribution" | "ttlMs" | "processTtlMs"> {
  readonly processes: number;
  /** Of all processes together. */
  readonly requestsPerSecond: number;
}

/** What was counted while a fleet was under way. */
export interface FleetRun {
  /** What the model says of the load that there really was. */
  readonly computed: FleetLoad;
  readonly requestsPerSecond: number;
  readonly upstreamPerSecond: number;
  readonly redis: { readonly mgetPerSecond: number; readonly setPerSecond: number };
  readonly bytesPerKey: number;
  readonly failed: number;
  /** Upstream calls that no miss accounts for, or misses without a call. */
  readonly unaccounted: number;
  /** How often a process gave up Redis for a moment. */
  readonly outages: number;
}

export interface RunOptions {
  /** With Redis. */
  readonly shared: boolean;
  readonly seconds: number;
  /** With rights for the log of invalidations. Default `true`. */
  readonly hasLog?: boolean;
}

const SAMPLED_KEYS = 50;
/** May do all but follow the log. Its name is its password. */
const USER = "without-log";
const WITHOUT_LOG = [USER, "on", `>${USER}`, "~*", "+@all", "-@stream"];

export type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** So many processes, an auth service and a Redis, which can be run under several loads, one after the other. */
export async function startFleet(size: number) {
  const processes = new Processes();
  const redis = await startRedisServer();
  const service = await processes.launch<AuthServiceProcess>(new URL("../subjects/auth-service.ts", import.meta.url));
  const { grpc: grpcUrl } = await service.call("urls");
  const members = await Promise.all(
    Array.from({ length: size }, () =>
      processes.launch<FleetMemberProcess>(new URL("../subjects/fleet-member.ts", import.meta.url)),
    ),
  );
  const admin = createClient({ url: redis.url });
  await admin.connect();

  return {
    run,
    async [Symbol.asyncDispose]() {
      admin.destroy();
      await processes[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };

  /** Counts for so many seconds, once the fleet has been under way for three TTLs. */
  async function run(scenario: Scenario, { shared, seconds, hasLog = true }: RunOptions): Promise<FleetRun> {
    const { processes: count, requestsPerSecond, ttlMs } = scenario;
    const active = members.slice(0, count);
    await admin.sendCommand(["FLUSHALL"]);
    if (!hasLog) await admin.sendCommand(["ACL", "SETUSER", ...WITHOUT_LOG]);
    await service.call("takeTraffic");
    const options: DriveOptions = {
      ...scenario,
      grpcUrl,
      ...(shared && { redisUrl: hasLog ? redis.url : redis.url.replace("//", `//${USER}:${USER}@`) }),
      requestsPerSecond: requestsPerSecond / count,
      rampMs: ttlMs,
    };
    await Promise.all(active.map((member) => member.call("start", options)));
    await sleep(3 * ttlMs);

    const warming = await take();
    await admin.sendCommand(["CONFIG", "RESETSTAT"]);
    const started = performance.now();
    await sleep(seconds * 1000);
    const measured = await take();
    const calls = await commandCalls();
    const lasted = (performance.now() - started) / 1000;
    const bytesPerKey = shared ? await meanBytes() : 0;

    await Promise.all(active.map((member) => member.call("stop")));
    const ending = await take();
    const all = [warming, measured, ending];
    const sum = (value: (tally: Awaited<ReturnType<typeof take>>) => number) =>
      all.reduce((total, each) => total + value(each), 0);
    const real = measured.requests / lasted;
    return {
      computed: loadOf({ ...scenario, requestsPerSecond: real, shares: sharesOf(scenario) }),
      requestsPerSecond: real,
      upstreamPerSecond: measured.upstream / lasted,
      redis: {
        mgetPerSecond: (calls.mget ?? 0) / lasted,
        setPerSecond: (calls.set ?? 0) / lasted,
      },
      bytesPerKey,
      failed: sum(({ failed }) => failed),
      unaccounted: Math.abs(sum(({ misses }) => misses) - sum(({ upstream }) => upstream)),
      outages: sum(({ outages }) => outages),
    };

    async function take(): Promise<Tally & { upstream: number }> {
      const [{ grpc, rest }, ...tallies] = await Promise.all([
        service.call("takeTraffic"),
        ...active.map((member) => member.call("take")),
      ]);
      const total = (value: keyof Tally) => tallies.reduce((sum, tally) => sum + tally[value], 0);
      return {
        requests: total("requests"),
        failed: total("failed"),
        misses: total("misses"),
        outages: total("outages"),
        upstream: grpc + rest,
      };
    }
  }

  /** How often each command was called, by its name. */
  async function commandCalls(): Promise<Record<string, number>> {
    const info = String(await admin.sendCommand(["INFO", "commandstats"]));
    return Object.fromEntries(
      [...info.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)].map(([, name, calls]) => [name, Number(calls)]),
    );
  }

  /** What Redis takes for one entry, its key and all. */
  async function meanBytes(): Promise<number> {
    const sizes: number[] = [];
    for (let sample = 0; sample < SAMPLED_KEYS; sample++) {
      const key = await admin.sendCommand(["RANDOMKEY"]);
      const bytes = key === null ? null : await admin.sendCommand(["MEMORY", "USAGE", String(key)]);
      if (bytes !== null) sizes.push(Number(bytes)); // else it has expired in between
    }
    return sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, sizes.length);
  }
}
