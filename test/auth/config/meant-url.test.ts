import { expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { ConfigError, optionsFromEnv } from "../../../src/client.js";

function expectedOf(env: Record<string, string>): string | undefined {
  try {
    readConfig(optionsFromEnv({ AUTH_REST_URL: "http://auth", ...env }));
  } catch (error) {
    if (error instanceof ConfigError) return error.problems[0]?.expected;
    throw error;
  }
  throw new Error("no ConfigError");
}

test.each([
  ["AUTH_GRPC_URL", "grpc://auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "grpc://auth", "http://auth:50051"],
  ["AUTH_GRPC_URL", "grpcs://auth.example.com", "https://auth.example.com"],
  ["AUTH_GRPC_URL", "GRPC://auth:50051/", "http://auth:50051"],
  ["AUTH_GRPC_URL", "dns:///auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "dns://10.0.0.2:53/auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "dns:auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "10.0.0.1:50051", "http://10.0.0.1:50051"],
  ["AUTH_GRPC_URL", "[::1]:50051", "http://[::1]:50051"],
  ["AUTH_GRPC_URL", "tcp://auth:50051", "http://auth:50051"],
  ["AUTH_GRPC_URL", "grpc://service:hunter2@auth:50051?x=1", "http://auth:50051"],
  ["AUTH_REST_URL", "ws://auth:8001/base", "http://auth:8001/base"],
  ["AUTH_REST_URL", "wss://auth/base", "https://auth/base"],
  ["AUTH_REST_URL", "auth:8001", "http://auth:8001"],
  ["REDIS_URL", "cache:6379", "redis://cache:6379"],
  ["REDIS_URL", "http://cache:6379", "redis://cache:6379"],
  ["REDIS_URL", "https://cache:6380/1", "rediss://cache:6380/1"],
  ["REDIS_URL", "redis+tls://:hunter2@cache", "rediss://cache"],
  ["REDIS_URL", "valkey://cache:6379", "redis://cache:6379"],
  ["REDIS_URL", "redis://:hunter2@a:6379,b:6379", "redis\\+cluster://a:6379,b:6379"],
  ["REDIS_URL", "valkeys://a,b", "rediss\\+cluster://a,b"],
  ["REDIS_URL", "redis-cluster://:hunter2@a:6379", "redis\\+cluster://a:6379"],
  ["REDIS_URL", "redis-sentinel://:hunter2@s:1,t:2/mymaster", "redis\\+sentinel://s:1,t:2/mymaster"],
])("%s=%s gets the URL to write: %s", (name, value, url) => {
  expect(expectedOf({ [name]: value })).toMatch(new RegExp(`: write ${url.replace(/[[\]]/g, "\\$&")}$`));
});

test.each([
  ["AUTH_GRPC_URL", '"http://auth:50051"', "http://auth:50051, without the quotes"],
  ["AUTH_GRPC_URL", "'auth:50051'", "http://auth:50051, without the quotes"],
  ["AUTH_REST_URL", '"http://service:hunter2@auth:8001/base"', "http://auth:8001/base, without the quotes"],
  ["AUTH_REST_URL", "http://auth:8001'", "http://auth:8001, without the quotes"],
  ["AUTH_REST_URL", '"hunter2"', "it without the quotes"],
  ["REDIS_URL", '"redis://:hunter2@cache:6379/1"', "redis://cache:6379/1, without the quotes"],
  ["AUTH_REST_URL", "http://127.0.0.1:99999", "a port from 1 to 65535"],
  ["AUTH_GRPC_URL", "http://service:hunter2@auth:70000/", "a port from 1 to 65535"],
  ["REDIS_URL", "redis://:hunter2@cache:637900", "a port from 1 to 65535"],
  ["AUTH_REST_URL", "http://auth:8001;", "nothing behind the port but a path"],
])("%s=%s is told what is too many or too large: %s", (name, value, says) => {
  const expected = expectedOf({ [name]: value });
  expect(expected?.split(": write ")[1]).toBe(says);
  expect(expected).not.toContain("hunter2");
});

test.each([
  ["AUTH_GRPC_URL", "auth"],
  ["AUTH_GRPC_URL", "ftp://auth"],
  ["AUTH_GRPC_URL", "default:hunter2"],
  ["AUTH_REST_URL", "auth:99999"],
  ["AUTH_REST_URL", "grpc://user:1234/hunter2@auth"],
  ["REDIS_URL", "redis://default:hunter2"],
  ["REDIS_URL", "redis://default:12hunter2"],
  ["REDIS_URL", "redis://default:99999/hunter2@cache"],
])("%s=%s gets none: nobody can tell what was meant", (name, value) => {
  expect(expectedOf({ [name]: value })).not.toMatch(/write|hunter2/);
});

test.each(["redis://default:hunter2", "redis://:p#hunter2@cache", "redis://:100%@cache"])(
  "REDIS_URL=%s is told how signs are written in a password",
  (url) => {
    expect(expectedOf({ REDIS_URL: url })).toMatch(/# as %23/);
  },
);

test.each([
  [
    "redis+cluster://:hunter2@a:6379,b:6379/1",
    /^a cluster, which has no databases, as redis\+cluster:\/\/user:…@a:6379,b:6379 /,
  ],
  ["redis+cluster://:hunter2@a:6379,b:x", /redis\+cluster:\/\/user:…@a:6379,b:6379 .*# as %23/],
  ["redis+sentinel://:hunter2@s:26379", /^sentinels and the name of the master as redis\+sentinel:\/\/.*\/mymaster/],
  ["redis+sentinel://s/m?password=hunter2", /sentinel_username=…&sentinel_password=…/],
])("REDIS_URL=%s is told the right form", (url, form) => {
  expect(expectedOf({ REDIS_URL: url })).toMatch(form);
  expect(expectedOf({ REDIS_URL: url })).not.toContain("hunter2");
});
