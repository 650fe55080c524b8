import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import type { FakeAuthService } from "../../src/testing.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import {
  describeWithRedis,
  type RedisServer,
  type RedisServerOptions,
  startRedisServer,
} from "../support/redis-server.js";
import { until } from "../support/until.js";

const gone = (url: string, reason = "") =>
  `warn portero: the shared cache ${url} cannot be reached${reason && ` (${reason})`}: going on without it`;
const back = (url: string) => `info portero: the shared cache ${url} is back`;
const SECRET = "a secret of the whole fleet, at least 32 bytes";
const anaRef = { userId: "ana", organizationId: "org-1" };
/** Starting a process, or losing and finding Redis again, takes its real time. */
const PATIENCE_MS = 30_000;

async function startRedis(options?: RedisServerOptions): Promise<RedisServer> {
  const redis = await startRedisServer(options);
  afterwards(() => redis.kill());
  return redis;
}

/** Real time, but patient: on a busy machine a healthy Redis can take longer than the bound of an operation. */
const patientClock: Clock = {
  ...systemClock,
  setTimeout: (callback, ms, options) => systemClock.setTimeout(callback, ms * 10, options),
};

function open(service: FakeAuthService, redisUrl: string, cache: CacheOptions = {}) {
  const logger = new RecordingLogger();
  const client = openClient(service, { clock: patientClock, logger, cache: { redisUrl, secret: SECRET, ...cache } });
  return { client, logger };
}

const startAnas = () => startService({ users: { "token-ana": { id: "ana", locals: ["madrid"] } } });
const connected = async ({ client }: { client: AuthClient }) => {
  await client.ready(); // what is asked before the log begins is kept nowhere
  await until(() => client.status().cache.shared === "available");
};

/** Keeps asking, as a service does, until the shared cache is as it should be; each request must be answered by the service. */
async function askUntil(client: AuthClient, shared: "available" | "unavailable"): Promise<void> {
  const end = performance.now() + PATIENCE_MS / 2;
  while (client.status().cache.shared !== shared && performance.now() < end) {
    await client.invalidateToken("token-ana").catch(() => undefined);
    expect((await client.verifyToken("token-ana")).user.id).toBe("ana");
  }
  expect(client.status().cache.shared).toBe(shared);
}

/** What Redis itself says. */
async function inspect(url: string) {
  const redis = createClient({ url });
  await redis.connect();
  try {
    const keys = await redis.keys("*");
    const isLog = (key: string) => key.startsWith("portero:1:log:");
    const values = await Promise.all(
      keys.map((key) => (isLog(key) ? redis.sendCommand(["XRANGE", key, "-", "+"]) : redis.get(key))),
    );
    const ttls = await Promise.all(keys.map((key) => redis.pTTL(key)));
    const clients =
      String(await redis.sendCommand(["CLIENT", "LIST"]))
        .trim()
        .split("\n").length - 1; // this one apart
    return { keys, values, ttls, clients };
  } finally {
    redis.destroy();
  }
}

async function overwriteWithLists(url: string): Promise<void> {
  const redis = createClient({ url });
  await redis.connect();
  try {
    for (const key of await redis.keys("*")) {
      await redis.del(key);
      await redis.rPush(key, "garbage");
    }
  } finally {
    redis.destroy();
  }
}

describeWithRedis("On a real Redis", () => {
  test("two clients with different upstreams never do", async () => {
    const [redis, service, other] = await Promise.all([startRedis(), startAnas(), startAnas()]);
    const [first, second] = [open(service, redis.url), open(other, redis.url)];
    await Promise.all([connected(first), connected(second)]);
    await first.client.verifyToken("token-ana");
    await first.client.close();
    expect((await second.client.verifyToken("token-ana")).source).toBe("grpc");
    expect([service.calls.total, other.calls.total]).toEqual([1, 1]);
  });

  test.each([
    ["with a secret", SECRET],
    ["without one", undefined],
  ])("no token stands in it, and everything in it expires: %s", async (_how, secret) => {
    const [redis, service] = await Promise.all([startRedis(), startAnas()]);
    const client = open(service, redis.url, { secret });
    await connected(client);
    await client.client.verifyToken("token-ana");
    await client.client.getUserLocals(anaRef);
    await client.client.invalidateUser({ userId: "ben", organizationId: "org-1" });
    await client.client.close();
    const { keys, values, ttls } = await inspect(redis.url);
    expect(keys).toHaveLength(5);
    expect(JSON.stringify([keys, values])).not.toContain("token-ana");
    expect(ttls.every((ttl) => ttl > 0 && ttl <= 25 * 3_600_000)).toBe(true);
  });

  test("entries that somebody overwrote with a list are misses and no fault of Redis, and are written anew", async () => {
    const organizations = { acme: {}, bolt: {}, cube: {} };
    const ids = Object.keys(organizations);
    const [redis, service] = await Promise.all([startRedis(), startService({ organizations })]);
    const askAll = async ({ client }: { client: AuthClient }) => {
      for (const id of ids) expect((await client.getOrganization(id)).name).toBe(id);
    };
    const [first, second, third] = [open(service, redis.url), open(service, redis.url), open(service, redis.url)];
    await Promise.all([connected(first), connected(second), connected(third)]);
    await askAll(first);
    await first.client.close();
    await overwriteWithLists(redis.url);
    service.resetCalls();

    await askAll(second);

    expect(second.client.status().cache.shared).toBe("available");
    await second.client.close();
    await askAll(third);
    expect(service.calls.GetOrganization).toBe(ids.length);
    expect([...second.logger.lines, ...third.logger.lines]).toEqual([]);
  });

  test.each<[string, (redis: RedisServer) => unknown, (redis: RedisServer) => unknown]>([
    ["killed", (redis) => redis.kill(), (redis) => redis.start()],
    ["paused", (redis) => redis.pause(), (redis) => redis.resume()],
  ])(
    "requests go on while it is %s, and it is used again when it is back",
    async (_how, takeAway, bringBack) => {
      const [redis, service] = await Promise.all([startRedis(), startAnas()]);
      const { client, logger } = open(service, redis.url);
      await connected({ client });
      await client.verifyToken("token-ana");
      await takeAway(redis);
      await askUntil(client, "unavailable");
      service.resetCalls();
      for (let n = 0; n < 20; n++) {
        expect((await client.verifyToken("token-ana", { fresh: true })).source).toBe("grpc");
        expect((await client.verifyToken("token-ana")).source).toBe("process");
        await expect(client.verifyToken(`garbage-${n}`)).rejects.toMatchObject({ code: "invalid_token" });
      }
      expect([service.grpc.calls.total, service.rest.calls.total]).toEqual([40, 0]);
      await bringBack(redis);
      await askUntil(client, "available");
      expect(logger.lines).toEqual([gone(redis.url), back(redis.url)]);
      await until(() => client.status().cache.log === "live"); // what was asked before is kept nowhere
      await client.verifyToken("token-ana", { fresh: true });
      await client.close();
      const other = open(service, redis.url);
      await connected(other);
      expect((await other.client.verifyToken("token-ana")).source).toBe("shared");
    },
    PATIENCE_MS,
  );

  test(
    "one that is not there yet is said to be missing, and used when it comes",
    async () => {
      const [redis, service] = await Promise.all([startRedis(), startAnas()]);
      await redis.kill();
      const { client, logger } = open(service, redis.url);
      for (let n = 0; n < 10; n++) {
        expect((await client.verifyToken("token-ana", { fresh: true })).source).toBe("grpc");
        await expect(client.verifyToken(`garbage-${n}`)).rejects.toMatchObject({ code: "invalid_token" });
      }
      await client.ready(); // it has been tried once, however late the client came to that
      await redis.start();
      await askUntil(client, "available");
      expect(logger.lines).toEqual([
        `${gone(redis.url, "ECONNREFUSED")}; nothing listens there: are host and port right? Redis' own is 6379`,
        back(redis.url),
      ]);
    },
    PATIENCE_MS,
  );

  test("a wrong password costs no request, and one line says that something is wrong, without it", async () => {
    const [redis, service] = await Promise.all([startRedis({ password: "right" }), startAnas()]);
    const events: unknown[] = [];
    const { client, logger } = open(service, redis.url.replace(":right@", ":hunter2@"));
    client.on("cache", (event) => events.push(event));
    for (let n = 0; n < 10; n++) {
      expect((await client.verifyToken("token-ana", { fresh: true })).source).toBe("grpc");
      await expect(client.verifyToken(`garbage-${n}`)).rejects.toMatchObject({ code: "invalid_token" });
    }
    expect(client.status().cache.shared).toBe("unavailable");
    expect((await inspect(redis.url)).keys).toEqual([]);
    await until(() => logger.lines.length > 0);
    expect(logger.lines).toEqual([
      `${gone(redis.url.replace(":right@", ""), "WRONGPASS")}; user or password are wrong: are both encoded, # as %23?`,
    ]);
    expect(events).toEqual([{ tier: "shared", available: false }]);
  });

  test("the right password lets in", async () => {
    const [redis, service] = await Promise.all([startRedis({ password: "right" }), startAnas()]);
    await connected(open(service, redis.url));
  });

  test("close() ends the connection", async () => {
    const [redis, service] = await Promise.all([startRedis(), startAnas()]);
    const opened = open(service, redis.url);
    await connected(opened);
    await until(() => opened.client.status().cache.log === "live");
    expect((await inspect(redis.url)).clients).toBe(2); // one of them follows the log
    await opened.client.close();
    expect((await inspect(redis.url)).clients).toBe(0);
  });

  test.each([
    ["is there", async (redis: RedisServer) => redis.url],
    ["is gone", async (redis: RedisServer) => redis.kill().then(() => redis.url)],
  ])(
    "close() lets the process end when it %s",
    async (_how, urlOf) => {
      const [redis, service] = await Promise.all([startRedis(), startAnas()]);
      const script = `
        const { createAuthClient } = await import(process.argv[1]);
        const options = JSON.parse(process.argv[2]);
        const client = createAuthClient({ ...options, logger: false });
        process.stdout.write((await client.verifyToken("token-ana")).user.id);
        await client.close();
        process.stdout.write(" closed");`;
      const entry = new URL("../../src/client.ts", import.meta.url).href;
      const options = { ...service.upstreams, cache: { redisUrl: await urlOf(redis) } };
      const args = ["--import", "tsx", "--input-type=module", "--eval", script, entry, JSON.stringify(options)];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      afterwards(() => child.kill("SIGKILL"));
      let said = "";
      child.stdout.on("data", (chunk) => {
        said += chunk;
      });
      const [code] = await once(child, "close");
      expect([said, code]).toEqual(["ana closed", 0]);
    },
    PATIENCE_MS,
  );
});
