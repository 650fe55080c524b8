import * as net from "node:net";
import { describe, expect, test } from "@jest/globals";
import type { SharedStore } from "../../src/client.js";
import { listen } from "../support/listen.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { MemoryStore } from "../support/memory-store.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const anaRef = { userId: "ana", organizationId: "org-1" };
const SECRET = "a secret of the whole fleet, at least 32 bytes";

async function startPeople() {
  return startService({
    users: {
      "token-ana": { id: "ana", permissions: ["read"] },
      "token-bob": { id: "bob", permissions: ["admin"] },
      "token-eve": { id: "eve" },
    },
    organizations: { "org-1": { modules: ["stock"] }, "org-2": { modules: [] } },
  });
}

/** A store that, once it has lost its place, gives each reply to the question that comes after. */
class ShiftedStore implements SharedStore {
  shifted = false;
  readonly getAll?: (keys: readonly string[]) => Promise<readonly unknown[]>;
  readonly #store: MemoryStore;
  #last: unknown;

  constructor(store: MemoryStore, canReadAll: boolean) {
    this.#store = store;
    if (canReadAll) this.getAll = async (keys) => this.#reply(await Promise.all(keys.map((key) => store.get(key))));
  }

  async get(key: string): Promise<unknown> {
    return this.#reply(await this.#store.get(key));
  }

  set(key: string, value: string, ttlMs: number): Promise<unknown> {
    return this.#store.set(key, value, ttlMs);
  }

  delete(key: string): Promise<unknown> {
    return this.#store.delete(key);
  }

  #reply<T>(current: T): T {
    const former = this.#last as T;
    this.#last = current;
    return this.shifted ? former : current;
  }
}

async function onOneStore() {
  const service = await startPeople();
  const clock = new ManualClock();
  const store = new MemoryStore(clock);
  const open = (cache: { store?: SharedStore; secret?: string } = {}) =>
    openClient(service, { clock, cache: { store, ...cache } });
  return { service, clock, store, open };
}

describe.each([
  ["one by one", false],
  ["in one go", true],
])("Of a store that is read %s, and whose replies are off by one,", (_how, canReadAll) => {
  test("nobody becomes somebody else", async () => {
    const { store, open } = await onOneStore();
    const writer = open();
    for (const token of ["token-ana", "token-bob"]) await writer.verifyToken(token);
    await settle();
    const shifting = new ShiftedStore(store, canReadAll);
    const reader = open({ store: shifting });
    expect(await reader.verifyToken("token-bob")).toMatchObject({ user: { id: "bob" }, source: "shared" });
    shifting.shifted = true;
    for (const id of ["ana", "eve", "ana"]) {
      const { user, source } = await open({ store: shifting }).verifyToken(`token-${id}`);
      expect([user.id, source]).toEqual([id, "grpc"]);
    }
  });

  test("no look-up is answered with another's", async () => {
    const { store, open } = await onOneStore();
    await open().getUserPermissions({ userId: "bob", organizationId: "org-1" });
    await open().getUserPermissions(anaRef);
    await open().getOrganization("org-1");
    await open().getOrganization("org-2");
    await settle();
    const shifting = new ShiftedStore(store, canReadAll);
    const reader = open({ store: shifting });
    await reader.getUserPermissions({ userId: "bob", organizationId: "org-1" });
    shifting.shifted = true;
    expect(await reader.getUserPermissions(anaRef)).toEqual(["read"]);
    expect((await reader.getOrganization("org-1")).id).toBe("org-1");
    expect((await reader.getOrganization("org-2")).id).toBe("org-2");
  });
});

test.each(["user-invalidated", "any-user-invalidated"])(
  "An answer of version 0.1.0, which does not carry its key, in the place of %s says nothing either.",
  async (kind) => {
    const { clock, store, open } = await onOneStore();
    const writer = open();
    await writer.verifyToken("token-ana");
    await writer.verifyToken("token-bob");
    await settle();
    await clock.advance(1);
    await writer.invalidateUser(anaRef);
    const [token = ""] = store.keys("token");
    const { key: _key, ...unkeyed } = JSON.parse(String(store.texts.get(token)));
    const [place = ""] = store.keys(kind);
    store.texts.set(place, JSON.stringify(unkeyed));
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
  },
);

describe.each([
  ["Plain", undefined],
  ["Sealed", SECRET],
])("%s:", (_how, secret) => {
  const sealing = secret === undefined ? {} : { secret };

  test.each(["user-invalidated", "any-user-invalidated"])(
    "a reply to another question in the place of %s does not say that nobody was invalidated",
    async (kind) => {
      const { clock, store, open } = await onOneStore();
      const writer = open(sealing);
      await writer.verifyToken("token-ana");
      await writer.verifyToken("token-bob");
      await settle();
      await clock.advance(1);
      await writer.invalidateUser(anaRef);
      const [token = ""] = store.keys("token");
      const [other = ""] = store.keys(kind);
      store.texts.set(other, store.texts.get(token));
      expect((await open(sealing).verifyToken("token-ana")).source).toBe("grpc");
    },
  );

  test("another user's tombstone is not taken for this one's", async () => {
    const { clock, store, open } = await onOneStore();
    const writer = open(sealing);
    await clock.advance(120_000);
    await writer.invalidateUser({ userId: "bob", organizationId: "org-1" });
    const [bobs = ""] = store.keys("user-invalidated");
    const text = store.texts.get(bobs);
    await clock.advance(120_000);
    await writer.verifyToken("token-ana");
    await settle();
    await clock.advance(1);
    await writer.invalidateUser(anaRef);
    const anas = store.keys("user-invalidated").find((key) => key !== bobs) ?? "";
    store.texts.set(anas, text);
    expect((await open(sealing).verifyToken("token-ana")).source).toBe("grpc");
  });
});

test("A store that answers with another number of replies than it was asked for has told nothing.", async () => {
  const { clock, store, open } = await onOneStore();
  const writer = open();
  await writer.verifyToken("token-ana");
  await settle();
  await clock.advance(1);
  await writer.invalidateUser(anaRef);
  const short: SharedStore = {
    get: (key) => store.get(key),
    set: (key, value, ttlMs) => store.set(key, value, ttlMs),
    delete: (key) => store.delete(key),
    getAll: async ([key = ""]) => [await store.get(key)],
  };
  expect((await open({ store: short }).verifyToken("token-ana")).source).toBe("grpc");
});

describe("Version 0.1.0, whose plain entries did not carry their keys,", () => {
  const unkeyed = (text: unknown) => {
    const { key, ...entry } = JSON.parse(String(text));
    expect(key).toMatch(/^portero:1:/);
    return JSON.stringify(entry);
  };

  test("left answers that are misses, and are written anew", async () => {
    const { store, open } = await onOneStore();
    await open().verifyToken("token-ana");
    await settle();
    const [key = ""] = store.keys("token");
    store.texts.set(key, unkeyed(store.texts.get(key)));
    expect((await open().verifyToken("token-ana")).source).toBe("grpc");
    await settle();
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
  });

  test("left tombstones that still hold", async () => {
    const { service, clock, store, open } = await onOneStore();
    const writer = open();
    await writer.verifyToken("token-ana");
    await settle();
    await clock.advance(1);
    await writer.invalidateUser(anaRef);
    for (const kind of ["user-invalidated", "any-user-invalidated"]) {
      for (const key of store.keys(kind)) store.texts.set(key, unkeyed(store.texts.get(key)));
    }
    service.refuse("token-ana");
    await expect(open().verifyToken("token-ana")).rejects.toMatchObject({ code: "invalid_token" });
    service.allow("token-ana", { id: "ana" });
    await clock.advance(120_000);
    await open().verifyToken("token-ana");
    await settle();
    expect((await open().verifyToken("token-ana")).source).toBe("shared");
  });

  test("reads what is written now: the same properties, and one that it does not look at", async () => {
    const { clock, store, open } = await onOneStore();
    await open().verifyToken("token-ana");
    await settle();
    const [key = ""] = store.keys("token");
    expect(JSON.parse(String(store.texts.get(key)))).toEqual({
      key,
      askedAt: clock.now(),
      expiresAt: clock.now() + 300_000,
      value: expect.objectContaining({ user: expect.objectContaining({ id: "ana" }) }),
    });
  });
});

describeWithRedis("On a connection to Redis that has lost its place,", () => {
  /** Passes everything on, and when it is told gives one reply twice. */
  async function startShifter(target: number) {
    let shifts = false;
    let last: Buffer | undefined;
    const sockets = new Set<net.Socket>();
    const server = net.createServer((inbound) => {
      const outbound = net.connect(target, "127.0.0.1");
      for (const socket of [inbound, outbound]) {
        sockets.add(socket);
        socket.on("error", () => undefined);
      }
      let isLook = false;
      inbound.on("data", (command) => {
        isLook = command.includes("MGET");
        outbound.write(command);
      });
      outbound.on("data", (reply) => {
        if (isLook && reply.toString().startsWith("*")) {
          if (shifts && last) inbound.write(last);
          shifts = false;
          last = reply;
        }
        inbound.write(reply);
      });
    });
    const port = await listen(server);
    afterwards(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return {
      port,
      shift: () => {
        shifts = true;
      },
    };
  }

  test("nobody becomes somebody else", async () => {
    const service = await startPeople();
    const clock = new ManualClock();
    const redis = await startRedisServer();
    afterwards(() => redis.kill());
    const writer = openClient(service, { clock, cache: { redisUrl: redis.url } });
    await writer.ready(); // what is asked before the log begins is kept nowhere
    await until(() => writer.status().cache.shared === "available");
    for (const token of ["token-ana", "token-bob"]) await writer.verifyToken(token);
    await writer.close();

    const shifter = await startShifter(Number(new URL(redis.url).port));
    const { port } = shifter;
    const reader = openClient(service, { clock, cache: { redisUrl: `redis://127.0.0.1:${port}` } });
    await until(() => reader.status().cache.log === "live");
    expect(await reader.verifyToken("token-bob")).toMatchObject({ user: { id: "bob" }, source: "shared" });
    shifter.shift();
    expect(await reader.verifyToken("token-ana")).toMatchObject({ user: { id: "ana" }, source: "grpc" });
  });
});
