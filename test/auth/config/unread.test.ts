import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { type AuthClientOptions, ConfigError, createAuthClient, optionsFromEnv } from "../../../src/client.js";

const GRPC = { AUTH_GRPC_URL: "http://auth:50051" };
type Variables = Readonly<Record<string, string>>;

const risksOf = (env: Variables) => readConfig(optionsFromEnv(env)).risks;

describe("A variable that begins as ours do and is not read is named, and what to write:", () => {
  test.each([
    ["AUTH_GRPC_TIMEOUT_MS", "AUTH_GRPC_TIMEOUT, in seconds"],
    ["AUTH_GRPC_TIMEOUT_SECONDS", "AUTH_GRPC_TIMEOUT, in seconds"],
    ["AUTH_REST_TIMEOUT_MS", "AUTH_REST_TIMEOUT, in seconds"],
    ["AUTH_DEADLINE_MS", "AUTH_DEADLINE, in seconds"],
    ["auth_deadline_ms", "AUTH_DEADLINE, in seconds"],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT_MS", "CIRCUIT_BREAKER_RECOVERY_TIMEOUT, in seconds"],
    ["CIRCUIT_BREAKER_THRESHOLD", "CIRCUIT_BREAKER_FAILURE_THRESHOLD"],
    ["CIRCUIT_BREAKER_RECOVERY", "CIRCUIT_BREAKER_RECOVERY_TIMEOUT"],
    ["AUTH_CACHE_SECRET_KEY", "AUTH_CACHE_SECRET"],
    ["AUTH_HTTP_URL", "AUTH_REST_URL"],
    ["AUTH_REDIS_URL", "REDIS_URL"],
    ["AUTH_REST_HOST", "one of AUTH_REST_URL, AUTH_REST_TIMEOUT"],
    ["AUTH_REST_PORT", "one of AUTH_REST_URL, AUTH_REST_TIMEOUT"],
    ["AUTH_CACHE_KEY", "one of AUTH_CACHE_NAMESPACE, AUTH_CACHE_SECRET"],
  ])("%s: %s", (name, meant) => {
    expect(risksOf({ ...GRPC, [name]: "hunter2" })).toEqual([`${name} is not read: write ${meant}`]);
  });

  test.each(["AUTH_CACHE_TTL", "AUTH_CACHE_TTL_SECONDS", "AUTH_CACHE_LOCALS_TTL"])("%s: an option", (name) => {
    expect(risksOf({ ...GRPC, [name]: "300" })).toEqual([
      `${name} is not read: see cache.ttlMs, an option in milliseconds`,
    ]);
  });

  test.each<[string, Variables]>([
    ["it is blank", { AUTH_REST_HOST: " " }],
    ["what was meant is set", { AUTH_GRPC_TIMEOUT: "1", AUTH_GRPC_TIMEOUT_MS: "1000", AUTH_GRPC_ENDPOINTS_URL: "x" }],
    [
      "it is another program's",
      {
        ...{ AUTH_SECRET: "x", AUTH_URL: "x", AUTH_TOKEN: "x", AUTH_TRUST_HOST: "x", NEXTAUTH_URL: "x" },
        ...{ NODE_AUTH_TOKEN: "x", REDIS_HOST: "x", REDIS_PORT: "6379", GRPC_URL: "x", GRPC_VERBOSITY: "DEBUG" },
        ...{ AUTH_GOOGLE_ID: "x", AUTH_TIMEOUT: "5", SSH_AUTH_SOCK: "x" },
      },
    ],
    [
      "Kubernetes sets it",
      {
        AUTH_GRPC_SERVICE_HOST: "10.0.0.1",
        AUTH_GRPC_SERVICE_PORT_GRPC: "50051",
        AUTH_GRPC_PORT_50051_TCP: "tcp://10.0.0.1:50051",
        AUTH_GRPC_PORT_50051_TCP_PROTO: "tcp",
        AUTH_CACHE_PORT: "tcp://10.0.0.2:6379",
        AUTH_GRPC_V2_PORT: "udp://10.0.0.2:6379",
      },
    ],
  ])("but not where %s", (_what, env) => {
    expect(risksOf({ ...GRPC, ...env })).toEqual([]);
  });

  test("in the line of the log at the start", () => {
    const lines: string[] = [];
    const write = (line: string) => void lines.push(line);
    const options: AuthClientOptions = optionsFromEnv({ ...GRPC, AUTH_REST_HOST: "auth" });
    void createAuthClient({ ...options, logger: { info: write, warn: write, error: write } }).close();
    expect(lines).toEqual(["portero: AUTH_REST_HOST is not read: write one of AUTH_REST_URL, AUTH_REST_TIMEOUT"]);
  });
});

describe("Where no upstream is named, a variable that may have been meant is:", () => {
  function lineOf(env: Variables): string {
    try {
      readConfig(optionsFromEnv(env));
    } catch (error) {
      if (error instanceof ConfigError) return error.message.split("\n").slice(1).join("\n");
    }
    throw new Error("no ConfigError");
  }

  test.each([
    "AUTH_URL",
    "AUTH_SERVICE_URL",
    "GRPC_URL",
    "AUTH_GRPC",
    "AUTH_GRPC_ADDRESS",
    "AUTH_GRPC_ENDPOINT",
    "AUTH_GRPC_PORT",
    "AUTH_REST_HOST",
    "AUTH-REST-ADDR",
    "AUTH_URL_GRPC",
  ])("%s", (name) => {
    expect(lineOf({ [name]: "1234" })).toMatch(
      new RegExp(`^ {2}AUTH_GRPC_URL or AUTH_REST_URL: expected the URL of .+, got nothing but ${name}$`),
    );
  });

  test.each<Variables>([
    { AUTH_SECRET: "x", AUTH_TOKEN: "x", GRPC_VERBOSITY: "x", AUTHOR_SUPPORT: "x", AUTH_GRPC_TIMEOUT: "1", URL: "x" },
    { AUTH_GRPC_PORT: "tcp://10.0.0.1:50051", AUTH_GRPC_SERVICE_HOST: "10.0.0.1" },
  ])("and none of %j", (env) => {
    expect(lineOf(env)).toMatch(/, got nothing$/);
  });

  test("by its name alone, and not all of many", () => {
    const many = Object.fromEntries(["A", "B", "C", "D", "E", "F"].map((each) => [`AUTH_${each}_URL`, "hunter2"]));
    expect(lineOf(many)).toMatch(/nothing but AUTH_A_URL, AUTH_B_URL, AUTH_C_URL, AUTH_D_URL, AUTH_E_URL$/);
  });
});
