import { describe, expect, test } from "@jest/globals";
import type { AuthClientOptions, CacheOptions } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const TTL_MS = 300_000;
/** The latest point of refreshing. */
const OLD_MS = TTL_MS * 0.8;
const STALE_MS = 60_000;
const invalid = { code: "invalid_token" };
const people = Array.from({ length: 10 }, (_, index) => `token-${index}`);

async function world(cache: CacheOptions = {}, options: Partial<AuthClientOptions> = {}, tokens = people) {
  const service = await startService({
    users: Object.fromEntries(tokens.map((token, index) => [token, { id: `user-${index}`, locals: ["madrid"] }])),
  });
  const clock = (options.clock as ManualClock | undefined) ?? new ManualClock();
  const logger = new RecordingLogger();
  const client = openClient(service, { clock, logger, cache, ...options });
  const moves: unknown[] = [];
  client.on("refusals", (move) => moves.push(move));
  const idle = () => until(() => client.status().inFlight === 0);
  /** A request of each: the ones that are let in, and by what. */
  const visit = async (visitors: readonly string[] = tokens) => {
    const sources: (string | undefined)[] = [];
    for (const token of visitors) {
      const verified = await client.verifyToken(token).catch(() => undefined);
      sources.push(verified?.source);
      await idle();
    }
    return sources;
  };
  const lines = () => logger.lines.filter((line) => /refuses|accepts/.test(line));
  return { service, clock, client, visit, idle, moves, lines };
}

/** All are held, old, and refused from now on. */
async function refusing(cache: CacheOptions = {}) {
  const made = await world(cache);
  await made.visit();
  await made.clock.advance(OLD_MS);
  made.service.grpc.refuse();
  await made.visit(); // served, and refused in the background
  return made;
}

function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value);
}

describe("While an upstream refuses everybody,", () => {
  test("what is held stays to its end: all but the four that were refused before that was known", async () => {
    const { client, clock, visit, moves, lines } = await refusing();
    expect(await visit()).toStrictEqual([...times(4, undefined), ...times(6, "process")]);
    expect(moves).toEqual([{ upstream: "grpc", refusing: true }]);
    expect(lines()).toEqual([expect.stringContaining("grpc refuses tokens of 5 users in a row")]);
    expect(client.status().grpc?.refusals).toBe(10);
    await clock.advance(TTL_MS - OLD_MS - 1);
    expect(client.peekToken("token-9")?.user.id).toBe("user-9");
    await clock.advance(1);
    await expect(client.verifyToken("token-9")).rejects.toMatchObject(invalid);
  });

  test("an entry is asked about again before its end, and its first answer ends that state", async () => {
    const { service, client, clock, visit, moves, lines } = await refusing();
    service.grpc.allow();
    await clock.advance((TTL_MS - OLD_MS) / 2);
    expect(await visit(["token-9"])).toEqual(["process"]);
    expect(moves).toEqual([
      { upstream: "grpc", refusing: true },
      { upstream: "grpc", refusing: false },
    ]);
    expect(lines()[1]).toContain("grpc accepts tokens again");
    expect([client.status().grpc?.refusals, lines().length]).toEqual([0, 2]);
    await clock.advance((TTL_MS - OLD_MS) / 2);
    expect(client.peekToken("token-9")?.user.id).toBe("user-9"); // it was refreshed
  });

  test("and after that a refusal in the background is final again", async () => {
    const { service, client, clock, visit, idle } = await refusing();
    service.grpc.allow();
    await clock.advance((TTL_MS - OLD_MS) / 2);
    await visit(["token-9"]);
    service.refuse("token-8");
    client.peekToken("token-8");
    await idle();
    expect(client.peekToken("token-8")).toBeUndefined();
  });

  test("a user of whom the service says that it is not active is out at once", async () => {
    const { service, client, clock, idle, moves } = await refusing();
    service.grpc.allow();
    service.allow("token-9", { id: "user-9", isActive: false });
    await clock.advance((TTL_MS - OLD_MS) / 2);
    client.peekToken("token-9");
    await idle();
    expect(client.peekToken("token-9")).toBeUndefined();
    expect(moves).toContainEqual({ upstream: "grpc", refusing: false }); // it knows its users
  });

  test("every refusal that somebody waits for is final", async () => {
    const { client } = await refusing();
    await expect(client.verifyToken("token-9", { fresh: true })).rejects.toMatchObject(invalid);
    expect(client.peekToken("token-9")).toBeUndefined();
  });

  test("and so is that of a refresh which one has joined", async () => {
    const { service, client, clock } = await refusing();
    for (const token of people) service.refuse(token);
    service.grpc.hang();
    await clock.advance(TTL_MS - OLD_MS - 20);
    client.peekToken("token-9"); // which is refreshed
    await clock.advance(20);
    const waiting = client.verifyToken("token-9");
    await settle();
    service.grpc.allow(); // answers what hangs
    await expect(waiting).rejects.toMatchObject(invalid);
    const asked = service.calls.total;
    await expect(client.verifyToken("token-9")).rejects.toMatchObject(invalid);
    expect(service.calls.total).toBe(asked); // it is remembered
  });

  test("an entry whose refresh was refused is never stale, however long the service cannot be asked after its end", async () => {
    const { service, client, clock } = await refusing({ staleIfErrorMs: STALE_MS });
    service.grpc.fail();
    service.rest.fail();
    await clock.advance(TTL_MS - OLD_MS);
    await expect(client.verifyToken("token-9")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  test("one that was answered since may be stale again", async () => {
    const { service, client, clock, visit } = await refusing({ staleIfErrorMs: STALE_MS });
    service.grpc.allow();
    await clock.advance(60_001); // what could have been asked before the refusal counts as asked before
    await visit(["token-9"]);
    await clock.advance(TTL_MS);
    service.grpc.fail();
    service.rest.fail();
    expect((await client.verifyToken("token-9")).source).toBe("stale");
  });

  test("nothing is deleted from the shared cache, and what lies there is used to its end, and no longer", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const cache = { store, processTtlMs: 250_000, staleIfErrorMs: STALE_MS };
    const { service, client, visit } = await world(cache, { clock });
    await visit();
    await settle();
    await clock.advance(OLD_MS);
    service.grpc.refuse();
    await visit();
    await settle();
    expect(store.keys("token")).toHaveLength(6);
    await clock.advance(10_000); // this process lets go of its own
    expect((await client.verifyToken("token-9")).source).toBe("shared");
    await clock.advance(TTL_MS - OLD_MS - 10_000);
    service.grpc.fail();
    service.rest.fail();
    await expect(client.verifyToken("token-9")).rejects.toMatchObject({ code: "auth_unavailable" });
  });

  /** The process is about to let go of its own entries, and the shared cache has them. */
  async function refusingBesideStore() {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const made = await world({ store, processTtlMs: 250_000 }, { clock });
    await made.visit();
    await settle();
    await clock.advance(OLD_MS);
    for (const token of people) made.service.refuse(token);
    await made.visit();
    await settle();
    await clock.advance(9980);
    return { ...made, store };
  }

  test("a request is let in by what it finds in the shared cache while a refresh is refused", async () => {
    const { store, clock, client } = await refusingBesideStore();
    const looks: (() => void)[] = [];
    store.before = (operation) => operation === "get" && new Promise<void>((resolve) => looks.push(resolve));
    client.peekToken("token-9"); // which is refreshed
    await settle();
    const first = looks.splice(0);
    await clock.advance(20);
    const waiting = client.verifyToken("token-9");
    await settle();
    const second = looks.splice(0);
    store.before = () => undefined;
    const before = client.status().grpc?.refusals ?? 0;
    for (const letGo of first) letGo();
    await until(() => client.status().grpc?.refusals === before + 1);
    for (const letGo of second) letGo();
    expect((await waiting).source).toBe("shared");
  });

  test("a request that looked in vain, and waited for a refresh, is refused for good", async () => {
    const { service, store, clock, client, idle } = await refusingBesideStore();
    service.grpc.hang();
    client.peekToken("token-9"); // which is refreshed
    await settle();
    await clock.advance(20);
    store.before = (operation) => operation === "get" && Promise.reject(new Error("a hiccup"));
    const waiting = client.verifyToken("token-9");
    await settle();
    store.before = () => undefined;
    service.grpc.allow(); // answers what hangs
    await expect(waiting).rejects.toMatchObject(invalid);
    await idle();
    await settle();
    expect(store.keys("token")).toHaveLength(5);
    await clock.advance(60_000); // nothing is remembered any more
    await expect(client.verifyToken("token-9")).rejects.toMatchObject(invalid);
  });

  test("look-ups stay as well, which a gateway answers with 404", async () => {
    const made = await world({ localsTtlMs: TTL_MS });
    const refs = people.map((_, index) => ({ userId: `user-${index}`, organizationId: "org-1" }));
    const ask = async () => {
      const lists = await Promise.all(refs.map((ref) => made.client.getUserLocals(ref).catch(() => "refused")));
      await made.idle();
      return lists;
    };
    await ask();
    await made.clock.advance(OLD_MS);
    made.service.grpc.stop();
    for (const token of people) made.service.refuse(token);
    await ask();
    const after = await Promise.all(refs.map((ref) => made.client.getUserLocals(ref).catch(() => "refused")));
    expect(after.filter((list) => list !== "refused")).toEqual(times(6, ["madrid"]));
    expect(made.moves).toEqual([{ upstream: "rest", refusing: true }]);
    expect(made.lines()[0]).toContain("rest refuses look-ups of 5 users");
  });
});

describe("An upstream does not count as refusing everybody", () => {
  /** How many it is said to have refused, and whether that is everybody. */
  async function countedAfter(
    act: (made: Awaited<ReturnType<typeof world>>) => Promise<unknown>,
    tokens?: readonly string[],
  ) {
    const made = await world({}, {}, tokens as string[]);
    await made.visit();
    await act(made);
    return [made.client.status().grpc?.refusals, made.moves.length];
  }

  test("for tokens that were never held, however many", async () => {
    const garbage = Array.from({ length: 20 }, (_, index) => `garbage-${index}`);
    expect(await countedAfter(({ visit }) => visit(garbage))).toEqual([0, 0]);
  });

  test("for four users", async () => {
    const act = async ({ service, clock, visit }: Awaited<ReturnType<typeof world>>) => {
      await clock.advance(OLD_MS);
      service.grpc.refuse();
      await visit(people.slice(0, 4));
    };
    expect(await countedAfter(act)).toEqual([4, 0]);
  });

  test("for many tokens of one user", async () => {
    const service = await startService({
      users: Object.fromEntries(people.map((token) => [token, { id: "one" }])),
    });
    const clock = new ManualClock();
    const client = openClient(service, { clock });
    const moves: unknown[] = [];
    client.on("refusals", (move) => moves.push(move));
    for (const token of people) await client.verifyToken(token);
    service.grpc.refuse();
    for (const token of people) await client.verifyToken(token, { fresh: true }).catch(() => undefined);
    expect([client.status().grpc?.refusals, moves]).toEqual([10, []]);
  });

  test("with an answer between, be it to a stranger", async () => {
    const act = async ({ service, client, visit }: Awaited<ReturnType<typeof world>>) => {
      service.allow("token-new", { id: "new" });
      for (const token of people) service.refuse(token);
      for (const [index, token] of people.entries()) {
        await client.verifyToken(token, { fresh: true }).catch(() => undefined);
        if (index % 4 === 3) await client.verifyToken("token-new", { fresh: true });
      }
      await visit([]);
    };
    expect(await countedAfter(act)).toEqual([2, 0]);
  });

  test("for five within more than a minute", async () => {
    const act = async ({ service, client, clock }: Awaited<ReturnType<typeof world>>) => {
      service.grpc.refuse();
      for (const token of people.slice(0, 9)) {
        await client.verifyToken(token, { fresh: true }).catch(() => undefined);
        await clock.advance(15_000);
      }
    };
    expect(await countedAfter(act)).toEqual([9, 0]);
  });

  test("for users who were invalidated before: they were to be refused", async () => {
    const act = async ({ service, client, visit }: Awaited<ReturnType<typeof world>>) => {
      for (const token of people) service.refuse(token);
      for (const index of people.keys())
        await client.invalidateUser({ userId: `user-${index}`, organizationId: "org-1" });
      await visit();
    };
    expect(await countedAfter(act)).toEqual([0, 0]);
  });

  test("for tokens whose own end has come", async () => {
    const end = Date.UTC(2026, 0, 1) / 1000 + 60;
    const tokens = people.map((token) => unsignedJwt({ sub: token, exp: end }));
    const act = async ({ service, clock, visit }: Awaited<ReturnType<typeof world>>) => {
      await clock.advance(60_000);
      service.grpc.refuse();
      await visit();
    };
    expect(await countedAfter(act, tokens)).toEqual([0, 0]);
  });

  test("for what was accepted long ago: sessions end over night", async () => {
    const act = async ({ service, clock, visit }: Awaited<ReturnType<typeof world>>) => {
      await clock.advance(2 * TTL_MS);
      service.grpc.refuse();
      await visit();
    };
    expect(await countedAfter(act)).toEqual([0, 0]);
  });
});
