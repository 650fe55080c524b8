import { describe, expect, test } from "@jest/globals";
import type { AuthClient, AuthClientOptions } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

// Each test is a line of "How long a revoked token lives" in SECURITY.md.

const TTL_MS = 200_000;
const PROCESS_TTL_MS = 30_000;
const STALE_MS = 50_000;
const DEADLINE_MS = 60_000;
const ANA = { userId: "ana", organizationId: "org-1" };

async function openWorld(token = "token-ana") {
  const service = await startService({ users: { [token]: { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const join = (cache: AuthClientOptions["cache"] = {}, grpc = {}): AuthClient =>
    openClient(service, {
      clock,
      grpc,
      cache: { namespace: "shop", ttlMs: TTL_MS, processTtlMs: PROCESS_TTL_MS, ...cache },
    });
  const isLetIn = (client: AuthClient, call = {}) =>
    client.verifyToken(token, call).then(
      () => true,
      () => false,
    );
  /** The service forgets the token, in the same instant in which it was asked last. */
  const revoke = () => service.refuse(token);
  const goDown = () => [service.grpc, service.rest].map((side) => side.fail());
  return { service, clock, store, token, join, isLetIn, revoke, goDown };
}

describe("Without anybody saying so, a revoked token is accepted", () => {
  test("by a process of its own: less than ttlMs", async () => {
    const { clock, join, isLetIn, revoke } = await openWorld();
    const client = join();
    await isLetIn(client);
    revoke();

    await clock.advance(TTL_MS * 0.8 - 1); // later on, a request would also ask in the background
    expect(await isLetIn(client)).toBe(true);
    await clock.advance(TTL_MS * 0.2 + 1);
    expect(await isLetIn(client)).toBe(false);
  });

  test("by a busy process: until a request in the last fifth of ttlMs has it asked again", async () => {
    const { clock, service, join, isLetIn, revoke } = await openWorld();
    const client = join();
    await isLetIn(client);
    revoke();
    await clock.advance(TTL_MS * 0.8);

    expect(await isLetIn(client)).toBe(true);
    await until(() => service.calls.VerifyToken === 2 && client.status().inFlight === 0);

    expect(await isLetIn(client)).toBe(false);
  });

  test("by processes that pass it on through a shared cache: less than ttlMs, however many there are", async () => {
    const { clock, store, join, isLetIn, revoke } = await openWorld();
    await isLetIn(join({ store }));
    revoke();
    for (let process = 1; process < 8; process++) {
      await clock.advance(TTL_MS / 10);
      expect(await isLetIn(join({ store }))).toBe(true);
    }
    const last = join({ store });
    await isLetIn(last);

    await clock.advance(TTL_MS * 0.3);

    expect(await isLetIn(last)).toBe(false);
    expect(await isLetIn(join({ store }))).toBe(false);
  });

  test("with staleIfErrorMs, while the service is down: less than ttlMs + staleIfErrorMs", async () => {
    const { clock, join, isLetIn, revoke, goDown } = await openWorld();
    const client = join({ staleIfErrorMs: STALE_MS });
    await isLetIn(client);
    revoke();
    goDown();

    await clock.advance(TTL_MS + STALE_MS - 1);
    expect(await isLetIn(client)).toBe(true);
    await clock.advance(1);
    expect(await isLetIn(client)).toBe(false);
  });

  test("never past its own exp, outage or not", async () => {
    const exp = new ManualClock().now() / 1000 + 10;
    const { clock, store, join, isLetIn, goDown } = await openWorld(unsignedJwt({ exp }));
    const clients = [join({ staleIfErrorMs: STALE_MS }), join({ store, staleIfErrorMs: STALE_MS })];
    for (const client of clients) await isLetIn(client);
    goDown();

    await clock.advance(9999);
    for (const client of clients) expect(await isLetIn(client)).toBe(true);
    await clock.advance(1);
    for (const client of clients) expect(await isLetIn(client)).toBe(false);
  });

  test("where requests ask afresh: not once", async () => {
    const { join, isLetIn, revoke } = await openWorld();
    const client = join();
    await isLetIn(client);
    revoke();

    expect(await isLetIn(client, { fresh: true })).toBe(false);
    expect(await isLetIn(client)).toBe(false); // the others have learnt it
  });
});

describe.each([
  ["invalidateToken", (client: AuthClient, token: string) => client.invalidateToken(token)],
  ["invalidateUser", (client: AuthClient) => client.invalidateUser(ANA)],
])("After %s a revoked token is accepted", (_name, invalidate) => {
  test("by that process: not once", async () => {
    const { clock, store, token, join, isLetIn, revoke } = await openWorld();
    const client = join({ store });
    await isLetIn(client);
    await clock.advance(1);
    revoke();

    await invalidate(client, token);

    expect(client.peekToken(token)).toBeUndefined();
    expect(await isLetIn(client)).toBe(false);
  });

  test("by others on the same shared cache: less than processTtlMs", async () => {
    const { clock, store, token, join, isLetIn, revoke } = await openWorld();
    const [told, other] = [join({ store }), join({ store })];
    await isLetIn(told);
    await until(() => store.keys("token").length > 0);
    await isLetIn(other);
    await clock.advance(1);
    revoke();

    await invalidate(told, token);

    await clock.advance(PROCESS_TTL_MS - 2);
    expect(await isLetIn(other)).toBe(true);
    await clock.advance(1);
    expect(await isLetIn(other)).toBe(false);
    expect(await isLetIn(join({ store }))).toBe(false);
  });

  test("by others without a shared cache: less than ttlMs, they are not told", async () => {
    const { clock, token, join, isLetIn, revoke } = await openWorld();
    const [told, other] = [join(), join()];
    await isLetIn(other);
    revoke();

    await invalidate(told, token);

    await clock.advance(TTL_MS * 0.8 - 1);
    expect(await isLetIn(other)).toBe(true);
    await clock.advance(TTL_MS * 0.2 + 1);
    expect(await isLetIn(other)).toBe(false);
  });

  test("for its TTL at most, when its answer was on the way to another process at that moment", async () => {
    const { clock, service, store, token, join, isLetIn, revoke } = await openWorld();
    const gate = new AnswerGate();
    gate.close();
    const other = join({ store }, { interceptors: [gate.interceptor] });
    const early = isLetIn(other);
    await until(() => gate.held === 1); // the service has said yes, and nobody has heard it yet
    await clock.advance(1);
    revoke();
    const told = join({ store });
    await invalidate(told, token);
    gate.release();
    expect(await early).toBe(true);
    await other.close(); // whatever it writes is written

    await clock.advance(TTL_MS);

    expect(await isLetIn(join({ store }))).toBe(false);
    expect(service.calls.VerifyToken).toBe(2);
  });
});

describe("After invalidateUser a revoked token whose answer was on the way to another process at that moment is accepted", () => {
  /** A process that has asked, and has not heard yet that the service said yes when it is told elsewhere that the user changed. */
  async function openRace() {
    const world = await openWorld();
    const { clock, service, store, join, isLetIn, revoke } = world;
    const gate = new AnswerGate();
    gate.close();
    const cache = { store, namespace: "of both" };
    const other = openBareClient({
      clock,
      grpc: { ...service.upstreams.grpc, timeoutMs: DEADLINE_MS, interceptors: [gate.interceptor] },
      cache: { ttlMs: TTL_MS, processTtlMs: PROCESS_TTL_MS, ...cache },
      random: () => 0,
      retry: { attempts: 1 },
    });
    const early = isLetIn(other);
    await until(() => gate.held === 1);
    revoke();
    await join(cache).invalidateUser(ANA);
    gate.open();
    return { ...world, gate, cache, other, early };
  }

  test("by that process: less than processTtlMs + deadlineMs", async () => {
    const { clock, join, isLetIn, gate, cache, other, early } = await openRace();
    await clock.advance(DEADLINE_MS - 1);
    gate.release();
    expect(await early).toBe(true);

    await clock.advance(PROCESS_TTL_MS - 1);
    expect(await isLetIn(other)).toBe(true);
    expect(await isLetIn(join(cache))).toBe(false);
    await clock.advance(1);
    expect(await isLetIn(other)).toBe(false);
  });

  test("not once, when it arrives after the deadline", async () => {
    const { clock, isLetIn, gate, other, early } = await openRace();
    await clock.advance(DEADLINE_MS);
    expect(await early).toBe(false);

    gate.release();

    expect(await isLetIn(other)).toBe(false);
  });
});
