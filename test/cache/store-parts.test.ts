import { describe, expect, test } from "@jest/globals";
import type { SharedStore, StorePart } from "../../src/cache/shared-store.js";
import { StoreGates, type StoreGatesOptions } from "../../src/cache/store-gates.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";
import { watchEnd } from "../support/watch-end.js";

interface TestPart extends StorePart {
  connect(): void;
}

interface Given {
  ready?: Promise<unknown>;
  isHeard?: boolean;
}

function partAt(name: string, ready: Promise<unknown> = Promise.resolve()): TestPart {
  const listeners: (() => void)[] = [];
  return {
    name,
    ready,
    onConnected: (listener) => void listeners.push(listener),
    connect: () => {
      for (const listener of listeners) listener();
    },
  };
}

/** A store whose parts are named by the first letter of a key, and what is said of them, unless nothing hears it. */
function openParts(names: readonly string[], { ready, isHeard = true }: Given = {}) {
  const clock = new ManualClock();
  const said: string[] = [];
  let parts = names.map((name) => partAt(name));
  const changed: (() => void)[] = [];
  const store: SharedStore = {
    get: async () => undefined,
    set: async () => true,
    delete: async () => true,
    ...(ready && { ready }),
    parts: {
      all: () => parts,
      of: (key) => parts.find(({ name }) => name === key[0]),
      onChanged: (listener) => void changed.push(listener),
    },
  };
  const listeners: Partial<StoreGatesOptions> = {
    onTransition: (available) => void said.push(available ? "back" : "lost"),
    onPartTransition: (name, available) => void said.push(`${name} ${available ? "back" : "lost"}`),
    onWriteTransition: (works) => void said.push(works ? "takes writes" : "takes no writes"),
  };
  const gates = new StoreGates({ store, clock, ...(isHeard && listeners) });
  afterwards(() => gates.close([]));
  const become = async (next: TestPart[]) => {
    parts = next;
    for (const listener of changed) listener();
    await settle();
  };
  const use = (key: string) => gates.of(key).run(async () => key, "read");
  const fail = async (key: string, times = 3) => {
    for (let n = 0; n < times; n++)
      await gates
        .of(key)
        .run(() => Promise.reject(new Error()), "read")
        .catch(() => undefined);
  };
  /** It can be read, and takes no deletion. */
  const refuse = async (key: string) => {
    for (let n = 0; n < 4; n++) {
      await use(key);
      await gates
        .of(key)
        .run(() => Promise.reject(new Error("NOPERM")), "delete")
        .catch(() => undefined);
    }
  };
  const remove = (key: string) => gates.of(key).run(async () => true, "delete");
  return { clock, said, gates, become, use, fail, refuse, remove, partsNow: () => parts };
}

describe("A store in parts", () => {
  test("skips the part that is away, and no other", async () => {
    const { said, gates, use, fail } = openParts(["a", "b", "c"]);
    await gates.ready();
    await fail("a1");
    let begun = 0;
    await expect(gates.of("a2").run(async () => begun++, "read")).rejects.toThrow("skipped");
    for (let n = 0; n < 10; n++) await expect(use(`b${n}`)).resolves.toBe(`b${n}`);
    expect([begun, gates.available, gates.partCounts]).toEqual([0, true, { available: 2, total: 3 }]);
    expect(said).toEqual(["a lost"]);
  });

  test("is lost with its last part, and back with the first, and says each once", async () => {
    const { clock, said, gates, use, fail } = openParts(["a", "b"]);
    await gates.ready();
    await fail("a");
    await fail("b");
    expect(gates.available).toBe(false);
    await clock.advance(1000);
    await fail("a");
    await use("b");
    expect(gates.available).toBe(true);
    await clock.advance(1000);
    await use("a");
    expect(said).toEqual(["a lost", "b lost", "lost", "b back", "back", "a back"]);
  });

  test("finds a part again when it has a new connection, wherever that leads", async () => {
    const { said, gates, use, fail, partsNow } = openParts(["a", "b"]);
    await gates.ready();
    await fail("a");
    partsNow()[0]?.connect();
    await use("a");
    expect(said).toEqual(["a lost", "a back"]);
  });

  test("is judged as a whole until its parts are known, and by its parts from then on", async () => {
    const { said, gates, become, use } = openParts([], { ready: Promise.reject(new Error("nothing there")) });
    await gates.ready();
    await settle();
    expect([gates.available, gates.partCounts, said]).toStrictEqual([false, undefined, ["lost"]]);
    await become([partAt("a"), partAt("b")]);
    expect([gates.available, said]).toEqual([true, ["lost", "back"]]);
    await expect(use("b")).resolves.toBe("b");
  });

  test("is not called lost while one of its parts is being connected to", async () => {
    const { said, gates, become } = openParts([]);
    await become([partAt("a", Promise.reject(new Error())), partAt("b", new Promise(() => undefined))]);
    expect([gates.available, said]).toEqual([false, ["a lost"]]);
  });

  test("forgets a part that is gone: its keys lie elsewhere", async () => {
    const { said, gates, become, fail, partsNow } = openParts(["a", "b"]);
    await gates.ready();
    const [, b] = partsNow() as [TestPart, TestPart];
    await fail("a");
    await become([b]);
    expect(gates.partCounts).toEqual({ available: 1, total: 1 });
    expect(said).toEqual(["a lost", "a back"]);
  });

  test("takes no writes where one of its parts takes none, and says so once", async () => {
    const { said, gates, refuse, remove } = openParts(["a", "b"]);
    await gates.ready();
    await refuse("a");
    expect(gates.takesWrites).toBe(false);
    await refuse("b");
    await remove("a");
    expect([gates.takesWrites, said]).toEqual([false, ["takes no writes"]]);
    await remove("b");
    expect([gates.takesWrites, said]).toEqual([true, ["takes no writes", "takes writes"]]);
  });

  test("tells of its writes as a whole, too, until its parts are known", async () => {
    const { said, gates, refuse, remove } = openParts([]);
    await refuse("a");
    expect([gates.takesWrites, said]).toEqual([false, ["takes no writes"]]);
    await remove("a");
    expect([gates.takesWrites, said]).toEqual([true, ["takes no writes", "takes writes"]]);
  });

  test("is ready when the first attempt to connect to each of them has ended", async () => {
    const { gates, become } = openParts([]);
    let connect: () => void = () => undefined;
    const connected = new Promise<void>((resolve) => {
      connect = resolve;
    });
    await become([partAt("a"), partAt("b", connected)]);
    const ready = watchEnd(gates.ready());
    await settle();
    expect(ready.isOver).toBe(false);
    connect();
    await settle();
    expect(ready.isOver).toBe(true);
  });

  test("knows what it knew of a part that stays when others come and go, and says nothing of those", async () => {
    const { said, gates, become, use, fail, partsNow } = openParts(["a", "b"]);
    await gates.ready();
    const [a] = partsNow() as [TestPart];
    await fail("a");
    await become([a, partAt("c")]);
    await expect(use("a")).rejects.toThrow("skipped");
    await expect(use("c")).resolves.toBe("c");
    expect([gates.partCounts, said]).toEqual([{ available: 1, total: 2 }, ["a lost"]]);
  });

  test("says nothing of a part that fails when it is gone", async () => {
    const { said, gates, become, partsNow } = openParts(["a", "b"]);
    await gates.ready();
    const [, b] = partsNow() as [TestPart, TestPart];
    const ends: ((error: Error) => void)[] = [];
    const underWay = Array.from({ length: 3 }, () =>
      gates.of("a").run(() => new Promise((_resolve, reject) => ends.push(reject)), "read"),
    );
    await become([b]);
    for (const end of ends) end(new Error("closed"));
    expect((await Promise.allSettled(underWay)).map(({ status }) => status)).toEqual(Array(3).fill("rejected"));
    expect([gates.available, said]).toEqual([true, []]);
  });

  test("fails as its operations do where nothing hears of it", async () => {
    const { gates, become, fail, refuse, remove, partsNow } = openParts(["a", "b"], { isHeard: false });
    await gates.ready();
    const [, b] = partsNow() as [TestPart, TestPart];
    const failOnce = (key: string) => gates.of(key).run(() => Promise.reject(new Error("out of order")), "read");
    await refuse("a");
    await expect(remove("a")).resolves.toBe(true);
    await fail("a", 2);
    await expect(failOnce("a")).rejects.toThrow("out of order");
    await fail("b", 2);
    await expect(failOnce("b")).rejects.toThrow("out of order");
    await become([b]);
    expect(gates.partCounts).toEqual({ available: 0, total: 1 });
  });

  test("lets nothing through once it is closed", async () => {
    const { gates, use } = openParts(["a"]);
    await gates.ready();
    await gates.close([]);
    await expect(use("a")).rejects.toThrow();
    await expect(use("x")).rejects.toThrow();
  });

  test("is followed no longer once it is closed: a part that comes then is not used", async () => {
    const { gates, become, use } = openParts(["a"]);
    await gates.ready();
    await gates.close([]);
    await become([partAt("b")]);
    await expect(use("b")).rejects.toThrow();
  });

  test("leaves no timer, of a part that is gone or of those that are closed", async () => {
    const { clock, gates, become, use, partsNow } = openParts(["a", "b"]);
    await gates.ready();
    const [, b] = partsNow() as [TestPart, TestPart];
    await use("a");
    await become([b]);
    expect(clock.pending).toBe(0);
    await use("b");
    await gates.close([]);
    expect(clock.pending).toBe(0);
  });
});
