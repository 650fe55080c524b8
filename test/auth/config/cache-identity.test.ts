import { readFileSync } from "node:fs";
import { Agent } from "node:http";
import { describe, expect, test } from "@jest/globals";
import { Keyv } from "keyv";
import { readConfig } from "../../../src/auth/config/config.js";
import { tokenId } from "../../../src/auth/token.js";
import { createKeyring } from "../../../src/cache/keyring.js";
import { type AuthClientOptions, ConfigError, optionsFromEnv } from "../../../src/client.js";
import { ManualClock, settle } from "../../support/manual-clock.js";
import { MemoryStore } from "../../support/memory-store.js";
import { afterwards, openBareClient, openClient, startService } from "../../support/open-client.js";
import { describeWithRedis, startRedisServer } from "../../support/redis-server.js";
import { until } from "../../support/until.js";

const grpc = { url: "http://auth:50051" };
const rest = { url: "http://auth:8001" };
const pem = (name: string) => readFileSync(new URL(`../../tls/certificates/${name}`, import.meta.url), "utf8");
const client = { cert: pem("client.pem"), key: pem("client.key") };
const store = { get: async () => undefined, set: async () => true, delete: async () => true };
const transport = { unary: () => Promise.reject(new Error()), stream: () => Promise.reject(new Error()) };
const interceptors = [(next: unknown) => next];

function problemsOf(options: unknown): readonly { name: string; expected: string }[] {
  try {
    readConfig(options as AuthClientOptions);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe("Without a namespace, the auth service is", () => {
  const identityOf = (options: object) => readConfig(options as AuthClientOptions).cache.identity;

  test("that of version 0.1.0: its answers would be found, its invalidations are", () => {
    const { slots } = createKeyring({ identity: identityOf({ grpc, rest, cache: { store } }), secrets: [] });
    const keyOf = (name: Parameters<typeof slots>[0]) => slots(name)[0]?.key;
    expect(keyOf({ kind: "token", id: tokenId("token-ana"), isDigest: true })).toBe(
      "portero:1:token:9nAunziZwE88ArOy3byAqpqsH3GOjEH2HR3H6HgYAPQ:I_dOhgGbViXPS74-HprC0O6qBX_6anL_mIvQSCApeFY",
    );
    expect(keyOf({ kind: "user-invalidated", id: '["org-1","ana"]' })).toBe(
      "portero:1:user-invalidated:jj2iBK3iJyIyU5mvUm2Rv9qnIJW52xun15X3nPApQ6g",
    );
  });

  test("told by its URLs, and by those of rest.paths that are not the default ones", () => {
    expect(identityOf({ grpc, rest })).toBe('["http://auth:50051/","http://auth:8001/"]');
    expect(identityOf({ grpc })).toBe('["http://auth:50051/",null]');
    expect(identityOf({ rest })).toBe('[null,"http://auth:8001/"]');
    const paths = { verifyToken: "/auth/verify", organization: "/b/{organization_id}" };
    expect(identityOf({ rest: { ...rest, paths } })).toBe(
      '[null,"http://auth:8001/",{"organization":"/b/{organization_id}"}]',
    );
  });

  test("never told by a credential", () => {
    const withUserInfo = { grpc, rest: { url: "http://service:hunter2@auth:8001" }, headers: { a: "hunter2" } };
    expect(identityOf(withUserInfo)).toBe(identityOf({ grpc, rest }));
  });
});

describe("Two services on one host, told apart by rest.paths alone,", () => {
  /** One process of each, on a host where both answer. */
  async function twoServices(cache: (open: typeof openBareClient) => Promise<AuthClientOptions["cache"]>) {
    const a = await startService({ users: { token: { id: "ana" } } });
    const clock = new ManualClock();
    const { url } = a.upstreams.rest;
    const shared = await cache(openBareClient);
    const open = (paths = {}) => openBareClient({ rest: { url, paths }, clock, retry: { attempts: 1 }, cache: shared });
    return {
      open,
      ready: (client: ReturnType<typeof open>) => until(() => client.status().cache.shared === "available"),
    };
  }

  const share = (cache: Parameters<typeof twoServices>[0]) => async () => {
    const { open, ready } = await twoServices(cache);
    const one = open();
    await ready(one);
    await one.verifyToken("token");
    await settle();
    await one.close();
    const same = open({ verifyToken: "/auth/verify" });
    await ready(same);
    expect((await same.verifyToken("token")).source).toBe("shared");
    const other = open({ verifyToken: "/b/auth/verify" });
    await ready(other);
    await expect(other.verifyToken("token")).rejects.toThrow(); // it asked its own service, where nobody answers
  };

  test(
    "do not share a store",
    share(async () => ({ store: new MemoryStore(new ManualClock()) })),
  );
  test(
    "do not share a Keyv",
    share(async () => ({ store: new Keyv() })),
  );
  describeWithRedis("on Redis", () => {
    test(
      "do not share either",
      share(async () => {
        const redis = await startRedisServer();
        afterwards(() => redis.kill());
        return { redisUrl: redis.url };
      }),
    );
  });
});

describe("What else shapes answers needs a namespace beside a shared cache:", () => {
  test.each<[string, object, RegExp]>([
    ["user-info of gRPC", { grpc: { url: "http://a:hunter2@auth:50051" } }, /the user-info in grpc\.url can change/],
    ["user-info of REST", { rest: { url: "http://a:hunter2@auth" } }, /the user-info in rest\.url/],
    ["a user without a password", { rest: { url: "http://a@auth" } }, /the user-info in rest\.url/],
    ["headers as an object", { rest, headers: { "X-Tenant": "b" } }, /headers/],
    ["headers as a function", { rest, headers: () => ({}) }, /headers/],
    ["interceptors", { grpc: { ...grpc, interceptors } }, /grpc\.interceptors/],
    ["an agent", { rest: { ...rest, agent: new Agent() } }, /rest\.agent/],
    ["a transport", { grpc: { transport } }, /grpc\.transport/],
    ["a query in a path", { rest: { ...rest, paths: { verifyToken: "/v?tenant=b" } } }, /the query in rest\.paths/],
    ["a client certificate of gRPC", { grpc: { url: "https://auth", tls: client } }, /the certificate in grpc\.tls/],
    [
      "one of REST, of a function",
      { rest: { url: "https://auth", tls: () => client } },
      /the certificate in rest\.tls/,
    ],
    ["several", { grpc: { ...grpc, interceptors }, headers: { a: "b" } }, /grpc\.interceptors and headers/],
  ])("%s", (_what, options, named) => {
    for (const tier of [{ store }, { redisUrl: "redis://127.0.0.1:1" }]) {
      const problems = problemsOf({ ...options, cache: tier });
      expect(problems).toEqual([{ name: "cache.namespace", value: "nothing", expected: expect.stringMatching(named) }]);
      expect(problems[0]?.expected).toMatch(/AUTH_CACHE_NAMESPACE/);
      expect(JSON.stringify(problems)).not.toContain("hunter2");
      expect(readConfig({ ...options, cache: { ...tier, namespace: "b" } } as never).cache.identity).toBe("b");
    }
    expect(problemsOf(options)).toEqual([]);
  });

  test.each<[string, object]>([
    ["no headers", { rest, headers: {} }],
    ["no interceptors", { grpc: { ...grpc, interceptors: [] } }],
    ["paths of one's own", { rest: { ...rest, paths: { verifyToken: "/v" } } }],
    ["a CA of one's own", { rest: { url: "https://auth", tls: { ca: pem("ca.pem") } } }],
    ["one of a function", { grpc: { url: "https://auth", tls: () => ({ ca: pem("ca.pem") }) } }],
    ["timeouts", { rest: { ...rest, timeoutMs: 100 } }],
  ])("%s needs none", (_what, options) => {
    expect(problemsOf({ ...options, cache: { store } })).toEqual([]);
  });

  test("AUTH_CACHE_NAMESPACE is one", () => {
    const env = { AUTH_REST_URL: "http://a:b@auth", REDIS_URL: "redis://cache" };
    expect(() => readConfig(optionsFromEnv(env))).toThrow(/cache\.namespace: .*AUTH_CACHE_NAMESPACE/);
    const { cache } = readConfig(optionsFromEnv({ ...env, AUTH_CACHE_NAMESPACE: " production " }));
    expect(cache.identity).toBe("production");
    const blank = { ...env, AUTH_CACHE_NAMESPACE: "  " };
    expect(() => readConfig(optionsFromEnv(blank))).toThrow(/AUTH_CACHE_NAMESPACE/);
  });
});

test("Two environments whose URLs are alike do not share, when each has a namespace.", async () => {
  const service = await startService({ users: { token: { id: "ana" } } });
  const clock = new ManualClock();
  const shared = new MemoryStore(clock);
  const open = (namespace: string) => openClient(service, { clock, cache: { store: shared, namespace } });
  await open("staging").verifyToken("token");
  await settle();
  expect((await open("production").verifyToken("token")).source).toBe("grpc");
  expect((await open("staging").verifyToken("token")).source).toBe("shared");
});
