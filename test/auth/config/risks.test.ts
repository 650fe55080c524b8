import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { reachOf } from "../../../src/auth/config/local-host.js";
import { type AuthClientOptions, ConfigError, optionsFromEnv } from "../../../src/client.js";
import { ManualClock } from "../../support/manual-clock.js";
import { openBareClient } from "../../support/open-client.js";
import { RecordingLogger } from "../../support/recording-logger.js";

const SECRET = "a secret of the whole fleet: 32 bytes or more";
const store = { get: async () => undefined, set: async () => true, delete: async () => true };
const local = { rest: { url: "http://127.0.0.1:1" } };

/** What a client says at its start. */
function linesOf(options: AuthClientOptions): readonly string[] {
  const logger = new RecordingLogger();
  openBareClient({ logger, clock: new ManualClock(), ...options });
  return logger.lines;
}

function problemsOf(options: AuthClientOptions): readonly { name: string; value: string; expected: string }[] {
  try {
    readConfig(options);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("The reach of a host is", () => {
  test.each(["127.0.0.1", "127.255.0.9", "[::1]", "[::ffff:127.0.0.1]"])("loopback: %s", (host) => {
    expect(reachOf(`http://${host}:50051`)).toBe("loopback");
    expect(reachOf(`redis://${host}:50051`)).toBe("loopback");
  });

  test.each([
    ...["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1", "0.0.0.0"],
    ...["[fc00::1]", "[fdff::1]", "[fe80::1]", "[::ffff:10.0.0.1]"],
    ...[
      "auth",
      "AUTH",
      "localhost",
      "auth.",
      "auth.local",
      "auth.Internal",
      "auth.default.svc",
      "auth.localhost",
      "auth.invalid",
    ],
    ...["auth.default.svc.cluster.local", "auth.default.svc.cluster.local."],
  ])("private: %s", (host) => {
    expect(reachOf(`http://${host}:50051`)).toBe("private");
    expect(reachOf(`redis://${host}:50051`)).toBe("private");
  });

  test.each([
    ...[
      "8.8.8.8",
      "172.15.255.255",
      "172.32.0.1",
      "11.0.0.1",
      "192.169.0.1",
      "126.0.0.1",
      "[2001:db8::1]",
      "[fec0::1]",
    ],
    ...["[::ffff:8.8.8.8]", "auth.example.com", "local.example.com", "authlocal.com", "auth.svc.example.com"],
    ...["10.0.0.1.example.com", "auth.example.com."],
  ])("public: %s", (host) => {
    expect(reachOf(`http://${host}:50051`)).toBe("public");
    expect(reachOf(`redis://${host}:50051`)).toBe("public");
  });
});

describe("At the start, in one line:", () => {
  test.each<[string, AuthClientOptions, RegExp]>([
    ["an unsealed store", { ...local, cache: { store } }, /no secret: .*AUTH_CACHE_SECRET/],
    ["an unsealed Redis", { ...local, cache: { redisUrl: "redis://127.0.0.1:1" } }, /no secret: .*AUTH_CACHE_SECRET/],
    [
      "gRPC in clear text",
      { grpc: { url: "http://auth.example.com:50051" } },
      /clear text to grpc\.url http:\/\/auth\.example\.com:50051\/: .*https:\/\//,
    ],
    [
      "REST in clear text",
      { rest: { url: "http://service:hunter2@8.8.8.8/base" } },
      /clear text to rest\.url http:\/\/8\.8\.8\.8\/base: /,
    ],
    [
      "Redis in clear text",
      { ...local, cache: { redisUrl: "redis://:hunter2@cache.example.com", secret: SECRET } },
      /clear text to cache\.redisUrl redis:\/\/cache\.example\.com: .*rediss:\/\//,
    ],
    [
      "a cluster in clear text, one of whose hosts is not local",
      { ...local, cache: { redisUrl: "redis+cluster://:hunter2@cache:1,cache.example.com:2", secret: SECRET } },
      /clear text to cache\.redisUrl redis\+cluster:\/\/cache:1,cache\.example\.com:2: /,
    ],
    [
      "sentinels in clear text",
      { ...local, cache: { redisUrl: "redis+sentinel://s.example.com/mymaster", secret: SECRET } },
      /clear text to cache\.redisUrl redis\+sentinel:\/\/s\.example\.com\/mymaster: /,
    ],
    [
      "a local name beside a shared cache",
      { grpc: { url: "http://auth:50051" }, cache: { store, secret: SECRET } },
      /cannot tell grpc\.url http:\/\/auth:50051\/ from another environment's.*AUTH_CACHE_NAMESPACE/,
    ],
    [
      "a private address beside it",
      { rest: { url: "https://10.0.0.5" }, cache: { store, secret: SECRET } },
      /cannot tell rest\.url https:\/\/10\.0\.0\.5\/ from .*AUTH_CACHE_NAMESPACE/,
    ],
    [
      "a long TTL",
      { ...local, cache: { ttlMs: 3_600_001 } },
      /longer than an hour; see cache\.ttlMs, at most 3600000$/,
    ],
    [
      "stale for long",
      { ...local, cache: { staleIfErrorMs: 86_400_001 } },
      /longer than a day; see cache\.staleIfErrorMs/,
    ],
  ])("%s", (_what, options, line) => {
    const lines = linesOf(options);
    expect(lines).toEqual([expect.stringMatching(line)]);
    expect(lines[0]).toMatch(/^warn portero: /);
    expect(lines[0]).not.toMatch(/; also, |hunter2/);
  });

  test("all that applies", () => {
    const [line = "", ...others] = linesOf({
      grpc: { url: "http://auth:50051" },
      rest: { url: "http://auth.example.com" },
      cache: { store, ttlMs: 7_200_000, staleIfErrorMs: 172_800_000 },
    });
    expect(others).toEqual([]);
    expect(line.split("; also, ")).toEqual([
      expect.stringContaining("AUTH_CACHE_SECRET"),
      expect.stringContaining("clear text to rest.url http://auth.example.com/:"),
      expect.stringContaining("cannot tell grpc.url http://auth:50051/ from"),
      expect.stringContaining("cache.ttlMs"),
      expect.stringContaining("cache.staleIfErrorMs"),
    ]);
    expect(line).not.toContain("\n");
  });

  test.each<[string, AuthClientOptions]>([
    ["local, alone", { grpc: { url: "http://auth:50051" }, rest: { url: "http://auth.internal" } }],
    [
      "encrypted",
      { rest: { url: "https://auth.example.com" }, cache: { redisUrl: "rediss://cache.example.com", secret: SECRET } },
    ],
    [
      "a mesh with a namespace",
      { grpc: { url: "http://auth:50051" }, cache: { store, secret: SECRET, namespace: "production" } },
    ],
    [
      "a public name beside a sealed cache",
      { rest: { url: "https://auth.example.com" }, cache: { store, secret: SECRET } },
    ],
    ["TTLs up to their borders", { ...local, cache: { ttlMs: 3_600_000, staleIfErrorMs: 86_400_000 } }],
  ])("nothing, of what is %s", (_what, options) => {
    expect(linesOf(options)).toEqual([]);
  });

  test("two environments, both http://auth:50051 on one Redis, are told the cure", () => {
    const env = { AUTH_GRPC_URL: "http://auth:50051", REDIS_URL: "redis://cache:6379", AUTH_CACHE_SECRET: SECRET };
    expect(readConfig(optionsFromEnv(env)).risks.join("; also, ")).toMatch(/AUTH_CACHE_NAMESPACE/);
    expect(readConfig(optionsFromEnv({ ...env, AUTH_CACHE_NAMESPACE: "staging" })).risks).toEqual([]);
  });
});

describe("strict", () => {
  const open = { rest: { url: "http://auth.example.com" }, cache: { store } };

  test("makes an unsealed cache and clear text errors", () => {
    expect(problemsOf({ ...open, strict: true })).toEqual([
      { name: "cache.secret", value: "nothing", expected: expect.stringMatching(/AUTH_CACHE_SECRET.*strict/) },
      { name: "rest.url", value: '"http://auth.example.com"', expected: expect.stringMatching(/https:\/\/.*strict/) },
    ]);
  });

  test.each([
    ["cache.redisUrl", { redisUrl: "redis://:hunter2@cache.example.com" }],
    ["cache.redis.url", { redis: { url: "redis://:hunter2@cache.example.com" } }],
  ])("names the option that leads to Redis in clear text: %s", (name, redis) => {
    const given = { ...local, cache: { ...redis, secret: SECRET } };
    expect(readConfig(given).risks.join("; also, ")).toContain(`clear text to ${name} redis://cache.example.com: `);
    expect(problemsOf({ ...given, strict: true })).toEqual([
      { name, value: '"redis://…@cache.example.com"', expected: expect.stringMatching(/rediss:\/\//) },
    ]);
  });

  test.each([
    [
      "redis+cluster://:hunter2@10.0.0.1,cache.example.com",
      '"redis+cluster://…@10.0.0.1,cache.example.com"',
      "rediss+cluster",
    ],
    ["redis+sentinel://s.example.com:1/m", '"redis+sentinel://s.example.com:1/m"', "rediss+sentinel"],
  ])("names the scheme to write: for %s", (redisUrl, value, scheme) => {
    const given = { ...local, cache: { redisUrl, secret: SECRET }, strict: true };
    const expected = `a URL that begins with ${scheme}://, or a local host: strict wants TLS`;
    expect(problemsOf(given)).toEqual([{ name: "cache.redisUrl", value, expected }]);
  });

  test.each([
    "redis+cluster://cache-1:6379,cache-2.svc:6379,[::1]:6379",
    "redis+sentinel://10.0.0.1:26379,s-2/mymaster",
    "rediss+cluster://a.example.com,b.example.com",
    "rediss+sentinel://s.example.com/mymaster",
  ])("lets %s pass", (redisUrl) => {
    const given = { ...local, cache: { redisUrl, secret: SECRET }, strict: true } as const;
    expect(readConfig(given).risks).toEqual([]);
  });

  test('"cache" makes an unsealed cache one alone, and goes on warning of clear text', () => {
    expect(problemsOf({ ...open, strict: "cache" }).map(({ name }) => name)).toEqual(["cache.secret"]);
    const sealed = { ...open, cache: { store, secret: SECRET }, strict: "cache" } as const;
    expect(readConfig(sealed).risks.join("; also, ")).toMatch(/clear text/);
  });

  test("changes nothing where nothing is wrong, nor in the other warnings", () => {
    for (const strict of [true, "cache", false, undefined] as const) {
      expect(problemsOf({ ...local, ...(strict !== undefined && { strict }) })).toEqual([]);
    }
    const mesh = {
      grpc: { url: "http://auth:50051" },
      cache: { store, secret: SECRET, ttlMs: 7_200_000 },
      strict: true,
    };
    expect(readConfig(mesh).risks.join("; also, ")).toMatch(/AUTH_CACHE_NAMESPACE.*cache\.ttlMs/);
  });

  test.each(["yes", 1, null, {}, "", "1", "Cache"])("may not be %j", (strict) => {
    expect(problemsOf({ ...local, strict: strict as never }).map(({ name }) => name)).toEqual(["strict"]);
  });

  test("comes from AUTH_STRICT too: 1 or cache", () => {
    const env = { AUTH_REST_URL: "http://auth.example.com", REDIS_URL: "redis://cache" };
    const namesOf = (AUTH_STRICT: string) =>
      problemsOf(optionsFromEnv({ ...env, AUTH_STRICT })).map(({ name }) => name);
    expect(namesOf("1")).toEqual(["cache.secret", "AUTH_REST_URL"]);
    expect(namesOf(" cache ")).toEqual(["cache.secret"]);
    expect(namesOf("")).toEqual([]);
    for (const wrong of ["yes", "true", "0", "2", "CACHE"]) expect(namesOf(wrong)).toEqual(["AUTH_STRICT"]);
  });
});
