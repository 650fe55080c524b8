import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { ConfigError, optionsFromEnv } from "../../../src/client.js";

const SECRET = "a secret of the whole fleet: 32 bytes or more";

function linesOf(env: Record<string, string>): string[] {
  try {
    readConfig(optionsFromEnv(env));
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n").slice(1);
    throw error;
  }
  return [];
}

describe("A variable that is nearly called as one that is not set gets the name that was meant:", () => {
  test.each([
    ["AUTH_GPRC_URL", "AUTH_GRPC_URL"],
    ["AUTH_GRPC_URI", "AUTH_GRPC_URL"],
    ["auth_grpc_url", "AUTH_GRPC_URL"],
    ["AUTH_GRPC_HOSTS", "AUTH_GRPC_HOST"],
    ["AUTH_GRPC_TIMOUT", "AUTH_GRPC_TIMEOUT"],
    ["AUTH_REST_TIME_OUT", "AUTH_REST_TIMEOUT"],
    ["AUTH_CACHE_SECRETS", "AUTH_CACHE_SECRET"],
    ["AUTH_CACHE_NAMESPAC", "AUTH_CACHE_NAMESPACE"],
    ["AUTH_STRCIT", "AUTH_STRICT"],
    ["AUTH_DEADLNE", "AUTH_DEADLINE"],
    ["REDIS_ULR", "REDIS_URL"],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUTS", "CIRCUIT_BREAKER_RECOVERY_TIMEOUT"],
    ["CIRCUIT_BREAKER_FAILURE_TRESHOLD", "CIRCUIT_BREAKER_FAILURE_THRESHOLD"],
    ["AUHT_GRPC_URL", "AUTH_GRPC_URL"],
    ["ATUH_CACHE_SECRET", "AUTH_CACHE_SECRET"],
    ["AUTHGRPC_URL", "AUTH_GRPC_URL"],
    ["CIRCUT_BREAKER_TIMEOUT", "CIRCUIT_BREAKER_TIMEOUT"],
    ["circuitbreaker_TIMEOUT", "CIRCUIT_BREAKER_TIMEOUT"],
    ["REDDIS_URL", "REDIS_URL"],
    ["REIDS_URL", "REDIS_URL"],
  ])("%s, did you mean %s?", (name, meant) => {
    expect(linesOf({ AUTH_REST_URL: "http://auth", [name]: SECRET })).toEqual([
      `  ${name}: there is no such variable; did you mean ${meant}?`,
    ]);
  });

  test("in the place of both upstreams it is the one line that is needed", () => {
    expect(linesOf({ AUTH_GPRC_URL: "http://auth:50051" })).toEqual([
      "  AUTH_GPRC_URL: there is no such variable; did you mean AUTH_GRPC_URL?",
    ]);
  });

  test("of Redis, it is no address of an upstream", () => {
    expect(linesOf({ REDIS_URLS: "redis://cache" })).toHaveLength(2);
  });

  test("beside a missing upstream, both are named", () => {
    expect(linesOf({ AUTH_CACHE_SECRETS: SECRET })).toHaveLength(2);
  });
});

test.each([
  ["what was meant is set too", { AUTH_GRPC_URL: "http://auth", AUTH_GPRC_URL: "http://other" }],
  ["it is the host, and the URL is set", { AUTH_GRPC_URL: "http://auth", AUTH_GRPC_HOSTS: "a,b" }],
  ["it is of another Redis, as others write it", { REDISURL: "x", redisUrl: "x", "redis.url": "x", "redis:url": "x" }],
  ["it is blank", { AUTH_GPRC_URL: " " }],
  ["it is another's", { AUTH_URL: "x", AUTH_SECRET: "x", REDIS_URI: "x", REDIS_HOST: "x", REDIS_TLS_URL: "x" }],
  [
    "Kubernetes sets it for a service called auth-grpc, auth-rest or redis",
    {
      AUTH_GRPC_SERVICE_HOST: "10.0.0.1",
      AUTH_GRPC_SERVICE_PORT: "50051",
      AUTH_GRPC_PORT: "tcp://10.0.0.1:50051",
      AUTH_GRPC_PORT_50051_TCP_ADDR: "10.0.0.1",
      AUTH_REST_PORT: "tcp://10.0.0.1:80",
      AUTH_REST_SERVICE_HOST: "10.0.0.1",
      REDIS_PORT: "tcp://10.0.0.2:6379",
      REDIS_SERVICE_HOST: "10.0.0.2",
    },
  ],
  [
    "it is another program's, one letter away",
    { OAUTH_GRPC_URL: "x", CREDIS_URL: "x", REDIS2_URL: "x", RED1S_URL: "x", AUTO_STRICT: "x", RADIUS_URL: "x" },
  ],
  ["it is far from all", { AUTHOR: "x", AUTH_PROVIDER: "x", MY_AUTH_GRPC_URL: "x" }],
])("Nothing is said where %s.", (_what, env) => {
  expect(linesOf({ AUTH_REST_URL: "http://auth", ...(env as Record<string, string>) })).toEqual([]);
});
