import { describe, expect, test } from "@jest/globals";
import type { AuthClient } from "../../src/client.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { openClient, startService } from "../support/open-client.js";

const START = Date.UTC(2026, 0, 1);
const anaRef = { userId: "ana", organizationId: "org-1" };

interface Stored {
  askedAt: unknown;
  expiresAt: unknown;
  value: unknown;
}

interface StoredToken extends Stored {
  value: { user: Record<string, unknown>; locals: unknown };
}

async function shared() {
  const service = await startService({
    users: { "token-ana": { id: "ana", permissions: ["read"], locals: ["madrid"] } },
    organizations: { "org-1": { modules: ["stock"] } },
  });
  const clock = new ManualClock(START);
  const store = new MemoryStore(clock);
  const open = () => openClient(service, { clock, cache: { store } });
  return { service, clock, store, open };
}

/** Stores an entry, spoils it, and counts how often the service is asked by somebody who finds it. */
async function callsAfter(
  kind: string,
  ask: (client: AuthClient) => Promise<unknown>,
  spoil: (text: string) => unknown,
): Promise<number> {
  const { service, store, open } = await shared();
  const good = await ask(open());
  await settle();
  const [key = ""] = store.keys(kind);
  store.texts.set(key, spoil(String(store.texts.get(key))));
  service.resetCalls();
  const { source: _source, ...found } = Object(await ask(open()));
  expect(good).toMatchObject(found);
  return service.calls.total;
}

const verify = (client: AuthClient) => client.verifyToken("token-ana");
const edit = (change: (entry: StoredToken) => unknown) => (text: string) => {
  const entry = JSON.parse(text) as StoredToken;
  return JSON.stringify(change(entry) ?? entry);
};

test("An entry that nobody spoiled is found.", async () => {
  expect(await callsAfter("token", verify, (text) => text)).toBe(0);
});

describe("A corrupt entry is a miss:", () => {
  test.each<[string, (text: string) => unknown]>([
    ["nothing", () => ""],
    ["garbage", () => "\u0000garbage"],
    ["half of it", (text) => text.slice(0, text.length / 2)],
    ["null", () => "null"],
    ["a list", () => "[]"],
    ["a number", () => "7"],
    ["an empty object", () => "{}"],
    ["no text, but the object itself", (text) => JSON.parse(text)],
    ["no text, but bytes", (text) => Buffer.from(text)],
    ["no text, but null", () => null],
    ["without askedAt", edit(({ askedAt: _askedAt, ...rest }) => rest)],
    ["with a text for askedAt", edit((entry) => ({ ...entry, askedAt: "now" }))],
    ["with null for expiresAt", edit((entry) => ({ ...entry, expiresAt: null }))],
    ["with an infinite expiresAt", (text) => text.replace(/"expiresAt":\d+/, '"expiresAt":1e999')],
    ["asked for in the far future", edit((entry) => ({ ...entry, askedAt: START + 3_600_000 }))],
    ["expired", edit((entry) => ({ ...entry, expiresAt: START }))],
    [
      "over before it was asked for",
      edit((entry) => ({ ...entry, askedAt: START + 30_000, expiresAt: START + 20_000 })),
    ],
    ["without a value", edit(({ value: _value, ...rest }) => rest)],
    ["with null for a value", edit((entry) => ({ ...entry, value: null }))],
    ["with a text for a value", edit((entry) => ({ ...entry, value: "ana" }))],
    ["without a user", edit(({ value, ...rest }) => ({ ...rest, value: { locals: value.locals } }))],
    ["with a user without an id", edit(({ value }) => void delete value.user.id)],
    ["with an empty id", edit(({ value }) => void Object.assign(value.user, { id: "" }))],
    ["with a number for an id", edit(({ value }) => void Object.assign(value.user, { id: 7 }))],
    ["with null for an organization", edit(({ value }) => void Object.assign(value.user, { organizationId: null }))],
    ["without an email", edit(({ value }) => void delete value.user.email)],
    ["without permissions", edit(({ value }) => void delete value.user.permissions)],
    ["with numbers for permissions", edit(({ value }) => void Object.assign(value.user, { permissions: [1] }))],
    ["without locals", edit(({ value }) => void delete value.locals)],
    ["with an object for locals", edit(({ value }) => void Object.assign(value, { locals: { 0: "madrid" } }))],
    ["with null among the locals", edit(({ value }) => void Object.assign(value, { locals: ["madrid", null] }))],
  ])("%s", async (_what, spoil) => {
    expect(await callsAfter("token", verify, spoil)).toBe(1);
  });

  test.each<[string, (client: AuthClient) => Promise<unknown>, unknown]>([
    ["locals", (client) => client.getUserLocals(anaRef), { madrid: true }],
    ["locals", (client) => client.getUserLocals(anaRef), [1]],
    ["permissions", (client) => client.getUserPermissions(anaRef), { read: true }],
    ["permissions", (client) => client.getUserPermissions(anaRef), null],
    ["organization", (client) => client.getOrganization("org-1"), { id: "org-1", name: "org-1", plan: "free" }],
    [
      "organization",
      (client) => client.getOrganization("org-1"),
      { id: "", name: "org-1", plan: "free", isActive: true, modules: [] },
    ],
    [
      "organization",
      (client) => client.getOrganization("org-1"),
      { id: "org-1", name: "org-1", plan: "free", isActive: "true", modules: [] },
    ],
  ])("of the kind %s too", async (kind, ask, value) => {
    expect(await callsAfter(kind, ask, (text) => text)).toBe(0);
    expect(await callsAfter(kind, ask, (text) => JSON.stringify({ ...JSON.parse(text), value }))).toBe(1);
  });

  test("and the good answer takes its place", async () => {
    const { store, open } = await shared();
    await verify(open());
    await settle();
    const [key = ""] = store.keys("token");
    store.texts.set(key, "garbage");
    await verify(open());
    await settle();
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
  });
});

test.each([
  ["of 8 MiB is still read", 2 ** 23, "shared"],
  ["of a character more is not", 2 ** 23 + 1, "grpc"],
])("An entry %s.", async (_what, length, source) => {
  const { store, open } = await shared();
  await verify(open());
  await settle();
  const [key = ""] = store.keys("token");
  store.texts.set(key, String(store.texts.get(key)).padEnd(length));
  expect((await open().verifyToken("token-ana")).source).toBe(source);
});

test.each([
  ["a minute", 60_000, "shared"],
  ["more than a minute", 60_001, "grpc"],
])("What was asked for %s ahead of our clock comes from the right place.", async (_what, aheadMs, source) => {
  const { store, open } = await shared();
  await verify(open());
  await settle();
  const [key = ""] = store.keys("token");
  const ahead = edit((entry) => ({ ...entry, askedAt: START + aheadMs }))(String(store.texts.get(key)));
  store.texts.set(key, ahead);
  expect((await open().verifyToken("token-ana")).source).toBe(source);
});

test("What was written under the keys of another version is not read.", async () => {
  const { store, open } = await shared();
  await verify(open());
  await settle();
  for (const [key, text] of [...store.texts]) {
    store.texts.delete(key);
    store.texts.set(key.replace("portero:1:", "portero:2:"), text);
  }
  expect(store.texts.size).toBe(1);
  expect((await open().verifyToken("token-ana")).source).toBe("grpc");
});

test.each([
  [299_999, "shared"],
  [300_000, "grpc"],
])("What was written with a longer TTL than ours holds for ours: after %d ms it comes from %s.", async (ms, source) => {
  const { clock, store, open } = await shared();
  await verify(open());
  await settle();
  const [key = ""] = store.keys("token");
  const entry = JSON.parse(String(store.texts.get(key)));
  await store.set(key, JSON.stringify({ ...entry, expiresAt: START + 1e9 }), 1e9);
  await clock.advance(ms);
  expect((await open().verifyToken("token-ana")).source).toBe(source);
});

test("A corrupt tombstone stops nobody.", async () => {
  const { clock, store, open } = await shared();
  const client = open();
  await client.invalidateUser(anaRef);
  for (const key of store.texts.keys()) store.texts.set(key, "garbage");
  await clock.advance(1);
  expect((await open().verifyToken("token-ana")).source).toBe("grpc");
  await settle();
  expect((await open().verifyToken("token-ana")).source).toBe("shared");
});
