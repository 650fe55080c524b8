import { describe, expect, test } from "@jest/globals";
import { GuardedStore, latestOf, type StoredEntry } from "../../src/cache/guarded-store.js";
import { createKeyring, type EntryName } from "../../src/cache/keyring.js";
import type { SharedStore, StoreParts } from "../../src/cache/shared-store.js";
import { LostError } from "../../src/cache/store-error.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { fail, MemoryStore } from "../support/memory-store.js";
import { watchEnd } from "../support/watch-end.js";

const OPERATION_MS = 50;
const MAX_ENTRY_LENGTH = 2 ** 23;
const ANA: EntryName = { kind: "token", id: "ana" };
const BEN: EntryName = { kind: "token", id: "ben" };
const ANAS_LOCALS: EntryName = { kind: "locals", id: "ana" };
const BENS_LOCALS: EntryName = { kind: "locals", id: "ben" };
const ENTRY = { askedAt: 1000, expiresAt: 2000, value: { of: "ana" } };
const NOTHING = { wasRead: true, entries: [] };
const NOT_READ = { wasRead: false, entries: [] };
const [OLD, NEW] = ["the old secret of the store", "its new secret, after that"];

interface Given {
  secrets?: readonly string[];
  getAll?: SharedStore["getAll"];
  parts?: StoreParts;
  clock?: ManualClock;
}

function start({ secrets = [], getAll, parts, clock = new ManualClock() }: Given = {}) {
  const memory = new MemoryStore(clock);
  const given: SharedStore = Object.assign(memory, { ...(getAll && { getAll }), ...(parts && { parts }) });
  const open = (by = secrets) =>
    new GuardedStore({ store: given, clock, keyring: createKeyring({ identity: "shop", secrets: by }) });
  const store = open();
  const key = () => [...memory.texts.keys()][0] ?? "";
  return { clock, memory, open, store, key };
}

/** A store with a part for each kind of entry, and what it is asked for at once: the kinds of it. */
function startInParts(...kinds: readonly string[]) {
  const kindOf = (key: string) => key.split(":")[2] ?? "";
  const all = kinds.map((name) => ({ name }));
  const asked: string[][] = [];
  const made = start({
    getAll: (keys) => {
      asked.push(keys.map(kindOf));
      return Promise.all(keys.map((key) => made.memory.get(key)));
    },
    parts: { all: () => all, of: (key) => all.find(({ name }) => name === kindOf(key)), onChanged: () => undefined },
  });
  const fail = (kind: string) => {
    made.memory.before = (_operation, key) => kindOf(key) === kind && Promise.reject(new Error("out of order"));
  };
  return { ...made, asked, fail };
}

const reasonOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "done",
    (error: Error) => error.message,
  );

describe("What was written", () => {
  test.each<[string, readonly string[]]>([
    ["plain", []],
    ["sealed", [OLD]],
  ])("is read again, %s, and by its own name alone", async (_how, secrets) => {
    const { store } = start({ secrets });
    expect(await store.read(ANA, BEN)).toEqual([NOTHING, NOTHING]);
    await store.writeConfirmed(ANA, ENTRY, 1000);
    const found = { wasRead: true, entries: [ENTRY] };
    expect(await store.read(ANA)).toEqual([found]);
    expect(await store.readForStranger(BEN, ANA)).toEqual([NOTHING, found]);
  });

  test("lies there for whole milliseconds, no shorter than it may", async () => {
    const { memory, store, key } = start();
    await store.writeConfirmed(ANA, ENTRY, 999.2);
    expect(memory.ttlMs(key())).toBe(1000);
  });

  test("behind is there soon, and fails nobody where it is not", async () => {
    const { memory, store } = start();
    store.write(ANA, ENTRY, 1000);
    await settle();
    expect((await store.read(ANA))[0].entries).toEqual([ENTRY]);
    memory.before = fail;
    store.write(ANA, ENTRY, 1000);
    await settle();
  });

  test.each<[string, (memory: MemoryStore) => unknown, string]>([
    ["is out of order", (memory) => Object.assign(memory, { before: fail }), "the store is out of order"],
    [
      "says that it did not",
      (memory) => Object.assign(memory, { set: async () => false }),
      "the store did not take the entry",
    ],
    ["says nothing", (memory) => Object.assign(memory, { set: async () => undefined }), "done"],
  ])("is told to be there, or not, by a store that %s", async (_how, changes, told) => {
    const { memory, store } = start();
    changes(memory);
    expect(await reasonOf(store.writeConfirmed(ANA, ENTRY, 1000))).toBe(told);
  });
});

describe("What lies there and is no entry is a miss:", () => {
  const text = (object: unknown) => (own: string) => JSON.stringify({ key: own, ...(object as object) });
  test.each<[string, unknown | ((key: string) => unknown)]>([
    ["a number", 7],
    ["nothing", undefined],
    ["no JSON", "garbage"],
    ["null", "null"],
    ["half of one", (own: string) => `{"key":"${own}","askedAt":10`],
    ["one without a time of asking", text({ expiresAt: 2000, value: 1 })],
    ["one without an end", text({ askedAt: 1000, value: 1 })],
    ["one whose time is a text", text({ askedAt: "1000", expiresAt: 2000, value: 1 })],
    ["one that ends as a text says", text({ askedAt: 1000, expiresAt: "2000", value: 1 })],
    ["one that is too long", text({ ...ENTRY, value: "x".repeat(MAX_ENTRY_LENGTH) })],
  ])("%s", async (_what, lies) => {
    const { memory, store, key } = start();
    await store.writeConfirmed(ANA, ENTRY, 1000);
    memory.texts.set(key(), typeof lies === "function" ? lies(key()) : lies);
    expect(await store.read(ANA)).toEqual([NOTHING]);
  });

  test("but not one of the greatest length", async () => {
    const { memory, store, key } = start();
    await store.writeConfirmed(ANA, ENTRY, 1000);
    const short = text({ ...ENTRY, value: "" })(key());
    const value = "x".repeat(MAX_ENTRY_LENGTH - short.length);
    memory.texts.set(key(), text({ ...ENTRY, value })(key()));
    expect((await store.read(ANA))[0].entries[0]?.value).toBe(value);
  });

  test.each<[string, readonly string[]]>([
    ["plain", []],
    ["sealed", [OLD]],
  ])("nothing is known where another entry lies in its place, %s", async (_how, secrets) => {
    const { memory, store, key } = start({ secrets });
    await store.writeConfirmed(ANA, ENTRY, 1000);
    const anas = key();
    await store.writeConfirmed(BEN, ENTRY, 1000);
    const bens = memory.keys("token").find((each) => each !== anas) ?? "";
    memory.texts.set(anas, memory.texts.get(bens));
    expect(await store.read(ANA)).toEqual([NOT_READ]);
  });
});

describe("Nothing is known of what a store", () => {
  test("does not bring", async () => {
    const { memory, store } = start();
    await store.writeConfirmed(ANA, ENTRY, 1000);
    memory.before = fail;
    expect(await store.read(ANA, BEN)).toEqual([NOT_READ, NOT_READ]);
  });

  test.each<[string, SharedStore["getAll"]]>([
    ["that reads several at once does not bring", async () => fail()],
    ["brings too few of", async () => [undefined]],
    ["brings too many of", async () => [undefined, undefined, undefined]],
    ["brings nothing of at all", async () => undefined as never],
  ])("%s", async (_how, getAll) => {
    const { store } = start({ getAll });
    expect(await store.read(ANA, BEN)).toEqual([NOT_READ, NOT_READ]);
  });
});

test("A store that brings too few is lost after three times, and that is why.", async () => {
  const { memory, clock } = start({ getAll: async () => [] });
  const said: unknown[] = [];
  const onTransition = (available: boolean, error: unknown) => said.push(available, (error as Error).message);
  const keyring = createKeyring({ identity: "shop", secrets: [] });
  const store = new GuardedStore({ store: memory, clock, keyring, onTransition });
  for (let time = 0; time < 3; time++) await store.read(ANA, BEN);
  expect(said).toEqual([false, "the store gave the reply to another question"]);
});

test("A store that can read several at once is asked once, and for one alone as any other.", async () => {
  const asked: (readonly string[])[] = [];
  const made = start({
    getAll: async (keys) => {
      asked.push(keys);
      return keys.map((key) => made.memory.texts.get(key));
    },
  });
  await made.store.writeConfirmed(BEN, ENTRY, 1000);
  expect(await made.store.read(ANA, BEN)).toEqual([NOTHING, { wasRead: true, entries: [ENTRY] }]);
  expect([asked.length, asked[0]?.length, made.memory.count("get")]).toEqual([1, 2, 0]);
  expect((await made.store.read(BEN))[0].entries).toEqual([ENTRY]);
  expect([asked.length, made.memory.count("get")]).toEqual([1, 1]);
});

describe("A store in parts", () => {
  const [ANAS_ENTRY, BENS_ENTRY] = [
    { ...ENTRY, value: "ana's" },
    { ...ENTRY, value: "ben's" },
  ];
  const both = async () => {
    const made = startInParts("token", "locals");
    await made.store.writeConfirmed(ANA, ANAS_ENTRY, 1000);
    await made.store.writeConfirmed(BENS_LOCALS, BENS_ENTRY, 1000);
    return made;
  };

  test("is asked for what lies in each of them in one go, and every entry is found by its own name", async () => {
    const { asked, store } = await both();
    expect(await store.read(ANA, ANAS_LOCALS, BEN, BENS_LOCALS)).toEqual([
      { wasRead: true, entries: [ANAS_ENTRY] },
      NOTHING,
      NOTHING,
      { wasRead: true, entries: [BENS_ENTRY] },
    ]);
    expect(asked).toEqual([
      ["token", "token"],
      ["locals", "locals"],
    ]);
  });

  test("finds the entries of the others where one is away, and tells how many there are", async () => {
    const { asked, fail, store } = await both();
    fail("locals");
    const found = { wasRead: true, entries: [ANAS_ENTRY] };
    for (let time = 0; time < 4; time++)
      expect(await store.read(ANAS_LOCALS, ANA, BENS_LOCALS)).toEqual([NOT_READ, found, NOT_READ]);
    expect(asked.filter(([kind]) => kind === "locals").length).toBe(3); // then it is skipped
    expect([store.available, store.partCounts]).toEqual([true, { available: 1, total: 2 }]);
  });
});

test("Strangers' reads are 128 at once, and of one more nothing is known; another read is begun beside them.", async () => {
  const { memory, store } = start();
  await store.writeConfirmed(ANA, ENTRY, 1000);
  const letGo = memory.hold("get");
  const reads = Array.from({ length: 128 }, () => store.readForStranger(ANA));
  const [oneMore, another] = [store.readForStranger(ANA), store.read(ANA)];
  await settle();
  letGo();
  const found = { wasRead: true, entries: [ENTRY] };
  expect([await oneMore, await another]).toEqual([[NOT_READ], [found]]);
  expect(await Promise.all(reads)).toEqual(reads.map(() => [found]));
});

describe("While a secret is rotated", () => {
  async function rotated() {
    const made = start({ secrets: [NEW, OLD] });
    const older = { ...ENTRY, askedAt: 500 };
    await made.open([OLD]).writeConfirmed(ANA, older, 1000);
    return { ...made, older };
  }

  test("an entry lies in two slots, of which the new one is written and both are read", async () => {
    const { memory, store, older, open } = await rotated();
    expect(await store.read(BEN, ANA)).toEqual([NOTHING, { wasRead: true, entries: [older] }]);
    await store.writeConfirmed(ANA, ENTRY, 1000);
    expect(await store.read(ANA, BEN)).toEqual([{ wasRead: true, entries: [ENTRY, older] }, NOTHING]);
    expect(memory.keys("token").length).toBe(2);
    expect((await open([NEW]).read(ANA))[0].entries).toEqual([ENTRY]);
  });

  test("it is known where both slots are", async () => {
    const { memory, store, older } = await rotated();
    const [old] = memory.keys("token");
    memory.before = (operation, key) => operation === "get" && key !== old && fail();
    expect(await store.read(ANA)).toEqual([{ wasRead: false, entries: [older] }]);
  });

  test("it is deleted from both", async () => {
    const { memory, store } = await rotated();
    await store.writeConfirmed(ANA, ENTRY, 1000);
    await store.remove(ANA, true);
    expect(memory.texts.size).toBe(0);
  });
});

describe("A deletion", () => {
  test("deletes that entry alone, and is told where it fails", async () => {
    const { memory, store } = start();
    await store.writeConfirmed(ANA, ENTRY, 1000);
    await store.writeConfirmed(BEN, ENTRY, 1000);
    await store.remove(ANA, true);
    expect(await store.read(ANA, BEN)).toEqual([NOTHING, { wasRead: true, entries: [ENTRY] }]);
    memory.before = fail;
    expect(await reasonOf(store.remove(BEN, true))).toBe("the store is out of order");
  });

  test("of a stranger's that is slow is no sign of a lost store that is well; of a known user's it is", async () => {
    const { clock, memory, store } = start();
    const slowly = async (isKnown: boolean) => {
      memory.before = (operation) => operation === "delete" && new Promise(() => undefined);
      const removed = reasonOf(store.remove(ANA, isKnown));
      await clock.advance(OPERATION_MS);
      await removed;
    };
    await store.read(ANA);
    for (let time = 0; time < 3; time++) await slowly(false);
    expect(store.available).toBe(true);
    for (let time = 0; time < 3; time++) await slowly(true);
    expect(store.available).toBe(false);
  });

  test("of what is being written waits for that, and deletes it", async () => {
    const { memory, store } = start();
    const letGo = memory.hold("set");
    store.write(ANA, ENTRY, 1000);
    const removed = reasonOf(store.remove(ANA, true));
    await settle();
    expect(memory.count("delete")).toBe(0);
    letGo();
    expect([await removed, memory.texts.size]).toEqual(["done", 0]);
    expect(memory.count("delete")).toBe(1);
  });

  test("of what takes longer to be written is not told as done; that is deleted when it has arrived", async () => {
    const { clock, memory, store } = start();
    const letGo = memory.hold("set");
    store.write(ANA, ENTRY, 1000);
    const removed = reasonOf(store.remove(ANA, true));
    await clock.advance(OPERATION_MS);
    expect([await removed, memory.count("delete")]).toEqual(["the shared cache is slow", 1]);
    letGo();
    await settle();
    expect([memory.count("delete"), memory.texts.size]).toEqual([2, 0]);
  });

  test("behind a write that was lost with its connection is made once more when that can arrive no longer", async () => {
    const { clock, memory, store } = start();
    memory.before = (operation) => operation === "set" && Promise.reject(new LostError());
    store.write(ANA, ENTRY, 1000);
    await settle();
    memory.before = () => undefined;
    expect([await reasonOf(store.remove(ANA, true)), await reasonOf(store.remove(ANA, true))]).toEqual([
      "done",
      "done",
    ]);
    expect(await reasonOf(store.remove(BEN, true))).toBe("done");
    expect(memory.count("delete")).toBe(3);
    await clock.advance(4999);
    expect(memory.count("delete")).toBe(3);
    await clock.advance(1);
    expect([memory.count("delete"), await reasonOf(store.remove(ANA, true))]).toEqual([4, "done"]);
  });

  test("is made once more also where the first one failed, and where the write was lost while it waited for that", async () => {
    const { clock, memory, store } = start();
    let lose: (error: Error) => void = () => undefined;
    memory.before = (operation) =>
      operation === "set" &&
      new Promise((_resolve, reject) => {
        lose = reject;
      });
    store.write(ANA, ENTRY, 1000);
    const removed = reasonOf(store.remove(ANA, true));
    await clock.advance(OPERATION_MS);
    expect(await removed).toBe("the shared cache is slow");
    lose(new LostError());
    await settle();
    const before = memory.count("delete");
    await clock.advance(3000);
    memory.before = () => Promise.reject(new LostError());
    store.write(ANA, ENTRY, 1000); // lost, too: it may arrive until later
    await settle();
    await reasonOf(store.remove(ANA, true));
    memory.before = () => undefined;
    await clock.advance(4999);
    const failed = memory.count("delete");
    await clock.advance(1);
    expect([before, memory.count("delete") - failed]).toEqual([2, 1]);
  });

  test("that is to be made once more leaves no timer when the store is let go of", async () => {
    const { clock, memory, store } = start();
    memory.before = (operation) => operation === "set" && Promise.reject(new LostError());
    store.write(ANA, ENTRY, 1000);
    await settle();
    await reasonOf(store.remove(ANA, true));
    await store.close();
    expect(clock.pending).toBe(0);
    await reasonOf(store.remove(ANA, true));
    expect(clock.pending).toBe(0);
  });

  test("that is to be made once more keeps no process alive", async () => {
    const keepAlive: boolean[] = [];
    class Watched extends ManualClock {
      override setTimeout(callback: () => void, ms: number, options?: { background?: boolean }) {
        if (ms > OPERATION_MS) keepAlive.push(!options?.background);
        return super.setTimeout(callback, ms);
      }
    }
    const { memory, store } = start({ clock: new Watched() });
    memory.before = (operation) => operation === "set" && Promise.reject(new LostError());
    store.write(ANA, ENTRY, 1000);
    await settle();
    await reasonOf(store.remove(ANA, true));
    expect(keepAlive).toEqual([false]);
  });

  test("of that fails nobody when it fails in the end", async () => {
    const { clock, memory, store } = start();
    const letGo = memory.hold("set");
    store.write(ANA, ENTRY, 1000);
    const removed = reasonOf(store.remove(ANA, true));
    await clock.advance(OPERATION_MS);
    await removed;
    memory.before = fail;
    letGo();
    await settle();
    expect(memory.texts.size).toBe(1);
  });
});

test("A store that is let go of is waited for while it writes, no longer than for any operation, and asked nothing more.", async () => {
  const { clock, memory, store } = start();
  const letGo = memory.hold("set");
  store.write(ANA, ENTRY, 1000);
  let closed = 0;
  void store.close().then(() => closed++);
  await settle();
  expect(closed).toBe(0);
  letGo();
  await settle();
  expect([closed, await store.read(ANA)]).toEqual([1, [NOT_READ]]);
  const other = start();
  other.memory.hold("set");
  other.store.write(ANA, ENTRY, 1000);
  const closing = other.store.close();
  await other.clock.advance(OPERATION_MS);
  await closing;
  await clock.advance(OPERATION_MS);
});

test("It is ready when the first attempt to connect has ended, either way.", async () => {
  const { memory, clock } = start();
  const keyring = createKeyring({ identity: "shop", secrets: [] });
  let connect: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => {
    connect = resolve;
  });
  const store = new GuardedStore({ store: Object.assign(memory, { ready }), clock, keyring });
  const awaited = watchEnd(store.ready());
  await settle();
  expect(awaited.isOver).toBe(false);
  connect();
  await settle();
  expect(awaited.isOver).toBe(true);
});

test("It tells of itself as its gate does.", async () => {
  const { memory, store } = start();
  await store.ready();
  expect([store.available, store.takesWrites]).toEqual([true, true]);
  memory.before = (operation) => operation === "set" && fail();
  for (let time = 0; time < 3; time++) await reasonOf(store.writeConfirmed(ANA, ENTRY, 1000));
  expect([store.available, await store.read(ANA)]).toEqual([true, [NOTHING]]);
  memory.before = (operation) => operation === "delete" && fail();
  for (let time = 0; time < 4; time++) {
    await reasonOf(store.remove(ANA, true));
    await store.read(ANA);
  }
  expect([store.available, store.takesWrites]).toEqual([true, false]);
  memory.before = fail;
  for (let time = 0; time < 3; time++) await store.read(ANA);
  expect(store.available).toBe(false);
});

test("Of several entries the one counts that was asked for last; of two at once, the first slot's.", () => {
  const entry = (askedAt: number, value: string): StoredEntry => ({ askedAt, expiresAt: 9, value });
  expect(latestOf([])).toBeUndefined();
  expect(latestOf([entry(1, "a"), entry(2, "b")])?.value).toBe("b");
  expect(latestOf([entry(2, "a"), entry(1, "b")])?.value).toBe("a");
  expect(latestOf([entry(1, "a"), entry(1, "b")])?.value).toBe("a");
});
