import { readFileSync } from "node:fs";
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { type AuthClientOptions, ConfigError, createAuthClient } from "../../../src/client.js";

const grpc = { url: "http://auth:50051" };
const rest = { url: "http://auth:8080" };
const store = { get: async () => undefined, set: async () => true, delete: async () => true };
const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
const pem = (name: string) => readFileSync(new URL(`../../tls/certificates/${name}`, import.meta.url), "utf8");
const bundle = `# ours\n${pem("ca.pem")}\n# theirs\r\n${pem("server.pem").replaceAll("\n", "\r\n")}`;
const SECRET = "0123456789abcdef0123456789abcdef";

function errorOf(options: unknown): ConfigError {
  try {
    void createAuthClient(options as AuthClientOptions).close();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error as ConfigError;
  }
  throw new Error("no ConfigError");
}

const namesOf = (options: unknown) => errorOf(options).problems.map(({ name }) => name);
const configOf = (options: unknown) => readConfig(options as AuthClientOptions);

describe("An option that does not exist is named, and what there is:", () => {
  test.each([
    ["timeoutMs", { timeoutMs: 5 }],
    ["grpc.timeout", { grpc: { ...grpc, timeout: 5 } }],
    ["rest.baseUrl", { rest: { ...rest, baseUrl: "x" } }],
    ["rest.paths.verify", { rest: { ...rest, paths: { verify: "/x" } } }],
    ["grpc.tls.pfx", { grpc: { url: "https://auth", tls: { pfx: "x" } } }],
    ["breaker.threshold", { breaker: { threshold: 5 } }],
    ["retry.retries", { retry: { retries: 5 } }],
    ["limit.max", { limit: { max: 5 } }],
    ["cache.ttl", { cache: { ttl: 5 } }],
  ])("%s", (name, options) => {
    const { problems } = errorOf({ grpc, rest, ...options });
    expect(problems.map((problem) => problem.name)).toEqual([name]);
    expect(problems[0]?.message).toMatch(/^there is no such option; (did you mean [\w.]+\?|there are (\w+, )*\w+)$/);
  });

  test.each<[string, object, string]>([
    ["the one that was meant", { cache: { ttl: 5 } }, "cache.ttl: there is no such option; did you mean cache.ttlMs?"],
    [
      "the nearest",
      { cache: { refusalTtl: 5 } },
      "cache.refusalTtl: there is no such option; did you mean cache.refusalTtlMs?",
    ],
    ["one in another case", { RETRY: {} }, "RETRY: there is no such option; did you mean retry?"],
    ["one with letters exchanged", { loger: false }, "loger: there is no such option; did you mean logger?"],
    [
      "all where none is near",
      { retry: { tries: 1 } },
      "retry.tries: there is no such option; there are attempts, initialDelayMs, maxDelayMs",
    ],
    [
      "all where a short one is no nearer than any other",
      { grpc: { url: "https://auth", tls: { x: 1 } } },
      "grpc.tls.x: there is no such option; there are ca, cert, key",
    ],
  ])("%s", (_what, options, line) => {
    expect(
      errorOf({ grpc, rest, ...options })
        .message.split("\n")
        .slice(1),
    ).toEqual([`  ${line}`]);
  });
});

describe("Of the wrong kind is", () => {
  test.each<[string, unknown]>([
    ["breaker", 5],
    ["retry", false],
    ["limit", "many"],
    ["cache", []],
    ["logger", true],
    ["logger", null],
    ["logger", { info() {}, warn() {} }],
    ["headers", "authorization: x"],
    ["headers", { "no header": "x" }],
    ["headers", { authorization: "two\nlines" }],
    ["headers", new Headers({ authorization: "x" })],
    ["headers", new Map([["authorization", "x"]])],
    ["headers", [["authorization", "x"]]],
    ["headers", null],
    ["clock", { now: 5 }],
    ["clock", {}],
    ["random", 4],
  ])("%s: %p", (name, value) => {
    expect(namesOf({ grpc, rest, [name]: value })).toEqual([name]);
  });

  test.each<[string, object]>([
    ["grpc.interceptors", { grpc: { ...grpc, interceptors: () => undefined } }],
    ["grpc.interceptors", { grpc: { ...grpc, interceptors: ["x"] } }],
    ["rest.agent", { rest: { ...rest, agent: {} } }],
    ["rest.agent", { rest: { ...rest, agent: "http://proxy:3128" } }],
    ["rest.agent", { rest: { ...rest, agent: { dispatch: () => true } } }], // of undici
    ["rest.agent", { rest: { url: "http://auth", agent: new HttpsAgent() } }],
    ["rest.agent", { rest: { url: "https://auth", agent: new HttpAgent() } }],
    ["rest.agent", { rest: { url: "https://auth", agent: new HttpsAgent(), tls: {} } }],
    ["rest.paths.verifyToken", { rest: { ...rest, paths: { verifyToken: "auth/verify" } } }],
    ["rest.paths.verifyToken", { rest: { ...rest, paths: { verifyToken: 5 } } }],
    ["rest.paths.userLocals", { rest: { ...rest, paths: { userLocals: "/locals" } } }],
    ["rest.paths.userPermissions", { rest: { ...rest, paths: { userPermissions: "/users/{id}" } } }],
    ["rest.paths.organization", { rest: { ...rest, paths: { organization: "/organizations" } } }],
    ["rest.paths", { rest: { ...rest, paths: "/auth" } }],
    ["cache.store", { cache: { store: new Map() && {} } }],
    ["cache.store", { cache: { store: "redis://cache" } }],
    ["cache.store", { cache: { store, redisUrl: "redis://cache" } }],
    ["cache.redisUrl", { cache: { redisUrl: "http://cache" } }],
    ["cache.redisUrl", { cache: { redisUrl: "" } }],
    ["cache.store", { cache: { store, redis: { url: "redis://cache" } } }],
    ["cache.redis", { cache: { redisUrl: "redis://cache", redis: { url: "redis://cache" } } }],
    ["cache.redis", { cache: { redis: "redis://cache" as never } }],
    ["cache.redis.url", { cache: { redis: {} as never } }],
    ["cache.redis.url", { cache: { redis: { url: "http://cache" } } }],
    ["cache.redis.url", { cache: { redis: { url: "redis://cache/one" } } }],
    ["cache.redis.url", { cache: { redis: { url: "redis+cluster://a:1,b:2/1" } } }],
    ["cache.redisUrl", { cache: { redisUrl: "redis+sentinel://a:1,b:2" } }],
    ["cache.redisUrl", { cache: { redisUrl: "redis://a:1,b:2" } }],
    ["cache.redis.tls", { cache: { redis: { url: "redis+cluster://a:1,b:2", tls: {} } } }],
    ["cache.redis.tls", { cache: { redis: { url: "redis://cache", tls: {} } } }],
    ["cache.redis.tls", { cache: { redis: { url: "rediss://cache", tls: { cert: pem("client.pem") } } } }],
    ["cache.redis.tls.ca", { cache: { redis: { url: "rediss://cache", tls: { ca: "garbage" } } } }],
    ["cache.redis.pingIntervalMs", { cache: { redis: { url: "redis://cache", pingIntervalMs: 0 } } }],
    ["cache.redis.pingIntervalMs", { cache: { redis: { url: "redis://cache", pingIntervalMs: "10" } } }],
    ["cache.namespace", { cache: { namespace: "" } }],
    ["cache.namespace", { cache: { namespace: " " } }],
    ["cache.namespace", { cache: { namespace: 5 } }],
    ["cache.secret", { cache: { secret: "" } }],
    ["cache.secret", { cache: { secret: "s".repeat(31) } }],
    ["cache.secret", { cache: { secret: [] } }],
    ["cache.secret", { cache: { secret: [SECRET, "short"] } }],
    ["cache.secret", { cache: { secret: 5 } }],
    ["grpc.tls", { grpc: { ...grpc, tls: {} } }],
    ["rest.tls", { rest: { ...rest, tls: {} } }],
    ["grpc.tls", { grpc: { url: "https://auth", tls: { cert: "x" } } }],
    ["rest.tls", { rest: { url: "https://auth", tls: { key: "x" } } }],
    ["grpc.tls", { grpc: { url: "https://auth", tls: "x" } }],
  ])("%s in %j", (name, options) => {
    expect(namesOf({ grpc, rest, ...options })).toEqual([name]);
  });

  test.each<[string, object]>([
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: 5 } } }],
    ["rest.tls.ca", { rest: { url: "https://auth", tls: { ca: {} } } }],
    ["rest.tls.ca", { rest: { url: "https://auth", tls: { ca: "" } } }],
    ["rest.tls.ca", { rest: { url: "https://auth", tls: { ca: [] } } }],
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: "/etc/ssl/ca.pem" } } }],
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: Buffer.from("garbage") } } }],
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: [pem("ca.pem"), "garbage"] } } }],
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: pem("ca.pem").replace(/[A-Z]{4}/, "####") } } }],
    ["grpc.tls.ca", { grpc: { url: "https://auth", tls: { ca: pem("server.key") } } }],
    ["grpc.tls.cert", { grpc: { url: "https://auth", tls: { cert: "no certificate", key: pem("client.key") } } }],
    ["grpc.tls.key", { grpc: { url: "https://auth", tls: { cert: pem("client.pem"), key: "no key" } } }],
    ["grpc.tls.key", { grpc: { url: "https://auth", tls: { cert: pem("client.pem"), key: 5 } } }],
    ["rest.tls", { rest: { url: "https://auth", tls: { cert: pem("client.pem"), key: pem("server.key") } } }],
  ])("%s in %j: it would fail every request, and never the start", (name, options) => {
    expect(namesOf({ grpc, rest, ...options })).toEqual([name]);
  });

  test("a certificate and its key, both of which are named", () => {
    const tls = { cert: "no certificate", key: "no key" };
    expect(namesOf({ grpc: { url: "https://auth", tls } })).toEqual(["grpc.tls.cert", "grpc.tls.key"]);
  });

  test.each<[string, unknown, string]>([
    ["undefined", undefined, "nothing"],
    ["null", null, "null"],
    ["an empty text", "", '""'],
    ["blanks", " ", '" "'],
  ])(
    "a header of %s, as of a variable that is not set: the service would answer every call with 401",
    (_what, value, shown) => {
      const headers = { Authorization: "Bearer x", "X-Key": value };
      expect(errorOf({ grpc, headers }).problems).toEqual([
        { name: "headers.X-Key", value: shown, expected: "a value that is not empty" },
      ]);
    },
  );

  test.each<[string, string, string]>([
    ["authorization", `Bearer ${undefined}`, '"undefined" behind its scheme'],
    ["Authorization", `Basic ${null}`, '"null" behind its scheme'],
    ["Proxy-Authorization", `Token  ${Number("x")} `, '"NaN" behind its scheme'],
    ["authorization", "Bearer ", "nothing behind its scheme"],
    ["authorization", "basic", "nothing behind its scheme"],
    ["x-key", `${undefined}`, '"undefined"'],
    ["x-key", "null", '"null"'],
  ])("a header with a variable that is not set in it: %s: %s", (name, value, shown) => {
    const headers = { "X-Other": "hunter2", [name]: value };
    expect(errorOf({ grpc, headers }).problems).toEqual([
      {
        name: `headers.${name}`,
        value: `${shown}: its variable is not set`,
        expected: "a value that is not empty",
      },
    ]);
  });

  test("no header whose value only holds such a word", () => {
    const headers = {
      authorization: "Bearer undefined-but-good",
      "x-key": "nullable",
      "x-note": "is not null",
      origin: "null",
      "x-request-id": "undefined", // no credential: it may be what is meant
      "x-region": "null",
      "x-scheme": "Bearer",
    };
    expect(configOf({ grpc, headers }).headers).toEqual(headers);
  });

  test("a header that is no text, without showing it", () => {
    const headers = { Authorization: "Bearer x", "X-Tenant": 5 as unknown as string };
    expect(errorOf({ grpc, headers }).problems).toMatchObject([{ name: "headers.X-Tenant", expected: "a string" }]);
    expect(errorOf({ grpc, headers }).message).not.toContain("5");
  });

  test("nothing of the options themselves", () => {
    for (const options of [null, "http://auth", [], 5]) {
      expect(errorOf(options).problems.length).toBeGreaterThan(0);
    }
  });
});

describe("A URL that ends with the path of a question is one alone, and the error says what to write:", () => {
  test.each([
    ["http://auth:50051/auth.AuthService/VerifyToken", "http://auth:50051"],
    ["http://auth:50051/auth.AuthService", "http://auth:50051"],
    ["http://auth:50051/auth.AuthService/", "http://auth:50051"],
    ["https://a:hunter2@auth/mesh/auth.AuthService/GetUserLocals", "https://auth/mesh"],
  ])("grpc.url %s", (url, base) => {
    for (const given of [url, [grpc.url, url]]) {
      const { problems, message } = errorOf({ grpc: { url: given } });
      const expected = `the base URL alone, to which /auth.AuthService/VerifyToken is appended: write ${base}`;
      expect(problems).toMatchObject([{ name: "grpc.url", expected }]);
      expect(message).not.toContain("hunter2");
    }
  });

  test.each([
    ["http://a/auth/verify/", "/auth/verify", "http://a"],
    ["http://a/api/v1/users/{user_id}/locals", "/api/v1/users/{user_id}/locals", "http://a"],
    ["http://a/base/api/v1/users/:id/permissions", "/api/v1/users/{user_id}/permissions", "http://a/base"],
    ["http://a:b@a/api/v1/organizations/%7Bid%7D", "/api/v1/organizations/{organization_id}", "http://a"],
  ])("rest.url %s", (url, path, base) => {
    const expected = `the base URL alone, to which ${path} is appended: write ${base}`;
    expect(errorOf({ rest: { url } }).problems).toMatchObject([{ name: "rest.url", expected }]);
  });

  test.each([
    ["http://a/users/{userId}/locals", "userLocals", "/api/v1/users/{user_id}/locals", "http://a"],
    ["http://a/b/users/<id>/permissions", "userPermissions", "/api/v1/users/{user_id}/permissions", "http://a/b"],
    ["http://a/organizations/{id}/", "organization", "/api/v1/organizations/{organization_id}", "http://a"],
  ])("rest.url %s, below another path", (url, key, path, base) => {
    const expected = `the base URL alone, to which ${path} is appended: write ${base}; where that is another path, with rest.paths.${key}`;
    expect(errorOf({ rest: { url } }).problems).toMatchObject([{ name: "rest.url", expected }]);
  });

  test("rest.url with a path of one's own", () => {
    const paths = { userLocals: "/v2/{user_id}" };
    expect(errorOf({ rest: { url: "http://a/v2/{user}", paths } }).problems).toMatchObject([
      { expected: "the base URL alone, to which /v2/{user_id} is appended: write http://a" },
    ]);
  });

  test.each([
    "http://a/api/v1",
    "http://a/users",
    "http://a/locals",
    "http://a/organizations/acme",
    "http://a/verify",
    "http://a/auth",
    "http://a/%C3%A9",
    "http://a/%zz",
  ])("but a base may end with words of one: %s", (url) => {
    const paths = { verifyToken: "/é" };
    expect(configOf({ grpc: { url: "http://auth/auth.Auth" }, rest: { url } }).rest?.url).toBe(url);
    expect(configOf({ rest: { url, paths } }).rest?.url).toBe(url);
  });
});

describe("Good is", () => {
  test.each<[string, object, object]>([
    ["a secret of 32 bytes", { cache: { secret: SECRET } }, { cache: { secrets: [SECRET] } }],
    ["a secret of 32 bytes in fewer characters", { cache: { secret: "éèêëàâäïîôöùûüÿç" } }, {}],
    [
      "a list of secrets",
      { cache: { secret: [SECRET, `${SECRET}2`] } },
      { cache: { secrets: [SECRET, `${SECRET}2`] } },
    ],
    [
      "rediss:",
      { cache: { redisUrl: "rediss://:p@cache:6380/1" } },
      { cache: { redisUrl: "rediss://:p@cache:6380/1" } },
    ],
    ["a namespace", { cache: { namespace: "production" } }, { cache: { identity: "production" } }],
    ["an authority", { rest: { url: "https://auth", tls: { ca: pem("ca.pem") } } }, {}],
    ["authorities in one file, with words between", { rest: { url: "https://auth", tls: { ca: bundle } } }, {}],
    [
      "authorities, as a list",
      { rest: { url: "https://auth", tls: { ca: [Buffer.from(bundle), pem("ca.pem")] } } },
      {},
    ],
    ["headers", { headers: { authorization: "Bearer x" } }, { headers: { authorization: "Bearer x" } }],
    ["a function for headers", { headers: async () => ({}) }, { headers: expect.any(Function) }],
    [
      "a path of one's own beside the default ones",
      { rest: { ...rest, paths: { organization: "/orgs/{organization_id}" } } },
      { rest: { paths: { organization: "/orgs/{organization_id}", verifyToken: "/auth/verify" } } },
    ],
    ["undefined for anything", { cache: undefined, breaker: { windowMs: undefined }, headers: undefined }, {}],
  ])("%s", (_what, options, expected) => {
    expect(configOf({ grpc, rest, ...options })).toMatchObject(expected);
  });

  test("logger: false is silent", () => {
    const { logger } = configOf({ grpc, logger: false });
    expect([logger.info("x"), logger.warn("x"), logger.error("x")]).toStrictEqual([undefined, undefined, undefined]);
    expect(logger).not.toBe(console);
  });
});

describe("A custom transport", () => {
  test("needs a namespace with a shared cache: no URL tells its auth service from others", () => {
    expect(namesOf({ grpc: { transport }, cache: { store } })).toEqual(["cache.namespace"]);
    expect(namesOf({ grpc: { transport }, cache: { redisUrl: "redis://cache" } })).toEqual(["cache.namespace"]);
    expect(configOf({ grpc: { transport }, cache: { store, namespace: "production" } }).cache.store).toBe(store);
  });

  test("needs none without", () => {
    expect(configOf({ grpc: { transport } }).cache.store).toBeUndefined();
  });
});

describe("A ConfigError", () => {
  const wrong = {
    grpc: { url: "nonsense", timeoutMs: 1 },
    rest: { url: "http://auth", paths: { verifyToken: "x" } },
    breaker: { windowMs: -1 },
    retry: { attempts: 0 },
    limit: { maxQueue: "x" },
    cache: { ttlMs: "5 min", secret: "short" },
    maxAnswerBytes: 0,
    logger: "console",
    surprise: 1,
  };

  test("names everything that is wrong at once", () => {
    expect(namesOf(wrong).sort()).toEqual(
      [
        "grpc.url",
        "grpc.timeoutMs",
        "rest.paths.verifyToken",
        "breaker.windowMs",
        "retry.attempts",
        "limit.maxQueue",
        "cache.ttlMs",
        "cache.secret",
        "maxAnswerBytes",
        "logger",
        "surprise",
      ].sort(),
    );
  });

  test("says in its message, line by line, what was found and what is expected", () => {
    const { message, problems } = errorOf(wrong);
    for (const { name, value, expected, message: line = `expected ${expected}, got ${value}` } of problems)
      expect(message).toContain(`\n  ${name}: ${line}`);
    expect(message).toContain('got "5 min"');
    expect(message.split("\n")).toHaveLength(problems.length + 1);
  });

  test("shows a value on one line, and not too much of it", () => {
    const [problem] = errorOf({ grpc: { url: `first line\n${"x".repeat(500)}` } }).problems;
    expect(problem?.value).not.toContain("\n");
    expect(problem?.value.length).toBeLessThan(100);
  });

  test("never shows the user-info of a URL", () => {
    for (const options of [
      { rest: { url: "ftp://service:hunter2@auth" } },
      { rest: { url: "http://service:hunter2@auth/?a=1" } },
      { grpc: { url: "grpc://service:hunter2@auth" } },
      { grpc, cache: { redisUrl: "http://:hunter2@cache" } },
    ]) {
      expect(errorOf(options).message).not.toContain("hunter2");
      expect(errorOf(options).message).toMatch(/"(ftp|http|grpc):\/\/…@(auth|cache)|"http:\/\/…@auth\/"/);
    }
  });

  test.each<[string, object]>([
    ["a secret that is too short", { cache: { secret: "hunter2" } }],
    ["a secret among others", { cache: { secret: [SECRET, "hunter2"] } }],
    ["a secret under a name that does not exist", { cache: { secrets: "hunter2" } }],
    ["a password under a name that does not exist", { password: "hunter2" }],
    ["a header that is none", { headers: "authorization: hunter2" }],
    ["a header's value that is none", { headers: { authorization: "hunter2\nand more" } }],
    ["a key without its certificate", { grpc: { url: "https://auth", tls: { key: "hunter2" } } }],
    ["a key in the place of tls", { grpc: { url: "https://auth", tls: "-----BEGIN PRIVATE KEY----- hunter2" } }],
    ["a passphrase for a key", { grpc: { url: "https://auth", tls: { passphrase: "hunter2" } } }],
  ])("never shows %s", (_what, options) => {
    expect(errorOf({ grpc, rest, ...options }).message).not.toContain("hunter2");
  });
});
