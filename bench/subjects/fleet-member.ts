// One process of a fleet: it verifies tokens of random users, at the rate it is told, in intervals as chance brings them.
import { setTimeout as sleep } from "node:timers/promises";
import { type AuthClient, createAuthClient } from "portero";
import { type Distribution, sharesOf } from "../capacity/fleet-model.js";
import { expose } from "../kit/process.js";
import { distinctToken } from "../kit/tokens.js";

export interface DriveOptions {
  readonly grpcUrl: string;
  /** Default: no shared cache. */
  readonly redisUrl?: string;
  readonly ttlMs: number;
  readonly processTtlMs: number;
  readonly users: number;
  readonly distribution: Distribution;
  /** Of this process alone. */
  readonly requestsPerSecond: number;
  /** So long it takes until all users have come: else their entries would all grow old at the same time. */
  readonly rampMs: number;
}

/** What became of the requests. */
export interface Tally {
  readonly requests: number;
  readonly failed: number;
  readonly misses: number;
  /** How often Redis was given up for a moment. */
  readonly outages: number;
}

export type FleetMemberProcess = ReturnType<typeof methods>;

await expose<unknown, FleetMemberProcess>(methods);

function methods() {
  let client: AuthClient;
  let halt: () => void;
  let tally = { requests: 0, failed: 0, outages: 0 };
  let missesBefore = 0;
  const tokens: string[] = [];
  return {
    async start({ grpcUrl, redisUrl, ttlMs, processTtlMs, ...load }: DriveOptions): Promise<void> {
      for (let user = tokens.length; user < load.users; user++) tokens.push(distinctToken(user));
      client = createAuthClient({
        grpc: { url: grpcUrl, timeoutMs: 30_000, hedgeMs: 30_000 }, // a slow machine is no outage
        breaker: { failureThreshold: 1_000_000 },
        limit: { maxQueue: 100_000 },
        cache: { ttlMs, processTtlMs, ...(redisUrl !== undefined && { redisUrl }) },
        logger: false,
      });
      await client.ready();
      client.on("cache", ({ available }) => {
        if (!available) tally.outages++;
      });
      missesBefore = 0;
      halt = drive(load, (user) => {
        tally.requests++;
        client.verifyToken(tokens[user]!).catch((error: unknown) => {
          if (tally.failed++ === 0) console.error(error); // one tells why: none should be
        });
      });
    },
    /** Since the last time. */
    take(): Tally {
      const { misses } = client.status().cache;
      const taken = { ...tally, misses: misses - missesBefore };
      tally = { requests: 0, failed: 0, outages: 0 };
      missesBefore = misses;
      return taken;
    },
    /** When everybody who came has been answered. */
    async stop(): Promise<void> {
      halt();
      while (client.status().inFlight > 0) await sleep(10);
      await client.close();
    },
  };
}

type Load = Pick<DriveOptions, "users" | "distribution" | "requestsPerSecond" | "rampMs">;

/** Calls back for each request, until it is stopped. A late one catches up. */
function drive({ requestsPerSecond, rampMs, ...crowd }: Load, request: (user: number) => void): () => void {
  const pick = picker(sharesOf(crowd));
  const started = performance.now();
  let due = started;
  const timer = setInterval(() => {
    const now = performance.now();
    while (due <= now) {
      const user = pick();
      if (joinsAt(user) * rampMs <= due - started) request(user);
      due += (-Math.log(1 - Math.random()) * 1000) / requestsPerSecond;
    }
  }, 2);
  return () => clearInterval(timer);
}

/** When a user joins, from 0 to 1: evenly spread, and the same in every process. */
function joinsAt(user: number): number {
  return (user * 0.618_033_988_75) % 1;
}

/** Draws users, each as often as its share says. */
function picker(shares: readonly number[]): () => number {
  let sum = 0;
  const upTo = Float64Array.from(shares, (share) => (sum += share));
  return () => {
    const drawn = Math.random() * sum;
    let [from, to] = [0, upTo.length - 1];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (upTo[middle]! > drawn) to = middle;
      else from = middle + 1;
    }
    return from;
  };
}
