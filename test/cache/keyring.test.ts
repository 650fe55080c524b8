import { createDecipheriv, createHash, createHmac, hkdfSync } from "node:crypto";
import { describe, expect, test } from "@jest/globals";
import { createKeyring, type EntryName, type Slot } from "../../src/cache/keyring.js";
import type { AuthClientOptions, CacheOptions } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { openBareClient, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { unsignedJwt } from "../support/unsigned-jwt.js";

const ANA = unsignedJwt({ sub: "ana", secretive: "s3cret-claim" });
const [OLD, NEW] = ["old-secret-".repeat(4), "new-secret-".repeat(4)];
const anaRef = { userId: "ana", organizationId: "org-1" };

async function onOneStore() {
  const service = await startService({
    users: { [ANA]: { id: "ana", permissions: ["read"] }, "token-ben": { id: "ben" } },
    organizations: { "org-1": {} },
  });
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = (cache: CacheOptions = {}, options: Partial<AuthClientOptions> = {}) =>
    openClient(service, { clock, cache: { store, ...cache }, ...options });
  return { service, clock, store, open };
}

describe("On one store", () => {
  test("two clients of two auth services never share", async () => {
    const { store, clock, open } = await onOneStore();
    const other = await startService({ users: { [ANA]: { id: "eve" } } });
    await open().verifyToken(ANA);
    const elsewhere = openClient(other, { clock, cache: { store } });
    expect((await elsewhere.verifyToken(ANA)).user.id).toBe("eve");
    await settle();
    expect(store.keys("token")).toHaveLength(2);
    expect((await open().verifyToken(ANA)).user.id).toBe("ana");
  });

  test("nor do they tell each other of invalidations", async () => {
    const { store, clock, open } = await onOneStore();
    const other = await startService({ users: { [ANA]: { id: "ana" } } });
    await open().verifyToken(ANA);
    await clock.advance(1);
    const elsewhere = openClient(other, { clock, cache: { store } });
    await elsewhere.invalidateUser(anaRef);
    await elsewhere.invalidateToken(ANA);
    expect((await open().verifyToken(ANA)).source).toBe("shared");
  });

  test("one upstream in common is not the same auth service", async () => {
    const { service, store, clock, open } = await onOneStore();
    await open().verifyToken(ANA);
    const { grpc, rest } = service.upstreams;
    for (const upstream of [{ grpc }, { rest }]) {
      const { source } = await openBareClient({ ...upstream, clock, cache: { store } }).verifyToken(ANA);
      expect(source).not.toBe("shared");
    }
  });

  test("the same URL in another spelling is the same auth service", async () => {
    const { service, store, clock, open } = await onOneStore();
    await open().verifyToken(ANA);
    const { grpc, rest } = service.upstreams;
    const spelled = openBareClient({
      grpc: { url: `${grpc.url}/` },
      rest: { url: rest.url.replace("http://", "HTTP://") },
      clock,
      cache: { store },
    });
    expect((await spelled.verifyToken(ANA)).source).toBe("shared");
  });

  test("a namespace takes the place of the URLs", async () => {
    const { store, clock, open } = await onOneStore();
    const other = await startService();
    await open({ namespace: "production" }).verifyToken(ANA);
    const behindAnotherName = openClient(other, { clock, cache: { store, namespace: "production" } });
    expect((await behindAnotherName.verifyToken(ANA)).source).toBe("shared");
    expect((await open({ namespace: "staging" }).verifyToken(ANA)).source).toBe("grpc");
    expect((await open().verifyToken(ANA)).source).toBe("grpc");
  });

  test("ids that run together are kept apart", async () => {
    const service = await startService({
      users: {
        t1: { id: "c", organizationId: "a:b", locals: ["one"] },
        t2: { id: "b:c", organizationId: "a", locals: ["two"] },
        t3: { id: 'c"]', organizationId: 'a","b', locals: ["three"] },
      },
    });
    const clock = new ManualClock();
    const store = new MemoryStore(clock);
    const ask = async () => {
      const client = openClient(service, { clock, cache: { store } });
      const found = [];
      for (const [organizationId, userId] of [
        ["a:b", "c"],
        ["a", "b:c"],
        ['a","b', 'c"]'],
      ] as const)
        found.push(await client.getUserLocals({ userId, organizationId }));
      return found;
    };
    expect(await ask()).toEqual([["one"], ["two"], ["three"]]);
    await settle();
    expect(await ask()).toEqual([["one"], ["two"], ["three"]]);
    expect(service.calls.GetUserLocals).toBe(3);
  });
});

describe.each([
  ["Without a secret", {}],
  ["With a secret", { secret: NEW }],
])("%s", (_how, cache) => {
  test("nothing of a token stands in the store, in keys or in entries", async () => {
    const { store, clock, open } = await onOneStore();
    const client = open(cache);
    await client.verifyToken(ANA);
    await expect(client.verifyToken("garbage-token")).rejects.toThrow();
    await client.getUserLocals(anaRef);
    await client.getOrganization("org-1");
    await clock.advance(1);
    await client.invalidateUser(anaRef);
    await settle();
    const everything = `${store.log.join("\n")}\n${[...store.texts].join("\n")}`;
    for (const part of [ANA, ...ANA.split("."), "garbage-token", "s3cret-claim", NEW])
      expect(everything).not.toContain(part);
    expect(store.texts.size).toBe(5);
  });
});

describe("With a secret", () => {
  test("entries say nothing, and their keys cannot be guessed from ids", async () => {
    const { store, open } = await onOneStore();
    await open().getUserLocals(anaRef);
    await settle();
    const [open1 = ""] = store.texts.keys();
    await open({ secret: NEW }).verifyToken(ANA);
    await open({ secret: NEW }).getUserLocals(anaRef);
    await open({ secret: OLD }).getUserLocals(anaRef);
    await settle();
    expect(new Set(store.keys("locals")).size).toBe(3);
    store.texts.delete(open1);
    const everything = [...store.texts].join("\n");
    // As words: three letters stand by chance in what is sealed, once in some hundred runs.
    for (const part of ["ana", "org-1", "read", "example\\.com", "askedAt", "user"])
      expect(everything).not.toMatch(new RegExp(`\\b${part}(?![a-z])`));
  });

  test("two clients share", async () => {
    const { open } = await onOneStore();
    await open({ secret: NEW }).verifyToken(ANA);
    expect((await open({ secret: [NEW] }).verifyToken(ANA)).source).toBe("shared");
  });

  test("nobody shares who has another one, or none", async () => {
    const { open } = await onOneStore();
    await open({ secret: NEW }).verifyToken(ANA);
    expect((await open({ secret: OLD }).verifyToken(ANA)).source).toBe("grpc");
    expect((await open().verifyToken(ANA)).source).toBe("grpc");
  });

  test("rotation loses nothing: the first one writes, all of them read", async () => {
    const { clock, open } = await onOneStore();
    await open({ secret: OLD }).verifyToken(ANA);
    expect((await open({ secret: [NEW, OLD] }).verifyToken(ANA)).source).toBe("shared");
    expect((await open({ secret: NEW }).verifyToken(ANA)).source).toBe("grpc");
    await settle();
    await open({ secret: [NEW, OLD] }).verifyToken("token-ben");
    await settle();
    expect((await open({ secret: OLD }).verifyToken("token-ben")).source).toBe("grpc");
    expect((await open({ secret: NEW }).verifyToken("token-ben")).source).toBe("shared");
    await clock.advance(1);
  });

  test("where both secrets have written, the later answer counts, whichever is first", async () => {
    const { service, clock, open } = await onOneStore();
    await open({ secret: OLD }).verifyToken(ANA);
    await settle();
    await clock.advance(1);
    service.allow(ANA, { id: "ana", permissions: ["read", "write"] });
    await open({ secret: NEW }).verifyToken(ANA);
    await settle();
    for (const secret of [
      [NEW, OLD],
      [OLD, NEW],
    ]) {
      const { source, user } = await open({ secret }).verifyToken(ANA);
      expect([source, user.permissions]).toEqual(["shared", ["read", "write"]]);
    }
  });

  test("an entry is a miss while one of the secrets could hide that its user was invalidated", async () => {
    const { store, open } = await onOneStore();
    await open({ secret: NEW }).verifyToken(ANA);
    await settle();
    const asked: string[] = [];
    store.before = (operation, key) => {
      const kind = key.split(":")[2] ?? "";
      asked.push(kind);
      const second = asked.filter((other) => other === kind).length === 2; // the older secret's
      return operation === "get" && kind.includes("invalidated") && second && fail();
    };
    expect((await open({ secret: [NEW, OLD] }).verifyToken(ANA)).source).toBe("grpc");
  });

  test("an invalidation during rotation reaches what either secret wrote", async () => {
    const { clock, store, open } = await onOneStore();
    await open({ secret: OLD }).verifyToken(ANA);
    await open({ secret: OLD }).verifyToken("token-ben");
    await settle();
    const rotating = open({ secret: [NEW, OLD] });
    await rotating.invalidateToken("token-ben");
    expect(store.keys("token")).toHaveLength(1);
    await clock.advance(1);
    await open({ secret: OLD }).invalidateUser(anaRef);
    expect((await rotating.verifyToken(ANA)).source).toBe("grpc");
  });
});

test("A shared cache without a secret is worth one line of warning; with one, it is not.", async () => {
  const { open } = await onOneStore();
  const [without, withOne] = [new RecordingLogger(), new RecordingLogger()];
  open({}, { logger: without });
  open({ secret: NEW }, { logger: withOne });
  expect(without.lines).toEqual([expect.stringMatching(/^warn .*AUTH_CACHE_SECRET/)]);
  expect(withOne.lines).toEqual([]);
});

test("Keys and seals are made as every process of a fleet makes them, whatever its version.", () => {
  const derive = (purpose: string) =>
    Buffer.from(hkdfSync("sha256", NEW, "", `portero shared cache ${purpose} v1`, 32));
  const mac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const [slot] = createKeyring({ identity: "catalog", secrets: [NEW] }).slots({ kind: "locals", id: "ana" });
  if (!slot) throw new Error("no slot");
  const name = mac(derive("name"), JSON.stringify(["catalog", "locals", "ana"])).toString("base64url");
  expect(slot.key).toBe(`portero:1:locals:${name}`);

  const sealed = Buffer.from(slot.seal("señas"), "base64url");
  const decipher = createDecipheriv("aes-256-gcm", derive(`seal ${name.slice(0, 2)}`), sealed.subarray(0, 12));
  decipher.setAAD(Buffer.from(slot.key)).setAuthTag(sealed.subarray(12, 28));
  expect(Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]).toString("utf8")).toBe("señas");
  expect(slot.open(sealed.toString("base64url"))).toBe("señas");
});

test("What was sealed for one slot opens in no other, also in none that shares its key", () => {
  const { slots } = createKeyring({ identity: "catalog", secrets: [NEW] });
  const [slot] = slots({ kind: "token", id: "ana" });
  const shareOf = ({ key }: { key: string }) => key.slice(0, "portero:1:token:".length + 2);
  const others = Array.from({ length: 40_000 }, (_, n) => slots({ kind: "token", id: `ben-${n}` })[0]!);
  const sameShare = others.filter((other) => shareOf(other) === shareOf(slot!));
  expect(sameShare.length).toBeGreaterThan(0);
  const stored = slot!.seal("ana's");

  expect(slot!.open(stored)).toBe("ana's");
  for (const other of [...sameShare, ...others.slice(0, 10)]) expect(other.open(stored)).toBeUndefined();
});

describe("Without a secret a slot", () => {
  const sha256 = (text: string) => createHash("sha256").update(text).digest("base64url");
  const slotOf = (name: EntryName) => createKeyring({ identity: "catalog", secrets: [] }).slots(name)[0] as Slot;

  test("is called by the digest of its whole name, or, where its id is a digest, by that beside the identity's", () => {
    expect(slotOf({ kind: "locals", id: 'a"na' }).key).toBe(
      `portero:1:locals:${sha256(JSON.stringify(["catalog", "locals", 'a"na']))}`,
    );
    expect(slotOf({ kind: "token", id: "a-digest", isDigest: true }).key).toBe(
      `portero:1:token:${sha256("catalog")}:a-digest`,
    );
  });

  test("of the only entry of its kind is that kind's alone", () => {
    const { slots } = createKeyring({ identity: "catalog", secrets: [] });
    const keyOf = (kind: string, id = "") => slots({ kind, id })[0]?.key;
    const keys = [keyOf("any-user"), keyOf("any-organization"), keyOf("any-user", "ana"), keyOf("any-user", "ben")];
    expect(new Set(keys).size).toBe(4);
    expect(keyOf("any-user")).toBe(keys[0]);
    expect(keys[0]).toBe(`portero:1:any-user:${sha256(JSON.stringify(["catalog", "any-user", ""]))}`);
  });

  test("opens what begins with its key, and nothing else", () => {
    const slot = slotOf({ kind: "locals", id: "ana" });
    const sealed = slot.seal('{"value":1}');
    expect(JSON.parse(sealed)).toEqual({ key: slot.key, value: 1 });
    expect(slot.open(sealed)).toBe(sealed);
    expect(slotOf({ kind: "locals", id: "ben" }).open(sealed)).toBeUndefined();
    for (const stored of ["", '{"value":1}', ` ${sealed}`, `{"key":"${slot.key}x","value":1}`]) {
      expect(slot.open(stored)).toBeUndefined();
    }
  });

  const TOMBSTONE = '{"askedAt":1000.5,"expiresAt":20000,"value":true}';
  test.each([
    [TOMBSTONE, true],
    [TOMBSTONE.replace("1000.5", "soon"), false],
    [TOMBSTONE.replace("20000", "never"), false],
    [TOMBSTONE.replace("1000.5", ""), false],
    [TOMBSTONE.replace("20000", ""), false],
    [TOMBSTONE.replace("true", "false"), false],
    [`x${TOMBSTONE}`, false],
    [`${TOMBSTONE}x`, false],
  ])("of a tombstone believes one of version 0.1.0, which carries no key: %s: %p", (stored, isOpened) => {
    const name = { kind: "user-invalidated", id: "ana" };
    expect(slotOf({ ...name, isTombstone: true }).open(stored)).toBe(isOpened ? stored : undefined);
    expect(slotOf(name).open(stored)).toBeUndefined();
  });

  test.each([
    ['{"key":"portero:1:token:other","value":1}', true],
    [TOMBSTONE, true],
    ["garbage", false],
    ['{"value":1}', false],
    ['["key","askedAt"]', false],
    ["", false],
  ])("knows what was written for another one: %s: %p", (stored, isMisplaced) => {
    expect(slotOf({ kind: "locals", id: "ana" }).isMisplaced(stored)).toBe(isMisplaced);
  });
});

describe("With a secret a slot", () => {
  const slot = createKeyring({ identity: "catalog", secrets: [NEW] }).slots({ kind: "locals", id: "ana" })[0] as Slot;

  test("is called by its whole name, also where its id is a digest", () => {
    const { slots } = createKeyring({ identity: "catalog", secrets: [NEW] });
    expect(slots({ kind: "locals", id: "ana", isDigest: true })[0]?.key).toBe(slot.key);
  });

  test.each([0, 1, 11, 12, 27, 28, 40])(
    "opens nothing of %d bytes that it did not seal, and throws at none",
    (bytes) => {
      expect(slot.open(Buffer.alloc(bytes, 7).toString("base64url"))).toBeUndefined();
    },
  );

  test.each([4, 8, 12, 15])("opens nothing of which no more than %d bytes of the tag are there", (bytes) => {
    const sealed = Buffer.from(slot.seal(""), "base64url"); // IV and tag, and nothing behind them
    expect(slot.open(sealed.subarray(0, 12 + bytes).toString("base64url"))).toBeUndefined();
  });

  test("opens what is empty", () => {
    expect(slot.open(slot.seal(""))).toBe("");
  });

  test.each([
    ["x".repeat(38), true],
    ["x".repeat(37), false],
    [`${"x".repeat(38)}-_`, true],
    [`+${"x".repeat(38)}`, false],
    [`${"x".repeat(38)}=`, false],
    [`${"x".repeat(20)} ${"x".repeat(20)}`, false],
    ["{".repeat(40), false],
  ])("knows what looks sealed: %s: %p", (stored, looksSealed) => {
    expect(slot.isMisplaced(stored)).toBe(looksSealed);
  });
});
