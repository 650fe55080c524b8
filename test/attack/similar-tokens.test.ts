import { afterEach, describe, expect, test } from "@jest/globals";
import express from "express";
import { type AuthClient, authenticate, cookieToken, requireAuth } from "../../src/index.js";
import type { FakeAuthService } from "../../src/testing.js";
import { closeAll } from "../support/http-fixture.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { listenRaw } from "../support/raw-request.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

afterEach(closeAll);

const MAX_BYTES = 8192;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";

/** The character after this one, so that exactly one byte differs. */
const next = (char: string) => ALPHABET[(ALPHABET.indexOf(char) + 1) % ALPHABET.length] as string;

function changedAt(token: string, at: number): string {
  return token.slice(0, at) + next(token[at] as string) + token.slice(at + 1);
}

/** As the issuer could have written it: base64url without unused bits. The other spellings of a JWT are malformed, see jwt-spelling. */
function changedInJwt(token: string, at: number): string {
  let changed = changedAt(token, at);
  while (!changed.split(".").every((part) => Buffer.from(part, "base64url").toString("base64url") === part)) {
    changed = changedAt(changed, at);
  }
  return changed;
}

/** Whose each token is, as the client says. */
async function owners(client: AuthClient, tokens: readonly string[]): Promise<string[]> {
  const all: string[] = [];
  for (const token of tokens) all.push((await client.verifyToken(token)).user.id);
  return all;
}

async function startWith(tokens: readonly string[]) {
  const service = await startService();
  tokens.forEach((token, index) => {
    service.allow(token, { id: `user-${index}` });
  });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store, secret: "a secret of at least thirty-two bytes" } });
  return { service, store, open, expected: tokens.map((_, index) => `user-${index}`) };
}

const sameHead = unsignedJwt({ iss: "https://issuer.example.com", sub: "ana", roles: ["a", "b", "c"] });

describe.each([
  ["at each byte of an opaque token", Array.from({ length: 64 }, (_, at) => changedAt("k".repeat(64), at))],
  ["at each byte of a JWT", Array.from({ length: sameHead.length }, (_, at) => changedInJwt(sameHead, at))],
  ["at the last byte of the longest", ["a", "b", "c"].map((end) => "x".repeat(MAX_BYTES - 1) + end)],
  ["at the first byte of the longest", ["a", "b", "c"].map((start) => start + "x".repeat(MAX_BYTES - 1))],
  ["in case", ["token", "Token", "tOken", "TOKEN"]],
  ["in what ends them", ["abc", "abc=", "abc==", "abc===", "abc.", "abc-", "abc_"]],
  ["in nothing but length", [1, 2, 19, 20, 21, 55, 56, 63, 64, 65, 128, 4096, 8191, 8192].map((n) => "a".repeat(n))],
])("Tokens that differ %s", (_where, tokens) => {
  test("are different tokens: asked of the service, in the process, in the shared cache", async () => {
    const { service, store, open, expected } = await startWith(tokens);
    const first = open();

    expect(await owners(first, tokens)).toEqual(expected);
    expect(await owners(first, tokens)).toEqual(expected);
    await until(() => store.keys("token").length === tokens.length);
    expect(await owners(open(), tokens)).toEqual(expected);

    expect(service.calls.VerifyToken).toBe(tokens.length);
  });

  test("are not let in for each other", async () => {
    const [good = "", ...others] = tokens;
    const service = await startService({ users: { [good]: { id: "ana" } } });
    const client = openClient(service);
    await client.verifyToken(good);

    for (const other of others) {
      expect(client.peekToken(other)).toBeUndefined();
      await expect(client.verifyToken(other)).rejects.toMatchObject({ code: "invalid_token" });
    }
  });
});

describe("A token that looks like Ana's", () => {
  const GOOD = "token-ana.1";
  const lookAlikes = [
    ["a Cyrillic о", "t\u043eken-ana.1"],
    ["a Greek ο", "t\u03bfken-ana.1"],
    ["full-width letters", "\uff54\uff4f\uff4b\uff45\uff4e-ana.1"],
    ["a Kelvin sign for k", "to\u212aen-ana.1"],
    ["mathematical letters", "\u{1d42d}oken-ana.1"],
    ["a non-breaking hyphen", "token\u2011ana.1"],
    ["a soft hyphen", "tok\u00aden-ana.1"],
    ["a zero-width space", "token\u200b-ana.1"],
    ["a zero-width joiner at the end", "token-ana.1\u200d"],
    ["a byte order mark in front", "\ufefftoken-ana.1"],
    ["a direction mark", "\u202etoken-ana.1"],
    ["a combining accent", "toke\u0301n-ana.1"],
    ["a one-dot leader for the dot", "token-ana\u20241"],
    ["an Arabic digit", "token-ana.\u0661"],
    ["a line separator at the end", "token-ana.1\u2028"],
    ["a non-breaking space in front", "\u00a0token-ana.1"],
    ["a lone surrogate", "token-ana.1\ud800"],
    ["a NUL at the end", "token-ana.1\0"],
    ["a line break at the end", "token-ana.1\n"],
    ["a percent escape", "token%2Dana.1"],
  ] as const;

  let service: FakeAuthService;
  let client: AuthClient;

  async function knowAna() {
    service = await startService({ users: { [GOOD]: { id: "ana" } } });
    client = openClient(service);
    await client.verifyToken(GOOD);
    service.resetCalls();
  }

  test.each(lookAlikes)("with %s is malformed for the client, and no one is asked", async (_what, token) => {
    await knowAna();

    await expect(client.verifyToken(token)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(client.verifyToken(token, { fresh: true })).rejects.toMatchObject({ code: "invalid_request" });
    expect(client.peekToken(token)).toBeUndefined();
    expect(service.calls.total).toBe(0);
  });

  test.each(lookAlikes)("with %s is malformed, wherever a request carries it", async (_what, token) => {
    await knowAna();
    const fromHeader = authenticate({ headers: { authorization: `Bearer ${token}` } }, { client });
    const fromSource = authenticate({ headers: {} }, { client, token: () => token });
    const escaped = token.replaceAll("%", "%25"); // a cookie is decoded once
    const fromCookie = authenticate(
      { headers: { cookie: `session="${escaped}"` } },
      { client, token: cookieToken("session") },
    );

    for (const refused of [fromHeader, fromSource, fromCookie]) {
      await expect(refused).rejects.toMatchObject({ code: "invalid_request" });
    }
    expect(service.calls.total).toBe(0);
  });

  test.each(lookAlikes.filter(([, token]) => !/[\0\n]/.test(token)))(
    "with %s is malformed as UTF-8 on the wire",
    async (_what, token) => {
      await knowAna();
      const send = await listenRaw(express().use(requireAuth({ client }), (_req, res) => void res.send("hello")));

      const { status } = await send({ headers: [`Authorization: Bearer ${Buffer.from(token).toString("latin1")}`] });

      expect(status).toBe(400);
      expect(service.calls.total).toBe(0);
    },
  );
});
