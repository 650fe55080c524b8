import { expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import { createKeyring, type Slot } from "../../src/cache/keyring.js";
import type { AuthClient, AuthClientEvents, AuthClientOptions } from "../../src/client.js";
import { AnswerGate } from "../support/answer-gate.js";
import { eventually } from "../support/eventually.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";
const ana = { userId: "ana", organizationId: "org-1" };
const dave = { ...ana, userId: "dave" };
const organization = "org-1";
const NAMESPACE = "shop";
const [{ key: LOG_KEY }] = createKeyring({ identity: NAMESPACE, secrets: [SECRET] }).slots({ kind: "log", id: "" }) as [
  Slot,
];
const MAX_ID = 2n ** 64n - 1n;

type Command = (...words: string[]) => Promise<unknown>;

/** Processes on one Redis, whose logs are live. */
async function startFleet(size = 2, options: Partial<AuthClientOptions> = {}) {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  const admin = createClient({ url: redis.url });
  admin.on("error", () => undefined);
  await admin.connect();
  afterwards(() => admin.isOpen && admin.destroy());
  const command: Command = (...words) => admin.sendCommand(words);
  const service = await startService({
    users: { "token-ana": { id: "ana", locals: ["madrid"] }, "token-ben": { id: "ben" } },
    organizations: { [organization]: { name: "Shop" } },
  });
  const clock = new ManualClock();
  const open = async (own: Partial<AuthClientOptions> = {}) => {
    const cache = { redisUrl: redis.url, secret: SECRET, namespace: NAMESPACE, ...options.cache, ...own.cache };
    const client = openClient(service, { clock, ...options, ...own, cache });
    await client.ready();
    return client;
  };
  const clients = await Promise.all(Array.from({ length: size }, () => open()));
  await until(() => clients.every((client) => client.status().cache.log === "live"));
  /** What was told: without the entries that begin the stream, which say nothing. */
  const log = async () =>
    ((await command("XRANGE", LOG_KEY, "-", "+")) as [string, [string, string]][]).filter(
      ([, [, text]]) => text !== "",
    );
  return { redis, command, service, clock, open, clients: clients as [AuthClient, AuthClient], log };
}

/** Resolves when the client has heard so many. */
const heard = (client: AuthClient, count = 1) => until(() => client.status().cache.heard >= count);

/** Whether the process holds the token, by the way it answers. */
const holds = (client: AuthClient, token = "token-ana") => client.peekToken(token) !== undefined;

describeWithRedis("Of two processes on one Redis, the second forgets at once", () => {
  test.each<[string, (client: AuthClient) => Promise<void>]>([
    ["a token", (client) => client.invalidateToken("token-ana")],
    ["a user", (client) => client.invalidateUser(ana)],
  ])("%s that the first invalidates", async (_what, invalidate) => {
    const { service, clients } = await startFleet();
    const [first, second] = clients;
    const events: AuthClientEvents["invalidation"][] = [];
    for (const client of clients) client.on("invalidation", (event) => events.push(event));
    for (const client of clients) await client.verifyToken("token-ana");
    await second.verifyToken("token-ben");
    service.resetCalls();
    await invalidate(first);
    await heard(second);
    expect([holds(second), holds(second, "token-ben")]).toEqual([false, true]);
    expect((await second.verifyToken("token-ana")).source).toBe("grpc");
    expect(service.calls.VerifyToken).toBe(1);
    expect(first.status().cache).toMatchObject({ log: "live", told: 1, heard: 0, gaps: 0, outbox: 0 });
    expect(second.status().cache).toMatchObject({ log: "live", told: 0, heard: 1, gaps: 0, outbox: 0 });
    const { kind } = events[0] as AuthClientEvents["invalidation"];
    expect(events).toEqual([
      { by: "here", kind },
      { by: "log", kind },
    ]);
  });

  test("an organization", async () => {
    const { service, clients } = await startFleet();
    const [first, second] = clients;
    for (const client of clients) await client.getOrganization(organization);
    await first.invalidateOrganization(organization);
    await heard(second);
    service.resetCalls();
    await second.getOrganization(organization);
    expect(service.calls.GetOrganization).toBe(1);
  });

  test("a JWT with another signature, and none that says something else", async () => {
    const { service, clients } = await startFleet();
    const [first, second] = clients;
    const body = unsignedJwt({ sub: "ana" }).split(".").slice(0, 2).join(".");
    const [told, twin, other] = [`${body}.AAAA`, `${body}.AAAB`, `${unsignedJwt({ sub: "ben" })}`];
    for (const token of [told, twin, other]) {
      service.allow(token, { id: "ana" });
      await second.verifyToken(token);
    }
    await first.invalidateToken(told);
    await heard(second);
    expect([told, twin, other].map((token) => holds(second, token))).toEqual([false, false, true]);
  });

  test("a token that the first finds refused, and that the second held", async () => {
    const { service, clients } = await startFleet();
    const [first, second] = clients;
    for (const client of clients) await client.verifyToken("token-ana");
    service.refuse("token-ana");
    await expect(first.verifyToken("token-ana", { fresh: true })).rejects.toMatchObject({ code: "invalid_token" });
    await heard(second);
    expect(holds(second)).toBe(false);
    await until(() => first.status().cache.told === 1); // no request waits for that: the second may be the first to know
    expect(second.status().cache.told).toBe(0);
  });

  test("nothing of another cache identity, and nothing by its own words", async () => {
    const { clients, open } = await startFleet();
    const [first, second] = clients;
    const other = await open({ cache: { namespace: "another" } });
    await until(() => other.status().cache.log === "live");
    await first.verifyToken("token-ana");
    await first.invalidateUser(ana);
    await first.verifyToken("token-ana");
    await heard(second);
    expect([first, other].map((client) => client.status().cache.heard)).toEqual([0, 0]);
    expect(holds(first)).toBe(true);
  });

  test("a user about whom it asks at that moment: what it is told is neither kept, shared nor joined", async () => {
    const gate = new AnswerGate();
    const { service, clients, open } = await startFleet(1);
    const [first] = clients;
    const second = await open({ grpc: { interceptors: [gate.interceptor] } });
    await until(() => second.status().cache.log === "live");
    gate.close();
    const late = second.verifyToken("token-ana");
    await until(() => gate.held === 1);
    await first.invalidateUser(ana);
    await first.invalidateToken("token-ana");
    await heard(second, 2);
    gate.open();
    const later = second.verifyToken("token-ana");
    await until(() => service.calls.VerifyToken === 2);
    gate.release();
    expect((await Promise.all([late, later])).map(({ source }) => source)).toEqual(["grpc", "grpc"]);
  });
});

describeWithRedis("The log", () => {
  test("is told what garbage does, what is stored and what is refused of strangers: nothing", async () => {
    const { clients, log } = await startFleet();
    const [first] = clients;
    await first.verifyToken("token-ana");
    for (let n = 0; n < 50; n++) await first.verifyToken(`garbage-${n}`).catch(() => undefined);
    await first.getUserLocals(ana);
    expect([await log(), first.status().cache.told]).toEqual([[], 0]);
  });

  test("is told of the refusal of a token that was held, and of none while everybody is refused", async () => {
    const { service, clients } = await startFleet();
    const [first, second] = clients;
    const tokens = Array.from({ length: 8 }, (_, n) => `token-of-${n}`);
    for (const [n, token] of tokens.entries()) {
      service.allow(token, { id: `user-${n}` });
      await first.verifyToken(token);
    }
    for (const token of tokens) {
      service.refuse(token);
      await first.verifyToken(token, { fresh: true }).catch(() => undefined);
    }
    await heard(second, 4);
    await first.invalidateUser(ana); // after it, nothing else
    await heard(second, 5);
    await until(() => first.status().cache.outbox === 0);
    expect(first.status().cache.told).toBe(5); // the fifth user in a row is one too many
  });

  test("lives for 25 hours, and its entries are sealed for their key", async () => {
    const { clients, command, log } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser(ana);
    const ttlMs = Number(await command("PTTL", LOG_KEY));
    expect(ttlMs).toBeGreaterThan(89_990_000);
    expect(ttlMs).toBeLessThanOrEqual(90_000_000);
    const [[, [field, text]]] = (await log()) as [[string, [string, string]]];
    expect(field).toBe("e");
    expect(Buffer.from(text, "base64url").toString("latin1")).not.toMatch(/ana|org-1|user/);
    await heard(second);
  });

  test("keeps about 10,000 entries: Redis lets go of the oldest by whole nodes", async () => {
    const { command, clients } = await startFleet(1);
    const fill = "for n = 1, 10500 do redis.call('XADD', KEYS[1], '*', 'e', '') end";
    await command("EVAL", fill, "1", LOG_KEY);
    await clients[0].invalidateToken("token-ana");
    const length = Number(await command("XLEN", LOG_KEY));
    expect(length).toBeGreaterThanOrEqual(10_000);
    expect(length).toBeLessThan(10_200);
  });

  test("is not written before Redis has forgotten: nobody who hears of it takes the entry back", async () => {
    const { clients, redis, command } = await startFleet();
    const [first] = clients;
    await first.verifyToken("token-ana");
    const monitor = createClient({ url: redis.url });
    await monitor.connect();
    afterwards(() => monitor.destroy());
    const lines: string[] = [];
    await monitor.monitor((line) => lines.push(String(line)));
    await first.invalidateToken("token-ana");
    await first.invalidateUser(ana);
    await command("PING");
    await until(() => lines.some((line) => line.includes('"PING"')));
    const order = lines.map((line) => /"(UNLINK|SET|XADD)"/.exec(line)?.[1]).filter((name) => name !== undefined);
    expect(order).toEqual(["UNLINK", "XADD", "SET", "SET", "XADD"]);
  });

  test("brings what was told while a process was cut off, and that process looks nothing else up again", async () => {
    const { redis, service, clients, open } = await startFleet();
    const [first] = clients;
    const proxy = await startTcpProxy(Number(new URL(redis.url).port), "redis");
    afterwards(() => proxy.close());
    const second = await open({ cache: { redisUrl: proxy.url } });
    await until(() => second.status().cache.log === "live");
    await first.invalidateUser({ ...ana, userId: "nobody" }); // an entry that is known to be there
    await heard(second);
    for (const token of ["token-ana", "token-ben"]) await second.verifyToken(token);
    proxy.cut();
    for (let n = 0; n < 10; n++) await first.invalidateUser({ ...ana, userId: `user-${n}` });
    await first.invalidateToken("token-ana");
    await heard(second, 12);
    service.resetCalls();
    expect([holds(second), holds(second, "token-ben")]).toEqual([false, true]);
    await until(() => second.status().cache.log === "live");
    expect(second.status().cache.gaps).toBe(0);
  });

  test("and one that was told nothing yet, of which nothing can be missing: what is kept is served", async () => {
    const { redis, open, service } = await startFleet();
    const proxy = await startTcpProxy(Number(new URL(redis.url).port), "redis");
    afterwards(() => proxy.close());
    const second = await open({ cache: { redisUrl: proxy.url } });
    await second.verifyToken("token-ana");
    const moves: boolean[] = [];
    second.on("cache", ({ tier, available }) => tier === "log" && moves.push(available));
    proxy.cut();
    await until(() => moves.length === 2);
    service.resetCalls();
    expect([moves, holds(second), second.status().cache.gaps, service.calls.VerifyToken]).toEqual([
      [false, true],
      true,
      0,
      0,
    ]);
  });

  test.each<[string, (fleet: Awaited<ReturnType<typeof startFleet>>) => Promise<unknown>]>([
    ["was trimmed while a process was cut off", ({ command }) => command("XTRIM", LOG_KEY, "MAXLEN", "0")],
    ["was deleted", ({ command }) => command("DEL", LOG_KEY)],
    [
      "was deleted and begun anew",
      async ({ command, clients: [first] }) => {
        await command("DEL", LOG_KEY);
        await first.invalidateUser({ ...ana, userId: "carl" });
      },
    ],
  ])(
    "that %s: all that the process kept is looked up in Redis again, and nothing asked of the service",
    async (_what, spoil) => {
      const fleet = await startFleet();
      const { redis, service, clients, open } = fleet;
      const [first] = clients;
      const proxy = await startTcpProxy(Number(new URL(redis.url).port), "redis");
      afterwards(() => proxy.close());
      const second = await open({ cache: { redisUrl: proxy.url } });
      await until(() => second.status().cache.log === "live");
      await first.invalidateUser({ ...ana, userId: "nobody" });
      await heard(second);
      for (const client of [first, second])
        for (const token of ["token-ana", "token-ben"]) await client.verifyToken(token);
      service.resetCalls();
      proxy.strike({ kind: "black hole" });
      await first.invalidateToken("token-ana"); // which the second does not hear
      await spoil(fleet);
      proxy.heal();
      proxy.cut();
      await until(() => second.status().cache.gaps === 1 && second.status().cache.log === "live");
      expect([holds(second), holds(second, "token-ben")]).toEqual([false, false]);
      await eventually(
        () =>
          second.invalidateUser(dave).then(
            () => true,
            () => false,
          ),
        "Redis is back",
      );
      expect((await second.verifyToken("token-ben")).source).toBe("shared");
      expect(service.calls.VerifyToken).toBe(0);
      expect((await second.verifyToken("token-ana")).source).toBe("grpc");
      expect(holds(second, "token-ben")).toBe(true);
    },
  );

  test.each([
    ["another type", (command: Command) => command("SET", LOG_KEY, "garbage")],
    ["no room for another id", (command: Command) => command("XADD", LOG_KEY, `${MAX_ID}-${MAX_ID}`, "e", "x")],
  ])("of %s is deleted when it is told, which is a gap for all, and works again", async (_what, spoil) => {
    const { clients, command } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second);
    for (const client of clients) await client.verifyToken("token-ana");
    await command("DEL", LOG_KEY);
    await spoil(command);
    await first.invalidateUser(ana);
    await until(() =>
      clients.every((client) => client.status().cache.gaps > 0 && client.status().cache.log === "live"),
    );
    expect((await second.verifyToken("token-ana")).source).toBe("grpc");
    const before = second.status().cache.heard;
    await first.invalidateUser(ana);
    await heard(second, before + 1);
  });

  test("that somebody else writes to voids nothing: garbage, what was sealed for another place, what has no end", async () => {
    const { clients, command } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second);
    await second.verifyToken("token-ana");
    const forged = JSON.stringify({ v: 1, kind: "user", subject: '["org-1","ana"]', at: 9e15, by: "x" });
    for (const text of ["", "garbage", forged, Buffer.from(forged).toString("base64url"), "x".repeat(100_000)])
      await command("XADD", LOG_KEY, "*", "e", text);
    await command("XADD", LOG_KEY, "*", "another", "field", "and", "one");
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second, 2);
    expect([holds(second), second.status().cache]).toEqual([true, expect.objectContaining({ gaps: 0, log: "live" })]);
  });

  test("of which Redis answers more than may be taken is read in smaller parts; what is too much alone is a gap", async () => {
    const { clients, command } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second);
    const junk = (fields: number) => ["*", ...Array.from({ length: 2 * fields }, (_, n) => `${n}`)];
    const script = "for n = 1, 100 do redis.call('XADD', KEYS[1], unpack(ARGV)) end"; // in one go, and so read in one
    await command("EVAL", script, "1", LOG_KEY, ...junk(300));
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second, 2);
    expect(second.status().cache.gaps).toBe(0);
    await command("XADD", LOG_KEY, ...junk(10_000));
    await until(() => clients.every((client) => client.status().cache.gaps === 1));
    await until(() => clients.every((client) => client.status().cache.log === "live"));
    const before = second.status().cache.heard;
    await first.invalidateUser({ ...ana, userId: "nobody" });
    await heard(second, before + 1);
  });

  test("that is played back voids nothing that was asked since it was heard", async () => {
    const { clients, command, log, clock } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser(ana);
    await first.invalidateToken("token-ana");
    await heard(second, 2);
    await second.verifyToken("token-ana");
    const told = await log();
    for (const ms of [0, 61_000]) {
      await clock.advance(ms);
      const before = second.status().cache.heard;
      for (const [, [field, text]] of told) await command("XADD", LOG_KEY, "*", field, text);
      await heard(second, before + 2);
      expect(holds(second)).toBe(ms === 0); // the second time it has left the process
      await second.verifyToken("token-ana");
      expect(holds(second)).toBe(true);
    }
  });

  test("has what a process had put into Redis deleted again, where it was asked for before: it came after the deletion", async () => {
    const { clients, command, log } = await startFleet();
    const [first, second] = clients;
    await second.verifyToken("token-ana");
    await eventually(async () => (await tokens()).length === 1, "the entry is written");
    const [entry] = await tokens();
    const text = await command("GET", entry as string);
    await first.invalidateToken("token-ana");
    await heard(second);
    await command("SET", entry as string, String(text)); // as if it had been on its way
    const [[, [, told]]] = (await log()) as [[string, [string, string]]];
    await command("XADD", LOG_KEY, "*", "e", told);
    await eventually(async () => (await tokens()).length === 0, "it is deleted again");
    await second.verifyToken("token-ana");
    await eventually(async () => (await tokens()).length === 1, "a later answer is written");
    await command("XADD", LOG_KEY, "*", "e", told);
    await heard(second, 3);
    await settle();
    expect(await tokens()).toHaveLength(1);

    async function tokens(): Promise<string[]> {
      return (await command("KEYS", "portero:1:token:*")) as string[];
    }
  });

  test("that is played back to a process that never heard it voids what was asked until a minute after it, and no more", async () => {
    const { clients, command, log, clock, open } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser(ana);
    await heard(second);
    const told = await log();
    await command("DEL", LOG_KEY);
    await clock.advance(60_000);
    await clock.advance(2000);
    const third = await open();
    await until(() => third.status().cache.log === "live");
    await third.verifyToken("token-ana");
    for (const [, [field, text]] of told) await command("XADD", LOG_KEY, "*", field, text);
    await heard(third);
    expect(holds(third)).toBe(true);
  });

  test("is told later what could not be told, the newest of each subject; the promise rejects all the same", async () => {
    const { redis, clients } = await startFleet();
    const [first, second] = clients;
    for (const client of clients) await client.verifyToken("token-ana");
    await redis.kill();
    await until(() => clients.every((client) => client.status().cache.log === "behind"));
    for (let n = 0; n < 3; n++) {
      await expect(first.invalidateUser(ana)).rejects.toMatchObject({ code: "auth_unavailable" });
      await expect(first.invalidateToken("token-ana")).rejects.toMatchObject({ code: "auth_unavailable" });
    }
    expect(first.status().cache).toMatchObject({ log: "behind", outbox: 2, told: 0 });
    expect([holds(first), holds(second)]).toEqual([false, true]);
    await redis.start();
    await until(() => first.status().cache.outbox === 0);
    await until(() => !holds(second)); // it heard, or there was a gap
    const { told } = first.status().cache;
    expect([2, 3, 4]).toContain(told); // twice where it was told before the reader noticed that the stream was lost
  });

  test("is told again, with Redis, what was told within the last minute when Redis lost it", async () => {
    const { redis, clients } = await startFleet();
    const [first, second] = clients;
    await first.invalidateUser(ana);
    await heard(second);
    await redis.kill();
    await redis.start(); // empty
    await until(() => clients.every((client) => client.status().cache.log === "live"));
    await until(() => first.status().cache.told >= 2);
    expect(second.status().cache.gaps).toBeGreaterThan(0);
    const admin = createClient({ url: redis.url });
    await admin.connect();
    afterwards(() => admin.destroy());
    const keys = await admin.keys("*");
    expect(keys.map((key) => key.split(":")[2]).sort()).toEqual(["any-user-invalidated", "log", "user-invalidated"]);
  });

  test("costs an idle process two commands in 2.4 s: one that waits, and a proof", async () => {
    const { redis, clients } = await startFleet(1);
    await clients[0].invalidateUser(ana);
    const monitor = createClient({ url: redis.url });
    await monitor.connect();
    afterwards(() => monitor.destroy());
    const commands: string[] = [];
    await monitor.monitor((line) =>
      commands.push(
        String(line)
          .replace(/^.*?\] /, "")
          .replaceAll('"', ""),
      ),
    );
    await until(() => commands.length >= 5);
    const read = expect.stringMatching(/^XREAD COUNT 1000 BLOCK 2400 STREAMS portero:1:log:/);
    const proof = expect.stringMatching(/^XRANGE portero:1:log:/);
    const first = commands.findIndex((command) => command.startsWith("XRANGE"));
    expect(commands.slice(first, first + 4)).toEqual([proof, read, proof, read]);
  });

  test("is not read beside a store that is no Redis of ours", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const client = openClient(service, { clock, cache: { store: new MemoryStore(clock), namespace: "shop" } });
    await client.ready();
    await client.invalidateUser(ana);
    expect(client.status().cache).toMatchObject({ log: "none", told: 0, heard: 0, gaps: 0, outbox: 0 });
  });
});
