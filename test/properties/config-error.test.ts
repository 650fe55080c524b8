import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { readConfig } from "../../src/auth/config.js";
import { ConfigError } from "../../src/client.js";
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
  const scheme = fc.constantFrom("http://", "https://", "redis://", "rediss://", "ftp://", "");

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
