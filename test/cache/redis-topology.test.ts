import { describe, expect, test } from "@jest/globals";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import { idOf, masterAt, standaloneTopology } from "../../src/cache/redis-topology.js";

const TLS = { ca: "a certificate" };

describe("A server is told apart", () => {
  test.each([
    ["redis:6379", { host: "redis", port: 6379 }],
    ["10.0.0.1:7000", { host: "10.0.0.1", port: 7000 }],
    ["[::1]:6379", { host: "::1", port: 6379 }],
    ["[2001:db8::7]:1", { host: "2001:db8::7", port: 1 }],
  ])("by host and port: %s", (id, host) => {
    expect(idOf(host)).toBe(id);
  });
});

describe("A master", () => {
  test.each([
    ["redis://a", { database: 0, secure: false }],
    ["redis://:hunter2@a/0", { password: "hunter2", database: 0, secure: false }],
    ["rediss://ana:hunter2@a/3", { username: "ana", password: "hunter2", database: 3, secure: true }],
  ])("is connected to with what the URL says, wherever it is: %s", (url, given) => {
    const target = parseRedisUrl(url) as RedisTarget;
    const host = { host: "::1", port: 7000 };
    expect(masterAt(host, target, TLS)).toStrictEqual({ id: "[::1]:7000", ...host, tls: TLS, ...given });
  });

  test("of a URL with one address is there for every key, and a doubt changes nothing", async () => {
    const target = parseRedisUrl("redis://ana:hunter2@redis:7000/2") as RedisTarget;
    const topology = standaloneTopology(target, undefined);
    const master = {
      ...{ id: "redis:7000", host: "redis", port: 7000, username: "ana", password: "hunter2" },
      ...{ database: 2, secure: false, tls: undefined },
    };
    expect(await topology.masterOf("portero:1:a")).toStrictEqual(master);
    topology.doubt();
    expect(await topology.masterOf("portero:1:b")).toStrictEqual(master);
  });
});
