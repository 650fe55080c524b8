import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { type ConfigError, optionsFromEnv } from "../../../src/client.js";

type Variables = Readonly<Record<string, string | undefined>>;
const BOTH = { AUTH_GRPC_URL: "http://auth:50051", AUTH_REST_URL: "http://auth:8080" };
const SECRET = "a secret of the whole fleet: 32 bytes or more";

const configOf = (env: Variables) => readConfig(optionsFromEnv(env));

function problemsOf(env: Variables) {
  try {
    configOf(env);
  } catch (error) {
    expect(error).toMatchObject({ name: "ConfigError" });
    return (error as ConfigError).problems;
  }
  return [];
}

describe("From the environment", () => {
  test("the defaults are the seed's", () => {
    expect(configOf(BOTH)).toMatchObject({
      grpc: { urls: ["http://auth:50051"], timeoutMs: 1000 },
      rest: { url: "http://auth:8080", timeoutMs: 2000 },
      breaker: { failureThreshold: 5, windowMs: 60_000, recoveryMs: 30_000 },
      deadlineMs: 3000,
      cache: { redisUrl: undefined, secrets: [] },
    });
  });

  test.each<[string, string, object]>([
    ["AUTH_GRPC_TIMEOUT", "0.5", { grpc: { timeoutMs: 500 } }],
    ["AUTH_GRPC_TIMEOUT", "0.02", { grpc: { timeoutMs: 20 } }],
    ["AUTH_REST_TIMEOUT", "10", { rest: { timeoutMs: 10_000 } }],
    ["AUTH_REST_TIMEOUT", "300", { rest: { timeoutMs: 300_000 } }],
    ["AUTH_DEADLINE", "300", { deadlineMs: 300_000 }],
    ["CIRCUIT_BREAKER_TIMEOUT", "2000", { breaker: { windowMs: 2_000_000 } }],
    ["AUTH_REST_TIMEOUT", ".5", { rest: { timeoutMs: 500 } }],
    ["CIRCUIT_BREAKER_FAILURE_THRESHOLD", "1", { breaker: { failureThreshold: 1 } }],
    ["CIRCUIT_BREAKER_TIMEOUT", "0.001", { breaker: { windowMs: 1 } }],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "7.", { breaker: { recoveryMs: 7000 } }],
    ["AUTH_DEADLINE", "1.5", { deadlineMs: 1500, grpc: { timeoutMs: 500 }, rest: { timeoutMs: 1000 } }],
    ["AUTH_DEADLINE", "30", { deadlineMs: 30_000, grpc: { timeoutMs: 1000 }, rest: { timeoutMs: 2000 } }],
    ["REDIS_URL", "redis://cache:6379/2", { cache: { redisUrl: "redis://cache:6379/2" } }],
    ["REDIS_URL", "rediss://:pass@cache", { cache: { redisUrl: "rediss://:pass@cache" } }],
    ["AUTH_CACHE_SECRET", SECRET, { cache: { secrets: [SECRET] } }],
    ["AUTH_CACHE_SECRET", ` ${SECRET} , ${SECRET}2,`, { cache: { secrets: [SECRET, `${SECRET}2`] } }],
  ])("%s=%s is read, in seconds where it is a time", (name, value, expected) => {
    expect(configOf({ ...BOTH, [name]: value })).toMatchObject(expected);
  });

  test.each([
    ["AUTH_GRPC_URL", "ftp://auth"],
    ["AUTH_REST_URL", "ftp://auth:2121/base"],
    ["AUTH_GRPC_TIMEOUT", "1s"],
    ["AUTH_GRPC_TIMEOUT", "0"],
    ["AUTH_GRPC_TIMEOUT", "0.019"],
    ["AUTH_GRPC_TIMEOUT", "-1"],
    ["AUTH_GRPC_TIMEOUT", "1e3"],
    ["AUTH_GRPC_TIMEOUT", "0x10"],
    ["AUTH_GRPC_TIMEOUT", "Infinity"],
    ["AUTH_REST_TIMEOUT", "two"],
    ["AUTH_REST_TIMEOUT", "2,5"],
    ["AUTH_REST_TIMEOUT", "2147484"],
    ["AUTH_REST_TIMEOUT", "300.001"],
    ["AUTH_GRPC_TIMEOUT", "301"],
    ["CIRCUIT_BREAKER_TIMEOUT", "2147484"],
    ["CIRCUIT_BREAKER_FAILURE_THRESHOLD", "0"],
    ["CIRCUIT_BREAKER_FAILURE_THRESHOLD", "2.5"],
    ["CIRCUIT_BREAKER_TIMEOUT", "0"],
    ["CIRCUIT_BREAKER_TIMEOUT", "never"],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "-30"],
    ["AUTH_DEADLINE", "0"],
    ["AUTH_DEADLINE", "0.059"],
    ["AUTH_DEADLINE", "301"],
    ["REDIS_URL", "http://cache:6379"],
  ])("%s=%s is an error that names the variable, its value and what is expected", (name, value) => {
    const problems = problemsOf({ ...BOTH, [name]: value });
    expect(problems).toEqual([{ name, value: JSON.stringify(value), expected: expect.stringMatching(/\w/) }]);
  });

  test.each([
    ["AUTH_GRPC_URL", "auth:50051"],
    ["AUTH_GRPC_URL", "http://"],
    ["AUTH_REST_URL", "auth"],
    ["REDIS_URL", "cache:6379"],
    ["REDIS_URL", "redis://default:letmein"],
  ])("%s=%s is no URL, and is not shown", (name, value) => {
    const problems = problemsOf({ ...BOTH, [name]: value });
    const shown = "something that is no URL (not shown)";
    expect(problems).toEqual([{ name, value: shown, expected: expect.stringMatching(/\w/) }]);
  });

  test.each([
    ["AUTH_REST_URL", "https://auth:8443/base?api_key=hunter2", '"https://auth:8443/base"'],
    ["AUTH_REST_URL", "https://auth/#hunter2", '"https://auth/"'],
    ["AUTH_GRPC_URL", "http://auth:50051?key=hunter2", '"http://auth:50051"'],
    ["AUTH_GRPC_URL", "ftp://hunter2@auth:50051", '"ftp://…@auth:50051"'],
    ["REDIS_URL", "http://:hunter2@cache:6379/1?x=hunter2", '"http://…@cache:6379/1"'],
    ["REDIS_URL", "redis://:hunter2%zz@cache/2", '"redis://…@cache/2"'],
    ["REDIS_URL", "redis://cache/hunter2", '"redis://cache/…"'],
    ["AUTH_GRPC_PORT", "tcp://10.0.0.1:50051", '"tcp://10.0.0.1:50051"'],
    ["AUTH_GRPC_PORT", "70000", '"70000"'],
    ["AUTH_GRPC_PORT", "hunter2", "something that is no URL (not shown)"],
    ["AUTH_GRPC_TIMEOUT", "redis://:hunter2@cache", '"redis://…@cache"'],
  ])("of %s=%s, scheme, host, port and path are shown", (name, value, shown) => {
    const base = name === "AUTH_GRPC_PORT" ? { AUTH_GRPC_HOST: "auth" } : BOTH;
    expect(problemsOf({ ...base, [name]: value })).toMatchObject([{ name, value: shown }]);
  });

  test("times are expected in the unit that the variable counts in", () => {
    const [timeout] = problemsOf({ ...BOTH, AUTH_GRPC_TIMEOUT: "0" });
    expect(timeout?.expected).toMatch(/seconds from 0\.02 /);
    expect(timeout?.expected).not.toMatch(/milli/);
  });

  test.each(["AUTH_GRPC_TIMEOUT", "AUTH_REST_TIMEOUT", "AUTH_DEADLINE"])(
    "%s in milliseconds, which would be half an hour, is refused with both units, its upstream there or not",
    (name) => {
      for (const upstreams of [BOTH, { AUTH_GRPC_URL: "http://auth:50051" }, { AUTH_REST_URL: "http://auth" }]) {
        const [problem, ...others] = problemsOf({ ...upstreams, [name]: "2000" });
        expect(others).toEqual([]);
        expect(problem).toMatchObject({ name, value: '"2000"' });
        expect(problem?.expected).toMatch(
          /^a number of seconds from [\d.]+ to 300: .+ in seconds, not in milliseconds$/,
        );
      }
    },
  );

  test.each([
    ["short", "5"],
    [`${SECRET},short`, "5 (secret 2 of 2)"],
    [`é,${SECRET}`, "2 (secret 1 of 2)"],
  ])("a secret that is too short is told by its bytes, in a list by its place: %s", (secrets, value) => {
    expect(problemsOf({ ...BOTH, AUTH_CACHE_SECRET: secrets })).toEqual([
      { name: "AUTH_CACHE_SECRET", value, expected: "at least 32 bytes" },
    ]);
  });

  test("everything that is wrong is named at once", () => {
    const wrong = {
      AUTH_GRPC_URL: "file://auth",
      AUTH_GRPC_TIMEOUT: "soon",
      AUTH_REST_URL: "ftp://auth",
      AUTH_REST_TIMEOUT: "later",
      CIRCUIT_BREAKER_FAILURE_THRESHOLD: "many",
      CIRCUIT_BREAKER_TIMEOUT: "x",
      CIRCUIT_BREAKER_RECOVERY_TIMEOUT: "y",
      AUTH_DEADLINE: "z",
      REDIS_URL: "mysql://cache",
      AUTH_CACHE_SECRET: "short",
    };
    expect(
      problemsOf(wrong)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(Object.keys(wrong).sort());
    for (const [name, value] of Object.entries(wrong).slice(0, -1)) {
      expect(() => configOf(wrong)).toThrow(new RegExp(`  ${name}: expected .+, got "${value}"`));
    }
  });
});

describe("A secret of the shared cache that is none", () => {
  test.each(["", " ", ",", " , ,", "\t\n"])("is an error where it is set but blank: %j", (secret) => {
    const expected = "a secret of at least 32 bytes, or no such variable";
    expect(problemsOf({ ...BOTH, AUTH_CACHE_SECRET: secret })).toEqual([
      { name: "AUTH_CACHE_SECRET", value: "nothing but blanks and commas", expected },
    ]);
  });

  test.each([
    ["a".repeat(64), "1"],
    ["0123456".repeat(8), "7"],
    [`${SECRET},${"ab".repeat(20)}`, "2 (secret 2 of 2)"],
  ])("is one where it has few different bytes: %s", (secret, value) => {
    expect(problemsOf({ ...BOTH, AUTH_CACHE_SECRET: secret })).toEqual([
      { name: "AUTH_CACHE_SECRET", value, expected: "at least 8 different bytes" },
    ]);
  });

  test("but not with eight of them, nor where there is no such variable", () => {
    const secrets = ["01234567".repeat(4)];
    expect(configOf({ ...BOTH, AUTH_CACHE_SECRET: secrets[0] }).cache.secrets).toEqual(secrets);
    expect(configOf({ ...BOTH, AUTH_CACHE_SECRET: undefined }).cache.secrets).toEqual([]);
  });
});

describe("The gRPC address", () => {
  test.each<[Variables, string]>([
    [{ AUTH_GRPC_HOST: "auth" }, "http://auth:50051"],
    [{ AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "7000" }, "http://auth:7000"],
    [{ AUTH_GRPC_HOST: "auth.example.com", AUTH_GRPC_PORT: "1" }, "http://auth.example.com:1"],
    [{ AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "65535" }, "http://auth:65535"],
    [{ AUTH_GRPC_HOST: "10.0.0.1" }, "http://10.0.0.1:50051"],
    [{ AUTH_GRPC_HOST: "::1" }, "http://[::1]:50051"],
    [{ AUTH_GRPC_HOST: "[::1]", AUTH_GRPC_PORT: "7000" }, "http://[::1]:7000"],
    [{ AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "" }, "http://auth:50051"],
    [{ AUTH_GRPC_URL: "https://auth", AUTH_GRPC_HOST: "ignored", AUTH_GRPC_PORT: "ignored" }, "https://auth"],
  ])("%j is %s", (env, url) => {
    expect(configOf(env).grpc?.urls).toEqual([url]);
  });

  test.each([
    ["AUTH_GRPC_HOST", { AUTH_GRPC_HOST: "http://auth" }],
    ["AUTH_GRPC_HOST", { AUTH_GRPC_HOST: "auth:50051" }],
    ["AUTH_GRPC_HOST", { AUTH_GRPC_HOST: "auth/path" }],
    ["AUTH_GRPC_HOST", { AUTH_GRPC_HOST: "two hosts" }],
    ["AUTH_GRPC_PORT", { AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "0" }],
    ["AUTH_GRPC_PORT", { AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "65536" }],
    ["AUTH_GRPC_PORT", { AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "grpc" }],
    ["AUTH_GRPC_PORT", { AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "-1" }],
    ["AUTH_GRPC_PORT", { AUTH_GRPC_HOST: "auth", AUTH_GRPC_PORT: "tcp://10.0.0.1:50051" }],
  ])("%s is to blame in %j", (name, env) => {
    expect(problemsOf(env).map((problem) => problem.name)).toEqual([name]);
  });

  test("AUTH_GRPC_PORT alone says nothing: Kubernetes sets it for a service that is called auth-grpc", () => {
    const kubernetes = { AUTH_GRPC_PORT: "tcp://10.0.0.1:50051", AUTH_REST_URL: "http://auth" };
    expect(configOf(kubernetes)).toMatchObject({ grpc: undefined, rest: { url: "http://auth" } });
  });
});

describe("Of the two upstreams", () => {
  test("either one alone works, and the deadline is its timeout", () => {
    expect(configOf({ AUTH_GRPC_URL: BOTH.AUTH_GRPC_URL })).toMatchObject({ rest: undefined, deadlineMs: 1000 });
    expect(configOf({ AUTH_REST_URL: BOTH.AUTH_REST_URL })).toMatchObject({ grpc: undefined, deadlineMs: 2000 });
  });

  test.each<[string, Variables]>([
    ["an empty environment", {}],
    ["empty variables", { AUTH_GRPC_URL: "", AUTH_GRPC_HOST: " ", AUTH_REST_URL: "" }],
    ["nothing but a port", { AUTH_GRPC_PORT: "50051" }],
  ])("one must be there: %s names both variables", (_what, env) => {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.name).toBe("AUTH_GRPC_URL or AUTH_REST_URL");
  });

  test("a timeout without its upstream is checked all the same", () => {
    expect(problemsOf({ AUTH_REST_URL: "http://auth", AUTH_GRPC_TIMEOUT: "soon" }).map(({ name }) => name)).toEqual([
      "AUTH_GRPC_TIMEOUT",
    ]);
  });
});

test("An empty variable is not set.", () => {
  const names = [
    "AUTH_GRPC_TIMEOUT",
    "AUTH_REST_TIMEOUT",
    "CIRCUIT_BREAKER_FAILURE_THRESHOLD",
    "CIRCUIT_BREAKER_TIMEOUT",
    "CIRCUIT_BREAKER_RECOVERY_TIMEOUT",
    "AUTH_DEADLINE",
    "REDIS_URL",
    "AUTH_CACHE_NAMESPACE",
    "AUTH_STRICT",
  ];
  const empty = Object.fromEntries(names.map((name, n) => [name, n % 2 === 0 ? "" : "  "]));
  expect({ ...configOf({ ...BOTH, ...empty }), clock: 0, random: 0 }).toEqual({
    ...configOf(BOTH),
    clock: 0,
    random: 0,
  });
});

test("Without an argument the environment of the process is read.", () => {
  process.env.AUTH_GRPC_URL = "http://from-the-process:1";
  try {
    expect(optionsFromEnv().grpc?.url).toBe("http://from-the-process:1");
  } finally {
    delete process.env.AUTH_GRPC_URL;
  }
});

test("Variables and options mix, and a mistake in a variable keeps its name.", () => {
  const options = { ...optionsFromEnv({ ...BOTH, AUTH_DEADLINE: "x" }), maxAnswerBytes: 0 };
  expect(() => readConfig(options)).toThrow(/AUTH_DEADLINE: expected .+, got "x"/);
  expect(() => readConfig(options)).toThrow(/maxAnswerBytes/);
});

test("An upstream that the environment does not name may be named by code.", () => {
  const { rest, deadlineMs } = readConfig({ ...optionsFromEnv({ AUTH_DEADLINE: "1" }), rest: { url: "http://auth" } });
  expect([rest?.url, deadlineMs]).toEqual(["http://auth", 1000]);
  const wrong = { ...optionsFromEnv({ AUTH_DEADLINE: "x" }), rest: { url: "http://auth" } };
  expect(() => readConfig(wrong)).toThrow(/:\n {2}AUTH_DEADLINE: [^\n]+$/);
});

describe("What is secret is never shown:", () => {
  const messageOf = (env: Variables) => {
    const problems = problemsOf(env);
    expect(problems.length).toBeGreaterThan(0);
    return JSON.stringify(problems);
  };

  test.each<[string, Variables]>([
    ["a cache secret", { AUTH_CACHE_SECRET: "hunter2" }],
    ["a cache secret among good ones", { AUTH_CACHE_SECRET: `${SECRET},hunter2` }],
    ["the password of Redis", { REDIS_URL: "redis+tls://:hunter2@cache" }],
    ["a password with an @ of Redis", { REDIS_URL: "redis+tls://:hunter2@hunter2@cache" }],
    ["the user-info of REST", { AUTH_REST_URL: "ftp://service:hunter2@auth" }],
    ["the user-info of a REST URL with a query", { AUTH_REST_URL: "http://service:hunter2@auth/?a=1" }],
    ["the user-info of a gRPC URL with a query", { AUTH_GRPC_URL: "http://service:hunter2@auth/?a=1" }],
    ["the user-info of gRPC", { AUTH_GRPC_URL: "grpc://service:hunter2@auth" }],
    ["user-info where a host should stand", { AUTH_GRPC_URL: "", AUTH_GRPC_HOST: "service:hunter2@auth" }],
  ])("%s", (_what, env) => {
    const message = messageOf({ ...BOTH, ...env });
    expect(message).not.toContain("hunter2");
    expect(message).not.toContain(SECRET);
  });
});
