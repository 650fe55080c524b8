import { describe, expect, test } from "@jest/globals";
import { isToken } from "../../src/auth/token.js";
import { type AuthError, authenticate, cookieToken } from "../../src/client.js";
import { bearerToken } from "../../src/http/bearer.js";
import { stubAuthClient } from "../../src/testing.js";
import { openClient, startService } from "../support/open-client.js";
import { workOf } from "./work-of.js";

const MAX_BYTES = 8192;
/** Node takes no more in all headers of a request. */
const MAX_HEADER_BYTES = 16_384;

/** Values on which a parser that goes back would go back a lot. */
const WORST: readonly (readonly [string, (size: number) => string])[] = [
  ["a good token", (size) => `Bearer ${"a".repeat(size)}`],
  ["a token that is bad at its end", (size) => `Bearer ${"a".repeat(size)}!`],
  ["nothing but =", (size) => `Bearer ${"=".repeat(size)}`],
  ["a long run of = that ends badly", (size) => `Bearer a${"=".repeat(size)}a`],
  ["pairs of a= ", (size) => `Bearer ${"a=".repeat(size / 2)}`],
  ["many spaces and no token", (size) => `Bearer${" ".repeat(size)}`],
  ["many spaces and a bad token", (size) => `Bearer${" ".repeat(size)}!`],
  ["many words", (size) => `Bearer ${"a ".repeat(size / 2)}`],
  ["many commas", (size) => `Bearer ${",".repeat(size)}`],
  ["many dots", (size) => `Bearer ${".".repeat(size)}`],
  ["the scheme again and again", (size) => "Bearer ".repeat(size / 7)],
  ["the scheme without an end", (size) => "bearer".repeat(size / 6)],
  ["another scheme without an end", (size) => "x".repeat(size)],
];

function parseHeader(authorization: string) {
  try {
    bearerToken({ headers: { authorization }, rawHeaders: ["Authorization", authorization] });
  } catch (error) {
    expect((error as AuthError).code).toBe("invalid_request");
  }
}

describe("The bearer parser", () => {
  /** The names of the scheme and of the header, and where runs end. */
  const AROUND = "bearer".length + "authorization".length + 4;

  test.each(WORST)("looks at no character twice but where a run ends: %s", (_what, worst) => {
    for (const size of [84, 840, 4200, 8400, 16_800]) {
      const value = worst(size);
      const { steps, longestMatched } = workOf(() => parseHeader(value));
      expect(steps).toBeLessThanOrEqual(value.length + AROUND);
      expect(longestMatched).toBe(0); // no regular expression that repeats anything sees the value
    }
  });

  test.each<[string, (text: string) => unknown]>([
    ["charCodeAt", (text) => text.charCodeAt(text.length - 1)],
    ["a regular expression", (text) => /[!]/.test(text)],
    ["search", (text) => text.search(/[!]/)],
    ["trim", (text) => text.trim()],
    ["split", (text) => text.split(",")],
    ["a loop", (text) => [...text]],
  ])("would be seen by this test if it looked once more with %s", (how, look) => {
    const text = "a".repeat(1000);
    expect(workOf(() => void look(text)).steps).toBe(how === "charCodeAt" ? 1 : 1000);
  });

  test("is seen at work by this test", () => {
    expect(workOf(() => parseHeader(`Bearer ${"a".repeat(1000)}`)).steps).toBeGreaterThanOrEqual(1000);
  });

  test("looks at no character of a token that is too long", () => {
    expect(workOf(() => isToken("a".repeat(MAX_BYTES + 1))).steps).toBe(0);
    expect(workOf(() => isToken("a".repeat(1_000_000))).steps).toBe(0);
  });

  test.each(WORST)(
    "turns away the longest that fits into a request, and has looked at it once: %s",
    async (_what, worst) => {
      const client = stubAuthClient();
      const authorization = worst(MAX_HEADER_BYTES);
      let outcome: Promise<unknown> = Promise.resolve();

      const { steps } = workOf(() => {
        outcome = authenticate({ headers: { authorization } }, { client });
      });

      const code = /^Bearer( |$)/i.test(authorization) ? "invalid_request" : "missing_token"; // of another scheme
      await expect(outcome).rejects.toMatchObject({ code });
      expect(steps).toBeLessThanOrEqual(authorization.length + AROUND);
    },
  );
});

describe("A token of 8 KiB that is all structure", () => {
  const encode = (text: string) => Buffer.from(text).toString("base64url");
  const fitted = (payload: string) => `e30.${payload.slice(0, MAX_BYTES - 6)}.s`;

  test.each([
    ["dots alone", ".".repeat(MAX_BYTES)],
    ["a dot after each letter", "a.".repeat(MAX_BYTES / 2)],
    ["a payload of nested lists", fitted(encode("[".repeat(6140)))],
    ["a payload of nested objects", fitted(encode('{"a":'.repeat(1228)))],
    ["a payload of one long number", fitted(encode(`{"exp":${"9".repeat(6120)}}`))],
    ["a payload of one long string", fitted(encode(`{"exp":"${"9".repeat(6120)}"}`))],
    ["a payload of the same key again and again", fitted(encode(`{${'"exp":1,'.repeat(766)}"exp":1}`))],
    ["a payload of __proto__", fitted(encode('{"__proto__":{"exp":1}}'))],
    ["a payload that is null", fitted(encode("null"))],
  ])("is asked once and refused: %s", async (_what, token) => {
    const service = await startService();
    const client = openClient(service);

    await expect(client.verifyToken(token)).rejects.toMatchObject({ code: "invalid_token" });
    expect(service.calls.VerifyToken).toBe(1);
  });
});

describe("The cookie parser", () => {
  test.each([
    ["many cookies", "a=b;".repeat(MAX_HEADER_BYTES / 4)],
    ["many semicolons", ";".repeat(MAX_HEADER_BYTES)],
    ["many =", "=".repeat(MAX_HEADER_BYTES)],
    ["many spaces", " ".repeat(MAX_HEADER_BYTES)],
    ["many spaces around a name", `${" ".repeat(MAX_HEADER_BYTES / 2)}x${" ".repeat(MAX_HEADER_BYTES / 2)}`],
    ["many quotes", `session="${'"'.repeat(MAX_HEADER_BYTES - 10)}`],
    ["the same cookie again and again", "session=abc;".repeat(MAX_HEADER_BYTES / 12)],
  ])("looks at a character a few times, however many cookies there are: %s", (_what, cookie) => {
    const source = cookieToken("session");

    const { steps, longestMatched } = workOf(() => void source({ headers: { cookie } }));

    // In search of `;` and of `=`, of blanks and of quotes at both ends.
    expect(steps).toBeLessThanOrEqual(6 * cookie.length);
    expect(steps).toBeGreaterThanOrEqual(cookie.length);
    expect(longestMatched).toBe(0);
  });
});
