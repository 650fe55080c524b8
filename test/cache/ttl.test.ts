import { describe, expect, test } from "@jest/globals";
import type { AuthClient, AuthClientOptions } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const ana = { userId: "ana", organizationId: "org-1" };
const directory = {
  users: { "token-ana": { id: "ana", permissions: ["read"], locals: ["madrid"] } },
  organizations: { "org-1": { modules: ["stock"] } },
};

/** Asks, lets the time pass, takes the service away, and says whether the answer still stands. */
async function stillStands(
  ask: (client: AuthClient) => Promise<unknown>,
  afterMs: number,
  options: Partial<AuthClientOptions> = {},
): Promise<boolean> {
  const service = await startService(directory);
  const clock = new ManualClock();
  const client = openClient(service, { clock, ...options });
  await ask(client);
  await clock.advance(afterMs);
  service.grpc.fail();
  service.rest.fail();
  const again = ask(client).then(
    () => true,
    (error: { code?: unknown }) => {
      expect(error.code).toBe("auth_unavailable");
      return false;
    },
  );
  return again;
}

const verify = (client: AuthClient) => client.verifyToken("token-ana");

describe("An answer is kept", () => {
  test.each([
    ["a verified token", 300_000, verify],
    ["a user's locals", 3_600_000, (client: AuthClient) => client.getUserLocals(ana)],
    ["a user's permissions", 300_000, (client: AuthClient) => client.getUserPermissions(ana)],
    ["an organization", 3_600_000, (client: AuthClient) => client.getOrganization("org-1")],
  ])("for its default TTL: %s, %d ms", async (_what, ttlMs, ask) => {
    expect(await stillStands(ask, ttlMs - 1)).toBe(true);
    expect(await stillStands(ask, ttlMs)).toBe(false);
  });

  test.each([
    ["ttlMs", verify],
    ["localsTtlMs", (client: AuthClient) => client.getUserLocals(ana)],
    ["permissionsTtlMs", (client: AuthClient) => client.getUserPermissions(ana)],
    ["organizationTtlMs", (client: AuthClient) => client.getOrganization("org-1")],
  ])("for as long as %s says, and not at all for 0", async (option, ask) => {
    expect(await stillStands(ask, 6999, { cache: { [option]: 7000 } })).toBe(true);
    expect(await stillStands(ask, 7000, { cache: { [option]: 7000 } })).toBe(false);
    expect(await stillStands(ask, 0, { cache: { [option]: 0 } })).toBe(false);
  });

  test.each([
    [0, 300_000],
    [0.5, 285_000],
    [0.9, 273_000],
  ])("up to 10 %% shorter: with the random number %d for %d ms", async (random, ttlMs) => {
    expect(await stillStands(verify, ttlMs - 1, { random: () => random })).toBe(true);
    expect(await stillStands(verify, ttlMs, { random: () => random })).toBe(false);
  });
});

test("Entries that were stored together do not expire together.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" }, "token-ben": { id: "ben" } } });
  const clock = new ManualClock();
  let drawn = 0.9;
  const client = openClient(service, { clock, random: () => drawn });
  await client.verifyToken("token-ana");
  drawn = 0.1;
  await client.verifyToken("token-ben");
  await clock.advance(280_000);
  expect(client.peekToken("token-ana")).toBeUndefined();
  expect(client.peekToken("token-ben")?.user.id).toBe("ben");
});

describe("With a shared cache the process cache", () => {
  async function sourceAfter(ms: number, options: Partial<AuthClientOptions>): Promise<string> {
    const service = await startService(directory);
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, ...options, cache: { store, ...options.cache } });
    await verify(client);
    await clock.advance(ms);
    const { source } = await verify(client);
    expect(service.calls.VerifyToken).toBe(1);
    return source;
  }

  test("keeps an entry for 30 s at most", async () => {
    expect(await sourceAfter(29_999, {})).toBe("process");
    expect(await sourceAfter(30_000, {})).toBe("shared");
  });

  test("keeps it up to 10 % shorter", async () => {
    expect(await sourceAfter(28_499, { random: () => 0.5 })).toBe("process");
    expect(await sourceAfter(28_500, { random: () => 0.5 })).toBe("shared");
  });

  test("keeps it no longer than processTtlMs", async () => {
    expect(await sourceAfter(4999, { cache: { processTtlMs: 5000 } })).toBe("process");
    expect(await sourceAfter(5000, { cache: { processTtlMs: 5000 } })).toBe("shared");
  });

  test("keeps nothing with processTtlMs 0, and the shared cache does the work", async () => {
    expect(await sourceAfter(0, { cache: { processTtlMs: 0 } })).toBe("shared");
  });

  test.each([
    [14_999, true],
    [15_000, false],
  ])("does not prolong what the shared cache had for 45 of 60 s: after %d ms more, %p", async (ms, stands) => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), ttlMs: 60_000 };
    await verify(openClient(service, { clock, cache }));
    await clock.advance(45_000);
    const second = openClient(service, { clock, cache });
    expect((await verify(second)).source).toBe("shared");
    await clock.advance(ms);
    expect(second.peekToken("token-ana") !== undefined).toBe(stands);
  });
});

test.each([0, 60_000])(
  "With ttlMs 0 neither the process cache nor the shared cache keeps anything (staleIfErrorMs %d).",
  async (staleIfErrorMs) => {
    const service = await startService(directory);
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, cache: { store, ttlMs: 0, staleIfErrorMs } });
    await verify(client);
    await settle();
    expect([client.status().cache.entries, store.count("set")]).toEqual([0, 0]);
  },
);

test("In the shared cache an entry is kept for its TTL, and for as long as it may stand in.", async () => {
  const service = await startService(directory);
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  await verify(openClient(service, { clock, cache: { store, ttlMs: 7000, staleIfErrorMs: 500 } }));
  await settle();
  const [key = ""] = store.keys("token");
  expect(store.ttlMs(key)).toBe(7500);
});

test("Without a shared cache processTtlMs limits nothing.", async () => {
  expect(await stillStands(verify, 299_999, { cache: { processTtlMs: 1 } })).toBe(true);
});
