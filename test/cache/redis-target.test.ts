import { describe, expect, test } from "@jest/globals";
import { parseRedisUrl } from "../../src/cache/redis-target.js";

const standalone = { kind: "standalone", secure: false, credentials: {}, database: 0 };
const cluster = { ...standalone, kind: "cluster" };
const sentinel = { ...standalone, kind: "sentinel", masterName: "mymaster", sentinelCredentials: {} };
const at = (host: string, port: number) => ({ host, port });

describe("A URL of Redis says", () => {
  test.each([
    ["redis://redis", { ...standalone, hosts: [at("redis", 6379)] }],
    ["redis://redis/", { ...standalone, hosts: [at("redis", 6379)] }],
    ["redis://redis:7000/3", { ...standalone, hosts: [at("redis", 7000)], database: 3 }],
    ["redis://redis?family=4", { ...standalone, hosts: [at("redis", 6379)] }],
    ["REDISS://[::1]:6380", { ...standalone, secure: true, hosts: [at("::1", 6380)] }],
    ["redis://[0:0:0:0:0:0:0:1]:06380", { ...standalone, hosts: [at("::1", 6380)] }],
    ["redis://:p%40ss@h", { ...standalone, hosts: [at("h", 6379)], credentials: { password: "p@ss" } }],
    ["redis://u:p@ss@h", { ...standalone, hosts: [at("h", 6379)], credentials: { username: "u", password: "p@ss" } }],
    ["redis://u:a:b@h", { ...standalone, hosts: [at("h", 6379)], credentials: { username: "u", password: "a:b" } }],
    ["redis://user@h", { ...standalone, hosts: [at("h", 6379)], credentials: { username: "user" } }],
    ["redis://:a,b:c@h", { ...standalone, hosts: [at("h", 6379)], credentials: { password: "a,b:c" } }],
    ["redis+cluster://a", { ...cluster, hosts: [at("a", 6379)] }],
    ["redis+cluster://a:1,b,[::1]:3/0", { ...cluster, hosts: [at("a", 1), at("b", 6379), at("::1", 3)] }],
    [
      "rediss+cluster://u:p@a:1,b:2",
      { ...cluster, secure: true, hosts: [at("a", 1), at("b", 2)], credentials: { username: "u", password: "p" } },
    ],
    ["redis+sentinel://s/mymaster", { ...sentinel, hosts: [at("s", 26379)] }],
    ["redis+sentinel://s:1,t:2/mymaster/4", { ...sentinel, hosts: [at("s", 1), at("t", 2)], database: 4 }],
    ["redis+sentinel://s/mymaster/14", { ...sentinel, hosts: [at("s", 26379)], database: 14 }],
    ["redis+sentinel://s/mymaster/", { ...sentinel, hosts: [at("s", 26379)] }],
    [
      "rediss+sentinel://u:p@s/my%20master?sentinel_username=v&sentinel_password=q%26",
      {
        ...sentinel,
        secure: true,
        hosts: [at("s", 26379)],
        credentials: { username: "u", password: "p" },
        masterName: "my master",
        sentinelCredentials: { username: "v", password: "q&" },
      },
    ],
    [
      "redis+sentinel://s/mymaster?sentinel_password=q",
      { ...sentinel, hosts: [at("s", 26379)], sentinelCredentials: { password: "q" } },
    ],
  ])("%s", (url, target) => {
    expect(parseRedisUrl(url)).toStrictEqual(target);
  });
});

describe("No client could use", () => {
  test.each([
    "",
    "redis",
    "redis://",
    "http://redis",
    "redis://a:1,b:2",
    "redis://a,b",
    "redis://h/name",
    "redis://h:99999",
    "redis://h:0",
    "redis://u:%zz@h",
    "redis+cluster://a,",
    "redis+cluster://,a",
    "redis+cluster://a:1,b:x",
    "redis+cluster://a/1",
    "redis+cluster://a/00",
    "redis+cluster://a/0x",
    "redis+cluster://a?x=1",
    "redis+cluster://u:%zz@b",
    "redis+sentinel://s",
    "redis+sentinel://s/",
    "redis+sentinel://s/m/x",
    "redis+sentinel://s/m/1/2",
    "redis+sentinel://s/%zz",
    "redis+sentinel://s/m?password=q",
    "redis+sentinel://s/m?sentinel_username=v",
    "redis+sentinel://s/m?sentinel_password",
    "redis+sentinel://s/m?sentinel_password=",
    "redis+sentinel://s/m?my_sentinel_password=q",
    "redis+sentinel://s/m?sentinel_password=q&sentinel_password=q",
    "redis+sentinel://s/m?sentinel_password=%zz",
    "redis+sentinel://s/m?sentinel_username=%zz&sentinel_password=q",
    "redis+ring://a",
    "redis+cluster://a#b",
  ])("%s", (url) => {
    expect(parseRedisUrl(url)).toBeUndefined();
  });
});
