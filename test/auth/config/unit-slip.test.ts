import { describe, expect, test } from "@jest/globals";
import { readConfig } from "../../../src/auth/config/config.js";
import { optionsFromEnv } from "../../../src/client.js";

const BOTH = { AUTH_GRPC_URL: "http://auth:50051", AUTH_REST_URL: "http://auth:8001" };
const grpc = { url: "http://auth:50051" };

describe("A variable in seconds", () => {
  const risksOf = (name: string, value: string) => readConfig(optionsFromEnv({ ...BOTH, [name]: value })).risks;

  test.each([
    ["AUTH_GRPC_TIMEOUT", "50", 0.05],
    ["AUTH_GRPC_TIMEOUT", "100", 0.1],
    ["AUTH_GRPC_TIMEOUT", "300", 0.3],
    ["AUTH_REST_TIMEOUT", "250", 0.25],
    ["AUTH_DEADLINE", "200", 0.2],
    ["CIRCUIT_BREAKER_TIMEOUT", "1000", 1],
    ["CIRCUIT_BREAKER_TIMEOUT", "5000", 5],
    ["CIRCUIT_BREAKER_TIMEOUT", "60000", 60],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "1000", 1],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "700", 0.7],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", "2000", 2],
  ])("was probably meant in milliseconds: %s=%s", (name, value, seconds) => {
    expect(risksOf(name, value)).toEqual([`${name} is ${value} seconds: if milliseconds were meant, write ${seconds}`]);
  });

  test.each([
    ["AUTH_GRPC_TIMEOUT", ["0.02", "1", "5", "10", "15", "20", "30", "45", "60"]],
    ["AUTH_REST_TIMEOUT", ["0.5", "2", "5", "10", "30", "60", "120"]],
    ["AUTH_DEADLINE", ["1", "5", "10", "30", "60", "120"]],
    ["CIRCUIT_BREAKER_TIMEOUT", ["0.001", "10", "60", "300", "600", "900", "1800", "3600"]],
    ["CIRCUIT_BREAKER_RECOVERY_TIMEOUT", ["1", "5", "30", "60", "120", "300", "600", "900", "1800"]],
  ])("may be what it says: %s", (name, values) => {
    for (const value of values) expect([value, ...risksOf(name, value)]).toEqual([value]);
  });
});

describe("A TTL in milliseconds", () => {
  const risksOf = (cache: object) => readConfig({ grpc, cache }).risks;
  const all = ["ttlMs", "localsTtlMs", "permissionsTtlMs", "organizationTtlMs", "staleIfErrorMs"];

  test.each(all)("was probably meant in seconds where it is written as those are: %s", (option) => {
    for (const value of [60, 300, 600, 900, 1800, 3600, 86_400]) {
      const line = `cache.${option} is ${value} milliseconds: if seconds were meant, write ${value * 1000}`;
      expect(risksOf({ [option]: value })).toEqual([line]);
    }
  });

  test.each([
    ["refusalTtlMs", 10],
    ["processTtlMs", 30],
    ["localsTtlMs", 3600],
  ])("was so where it is the default in seconds: %s", (option, value) => {
    expect(risksOf({ [option]: value })).toHaveLength(1);
  });

  test.each(all)("may be what it says: %s", (option) => {
    for (const value of [0, 1000, 5000, 10_000, 30_000, 60_000, 300_000, 3_600_000])
      expect([value, ...risksOf({ [option]: value })]).toEqual([value]);
  });
});

test("Another time in milliseconds is no TTL.", () => {
  const given = { grpc: { ...grpc, timeoutMs: 300 }, breaker: { recoveryMs: 30_000, windowMs: 900 } };
  expect(readConfig({ ...given, retry: { maxDelayMs: 60 }, deadlineMs: 600 }).risks).toEqual([]);
});
