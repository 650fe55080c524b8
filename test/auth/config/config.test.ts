import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { type AuthClientOptions, ConfigError, createAuthClient, optionsFromEnv } from "../../../src/client.js";
import { systemClock } from "../../../src/runtime/clock.js";
import { DEFAULTS } from "../../support/defaults.js";

const grpc = { url: "http://auth:50051" };
const rest = { url: "http://auth:8080" };
const store = { get: async () => undefined, set: async () => true, delete: async () => true };
const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
const SECRET = "secret-of-these-tests-and-no-more";
const MAX_TIMER_MS = 2 ** 31 - 1;

type Path = string;

/** Options with one of them set: `"cache.ttlMs"` to 5 makes `{ cache: { ttlMs: 5 } }`, beside two upstreams. */
function withOption(path: Path, value: unknown): AuthClientOptions {
  const options: Record<string, Record<string, unknown>> = { grpc: { ...grpc }, rest: { ...rest } };
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let place: Record<string, unknown> = options;
  for (const key of keys) {
    place[key] ??= {};
    place = place[key] as Record<string, unknown>;
  }
  place[last] = value;
  return options as AuthClientOptions;
}

function valueAt(config: object, path: Path): unknown {
  return path.split(".").reduce<unknown>((place, key) => (place as Record<string, unknown>)[key], config);
}

/** The one of gRPC is the first of a list. */
function urlIn(config: object, path: Path): unknown {
  return path === "grpc.url" ? valueAt(config, "grpc.urls.0") : valueAt(config, path);
}

function problemsOf(options: unknown) {
  try {
    void createAuthClient(options as AuthClientOptions).close();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  throw new Error("no ConfigError");
}

const namesOf = (options: unknown) => problemsOf(options).map(({ name }) => name);

test("Two URLs are enough: everything else has its default.", () => {
  expect(readConfig({ grpc, rest })).toEqual({
    grpc: {
      urls: [grpc.url],
      timeoutMs: 1000,
      connections: { min: 2, max: 8 },
      hedgeMs: 100,
      tls: undefined,
      interceptors: [],
      transport: undefined,
    },
    rest: {
      ...rest,
      timeoutMs: 2000,
      tls: undefined,
      paths: {
        verifyToken: "/auth/verify",
        userLocals: "/api/v1/users/{user_id}/locals",
        userPermissions: "/api/v1/users/{user_id}/permissions",
        organization: "/api/v1/organizations/{organization_id}",
      },
    },
    ...DEFAULTS,
    cache: {
      ...DEFAULTS.cache,
      maxTokensPerUser: 2500,
      redisUrl: undefined,
      store: undefined,
      identity: expect.any(String),
      secrets: [],
    },
    headers: undefined,
    maxAnswerBytes: 1_048_576,
    deadlineMs: 3000,
    tokenSyntax: undefined,
    risks: [],
    maxTokenBytes: 8192,
    logger: console,
    clock: systemClock,
    random: Math.random,
  });
});

describe("A number is taken up to its borders, and named beyond them:", () => {
  const durations: [Path, number, number?][] = [
    ["grpc.timeoutMs", 20, 300_000],
    ["rest.timeoutMs", 20, 300_000],
    ["breaker.windowMs", 1],
    ["breaker.recoveryMs", 1],
    ["grpc.hedgeMs", 0],
    ["retry.initialDelayMs", 0],
    ["retry.maxDelayMs", 0],
    ["cache.ttlMs", 0],
    ["cache.localsTtlMs", 0],
    ["cache.permissionsTtlMs", 0],
    ["cache.organizationTtlMs", 0],
    ["cache.refusalTtlMs", 0],
    ["cache.processTtlMs", 0],
    ["cache.staleIfErrorMs", 0],
  ];
  test.each<[Path, number, number]>([
    ...durations.map(([path, min, max = MAX_TIMER_MS]): [Path, number, number] => [path, min, max]),
    ["breaker.failureThreshold", 1, Number.MAX_SAFE_INTEGER],
    ["retry.attempts", 1, 10],
    ["grpc.connections.min", 1, 256],
    ["grpc.connections.max", 1, 256],
    ["limit.maxConcurrent", 1, Number.MAX_SAFE_INTEGER],
    ["limit.maxQueue", 0, Number.MAX_SAFE_INTEGER],
    ["cache.maxEntries", 1, 2 ** 24],
    ["cache.maxBytes", 1, Number.MAX_SAFE_INTEGER],
    ["maxAnswerBytes", 1, 2 ** 31 - 1],
    ["maxTokenBytes", 1, 1_048_576],
  ])("%s from %d to %d", (path, min, max) => {
    for (const good of [min, min + 1, max]) expect(valueAt(readConfig(withOption(path, good)), path)).toBe(good);
    for (const bad of [min - 1, max + 1, -1, Number.NaN, Number.POSITIVE_INFINITY, "5", true, null, {}, [5], 5n]) {
      const [problem, ...others] = problemsOf(withOption(path, bad));
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ name: path, expected: expect.stringContaining(String(min)) });
    }
  });

  test.each(durations)("%s may be a fraction", (path) => {
    expect(valueAt(readConfig(withOption(path, 99.5)), path)).toBe(99.5);
  });

  test.each([
    "breaker.failureThreshold",
    "retry.attempts",
    "limit.maxConcurrent",
    "limit.maxQueue",
    "cache.maxEntries",
    "cache.maxBytes",
    "maxAnswerBytes",
  ])("%s may not", (path) => {
    expect(namesOf(withOption(path, 2.5))).toEqual([path]);
  });
});

describe("The deadline", () => {
  test("is the sum of the timeouts of the upstreams that are there", () => {
    expect(readConfig({ grpc: { ...grpc, timeoutMs: 300 }, rest }).deadlineMs).toBe(2300);
    expect(readConfig({ grpc }).deadlineMs).toBe(1000);
    expect(readConfig({ rest }).deadlineMs).toBe(2000);
  });

  test("that is smaller than the sum is shared in proportion", () => {
    const config = readConfig({ grpc, rest, deadlineMs: 1500 });
    expect([config.deadlineMs, config.grpc?.timeoutMs, config.rest?.timeoutMs]).toEqual([1500, 500, 1000]);
  });

  test("that is larger leaves the timeouts alone", () => {
    const config = readConfig({ grpc, rest, deadlineMs: 60_000 });
    expect([config.deadlineMs, config.grpc?.timeoutMs, config.rest?.timeoutMs]).toEqual([60_000, 1000, 2000]);
  });

  test("leaves every upstream the 20 ms of a try", () => {
    expect(readConfig({ grpc, rest, deadlineMs: 60 }).grpc?.timeoutMs).toBe(20);
    expect(namesOf({ grpc, rest, deadlineMs: 59 })).toEqual(["deadlineMs"]);
    expect(readConfig({ rest, deadlineMs: 20 }).rest?.timeoutMs).toBe(20);
    expect(namesOf({ rest, deadlineMs: 19 })).toEqual(["deadlineMs"]);
  });

  test.each([0, -1, Number.NaN, 300_001, MAX_TIMER_MS + 1, "3000", null])("may not be %p", (deadlineMs) => {
    expect(namesOf({ grpc, rest, deadlineMs })).toEqual(["deadlineMs"]);
  });

  test("is at most five minutes, but where an upstream needs more for its 20 ms of a try", () => {
    expect(readConfig({ grpc, rest, deadlineMs: 300_000 }).deadlineMs).toBe(300_000);
    const unequal = { grpc: { ...grpc, timeoutMs: 20 }, rest: { ...rest, timeoutMs: 300_000 } };
    expect(readConfig({ ...unequal, deadlineMs: 300_020 }).deadlineMs).toBe(300_020);
    expect(namesOf({ ...unequal, deadlineMs: 300_021 })).toEqual(["deadlineMs"]);
  });

  test("by default is not longer than a timer of Node can be, of timeouts as long as they can be", () => {
    const timeoutMs = 300_000;
    expect(readConfig({ grpc: { ...grpc, timeoutMs }, rest: { ...rest, timeoutMs } }).deadlineMs).toBe(600_000);
  });

  test.each(["grpc.timeoutMs", "rest.timeoutMs", "deadlineMs"])("%s that is too long is told its unit", (path) => {
    const [problem] = problemsOf(withOption(path, 300_001));
    expect(problem?.expected).toMatch(/^a number of milliseconds from \d+ to 300000: this option is in milliseconds$/);
  });
});

describe("An upstream", () => {
  test.each([[{}], [undefined], [{ cache: {} }]])("must be there: %j names both", (options) => {
    expect(problemsOf(options)).toEqual([
      {
        name: "grpc.url or rest.url",
        value: "nothing",
        expected: "at least one upstream (AUTH_GRPC_URL or AUTH_REST_URL)",
      },
    ]);
  });

  test("alone is enough, either one", () => {
    expect(readConfig({ grpc })).toMatchObject({ grpc: { urls: [grpc.url] }, rest: undefined });
    expect(readConfig({ rest })).toMatchObject({ grpc: undefined, rest });
    expect(readConfig({ grpc: { transport } }).grpc).toMatchObject({ urls: [], transport });
  });

  test.each<[Path, unknown]>([
    ["grpc.url", "http://10.0.0.1:50051"],
    ["grpc.url", "https://auth.example.com"],
    ["grpc.url", "http://[::1]:50051"],
    ["rest.url", "https://auth.example.com/base/"],
    ["rest.url", "http://service:password@auth"],
  ])("%s may be %j", (path, value) => {
    expect(urlIn(readConfig(withOption(path, value)), path)).toBe(value);
  });

  test("of gRPC may have several URLs, by commas from the environment; one that is named twice is one", () => {
    const urls = ["http://a:50051", "https://b", "http://10.0.0.1:1"];
    expect(readConfig({ grpc: { url: urls } }).grpc?.urls).toEqual(urls);
    expect(readConfig({ grpc: { url: [...urls, "https://b"] } }).grpc?.urls).toEqual(urls);
    const fromEnv = (text: string) => readConfig(optionsFromEnv({ AUTH_GRPC_URL: text })).grpc?.urls;
    expect(fromEnv(" http://a:50051, https://b ,http://10.0.0.1:1,")).toEqual(urls);
    expect(fromEnv("http://a:50051")).toEqual(["http://a:50051"]);
    expect(fromEnv("http://service:pass,word@a:50051")).toEqual(["http://service:pass,word@a:50051"]);
  });

  test.each<[unknown, string]>([
    [[], "an array"],
    [["http://a:50051", "auth:50051"], "something that is no URL (not shown)"],
    [["http://a:50051", "ftp://b:1"], '"ftp://b:1"'],
    [["http://a:50051", 7], "7"],
    [["http://a:50051", undefined], "nothing"],
    [["http://a:50051", ["http://b"]], "an array"],
  ])("of gRPC may not have %j", (url, value) => {
    expect(problemsOf({ grpc: { url } })).toMatchObject([{ name: "grpc.url", value }]);
  });

  test("is told what to write in the place of another client's target", () => {
    const expectedOf = (text: string) => {
      return problemsOf(optionsFromEnv({ AUTH_GRPC_URL: text })).map(({ name, expected }) => [name, expected]);
    };
    const expected = "a URL that begins with http:// or https://: write ";
    expect(expectedOf("dns:///auth:50051")).toEqual([["AUTH_GRPC_URL", `${expected}http://auth:50051`]]);
    expect(expectedOf("dns:///a:1,dns:///b:2")).toEqual([
      ["AUTH_GRPC_URL", `${expected}http://a:1`],
      ["AUTH_GRPC_URL", `${expected}http://b:2`],
    ]);
    expect(expectedOf("a:1,http://b:2")).toEqual([["AUTH_GRPC_URL", `${expected}http://a:1`]]);
  });

  test("with several URLs needs a namespace beside a shared cache", () => {
    const several = { grpc: { url: ["http://a:1", "http://b:1"] }, cache: { store } };
    expect(problemsOf(several)).toMatchObject([{ name: "cache.namespace", value: "nothing" }]);
    expect(problemsOf(several)[0]?.expected).toMatch(/^a name .*: more than one grpc\.url can change its answers/);
    expect(readConfig({ ...several, cache: { store, namespace: "shop" } }).cache.identity).toBe("shop");
    expect(readConfig({ ...several, cache: {} }).grpc?.urls).toHaveLength(2);
    expect(readConfig({ grpc: { url: ["http://a:1"] }, cache: { store } }).cache.identity).toBe('["http://a:1/",null]');
  });

  test("wants TLS for each URL where it has certificates", () => {
    expect(namesOf({ grpc: { url: ["https://a", "http://b"], tls: {} } })).toEqual(["grpc.tls"]);
    expect(readConfig({ grpc: { url: ["https://a", "https://b"], tls: {} } }).grpc?.tls).toEqual({});
  });

  test.each(
    ["grpc.url", "rest.url"].flatMap((path) =>
      ["", "auth", "auth:50051", "ftp://auth", "http://", "http://auth/#part", 7, null, {}].map(
        (value): [Path, unknown] => [path, value],
      ),
    ),
  )("%s may not be %j", (path, value) => {
    expect(namesOf(withOption(path, value))).toEqual([path]);
  });

  test.each(
    ["grpc.url", "rest.url"].flatMap((path) =>
      ["http://unix:/run/auth.sock", "http://unix:/run/auth.sock:/verify", "HTTP://UNIX:/a", "http://a:b@unix:/a"].map(
        (value): [Path, string] => [path, value],
      ),
    ),
  )("%s is no unix socket: %s", (path, value) => {
    expect(namesOf(withOption(path, value))).toEqual([path]);
    expect(problemsOf(withOption(path, value))[0]?.expected).toMatch(/unix socket, (rest\.agent|grpc\.transport)/);
  });

  test.each(["grpc.url", "rest.url"])("a host may be named unix: %s", (path) => {
    for (const url of ["http://unix", "http://unix/", "http://unix:8080/auth"]) {
      expect(urlIn(readConfig(withOption(path, url)), path)).toBe(url);
    }
  });

  test.each(["grpc.url", "rest.url"])("%s has no query: paths are appended to it", (path) => {
    expect(namesOf(withOption(path, "http://auth/?tenant=1"))).toEqual([path]);
    expect(namesOf(withOption(path, "http://auth?"))).toEqual([path]);
  });

  test.each([
    [{ grpc: {} }, ["grpc.url"]],
    [{ rest: {} }, ["rest.url"]],
    [{ grpc: { url: grpc.url, transport } }, ["grpc.transport"]],
    [{ grpc: { transport: {} } }, ["grpc.transport"]],
    [{ grpc: "http://auth" }, ["grpc"]],
    [{ rest: "http://auth" }, ["rest"]],
    [{ grpc, rest: [] }, ["rest"]],
  ])("%j is not one", (options, names) => {
    expect(namesOf(options)).toEqual(expect.arrayContaining(names));
  });
});

test("What is read is a copy, and does not change any more.", () => {
  const options = { grpc: { ...grpc }, rest: { ...rest, paths: {} }, cache: { secret: [SECRET] }, headers: { a: "b" } };
  const before = structuredClone(options);
  const config = readConfig(options);
  expect(options).toEqual(before);
  options.headers.a = "c";
  options.cache.secret.push("x");
  expect(config.headers).toEqual({ a: "b" });
  expect(config.cache.secrets).toEqual([SECRET]);
  expect(Object.isFrozen(config)).toBe(true);
});

test("A store stands in the cache's place for Redis.", () => {
  expect(readConfig({ grpc, cache: { store } }).cache.store).toBe(store);
});
