import { describe, expect, test } from "@jest/globals";
import type { SharedStore, StorePart } from "../../src/cache/shared-store.js";
import { StoreGates } from "../../src/cache/store-gates.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";

interface TestPart extends StorePart {
  connect(): void;
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

/** A store whose parts are named by the first letter of a key, and what is said of them. */
function openParts(names: readonly string[], ready?: Promise<unknown>) {
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
  const gates = new StoreGates({
    store,
    clock,
    onTransition: (available) => void said.push(available ? "back" : "lost"),
    onPartTransition: (name, available) => void said.push(`${name} ${available ? "back" : "lost"}`),
    onWriteTransition: (works) => void said.push(works ? "takes writes" : "takes no writes"),
  });
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
  return { clock, said, gates, become, use, fail, partsNow: () => parts };
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
    const { said, gates, become, use } = openParts([], Promise.reject(new Error("nothing there")));
    await gates.ready();
    await settle();
    expect([gates.available, gates.partCounts, said]).toEqual([false, undefined, ["lost"]]);
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
    const { said, gates } = openParts(["a", "b"]);
    await gates.ready();
    const fail = async (key: string) => {
      const refused = () => Promise.reject(new Error("NOPERM"));
      for (let n = 0; n < 4; n++) {
        await gates.of(key).run(async () => key, "read"); // it can be read
        await gates
          .of(key)
          .run(refused, "delete")
          .catch(() => undefined);
      }
    };
    await fail("a");
    await fail("b");
    expect(gates.takesWrites).toBe(false);
    await gates.of("a").run(async () => true, "delete");
    await gates.of("b").run(async () => true, "delete");
    expect([gates.takesWrites, said]).toEqual([true, ["takes no writes", "takes writes"]]);
  });

  test("lets nothing through once it is closed", async () => {
    const { gates, use } = openParts(["a"]);
    await gates.ready();
    await gates.close([]);
    await expect(use("a")).rejects.toThrow();
    await expect(use("x")).rejects.toThrow();
  });
});
