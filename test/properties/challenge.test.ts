import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { encodeChallenge } from "../../src/auth/challenge.js";
import { AuthError, type AuthErrorCode } from "../../src/client.js";
import { runs } from "./runs.js";

/** A parser of our own: one challenge, and its parameters by name (RFC 9110 §11.6.1). Throws for anything else. */
function parseChallenge(header: string): { scheme: string; parameters: ReadonlyMap<string, string> } {
  let at = 0;
  const fail = (): never => {
    throw new Error(`no challenge, at ${at} of ${header}`);
  };
  const take = (what: RegExp): string => {
    const rest = header.slice(at);
    const found = what.exec(rest)?.[0] ?? fail();
    if (!rest.startsWith(found)) fail();
    at += found.length;
    return found;
  };
  const quoted = (): string => {
    let text = "";
    for (take(/^"/); header[at] !== '"'; at++) {
      if (at >= header.length) fail();
      if (header[at] === "\\") at++;
      text += header[at] ?? fail();
    }
    at++;
    return text;
  };
  const scheme = take(/^[A-Za-z]+/);
  const parameters = new Map<string, string>();
  for (let before = /^ /; at < header.length; before = /^, /) {
    take(before);
    const name = take(/^[a-z]+/);
    if (parameters.has(name)) fail();
    take(/^=/);
    parameters.set(name, quoted());
  }
  return { scheme, parameters };
}

const ERRORS = [undefined, "invalid_request", "invalid_token", "insufficient_scope"] as const;
/** Everything, and what matters here more often than everything. */
const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom('"', "\\", ",", "=", " ", "\r", "\n", "\0", "\x7f", "a", "ñ", "😀", "\ud800", "\udc00"),
  }),
);
const scopes = fc.option(fc.array(text, { maxLength: 5 }), { nil: undefined });

const printable = (some: string) => some.replace(/[^\x20-\x7e]/gu, "?");
/** scope-token = 1*( %x21 / %x23-5B / %x5D-7E ) (RFC 6749 §3.3) */
const isScopeToken = (some: string) =>
  some !== "" && [...some].every((c) => c >= "!" && c <= "~" && !'"\\'.includes(c));

describe("A challenge", () => {
  test("is one line of printable ASCII, whatever it is made of", () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...ERRORS), scopes, (realm, error, scope) => {
        expect(encodeChallenge({ realm, error, scope })).toMatch(/^[\x20-\x7e]+$/);
      }),
      runs(3000),
    );
  });

  test("parses back to what it was made of", () => {
    fc.assert(
      fc.property(text, fc.constantFrom(...ERRORS), scopes, (realm, error, scope) => {
        const { scheme, parameters } = parseChallenge(encodeChallenge({ realm, error, scope }));
        const tokens = scope?.filter(isScopeToken) ?? [];
        expect(scheme).toBe("Bearer");
        expect([...parameters]).toEqual([
          ["realm", printable(realm)],
          ...(error ? [["error", error]] : []),
          ...(tokens.length > 0 ? [["scope", tokens.join(" ")]] : []),
        ]);
      }),
      runs(3000),
    );
  });

  test("tells realms of printable characters apart", () => {
    const plain = fc.string({ unit: "grapheme-ascii" });
    fc.assert(
      fc.property(plain, plain, (one, other) => {
        fc.pre(one !== other);
        expect(encodeChallenge({ realm: one })).not.toBe(encodeChallenge({ realm: other }));
      }),
      runs(2000),
    );
  });

  test("and every other header of an error can be sent, whatever it is made of", () => {
    const codes: AuthErrorCode[] = [
      "missing_token",
      "invalid_token",
      "insufficient_scope",
      "auth_unavailable",
      "overloaded",
    ];
    const delay = fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.integer());
    fc.assert(
      fc.property(
        fc.constantFrom(...codes),
        text,
        scopes,
        text,
        delay,
        (code, realm, permissions, message, retryAfterMs) => {
          const { headers } = new AuthError(code, {
            realm,
            message,
            retryAfterMs,
            ...(permissions && { permissions }),
          });
          for (const [name, value] of Object.entries(headers))
            expect(`${name}: ${value}`).toMatch(/^[\w-]+: [\x20-\x7e]+$/);
          if (headers["Retry-After"] !== undefined) expect(headers["Retry-After"]).toMatch(/^[1-9]\d*$/);
          expect(() => new Headers(headers)).not.toThrow();
        },
      ),
      runs(2000),
    );
  });
});
