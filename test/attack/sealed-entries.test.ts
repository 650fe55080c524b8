import { createHash, createHmac } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { tokenId } from "../../src/auth/token.js";
import { compoundId, createKeyring } from "../../src/cache/keyring.js";
import type { AuthClient, AuthClientOptions } from "../../src/client.js";
import type { FakeAuthService } from "../../src/testing.js";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { describeWithRedis } from "../support/redis-server.js";
import { until } from "../support/until.js";
import { type OpenStore, openMemory, openRedis } from "./sealed-store.js";

const SECRET = "the secret of this service, which only it knows";
const TTL_MS = 300_000;
const directory = {
  users: {
    "token-ana": { id: "ana", permissions: ["admin"], locals: ["madrid"] },
    "token-bob": { id: "bob", permissions: ["read"], locals: ["lugo"] },
  },
};

interface World {
  readonly service: FakeAuthService;
  readonly clock: ManualClock;
  readonly store: OpenStore;
  /** One more process of ours, connected to the store. */
  join(options?: Partial<AuthClientOptions>): Promise<AuthClient>;
  /** The key of what was written by a process that asks this, and has ended since. */
  leave(kind: string, ask: (client: AuthClient) => Promise<unknown>, cache?: object): Promise<string>;
}

async function openWorld(open: typeof openMemory): Promise<World> {
  const service = await startService(directory);
  const clock = new ManualClock();
  const store = await open(afterwards, clock);
  const join: World["join"] = async ({ cache, ...options } = {}) => {
    const shared = { ...store.cache, namespace: "shop", secret: SECRET, ...cache };
    const client = openClient(service, { clock, cache: shared, ...options });
    await client.ready(); // what is asked before the log begins is kept nowhere
    await until(() => client.status().cache.shared === "available");
    return client;
  };
  return {
    service,
    clock,
    store,
    join,
    async leave(kind, ask, cache) {
      const before = await store.keys(kind);
      const client = await join({ cache });
      await ask(client);
      await client.close(); // waits for what is being written
      const [key, ...more] = (await store.keys(kind)).filter((present) => !before.includes(present));
      if (key === undefined || more.length > 0) throw new Error("one entry should have been written");
      return key;
    },
  };
}

const verify = (token: string) => (client: AuthClient) => client.verifyToken(token);
const whoIs = (client: AuthClient, token: string) =>
  client.verifyToken(token).then(
    ({ user, source }) => `${user.id} by ${source}`,
    (error: { code: string }) => error.code,
  );

/** Ana's entry as it would lie there without a seal. */
const FORGED = JSON.stringify({
  askedAt: new ManualClock().now(),
  expiresAt: new ManualClock().now() + TTL_MS,
  value: { user: { id: "ana", organizationId: "org-1", email: "", permissions: ["admin"] }, locals: ["madrid"] },
});

describe("In a memory that an attacker owns,", () => attacks(openMemory));
describeWithRedis("In a Redis that an attacker owns,", () => attacks(openRedis));

function attacks(open: typeof openMemory): void {
  test("an entry that nobody touched is read by the next process", async () => {
    const { service, join, leave } = await openWorld(open);
    await leave("token", verify("token-ana"));

    expect(await whoIs(await join(), "token-ana")).toBe("ana by shared");
    expect(service.calls.VerifyToken).toBe(1);
  });

  test.each([
    ["forged in plain JSON", () => FORGED],
    ["forged in base64", () => Buffer.from(FORGED).toString("base64url")],
    ["emptied", () => ""],
    ["cut off", (text: string) => text.slice(0, -4)],
    ["lengthened", (text: string) => `${text}AAAA`],
    ["changed in its first byte", (text: string) => (text.startsWith("A") ? "B" : "A") + text.slice(1)],
    ["doubled", (text: string) => text + text],
    ["shorter than a seal", () => "AAAA"],
    ["no base64 at all", () => "<<<>>>"],
    ["of zeros", (text: string) => "A".repeat(text.length)],
    ["of a megabyte", () => "A".repeat(1_000_000)],
  ])("an entry %s is a miss", async (_how, change) => {
    const { service, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"));
    service.refuse("token-ana");

    await store.write(key, change(await store.read(key)));

    expect(await whoIs(await join(), "token-ana")).toBe("invalid_token");
  });

  test("an entry that somebody sealed with a secret of his own is a miss", async () => {
    const { service, store, join, leave } = await openWorld(open);
    const evil = await leave("token", verify("token-ana"), { secret: "another secret, which somebody made up" });
    const ours = await leave("token", verify("token-ana"));
    service.refuse("token-ana");

    await store.write(ours, await store.read(evil));

    expect(await whoIs(await join(), "token-ana")).toBe("invalid_token");
  });

  test("an entry moved to another token's key makes nobody of nobody", async () => {
    const { service, store, join, leave } = await openWorld(open);
    const admin = await leave("token", verify("token-ana"));
    const stranger = await leave("token", verify("token-bob"));
    await store.write(stranger, await store.read(admin));

    const client = await join();
    expect(await whoIs(client, "token-bob")).toBe("bob by grpc");
    service.refuse("token-bob");
    await store.write(stranger, await store.read(admin));
    expect(await whoIs(await join(), "token-bob")).toBe("invalid_token");
  });

  test("a list of permissions moved to the locals' key is no list of locals", async () => {
    const { store, join, leave } = await openWorld(open);
    const user = { userId: "ana", organizationId: "org-1" };
    const permissions = await leave("permissions", (client) => client.getUserPermissions(user));
    const locals = await leave("locals", (client) => client.getUserLocals(user));

    await store.write(locals, await store.read(permissions));

    expect(await (await join()).getUserLocals(user)).toEqual(["madrid"]);
  });

  test("an entry of another auth service, sealed with the same secret, is a miss", async () => {
    const { service, store, join, leave } = await openWorld(open);
    const theirs = await leave("token", verify("token-ana"), { namespace: "another shop" });
    const ours = await leave("token", verify("token-ana"));
    service.refuse("token-ana");

    await store.write(ours, await store.read(theirs));

    expect(await whoIs(await join(), "token-ana")).toBe("invalid_token");
  });

  test("an entry put back after its time is a miss", async () => {
    const { service, clock, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"));
    const kept = await store.read(key);
    service.refuse("token-ana");

    await store.write(key, kept);
    await clock.advance(TTL_MS - 1);
    expect(await whoIs(await join(), "token-ana")).toBe("ana by shared");

    await clock.advance(1);
    await store.write(key, kept);
    expect(await whoIs(await join(), "token-ana")).toBe("invalid_token");
  });

  test("an entry put back after its time is none during an outage either", async () => {
    const { service, clock, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"));
    const kept = await store.read(key);
    for (const side of [service.grpc, service.rest]) side.fail();

    await clock.advance(TTL_MS);
    await store.write(key, kept);

    expect(await whoIs(await join(), "token-ana")).toBe("auth_unavailable");
  });

  test("an entry put back after an invalidation stays void in the process that was told", async () => {
    const { service, clock, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"));
    const kept = await store.read(key);
    const client = await join();
    await clock.advance(1);
    service.refuse("token-ana");
    await client.invalidateToken("token-ana");

    await store.write(key, kept);

    expect(await whoIs(client, "token-ana")).toBe("invalid_token");
  });

  test("that is all that can be done: what is put back in its time serves other processes no longer than it would have", async () => {
    const { service, clock, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"));
    const kept = await store.read(key);
    service.refuse("token-ana");
    const told = await join();
    await told.invalidateToken("token-ana");
    await told.invalidateUser({ userId: "ana", organizationId: "org-1" });

    for (const kind of ["user-invalidated", "any-user-invalidated"]) {
      for (const tombstone of await store.keys(kind)) await store.delete(tombstone);
    }
    await store.write(key, kept);

    const other = await join();
    expect(await whoIs(other, "token-ana")).toBe("ana by shared");
    await clock.advance(TTL_MS);
    await store.write(key, kept);
    expect(await whoIs(other, "token-ana")).toBe("invalid_token");
  });

  test("nothing tells whose entries they are", async () => {
    const { store, leave } = await openWorld(open);
    const user = { userId: "ana", organizationId: "org-1" };
    await leave("token", verify("token-ana"));
    await leave("user-invalidated", (client) => client.invalidateUser(user));

    const dump = await store.dump();

    expect(dump).not.toMatch(/token-ana|"ana|org-1|admin|madrid|example\.com|shop/);
    const known = [tokenId("token-ana"), compoundId("org-1", "ana"), "token-ana", "ana"];
    const contexts = known.flatMap((id) => ["token", "user-invalidated"].map((kind) => compoundId("shop", kind, id)));
    const guesses = [...known, ...contexts].flatMap((text) => [
      createHash("sha256").update(text).digest("base64url"),
      createHmac("sha256", "").update(text).digest("base64url"),
      ...createKeyring({ identity: "shop", secrets: [] })
        .slots({ kind: "token", id: text, isDigest: text === tokenId("token-ana") })
        .map(({ key }) => key),
    ]);
    expect(guesses.filter((guess) => dump.includes(guess))).toEqual([]);
  });

  test("without a secret a token's key can be worked out and its entry forged, which is what the secret is for", async () => {
    const { service, store, join, leave } = await openWorld(open);
    const key = await leave("token", verify("token-ana"), { secret: undefined });

    const [slot] = createKeyring({ identity: "shop", secrets: [] }).slots({
      kind: "token",
      id: tokenId("token-ana"),
      isDigest: true,
    });

    expect(key).toBe(slot?.key);
    expect(await store.dump()).toContain("ana@example.com");
    service.refuse("token-ana");
    await store.write(key, slot?.seal(FORGED) ?? "");
    expect(await whoIs(await join({ cache: { secret: undefined } }), "token-ana")).toBe("ana by shared");
  });
}
