import { setImmediate as turn } from "node:timers/promises";
import { createAuthClient, getAuth, requireAuth } from "../../src/index.js";
import { FloodUpstream } from "./flood-upstream.js";

/** What the process that is flooded tells the test. */
export interface FloodReport {
  readonly refused: number;
  readonly overloaded: number;
  /** Anything else that became of a garbage token. */
  readonly others: number;
  readonly upstreamCalls: number;
  readonly upstreamPeak: number;
  /** Requests of cached users in the middle of the flood, and those that got the right user in the same tick. */
  readonly cachedRequests: number;
  readonly servedAtOnce: number;
  readonly entriesBefore: number;
  readonly entriesAfter: number;
  readonly heapBefore: number;
  readonly heapAfter: number;
  readonly leftInFlight: number;
}

const [TOKENS = 0, WAVE = 0, USERS = 0, MAX_CONCURRENT = 0, MAX_QUEUE = 0] = process.argv.slice(2).map(Number);

const upstream = new FloodUpstream();
const client = createAuthClient({
  grpc: { transport: upstream.transport, timeoutMs: 300_000 }, // a slow machine is no outage
  limit: { maxConcurrent: MAX_CONCURRENT, maxQueue: MAX_QUEUE },
  cache: { ttlMs: 86_400_000 },
  logger: false,
});
const guard = requireAuth({ client });

/** Whether the request went on, as this user, before the middleware returned. */
function passesAtOnce(token: string): boolean {
  const authorization = `Bearer ${token}`;
  const req = { headers: { authorization }, rawHeaders: ["Authorization", authorization] } as never;
  let passed = false;
  guard(req, {} as never, () => {
    passed = getAuth(req).user.id === token && getAuth(req).source === "process";
  });
  return passed;
}

function heap(): number {
  if (!globalThis.gc) throw new Error("run it with --expose-gc");
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

const garbage = (index: number) => `garbage.${index}.${"x".repeat(200)}`;
const users = Array.from({ length: USERS }, (_, index) => `user-${index}`);
const counts: Record<string, number> = {};

async function sendWave(start: number): Promise<void> {
  const wave = Array.from({ length: Math.min(WAVE, TOKENS - start) }, async (_, index) => {
    const outcome = await client.verifyToken(garbage(start + index)).then(
      () => "let in",
      (error: { code: string }) => error.code,
    );
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  });
  await turn(); // the wave is under way, its queue is full
  const perWave = USERS / 100;
  for (let user = 0; user < perWave; user++) {
    cachedRequests++;
    if (passesAtOnce(`user-${((start / WAVE) * perWave + user) % USERS}`)) servedAtOnce++;
  }
  await Promise.all(wave);
}

let cachedRequests = 0;
let servedAtOnce = 0;
for (const user of users) await client.verifyToken(user);
upstream.calls.users = 0;
const entriesBefore = client.status().cache.entries;
const heapBefore = heap();
for (let start = 0; start < TOKENS; start += WAVE) await sendWave(start);
const heapAfter = heap();

const { invalid_token: refused = 0, overloaded = 0, ...others } = counts;
const report: FloodReport = {
  refused,
  overloaded,
  others: Object.values(others).reduce((sum, count) => sum + count, 0),
  upstreamCalls: upstream.calls.users + upstream.calls.garbage,
  upstreamPeak: upstream.peak,
  cachedRequests,
  servedAtOnce,
  entriesBefore,
  entriesAfter: client.status().cache.entries,
  heapBefore,
  heapAfter,
  leftInFlight: client.status().inFlight,
};
await client.close();
process.stdout.write(JSON.stringify(report));
