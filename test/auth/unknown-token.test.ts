import { describe, expect, test } from "@jest/globals";
import { AuthError, type OnUnknownToken, type TokenFacts } from "../../src/client.js";
import { stubAuthClient } from "../../src/testing.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { jwtOf, unsignedJwt } from "../support/unsigned-jwt.js";
import { until } from "../support/until.js";

const TTL_MS = 300_000;
const DEADLINE_MS = 3000;

async function open() {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const clock = new ManualClock();
  const logger = new RecordingLogger();
  const client = openClient(service, { clock, logger, deadlineMs: DEADLINE_MS });
  const asked: TokenFacts[] = [];
  const onUnknown: OnUnknownToken = (facts) => void asked.push(facts);
  const codeOf = (token: string, hook: OnUnknownToken | undefined = onUnknown) =>
    client.verifyToken(token, hook && { onUnknown: hook }).then(
      ({ user }) => user.id,
      ({ code }) => code,
    );
  return { service, clock, logger, client, asked, onUnknown, codeOf };
}

describe("onUnknown is called before the service is asked about a token", () => {
  test("of which nothing is held; not where it is cached, or its refusal is remembered", async () => {
    const { service, asked, codeOf } = await open();
    expect([await codeOf("token-ana"), await codeOf("token-ana")]).toEqual(["ana", "ana"]);
    expect([await codeOf("garbage"), await codeOf("garbage")]).toEqual(["invalid_token", "invalid_token"]);
    expect([asked.length, service.calls.total]).toEqual([2, 2]);
  });

  test("not where its entry has expired, nor for its refresh", async () => {
    const { clock, client, asked, codeOf } = await open();
    await codeOf("token-ana");
    await clock.advance(TTL_MS * 0.8);
    await codeOf("token-ana");
    await until(() => client.status().inFlight === 0);
    await clock.advance(TTL_MS);
    await codeOf("token-ana");
    expect(asked).toHaveLength(1);
  });

  test("not where the shared cache has an entry, unless a fresh call does not look there", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const cache = { store: new MemoryStore(clock), staleIfErrorMs: TTL_MS };
    await openClient(service, { clock, cache }).verifyToken("token-ana");
    await settle();
    await clock.advance(TTL_MS); // expired
    let calls = 0;
    const onUnknown = () => void calls++;
    await openClient(service, { clock, cache }).verifyToken("token-ana", { onUnknown });
    expect([calls, service.calls.total]).toEqual([0, 2]);
    await openClient(service, { clock, cache }).verifyToken("token-ana", { onUnknown, fresh: true });
    expect(calls).toBe(1);
  });

  test("and again when it was invalidated, for it is known no more", async () => {
    const { client, asked, codeOf } = await open();
    await codeOf("token-ana");
    await client.invalidateToken("token-ana");
    await codeOf("token-ana");
    expect(asked).toHaveLength(2);
  });

  test("not for a caller that joins a question under way", async () => {
    const { service, client, asked, codeOf } = await open();
    service.grpc.hang();
    const first = codeOf("token-ana");
    await until(() => service.grpc.calls.total === 1);
    const second = codeOf("token-ana");
    service.grpc.fail();
    expect(await Promise.all([first, second])).toEqual(["ana", "ana"]);
    expect([asked.length, client.status().inFlight]).toEqual([1, 0]);
  });
});

describe("onUnknown is told what a JWT says of itself", () => {
  async function factsOf(token: string) {
    const { asked, codeOf } = await open();
    await codeOf(token);
    return asked[0];
  }
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");

  test("and nothing else of it", async () => {
    const claims = { iss: "https://issuer.example", aud: ["a", "b"], exp: 1_800_000_000, sub: "ana", jti: "secret" };
    const { iss, aud, exp } = claims;
    expect(await factsOf(unsignedJwt(claims))).toEqual({ iss, aud, exp });
    const token = `${encode({ alg: "RS256", kid: "key-1" })}.${encode({ aud: "a" })}.AAAA`;
    expect(await factsOf(token)).toEqual({ aud: "a", kid: "key-1" });
  });

  test("with the types that they have in a JWT, or not at all", async () => {
    expect(await factsOf(unsignedJwt({ iss: 1, aud: ["a", 2], exp: "soon" }))).toEqual({});
    expect(await factsOf(jwtOf('{"exp":1e999,"iss":"x"}'))).toEqual({ exp: Number.POSITIVE_INFINITY, iss: "x" });
    expect(await factsOf(jwtOf("[1]"))).toEqual({});
    expect(await factsOf(jwtOf("null"))).toEqual({});
    expect(await factsOf(jwtOf("not json"))).toEqual({});
    expect(await factsOf(jwtOf('{"__proto__":{"iss":"x"}}'))).toEqual({});
  });

  test("an opaque token says nothing, and of an encrypted one only the header can be read", async () => {
    expect(await factsOf("a.b.c")).toEqual({});
    expect(await factsOf("opaque")).toEqual({});
    const jwe = `${encode({ alg: "dir", enc: "A128GCM", kid: "key-2" })}.${encode({ iss: "x" })}.AAAA.AAAA.AAAA`;
    expect(await factsOf(jwe)).toEqual({ kid: "key-2" });
  });
});

describe("onUnknown turns a token away", () => {
  test.each<[string, OnUnknownToken, object]>([
    ["with a code", () => "invalid_token", { code: "invalid_token" }],
    ["as overloaded", () => "overloaded", { code: "overloaded", headers: { "Retry-After": "1" } }],
    ["with a promise of a code", () => Promise.resolve("overloaded" as const), { code: "overloaded" }],
    [
      "with an error that says more",
      () => new AuthError("overloaded", { retryAfterMs: 60_000 }),
      { headers: { "Retry-After": "60" } },
    ],
    [
      "by throwing such an error",
      () => {
        throw new AuthError("invalid_token");
      },
      { code: "invalid_token" },
    ],
    ["by rejecting with one", () => Promise.reject(new AuthError("overloaded")), { code: "overloaded" }],
  ])("%s, and nothing is asked", async (_how, onUnknown, expected) => {
    const { service, client, logger } = await open();
    await expect(client.verifyToken("token-ana", { onUnknown })).rejects.toMatchObject(expected);
    expect([service.calls.total, client.status().inFlight, logger.lines]).toEqual([0, 0, []]);
  });

  test("which is not remembered", async () => {
    const { codeOf } = await open();
    expect([await codeOf("token-ana", () => "invalid_token"), await codeOf("token-ana")]).toEqual([
      "invalid_token",
      "ana",
    ]);
  });

  test("for this caller alone: one that has joined it is asked for itself, or asks the service", async () => {
    const { service, client, asked, codeOf } = await open();
    let decide: (verdict: "overloaded") => void = () => undefined;
    const slow = codeOf("token-ana", () => new Promise((resolve) => (decide = resolve)));
    await settle();
    const joined = codeOf("token-ana");
    const unguarded = client.verifyToken("token-ana").then(({ user }) => user.id);
    await settle();
    expect([asked.length, service.calls.total]).toEqual([0, 0]);
    decide("overloaded");
    expect(await Promise.all([slow, joined, unguarded])).toEqual(["overloaded", "ana", "ana"]);
    expect([asked.length, service.calls.total]).toEqual([1, 1]);
  });

  test("and so it is with fresh calls that wait for their turn", async () => {
    const { client, service } = await open();
    let decide: (verdict: "overloaded") => void = () => undefined;
    const fresh = (onUnknown: OnUnknownToken) =>
      client.verifyToken("token-ana", { fresh: true, onUnknown }).then(
        ({ source }) => source,
        ({ code }) => code,
      );
    const slow = fresh(() => new Promise((resolve) => (decide = resolve)));
    await settle();
    const second = fresh(() => "invalid_token");
    const third = fresh(() => undefined);
    decide("overloaded");
    expect(await Promise.all([slow, second, third])).toEqual(["overloaded", "invalid_token", "grpc"]);
    expect(service.calls.total).toBe(1);
  });
});

describe("Callers that have joined one that is turned away", () => {
  const TAKES_MS = 100;

  test.each([{ fresh: false }, { fresh: true }])(
    "are each asked for themselves, and all at once: $fresh",
    async ({ fresh }) => {
      const { clock, service, client } = await open();
      let calls = 0;
      const onUnknown: OnUnknownToken = async () => {
        calls++;
        await new Promise<void>((resolve) => clock.setTimeout(resolve, TAKES_MS));
        return "overloaded" as const;
      };
      const ask = () => client.verifyToken("token-ana", { fresh, onUnknown }).catch(({ code }) => code);
      const all = Promise.all(Array.from({ length: 50 }, ask));
      const unguarded = client.verifyToken("token-ana", { fresh });
      for (let turn = 0; turn < 3; turn++) await clock.advance(TAKES_MS);
      expect(new Set(await all)).toEqual(new Set(["overloaded"]));
      expect([calls, (await unguarded).user.id, service.calls.total]).toEqual([50, "ana", 1]);
    },
  );

  test("ask for themselves where the shared cache had nothing, and look there no second time", async () => {
    const service = await startService({ users: { "token-ana": { id: "ana" } } });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const client = openClient(service, { clock, cache: { store } });
    let decide: (verdict: "overloaded") => void = () => undefined;
    const onUnknown: OnUnknownToken = () => new Promise((resolve) => (decide = resolve));
    const fresh = client.verifyToken("token-ana", { fresh: true, onUnknown }).catch(({ code }) => code);
    await settle();
    const joined = client.verifyToken("token-ana");
    await settle();
    expect(service.calls.total).toBe(0);
    decide("overloaded");
    expect([await fresh, (await joined).source]).toEqual(["overloaded", "grpc"]);
    expect(store.log.filter((line) => line.startsWith("get") && line.includes(":token:"))).toHaveLength(1);
  });

  test("go on together where they are let through", async () => {
    const { client, service } = await open();
    let decide: (verdict: "overloaded") => void = () => undefined;
    const first = client
      .verifyToken("token-ana", { onUnknown: () => new Promise((resolve) => (decide = resolve)) })
      .catch(({ code }) => code);
    await settle();
    const others = Array.from({ length: 50 }, () =>
      client.verifyToken("token-ana", { onUnknown: async () => undefined }),
    );
    await settle();
    decide("overloaded");
    expect([await first, (await Promise.all(others)).length, service.calls.total]).toEqual(["overloaded", 50, 1]);
  });

  test("need no verdict of their own where the token is known by then", async () => {
    const { client, service } = await open();
    let decide: (verdict: "overloaded") => void = () => undefined;
    const first = client
      .verifyToken("token-ana", { onUnknown: () => new Promise((resolve) => (decide = resolve)) })
      .catch(({ code }) => code);
    await settle();
    let asked = 0;
    const onUnknown: OnUnknownToken = async () => {
      asked++;
      return "overloaded" as const;
    };
    const other = client.verifyToken("token-ana", { onUnknown });
    await settle();
    await client.verifyToken("token-ana", { fresh: true });
    decide("overloaded");
    expect([await first, (await other).source, asked, service.calls.total]).toEqual(["overloaded", "process", 0, 1]);
  });

  test("stop waiting for their own verdict when they leave", async () => {
    const { client } = await open();
    let decide: (verdict: "overloaded") => void = () => undefined;
    const first = client
      .verifyToken("token-ana", { onUnknown: () => new Promise((resolve) => (decide = resolve)) })
      .catch(({ code }) => code);
    await settle();
    const leaving = new AbortController();
    const { signal } = leaving;
    const other = client.verifyToken("token-ana", { onUnknown: () => new Promise(() => undefined), signal });
    await settle();
    decide("overloaded");
    expect(await first).toBe("overloaded");
    await settle();
    leaving.abort(new Error("left"));
    await expect(other).rejects.toThrow("left");
  });
});

describe("An onUnknown that fails lets nobody in, and is an outage of our own:", () => {
  const secret = "token-ana";
  test.each<[string, (facts: TokenFacts) => unknown, RegExp]>([
    [
      "it throws",
      () => {
        throw new RangeError(secret);
      },
      /failed: RangeError/,
    ],
    ["it rejects", () => Promise.reject(new TypeError(secret)), /failed: TypeError/],
    ["it returns true", () => true, /returned neither/],
    ["it returns a code that is for others", () => "missing_token", /returned neither/],
    ["it promises null", async () => null, /returned neither/],
    ["it returns an error of another code", () => new AuthError("insufficient_scope"), /returned neither/],
    [
      "it throws one",
      () => {
        throw new AuthError("missing_token");
      },
      /failed: AuthError/,
    ],
  ])("%s", async (_how, hook, line) => {
    const { service, logger, codeOf } = await open();
    expect(await codeOf(secret, hook as OnUnknownToken)).toBe("auth_unavailable");
    expect([service.calls.total, logger.lines.length]).toEqual([0, 1]);
    expect(logger.lines[0]).toMatch(line);
    expect(logger.lines[0]).not.toContain(secret);
  });

  test("it never settles", async () => {
    const { clock, service, logger, codeOf } = await open();
    const code = codeOf("token-ana", () => new Promise(() => undefined));
    await clock.advance(DEADLINE_MS);
    expect([await code, service.calls.total]).toEqual(["auth_unavailable", 0]);
    expect(logger.lines[0]).toContain("it took longer than 3000 ms");
  });

  test("it rejects when nobody waits any more", async () => {
    const { clock, codeOf } = await open();
    let fail: (error: Error) => void = () => undefined;
    const code = codeOf("token-ana", () => new Promise((_, reject) => (fail = reject)));
    await clock.advance(DEADLINE_MS);
    expect(await code).toBe("auth_unavailable");
    fail(new Error("too late")); // an unhandled rejection would end the process
    await settle();
  });
});

test("What onUnknown takes is a part of the deadline.", async () => {
  const { clock, service, codeOf } = await open();
  service.grpc.hang();
  service.rest.hang();
  let code: string | undefined;
  const done = codeOf("token-ana", async () => {
    await new Promise<void>((resolve) => clock.setTimeout(resolve, DEADLINE_MS - 100));
    return undefined;
  }).then((outcome) => {
    code = outcome;
  });
  await clock.advance(DEADLINE_MS - 1);
  expect(code).toBeUndefined();
  await clock.advance(1);
  await done;
  expect(code).toBe("auth_unavailable");
});

test("A client that is closed meanwhile ends the wait, and onUnknown is not blamed for it.", async () => {
  const { clock, client, logger, codeOf } = await open();
  const code = codeOf("token-ana", () => new Promise(() => undefined));
  await settle();
  await client.close();
  expect(await code).toBe("auth_unavailable");
  await clock.advance(DEADLINE_MS);
  expect(logger.lines).toEqual([]);
});

test("The stub client calls it for tokens that were not good before.", async () => {
  const client = stubAuthClient({ users: { "token-ana": { id: "ana" } } });
  let calls = 0;
  const onUnknown = () => void calls++;
  await client.verifyToken("token-ana", { onUnknown });
  await client.verifyToken("token-ana", { onUnknown });
  expect(calls).toBe(1);
  await expect(client.verifyToken("garbage", { onUnknown: () => "overloaded" })).rejects.toMatchObject({
    code: "overloaded",
  });
});
