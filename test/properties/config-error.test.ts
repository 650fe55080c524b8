import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readConfig } from "../../src/auth/config/config.js";
import { ConfigError, optionsFromEnv } from "../../src/client.js";
import { byHost, GOOD, read, VARIABLES, value } from "./environments.js";
import { runs } from "./runs.js";

describe("A ConfigError", () => {
  /** What a password may be made of; what stands in its place in a URL is encoded or not, as its author knew or did not know. */
  const secret = fc.string({
    unit: fc.constantFrom(..."abcdefghkmnpqrstuvwxyz23456789!$%&*+-.,;=?/#@~"),
    minLength: 12,
    maxLength: 40,
  });
  const broken = fc.constantFrom("", ":notaport", ":99999", "/?q=1", "/#x", " ", "\\", "[", "/?a=b@c");
  const scheme = fc.constantFrom(
    "http://",
    "https://",
    "redis://",
    "rediss://",
    "redis+cluster://a:1,",
    "redis+sentinel://",
    "ftp://",
    "",
  );

  test("never shows a password that stands in a URL", () => {
    const urls = fc.constantFrom("AUTH_GRPC_URL", "AUTH_REST_URL", "REDIS_URL", "AUTH_GRPC_HOST");
    fc.assert(
      fc.property(urls, scheme, secret, fc.boolean(), broken, (variable, protocol, password, encodes, rest) => {
        const written = encodes ? encodeURIComponent(password) : password;
        const base = variable === "AUTH_GRPC_HOST" ? byHost(GOOD) : GOOD;
        const outcome = read({ ...base, [variable]: `${protocol}user:${written}@auth${rest}` });
        if (outcome instanceof ConfigError) expect(outcome.message).not.toContain(written);
      }),
      runs(4000),
    );
  });

  test("shows no part of a secret in any setting that should be a URL, from the environment or from code, however it is spelt", () => {
    const letters = fc.constantFrom(..."jkqvxzJKQVXZ23456789"); // no words are made of them
    const sign = fc.constantFrom(..."!$%&*+-.,;=?/#@~:|^");
    const hidden = fc
      .tuple(
        fc.string({ unit: letters, minLength: 4, maxLength: 12 }),
        fc.array(fc.tuple(sign, letters), { maxLength: 6 }),
      )
      .filter(([start]) => /^[a-z]/i.test(start))
      .map(([start, rest]) => ({ start: `${start}~`, written: `Z${start}~${rest.flat().join("")}` }));
    const spelling = fc.constantFrom<(text: string) => string>(
      (text) => `user:${text}@auth`,
      (text) => `:${text}@auth:6379/1`,
      (text) => `default:${text}`,
      (text) => `default:${text}@a:1,b:2/mymaster`,
      (text) => `s:1,t:2/mymaster?sentinel_password=${text}`,
      (text) => `default:${text}/0`,
      (text) => `user:1234#${text}@auth`,
      (text) => `user:1234/${text}@auth`,
      (text) => `user:p@ss/${text}@auth`,
      (text) => `user:p@ss?${text}@auth`,
      (text) => `user:p@ss#${text}`,
      (text) => `default%3A${text}%40auth`,
      (text) => `auth/?api_key=${text}`,
      (text) => `auth?api_key=${text}`,
      (text) => `auth:8001/base#${text}`,
      (text) => `auth/&api_key=${text}`,
      (text) => `auth/;key=${text}`,
      (text) => `auth/%3Fapi_key=${text}`,
      (text) => `auth, http://user:${text}@auth`,
      (text) => `auth:${text}`,
      (text) => `[${text}]`,
      (text) => `auth\n${text}`,
      (text) => `auth\\${text}`,
    );
    const schemes = [
      "http://",
      "https://",
      "redis://",
      "rediss://",
      "redis+cluster://",
      "redis-sentinel://",
      "grpc://",
      "ftp://",
      "http:",
      "http:///",
      "",
      "dns:///",
    ];
    const names = ["AUTH_GRPC_URL", "AUTH_REST_URL", "REDIS_URL", "AUTH_GRPC_HOST", "grpc.url", "rest.url"] as const;
    const coded = ["cache.redisUrl", "rest.paths.organization", "cache.store"] as const;
    const outcomeOf = (name: (typeof names)[number] | (typeof coded)[number], text: string) => {
      const variables = { ...GOOD, AUTH_DEADLINE: undefined };
      if (!name.includes(".")) return read({ ...(name === "AUTH_GRPC_HOST" ? byHost(GOOD) : GOOD), [name]: text });
      const { cache: _cache, ...options } = optionsFromEnv(variables);
      const [section = "", ...path] = name.split(".");
      const value = path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), text);
      const given = { ...options, rest: { url: "http://auth" }, [section]: value };
      if (name === "rest.paths.organization") given.rest = { url: "http://auth", ...(value as object) };
      try {
        return readConfig(given as never);
      } catch (error) {
        return error as Error;
      }
    };
    let errors = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...names, ...coded),
        fc.constantFrom(...schemes),
        hidden,
        spelling,
        (name, scheme, { start, written }, spell) => {
          const outcome = outcomeOf(name, scheme + spell(written));
          if (!(outcome instanceof ConfigError)) return;
          errors++;
          const shown = JSON.stringify([outcome.message, outcome.problems]);
          for (let at = 0; at + 4 <= start.length; at++) expect(shown).not.toContain(start.slice(at, at + 4));
        },
      ),
      runs(6000),
    );
    expect(errors).toBeGreaterThan(100);
  });

  test("never shows the cache's secret, good or bad, whatever else is wrong", () => {
    fc.assert(
      fc.property(secret, fc.constantFrom(...VARIABLES), value, (hidden, variable, text) => {
        fc.pre(variable !== "AUTH_CACHE_SECRET" && !text.includes(hidden));
        const outcome = read({ ...GOOD, AUTH_CACHE_SECRET: hidden, [variable]: text });
        if (outcome instanceof ConfigError) expect(outcome.message).not.toContain(hidden);
      }),
      runs(3000),
    );
  });

  test.each([
    ["cache.secrets", (hidden: string) => ({ cache: { secrets: hidden } })],
    ["cache.Secret", (hidden: string) => ({ cache: { Secret: hidden } })],
    ["secret", (hidden: string) => ({ secret: hidden })],
    ["header", (hidden: string) => ({ header: hidden })],
    ["rest.password", (hidden: string) => ({ rest: { url: "http://auth", password: hidden } })],
    ["rest.tls", (hidden: string) => ({ rest: { url: "https://auth", tls: hidden } })],
    ["cache", (hidden: string) => ({ cache: hidden })],
  ])("never shows what stands in a misspelt or misplaced option, which may be one: %s", (name, optionsWith) => {
    fc.assert(
      fc.property(secret, (hidden) => {
        const options = { rest: { url: "http://auth" }, ...optionsWith(hidden) };
        const start = () => readConfig(options as never);
        expect(start).toThrow(`  ${name}: `);
        expect(start).not.toThrow(hidden.slice(0, 12));
      }),
      runs(100),
    );
  });

  test("is one printable line for each mistake", () => {
    fc.assert(
      fc.property(fc.constantFrom(...VARIABLES), value, (variable, text) => {
        const outcome = read({ ...byHost(GOOD), [variable]: text });
        if (outcome instanceof ConfigError)
          expect([...outcome.message.replaceAll("\n", "")].filter((char) => char < " ")).toEqual([]);
      }),
      runs(3000),
    );
  });
});
