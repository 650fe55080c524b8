import { Code, ConnectError, createRouterTransport, type Transport } from "@connectrpc/connect";
import { describe, expect, test } from "@jest/globals";
import type { AuthClient, CacheOptions } from "../../src/client.js";
import { AuthService } from "../../src/proto.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";

/** A service in memory: `ana~1` is a token of Ana's, one without a `~` is refused. */
function serviceInMemory() {
  let calls = 0;
  const answers = createRouterTransport(({ service }) =>
    service(AuthService, {
      verifyToken: ({ token }) => ({ userId: token.split("~")[0], organizationId: "org-1", isActive: true }),
      getOrganization: ({ organizationId }) => ({ id: organizationId, isActive: true }),
    }),
  );
  const transport: Transport = {
    ...answers,
    unary: (method, signal, timeoutMs, header, message, context) => {
      calls++;
      if ("token" in message && !String(message.token).includes("~")) {
        return Promise.reject(new ConnectError("no", Code.Unauthenticated)); // quickly: there are many of them
      }
      return answers.unary(method, signal, timeoutMs, header, message, context);
    },
  };
  return { transport, calls: () => calls };
}

function open(cache: CacheOptions = {}) {
  const { transport, calls } = serviceInMemory();
  return {
    calls,
    client: openBareClient({ grpc: { transport }, random: () => 0, cache: { namespace: "shop", ...cache } }),
  };
}

const tokensOf = (user: string, count: number) => Array.from({ length: count }, (_, n) => `${user}~${n}`);

async function verify(client: AuthClient, tokens: readonly string[]): Promise<void> {
  for (const token of tokens) await client.verifyToken(token);
}
const held = (client: AuthClient, tokens: readonly string[]) => tokens.filter((token) => client.peekToken(token));

describe("The tokens of one user", () => {
  test("push out their own where they are more than an eighth, and nobody else's", async () => {
    const { client } = open({ maxEntries: 400 });
    const others = Array.from({ length: 20 }, (_, n) => `user-${n}~1`);
    await verify(client, others);
    const hers = tokensOf("ana", 2000);
    await verify(client, hers);
    expect(held(client, others)).toEqual(others);
    expect(held(client, hers)).toEqual(hers.slice(-50));
    expect(client.status().cache.entries).toBe(70);
  });

  test("are 2,500 by default, and as many as maxTokensPerUser says", async () => {
    const many = open();
    await verify(many.client, tokensOf("ana", 2600));
    expect(many.client.status().cache.entries).toBe(2500);
    for (const maxTokensPerUser of [1, 7]) {
      const { client } = open({ maxTokensPerUser });
      const hers = tokensOf("ana", 20);
      await verify(client, hers);
      expect(held(client, hers)).toEqual(hers.slice(-maxTokensPerUser));
    }
  });

  test("take no more than an eighth of the bytes", async () => {
    const maxBytes = 80_000;
    const { client } = open({ maxBytes });
    await verify(client, ["ben~1", ...tokensOf("ana", 500)]);
    expect(client.status().cache.bytes).toBeLessThanOrEqual(maxBytes / 8 + 1000);
    expect(client.status().cache.bytes).toBeGreaterThan(maxBytes / 16);
    expect(client.peekToken("ben~1")?.user.id).toBe("ben");
  });

  test("are at least one, however small the cache is", async () => {
    const { client } = open({ maxEntries: 2, maxBytes: 2000 });
    await verify(client, tokensOf("ana", 3));
    expect(held(client, tokensOf("ana", 3))).toEqual(["ana~2"]);
  });

  test("that are asked about again are their newest", async () => {
    const { client } = open({ maxTokensPerUser: 2 });
    await verify(client, ["ana~1", "ana~2"]);
    await client.verifyToken("ana~1", { fresh: true });
    await verify(client, ["ana~3"]);
    expect(held(client, ["ana~1", "ana~2", "ana~3"])).toEqual(["ana~1", "ana~3"]);
  });

  test("that are forgotten make room for others", async () => {
    const { client } = open({ maxTokensPerUser: 2 });
    await verify(client, ["ana~1", "ana~2"]);
    await client.invalidateToken("ana~1");
    await verify(client, ["ana~3"]);
    expect(held(client, ["ana~1", "ana~2", "ana~3"])).toEqual(["ana~2", "ana~3"]);
  });

  test.each([0, -1, 1.5, Number.NaN, "7"])("cannot be %p", (maxTokensPerUser) => {
    expect(() => open({ maxTokensPerUser: maxTokensPerUser as number })).toThrow("cache.maxTokensPerUser");
  });
});

describe("What strangers can make many of", () => {
  test("costs nobody's shared entries: tokens refused while the store was away", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { transport, calls } = serviceInMemory();
    const openOne = () => openBareClient({ grpc: { transport }, clock, cache: { store, namespace: "shop" } });
    const users = Array.from({ length: 500 }, (_, n) => `user-${n}~1`);
    await verify(openOne(), users);
    await settle();
    const client = openOne();
    store.before = () => fail();
    for (let n = 0; n < 10_100; n++) await client.verifyToken(`garbage-${n}`).catch(() => undefined);
    store.before = () => undefined;
    await clock.advance(1000);
    const before = calls();
    const sources = new Set<string>();
    for (const token of users) sources.add((await client.verifyToken(token)).source);
    expect([...sources]).toEqual(["shared"]);
    expect(calls()).toBe(before);
  }, 60_000);

  test("does not hide that a token which this process held was refused then", async () => {
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const { transport } = serviceInMemory();
    let knowsAna = true;
    const fickle: Transport = {
      ...transport,
      unary: (method, signal, timeoutMs, header, message, context) =>
        "token" in message && message.token === "ana~1" && !knowsAna
          ? Promise.reject(new ConnectError("no", Code.Unauthenticated))
          : transport.unary(method, signal, timeoutMs, header, message, context),
    };
    const client = openBareClient({ grpc: { transport: fickle }, clock, cache: { store, namespace: "shop" } });
    await client.verifyToken("ana~1");
    await settle();
    knowsAna = false;
    store.before = () => fail();
    await expect(client.verifyToken("ana~1", { fresh: true })).rejects.toMatchObject({ code: "invalid_token" });
    for (let n = 0; n < 10_100; n++) await client.verifyToken(`garbage-${n}`).catch(() => undefined);
    store.before = () => undefined;
    await clock.advance(11_000); // the refusal itself is forgotten
    expect(store.keys("token")).toHaveLength(1);
    await expect(client.verifyToken("ana~1")).rejects.toMatchObject({ code: "invalid_token" });
  }, 60_000);
});

describe("Thousands of JWTs that nobody held, signed out one by one,", () => {
  const signed = (claims: object, signature: string) =>
    `${unsignedJwt({ ...claims })
      .split(".")
      .slice(0, 2)
      .join(".")}.${Buffer.from(signature).toString("base64url")}`;
  const [one, other] = ["one of its signatures", "another of them"].map((signature) =>
    signed({ sub: "ana" }, signature),
  );
  const signOutMany = async (client: AuthClient) => {
    for (let n = 0; n < 10_100; n++) await client.invalidateToken(signed({ n }, "of a stranger"));
  };

  function openForJwts(cache: CacheOptions = {}, before?: Promise<void>) {
    const service = createRouterTransport(({ service }) =>
      service(AuthService, {
        verifyToken: async ({ token }) => {
          await before;
          return { userId: token, organizationId: "org-1", isActive: true };
        },
      }),
    );
    return openBareClient({ grpc: { transport: service }, cache: { namespace: "shop", ...cache } });
  }

  test("do not hide that a token was signed out by another form of its signature than the one held here", async () => {
    const client = openForJwts();
    await client.verifyToken(one as string);
    await client.invalidateToken(other as string);
    await signOutMany(client);
    expect(client.peekToken(one as string)).toBeUndefined();
  }, 60_000);

  test("… or written to the shared cache from here", async () => {
    const clock = new ManualClock();
    const client = openForJwts({ store: new MemoryStore(clock), processTtlMs: 0 });
    await client.verifyToken(one as string);
    await settle();
    expect((await client.verifyToken(one as string)).source).toBe("shared");
    await client.invalidateToken(other as string);
    await signOutMany(client);
    expect((await client.verifyToken(one as string)).source).toBe("grpc");
  }, 60_000);

  test("… or being asked about here", async () => {
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const client = openForJwts({}, answered);
    const early = client.verifyToken(one as string);
    await settle();
    await client.invalidateToken(other as string);
    await signOutMany(client);
    answer();
    await early;
    expect(client.peekToken(one as string)).toBeUndefined();
  }, 60_000);

  test("cost no other token its entry", async () => {
    const client = openForJwts();
    await client.verifyToken(one as string);
    await signOutMany(client);
    expect(client.peekToken(one as string)).toBeDefined();
  }, 60_000);
});

describe("Everything kept is bounded by bytes:", () => {
  const bytesOf = (text: string) => Buffer.byteLength(text);

  test.each([
    ["a user", (id: string) => ({ userId: id, organizationId: "org-1" })],
    ["an organization of a user", (id: string) => ({ userId: "ana", organizationId: id })],
  ])("the id of %s over 1,024 bytes is refused, and not asked about", async (_what, refOf) => {
    const service = await startService();
    const client = openClient(service);
    for (const id of ["x".repeat(1025), "é".repeat(513)]) {
      if (bytesOf(id) <= 1024) throw new Error("this id is short");
      await expect(client.getUserLocals(refOf(id))).rejects.toMatchObject({ code: "lookup_refused" });
      await expect(client.getUserPermissions(refOf(id))).rejects.toMatchObject({ code: "lookup_refused" });
      await expect(client.getOrganization(id)).rejects.toMatchObject({ code: "lookup_refused" });
    }
    expect(service.calls.total).toBe(0);
    await expect(client.getUserLocals(refOf("x".repeat(1024)))).rejects.toMatchObject({ code: "lookup_refused" });
    expect(service.calls.GetUserLocals).toBe(1);
  });

  test("the keys of look-ups are counted", async () => {
    const { client } = open();
    await client.getOrganization("x");
    const short = client.status().cache.bytes;
    await client.getOrganization("x".repeat(1024));
    expect(client.status().cache.bytes - short).toBeGreaterThan(short + 1023);
  });

  test("look-ups with long ids take no more than maxBytes", async () => {
    const maxBytes = 200_000;
    const { client } = open({ maxBytes });
    for (let n = 0; n < 500; n++) await client.getOrganization(`${n}`.padStart(1024, "0"));
    const { entries, bytes } = client.status().cache;
    expect(bytes).toBeLessThanOrEqual(maxBytes);
    expect(entries).toBeLessThan(maxBytes / 1024);
  });
});
