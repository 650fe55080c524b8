import { describe, expect, test } from "@jest/globals";
import { createClient } from "@keyv/redis";
import fc from "fast-check";
import type { Config } from "../../src/auth/config/config.js";
import { ConfigError } from "../../src/client.js";
import { byHost, type Environment, GOOD, read, VARIABLES, type Variable, value } from "./environments.js";
import { runs } from "./runs.js";

describe("Any text in any variable", () => {
  test.each(VARIABLES)("gives a configuration, or a ConfigError that names it: %s", (variable) => {
    const base = /HOST|PORT/.test(variable) ? byHost(GOOD) : GOOD;
    const seen = { configs: 0, errors: 0 };
    fc.assert(
      fc.property(value, (text) => {
        const outcome = read({ ...base, [variable]: text });
        if (!(outcome instanceof ConfigError)) return void seen.configs++;
        seen.errors++;
        expect(outcome.problems.length).toBeGreaterThan(0);
        // A timeout can make the deadline, which is good by itself, too short for it; several URLs need a namespace beside Redis.
        const beside = variable.endsWith("_TIMEOUT") ? "AUTH_DEADLINE" : /URL/.test(variable) ? "cache.namespace" : "";
        for (const { name } of outcome.problems) expect([variable, beside]).toContain(name);
        expect(outcome.message).toContain(outcome.problems[0]?.name);
      }),
      runs(600),
    );
    expect(seen.configs).toBeGreaterThan(0);
    expect(seen.errors).toBeGreaterThan(0);
  });

  test("gives a configuration, or a ConfigError of one line for each mistake: in all of them at once", () => {
    const environments = fc.record(
      Object.fromEntries(VARIABLES.map((name) => [name, fc.option(value, { nil: undefined })])),
    );
    fc.assert(
      fc.property(environments as fc.Arbitrary<Environment>, (env) => {
        const outcome = read(env);
        if (!(outcome instanceof ConfigError)) return;
        const known = [...VARIABLES, "AUTH_GRPC_URL or AUTH_REST_URL", "cache.namespace"] as string[];
        for (const { name } of outcome.problems) expect(known).toContain(name);
        expect(outcome.message.split("\n")).toHaveLength(1 + outcome.problems.length);
      }),
      runs(3000),
    );
  });

  test("that is only blank counts as not set, but for the secret", () => {
    const blank = fc.string({ unit: fc.constantFrom(" ", "\t", "\n", "\u00a0") });
    fc.assert(
      fc.property(
        fc.constantFrom(...VARIABLES.filter((name) => name !== "AUTH_CACHE_SECRET")),
        blank,
        (variable, text) => {
          const plain = (outcome: Config | ConfigError) => JSON.stringify(outcome);
          expect(plain(read({ ...GOOD, [variable]: text }))).toBe(plain(read({ ...GOOD, [variable]: undefined })));
        },
      ),
      runs(200),
    );
  });
});

describe("A configuration that is taken can be used:", () => {
  /** Runs a check on every configuration that comes of texts in these variables. */
  function eachConfig(
    variables: readonly Variable[],
    base: Environment,
    check: (config: Config) => void,
    count = 3000,
  ) {
    const texts = fc.tuple(...variables.map(() => value));
    let taken = 0;
    fc.assert(
      fc.property(texts, (found) => {
        const outcome = read({ ...base, ...Object.fromEntries(found.map((text, at) => [variables[at], text])) });
        if (outcome instanceof ConfigError) return;
        taken++;
        check(outcome);
      }),
      runs(count),
    );
    expect(taken).toBeGreaterThan(10);
  }

  test("AUTH_GRPC_HOST is the host that is called, on the port that was given", () => {
    eachConfig(["AUTH_GRPC_HOST"], byHost(GOOD), ({ grpc }) => {
      if (!grpc) return; // blank counts as not set
      const { port, pathname, search, username } = new URL(grpc.urls[0] as string);
      expect({ port, pathname, search, username }).toEqual({ port: "50051", pathname: "/", search: "", username: "" });
    });
  });

  test.each([
    ["AUTH_GRPC_URL", "/auth.AuthService/VerifyToken", ({ grpc }: Config) => grpc?.urls],
    ["AUTH_REST_URL", "/auth/verify", ({ rest }: Config) => rest && [rest.url]],
  ] as const)("%s is a base that paths can be appended to", (variable, path, urlsOf) => {
    eachConfig([variable], { ...GOOD, AUTH_GRPC_HOST: undefined }, (config) => {
      for (const url of urlsOf(config) ?? []) {
        const { pathname, search, hash } = new URL(`${url.replace(/\/+$/, "")}${path}`);
        expect(pathname.endsWith(path)).toBe(true);
        expect([search, hash]).toEqual(["", ""]);
      }
    });
  });

  test("REDIS_URL is one that a Redis client takes", () => {
    eachConfig(["REDIS_URL"], GOOD, ({ cache }) => {
      if (cache.redisUrl !== undefined && !cache.redisUrl.includes("+"))
        expect(() => createClient({ url: cache.redisUrl as string })).not.toThrow();
      expect(cache.redis?.target.hosts.every(({ port }) => port > 0 && port < 65_536) ?? true).toBe(true);
    });
  });

  test.each(["redis://cache/first", "redis://cache/0/1", "redis://:100%@cache", "redis://%zz:x@cache"])(
    "and one that it does not take is named at the start: %s",
    (url) => {
      expect(read({ ...GOOD, REDIS_URL: url })).toMatchObject({ problems: [{ name: "REDIS_URL" }] });
    },
  );

  test("times are times that a timer takes", () => {
    const MAX_TIMER_MS = 2 ** 31 - 1;
    const seconds = fc.double({ min: 0.02, max: MAX_TIMER_MS / 1000, noNaN: true }).map((time) => time.toFixed(3));
    fc.assert(
      fc.property(seconds, seconds, fc.option(seconds, { nil: undefined }), (grpc, rest, deadline) => {
        const env = { ...GOOD, AUTH_GRPC_TIMEOUT: grpc, AUTH_REST_TIMEOUT: rest, AUTH_DEADLINE: deadline };
        const outcome = read(env);
        if (outcome instanceof ConfigError) return;
        for (const ms of [outcome.deadlineMs, outcome.grpc?.timeoutMs ?? 0, outcome.rest?.timeoutMs ?? 0]) {
          expect(ms).toBeGreaterThanOrEqual(20);
          expect(ms).toBeLessThanOrEqual(MAX_TIMER_MS);
        }
      }),
      runs(1000),
    );
  });

  test("AUTH_CACHE_SECRET holds secrets of 32 bytes at least, or none at all", () => {
    eachConfig(["AUTH_CACHE_SECRET"], GOOD, ({ cache }) => {
      for (const secret of cache.secrets) expect(Buffer.byteLength(secret)).toBeGreaterThanOrEqual(32);
    });
  });
});
