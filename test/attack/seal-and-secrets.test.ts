import { describe, expect, jest, test } from "@jest/globals";
import { readConfig } from "../../src/auth/config/config.js";
import { tokenId } from "../../src/auth/token.js";
import { createKeyring, type Slot } from "../../src/cache/keyring.js";
import { type AuthClientOptions, ConfigError, createAuthClient, optionsFromEnv } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { ManualClock } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";

const opened = closedAfterEach();
const [FIRST, SECOND] = ["first secret made at random of 40 bytes..", "second secret made at random of 40 bytes."];
const SECRET = "the secret of this service, which only it knows";
const TEXT = JSON.stringify({ askedAt: 1, expiresAt: 2, value: { user: { id: "ana" }, locals: ["madrid"] } });

function slotOf(secret = SECRET, { identity = "shop", kind = "token", id = tokenId("token-ana") } = {}): Slot {
  return createKeyring({ identity, secrets: [secret] }).slots({ kind, id })[0] as Slot;
}

describe("A sealed entry", () => {
  const sealed = slotOf().seal(TEXT);
  const bytes = Buffer.from(sealed, "base64url");

  test("opens for who has the secret, in another process too", () => {
    expect(slotOf().open(sealed)).toBe(TEXT);
  });

  test("does not open when any bit of it is another", () => {
    const survivors: number[] = [];
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      if (slotOf().open(changed.toString("base64url")) !== undefined) survivors.push(bit);
    }
    expect(survivors).toEqual([]);
  });

  test("does not open when any part of it is missing, doubled or swapped", () => {
    const parts = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(0, at));
    const tails = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at + 1));
    const [iv, tag, rest] = [bytes.subarray(0, 12), bytes.subarray(12, 28), bytes.subarray(28)];
    const swapped = [
      [tag, iv, rest],
      [iv, rest, tag],
      [rest, tag, iv],
      [iv, tag, rest, rest],
      [iv, tag],
    ];
    const all = [...parts, ...tails, ...swapped.map((some) => Buffer.concat(some))];
    expect(all.filter((part) => slotOf().open(part.toString("base64url")) !== undefined)).toEqual([]);
  });

  test.each([
    ["another token", slotOf(SECRET, { id: tokenId("token-bob") })],
    ["another kind", slotOf(SECRET, { kind: "locals" })],
    ["another auth service", slotOf(SECRET, { identity: "another shop" })],
    ["another secret", slotOf("another secret, which somebody made up")],
    ["a secret that differs in its last letter", slotOf(`${SECRET.slice(0, -1)}z`)],
  ])("does not open in the slot of %s, and has no key in common with it", (_what, other) => {
    expect(other.open(sealed)).toBeUndefined();
    expect(other.key).not.toBe(slotOf().key);
  });

  test("is another text each time, and shows nothing of what it holds", () => {
    const texts = Array.from({ length: 100 }, () => slotOf().seal(TEXT));
    const ivs = texts.map((text) => Buffer.from(text, "base64url").subarray(0, 12).toString("hex"));
    expect(new Set(ivs).size).toBe(100); // with the same one twice AES-GCM would be broken
    expect(Buffer.from(sealed, "base64url").toString("latin1")).not.toMatch(/ana|madrid|askedAt/);
  });
});

test("An entry larger than any answer could be is a miss, and nobody spends time on opening it.", async () => {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const huge = "A".repeat(64 * 2 ** 20); // an answer has 1 MiB at most: not ten times that, escaped and sealed
  store.get = async () => huge;
  const client = openClient(service, { clock, cache: { store, secret: SECRET } });
  const decoded = jest.spyOn(Buffer, "from");

  expect((await client.verifyToken("token-ana")).source).toBe("grpc");

  const sizes = decoded.mock.calls.map(([what]) => (typeof what === "string" ? (what as string).length : 0));
  decoded.mockRestore();
  expect(Math.max(0, ...sizes)).toBeLessThan(huge.length);
});

describe("A secret", () => {
  const base: AuthClientOptions = { rest: { url: "http://auth.example" } };
  const unusable: readonly (readonly [string, unknown])[] = [
    ["of 31 bytes", "x".repeat(31)],
    ["of one byte", "x"],
    ["that is empty", ""],
    ["that is no text", Buffer.alloc(32)],
    ["that is a number", 1e40],
    ["that is null", null],
    ["in a list with a short one", ["x".repeat(32), "y".repeat(31)]],
    ["in a list with nothing else", []],
    ["in a list within a list", [["x".repeat(32)]]],
  ];
  const withSecret = (secret: unknown) => () => readConfig({ ...base, cache: { secret: secret as string } });

  test.each(unusable)("%s is refused, and not shown", (_what, secret) => {
    expect(withSecret(secret)).toThrow(ConfigError);
    expect(withSecret(secret)).toThrow(
      /^ {2}cache\.secret: expected .*32 bytes.*, got (\d+|\d+ \(secret \d of \d\)|something else \(not shown\))$/m,
    );
  });

  test.each([
    ["of 32 bytes", FIRST.slice(0, 32)],
    ["of 16 letters that are 32 bytes", "ñéèêëàâäïîôöùûüÿ"],
    ["among several", [FIRST, SECOND]],
    ["of 8 different bytes", "01234567".repeat(4)],
  ])("%s is taken", (_what, secret) => {
    expect(withSecret(secret)().cache.secrets).toEqual([secret].flat());
  });

  test.each([
    ["of one letter", "x".repeat(64), "1"],
    ["of blanks", " ".repeat(40), "1"],
    ["of 7 different bytes", "0123456".repeat(10), "7"],
    ["of two letters that are three bytes", "éè".repeat(16), "3"],
    ["among good ones", [FIRST, "ab".repeat(20)], "2 (secret 2 of 2)"],
  ])("%s is long enough and can be guessed: %s", (_what, secret, got) => {
    expect(withSecret(secret)).toThrow(`cache.secret: expected at least 8 different bytes, got ${got}`);
    const env = { AUTH_REST_URL: "http://auth.example", AUTH_CACHE_SECRET: [secret].flat().join(",") };
    expect(() => readConfig(optionsFromEnv(env))).toThrow(/AUTH_CACHE_SECRET: /);
  });

  test.each(["", " ", "\t\n", ",", " , ,, "])("that the environment holds nothing of is an error: %j", (secret) => {
    const env = { AUTH_REST_URL: "http://auth.example", AUTH_CACHE_SECRET: secret };
    for (const more of [{}, { REDIS_URL: "redis://cache" }]) {
      expect(() => readConfig(optionsFromEnv({ ...env, ...more }))).toThrow(
        /:\n {2}AUTH_CACHE_SECRET: expected .+ got nothing but blanks and commas$/,
      );
    }
  });

  test("from the environment is named as its author knows it, and not shown", () => {
    const env = { AUTH_REST_URL: "http://auth.example", AUTH_CACHE_SECRET: `${FIRST},a short one` };
    const start = () => readConfig(optionsFromEnv(env));
    expect(start).toThrow(/AUTH_CACHE_SECRET: .*32 bytes/);
    expect(start).not.toThrow(/a short one|made at random/);
  });

  test("from the environment may be several, in their order", () => {
    const env = { AUTH_REST_URL: "http://auth.example", AUTH_CACHE_SECRET: ` ${FIRST} , ${SECOND},` };
    expect(readConfig(optionsFromEnv(env)).cache.secrets).toEqual([FIRST, SECOND]);
  });
});

describe("At start", () => {
  const WARNING =
    "warn portero: the shared cache has no secret: whoever can write to it can make a user; see cache.secret (AUTH_CACHE_SECRET)";

  function linesOf(cache: AuthClientOptions["cache"]): string[] {
    const logger = new RecordingLogger();
    const clock = new ManualClock();
    opened(createAuthClient({ rest: { url: "http://127.0.0.1:1" }, clock, logger, cache }));
    return logger.lines;
  }
  const store = new MemoryStore(new ManualClock());

  test.each([
    ["a store of one's own", { store }],
    ["Redis", { redisUrl: "redis://127.0.0.1:1" }],
  ])("a shared cache without a secret says what that means, in one line: %s", (_what, cache) => {
    expect(linesOf(cache)).toEqual([WARNING]);
  });

  test.each([
    ["a shared cache with a secret", { store, secret: SECRET }],
    ["a shared cache with several", { store, secret: [SECRET, `${SECRET} before`] }],
    ["a process of its own", {}],
  ])("nothing is said of %s", (_what, cache) => {
    expect(linesOf(cache)).toEqual([]);
  });
});
