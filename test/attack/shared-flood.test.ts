import { setImmediate as turn } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { type AuthError, createAuthClient, getAuth, requireAuth } from "../../src/index.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { until } from "../support/until.js";
import { FloodUpstream } from "./flood-upstream.js";

const TTL_MS = 60_000;
const WAVES = 14;
/** From one wave to the next; the first comes a little before the entries of the users get old, at four fifths of their TTL. */
const WAVE_MS = 1000;
const FIRST_WAVE_MS = TTL_MS * 0.8 - 2 * WAVE_MS;
/** Requests of a wave: far more than may be under way and waiting. */
const WAVE = 1500;
const USERS = 200;
const USERS_IN_A_TURN = 20;
const MAX_CONCURRENT = 64;
const MAX_QUEUE = 256;

/** Waves of garbage through the middleware; in every turn of the event loop while one lasts, some of the users come by. */
async function flood() {
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const upstream = new FloodUpstream();
  const client = createAuthClient({
    clock,
    grpc: { transport: upstream.transport, timeoutMs: 300_000 },
    limit: { maxConcurrent: MAX_CONCURRENT, maxQueue: MAX_QUEUE },
    cache: { store, namespace: "flood", ttlMs: TTL_MS, processTtlMs: TTL_MS },
    random: () => 0,
    logger: false,
  });
  const users = Array.from({ length: USERS }, (_, index) => `user-${index}`);
  const outcomes: Record<string, number> = {};
  const cached = { requests: 0, servedAtOnce: 0 };

  interface Request {
    readonly headers: { readonly authorization: string };
    readonly rawHeaders: readonly string[];
    end(outcome: string): void;
  }
  const guard = requireAuth({
    client,
    onError: (error: AuthError, req) => (req as unknown as Request).end(error.code),
  });
  /** Whose request it turned out to be, or why it was turned away. */
  function send(token: string, end: Request["end"]): void {
    const authorization = `Bearer ${token}`;
    const req: Request = { headers: { authorization }, rawHeaders: ["Authorization", authorization], end };
    guard(req as never, {} as never, () => {
      const { user, source } = getAuth(req as never);
      end(`${user.id} ${source}`);
    });
  }
  const sendGarbage = (token: string) =>
    new Promise<void>((resolve) => {
      send(token, (outcome) => {
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        resolve();
      });
    });
  function sendUser(user: string): void {
    let outcome = "";
    send(user, (text) => {
      outcome = text;
    });
    cached.requests++;
    if (outcome === `${user} process`) cached.servedAtOnce++;
  }

  for (const user of users) await client.verifyToken(user);
  await until(() => store.keys("token").length === USERS);
  await clock.advance(FIRST_WAVE_MS);
  upstream.calls.users = 0;
  let next = 0;
  for (let wave = 0; wave < WAVES; wave++) {
    let lasts = true;
    const garbage = Array.from({ length: WAVE }, (_, index) => sendGarbage(`garbage.${wave}.${index}`));
    const over = Promise.all(garbage).then(() => {
      lasts = false;
    });
    while (lasts) {
      for (let step = 0; step < USERS_IN_A_TURN; step++) sendUser(users[next++ % USERS] as string);
      await turn();
    }
    await over;
    await clock.advance(WAVE_MS);
  }
  const refreshed = upstream.calls.users;
  await clock.advance(TTL_MS - FIRST_WAVE_MS - WAVES * WAVE_MS); // what was not refreshed is over
  for (const user of users) sendUser(user);
  const deletions = store.count("delete");
  const stored = store.keys("token").length;
  const { inFlight } = client.status();
  await client.close();
  return { outcomes, cached, upstream, refreshed, deletions, stored, inFlight };
}

describe("A flood through the middleware, before a shared store, while what the process remembers gets old,", () => {
  let report: Awaited<ReturnType<typeof flood>>;

  beforeAll(async () => {
    report = await flood();
  }, 60_000);

  test("is refused or turned away, every single request", () => {
    expect(Object.keys(report.outcomes).sort()).toEqual(["invalid_token", "overloaded"]);
    expect(Object.values(report.outcomes).reduce((sum, count) => sum + count, 0)).toBe(WAVES * WAVE);
    expect(report.inFlight).toBe(0);
  });

  test("reaches the service only as far as the limit lets it, refreshes included", () => {
    expect(report.upstream.peak).toBe(MAX_CONCURRENT);
    expect(report.upstream.calls.garbage).toBe(report.outcomes.invalid_token);
    expect(report.outcomes.invalid_token).toBeLessThanOrEqual(WAVES * (MAX_CONCURRENT + MAX_QUEUE));
  });

  test("leaves every cached user served from the process in the same tick, also past the TTL of what it knew before", () => {
    expect(report.cached.requests).toBeGreaterThan(WAVES * USERS_IN_A_TURN);
    expect(report.cached.servedAtOnce).toBe(report.cached.requests);
  });

  test("lets every one of them be refreshed, once", () => {
    expect(report.refreshed).toBe(USERS);
  });

  test("leaves nothing in the store, and deletes there no more than what was refused without a look", () => {
    expect(report.stored).toBe(USERS);
    expect(report.deletions).toBeLessThanOrEqual(report.upstream.calls.garbage);
  });
});
