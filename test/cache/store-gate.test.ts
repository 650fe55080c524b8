import { describe, expect, test } from "@jest/globals";
import type { SharedStore } from "../../src/cache/shared-store.js";
import { NotConnectedError, newStoreErrors } from "../../src/cache/store-error.js";
import { StoreGate, type StoreOperation } from "../../src/cache/store-gate.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { watchEnd } from "../support/watch-end.js";

const OPERATION_MS = 50;
const RECOVERY_MS = 1000;
const WINDOW_MS = 60_000;
const SKIPPED = "the shared cache is being skipped";
const SLOW = "the shared cache is slow";

/** A gate before a store, and what is seen of it from outside. */
function start(store: Partial<SharedStore> = {}) {
  const clock = new ManualClock();
  const said: [available: boolean, why?: string][] = [];
  const saidOfWrites: [works: boolean, why?: string][] = [];
  const wordsOf = (error: unknown): [] | [string] => (error === undefined ? [] : [(error as Error).message]);
  const gate = new StoreGate({
    store: store as SharedStore,
    clock,
    onTransition: (available, error) => said.push([available, ...wordsOf(error)]),
    onWriteTransition: (works, error) => saidOfWrites.push([works, ...wordsOf(error)]),
  });
  const run = (operation: () => Promise<unknown>, kind: StoreOperation = "read") =>
    gate.run(operation, kind).catch((error: Error) => error.message);
  const works = (kind?: StoreOperation) => run(async () => "done", kind);
  const fails = (kind?: StoreOperation, error = new Error("out of order")) => run(() => Promise.reject(error), kind);
  /** It takes too long. */
  const hangs = async (kind?: StoreOperation) => {
    const outcome = run(() => new Promise(() => undefined), kind);
    await clock.advance(OPERATION_MS);
    return outcome;
  };
  const times = async (count: number, act: () => Promise<unknown>) => {
    for (let time = 0; time < count; time++) await act();
  };
  return { clock, gate, said, saidOfWrites, run, works, fails, hangs, times };
}

/** A store that is still connecting, and tells of its connections and errors. */
function connecting() {
  const listeners: ((error: unknown) => void)[] = [];
  let end: { resolve(): void; reject(error: Error): void } | undefined;
  let connected: () => void = () => undefined;
  let pong: () => void = () => undefined;
  const ready = new Promise<void>((resolve, reject) => {
    end = { resolve, reject };
  });
  const store: Partial<SharedStore> = {
    ready,
    onConnected: (listener) => {
      connected = listener;
    },
    onPong: (listener) => {
      pong = listener;
    },
    on: (event: string, listener) => event === "error" && listeners.push(listener),
    off: (event: string, listener) => event === "error" && listeners.splice(listeners.indexOf(listener), 1),
  };
  return {
    store,
    listeners,
    succeed: () => end?.resolve(),
    fail: (error: Error) => end?.reject(error),
    connected: () => connected(),
    pong: () => pong(),
  };
}

describe("An operation", () => {
  test("may take 50 ms, and its caller waits no longer", async () => {
    const { clock, gate } = start();
    const outcome = gate.run(() => new Promise(() => undefined), "read").catch((error: Error) => error.message);
    let ended = false;
    void outcome.then(() => {
      ended = true;
    });
    await clock.advance(OPERATION_MS - 1);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(await outcome).toBe(SLOW);
  });

  test.each<StoreOperation>(["read", "set", "delete", "stranger's read", "stranger's delete"])(
    "that throws or rejects (%s) fails with that, and one that ends brings its result",
    async (kind) => {
      const { run, works, fails } = start();
      const throws = () => {
        throw new Error("at once");
      };
      expect([await run(throws, kind), await fails(kind), await works(kind)]).toEqual([
        "at once",
        "out of order",
        "done",
      ]);
    },
  );

  test("during which the store reports an error has failed", async () => {
    const { store, listeners } = connecting();
    delete (store as { ready?: unknown }).ready;
    const { gate, run, works, said } = start(store);
    const reports = () => run(async () => listeners[0]?.(new Error("broken pipe")));
    expect(await reports()).toBe("the shared cache reported an error");
    expect(await works()).toBe("done");
    await reports();
    await reports();
    expect(gate.available).toBe(true);
    await reports();
    expect([gate.available, said]).toEqual([false, [[false, "the shared cache reported an error"]]]);
  });
});

describe("A store that fails", () => {
  test("three times in a row is skipped for a second, then tried, and used again when that works", async () => {
    const { clock, gate, works, fails, said } = start();
    await fails();
    await fails();
    expect([await works(), gate.available]).toEqual(["done", true]);
    await fails();
    await fails();
    await fails(undefined, new Error("at last"));
    expect([gate.available, said]).toEqual([false, [[false, "at last"]]]);
    await clock.advance(RECOVERY_MS - 1);
    expect(await works()).toBe(SKIPPED);
    await clock.advance(1);
    expect([gate.available, await works(), gate.available]).toEqual([false, "done", true]);
    expect(said).toEqual([[false, "at last"], [true]]);
  });

  test("is lost, though something that was begun before ends well after all", async () => {
    const { gate, run, fails, times } = start();
    let end: () => void = () => undefined;
    const early = run(
      () =>
        new Promise<string>((resolve) => {
          end = () => resolve("late");
        }),
    );
    await times(3, fails);
    end();
    expect([await early, gate.available]).toEqual(["late", false]);
  });

  test("is lost where it cannot be read, though it takes entries", async () => {
    const { gate, works, fails } = start();
    await fails("read");
    await fails("read");
    await works("set");
    await fails("read");
    expect(gate.available).toBe(false);
  });

  test("again when it is tried is skipped for another second, without a word", async () => {
    const { clock, works, fails, said, times } = start();
    await times(3, fails);
    await clock.advance(RECOVERY_MS);
    await fails();
    await clock.advance(RECOVERY_MS - 1);
    expect([await works(), said.length]).toEqual([SKIPPED, 1]);
  });

  test.each([
    [WINDOW_MS - 1, false],
    [WINDOW_MS, true],
  ])("three times within a minute is skipped: with the first %d ms ago it is there: %p", async (ms, isThere) => {
    const { clock, gate, fails } = start();
    await fails();
    await clock.advance(ms);
    await fails();
    await fails();
    expect(gate.available).toBe(isThere);
  });

  test.each<StoreOperation>(["delete", "stranger's delete", "stranger's read"])(
    "at every %s is skipped as well",
    async (kind) => {
      const { gate, fails, times } = start();
      await times(3, () => fails(kind));
      expect(gate.available).toBe(false);
    },
  );

  test.each<StoreOperation>(["read", "set", "delete", "stranger's read"])("is found again by a %s", async (kind) => {
    const { clock, gate, works, fails, times, said } = start();
    await times(3, fails);
    expect(await works(kind)).toBe(SKIPPED);
    await clock.advance(RECOVERY_MS);
    expect([await works(kind), gate.available, said.at(-1)]).toEqual(["done", true, [true]]);
  });
});

describe("A store that takes no entries", () => {
  test("is offered none for a second after three, and read and deleted from meanwhile", async () => {
    const { clock, gate, works, fails, times } = start();
    await times(3, () => fails("set"));
    expect([await works("set"), await works("read"), await works("delete")]).toEqual([SKIPPED, "done", "done"]);
    expect(gate.available).toBe(true);
    await clock.advance(RECOVERY_MS);
    expect([await works("set"), await works("set")]).toEqual(["done", "done"]);
  });

  test("is told of once four have failed in a row, with the last error, and when it takes the next", async () => {
    const { clock, gate, works, fails, times, saidOfWrites } = start();
    await times(3, () => fails("set"));
    await clock.advance(RECOVERY_MS);
    expect([gate.takesWrites, saidOfWrites]).toEqual([true, []]);
    await fails("set", new Error("full"));
    expect([gate.takesWrites, saidOfWrites]).toEqual([false, [[false, "full"]]]);
    await clock.advance(RECOVERY_MS);
    await works("set");
    expect([gate.takesWrites, saidOfWrites]).toEqual([true, [[false, "full"], [true]]]);
  });

  test.each<StoreOperation>(["delete", "stranger's delete"])("nor a %s, is told of as well", async (kind) => {
    const { gate, works, fails, saidOfWrites } = start();
    for (let time = 0; time < 4; time++) {
      await fails(kind);
      await works("read");
    }
    expect([gate.takesWrites, saidOfWrites]).toEqual([false, [[false, "out of order"]]]);
    await works(kind);
    expect(gate.takesWrites).toBe(true);
  });

  test("but can be deleted from takes writes, however often it cannot be read", async () => {
    const { gate, works, fails, times, saidOfWrites } = start();
    await times(9, async () => {
      await fails("read");
      await works("delete");
    });
    expect([gate.takesWrites, saidOfWrites]).toEqual([true, []]);
  });

  test("because it cannot be reached says so to all that write at once", async () => {
    const { gate, fails } = start();
    const offline = new NotConnectedError();
    const outcomes = await Promise.all(Array.from({ length: 5 }, () => fails("set", offline)));
    expect([new Set(outcomes), gate.available]).toEqual([new Set([offline.message]), false]);
  });

  test("because it cannot be reached is lost, and no sign of one that is full", async () => {
    const { clock, gate, works, fails, times, said, saidOfWrites } = start();
    await times(3, () => fails("set", new NotConnectedError()));
    expect([gate.available, said.length]).toEqual([false, 1]);
    await clock.advance(RECOVERY_MS);
    expect([await works("read"), await works("set")]).toEqual(["done", "done"]);
    await times(4, async () => {
      await fails("delete", new NotConnectedError());
      await works("read");
    });
    expect(saidOfWrites).toEqual([]);
  });

  test("while it is lost is no sign of that either", async () => {
    const { clock, works, fails, times, saidOfWrites } = start();
    await times(3, fails);
    await times(4, async () => {
      await clock.advance(RECOVERY_MS);
      await fails("delete");
    });
    await clock.advance(RECOVERY_MS);
    await works("read");
    await fails("delete");
    expect(saidOfWrites).toEqual([]);
  });
});

describe("What strangers bring about", () => {
  test("and is slow counts for nothing while the store is well otherwise: for a second", async () => {
    const { gate, works, hangs, times } = start();
    await works("read");
    await times(9, () => hangs("stranger's read"));
    await times(10, () => hangs("stranger's delete"));
    expect(gate.available).toBe(true);
    // It was well a second ago when the next one is given up.
    await times(2, () => hangs("stranger's read"));
    expect(gate.available).toBe(true);
    await hangs("stranger's read");
    expect(gate.available).toBe(false);
  });

  test("and is slow is no sign of a store that takes no deletions, while it is well otherwise", async () => {
    const { gate, works, hangs, times, saidOfWrites } = start();
    await works("read");
    await times(9, () => hangs("stranger's delete"));
    expect([gate.takesWrites, saidOfWrites]).toEqual([true, []]);
  });

  test("and is slow counts for nothing for a second after the store has said that it is there", async () => {
    const { store, succeed, pong } = connecting();
    const { clock, gate, hangs, times } = start(store);
    succeed();
    await gate.ready();
    await clock.advance(10_000);
    pong();
    await times(21, () => hangs("stranger's read"));
    expect(gate.available).toBe(true);
    await hangs("stranger's read");
    expect(gate.available).toBe(false);
  });

  test.each<StoreOperation>(["set", "delete"])(
    "and is slow counts for nothing for a second after a %s",
    async (kind) => {
      const { gate, works, hangs, times } = start();
      await works(kind);
      await times(21, () => hangs("stranger's read"));
      expect(gate.available).toBe(true);
      await hangs("stranger's read");
      expect(gate.available).toBe(false);
    },
  );

  test("and works is no sign that it is well", async () => {
    const { gate, works, hangs, times } = start();
    await works("stranger's read");
    await works("stranger's delete");
    await times(3, () => hangs("stranger's read"));
    expect(gate.available).toBe(false);
  });

  test("and fails counts, however well it is", async () => {
    const { gate, works, fails, times } = start();
    await works("read");
    await times(3, () => fails("stranger's read"));
    expect(gate.available).toBe(false);
  });

  test("and a slow read of known users counts, however well it is", async () => {
    const { gate, works, hangs, times } = start();
    await works("read");
    await times(3, () => hangs("read"));
    expect(gate.available).toBe(false);
  });

  test("takes the place of no known user that is to show whether a lost store is back", async () => {
    const { clock, gate, run, works, fails, times } = start();
    const slow = () => new Promise(() => undefined);
    await times(3, fails);
    await clock.advance(RECOVERY_MS);
    const stranger = run(slow, "stranger's read");
    expect([await works("stranger's read"), await works("read"), gate.available]).toEqual([SKIPPED, "done", true]);
    await clock.advance(OPERATION_MS);
    expect([await stranger, gate.available]).toEqual([SLOW, true]);
  });

  test("is passed by an entry that a lost store takes: that shows it is back", async () => {
    const { clock, gate, run, works, fails, times } = start();
    await times(3, fails);
    await clock.advance(RECOVERY_MS);
    void run(() => new Promise(() => undefined), "stranger's read");
    expect([await works("set"), gate.available]).toEqual(["done", true]);
    await clock.advance(OPERATION_MS);
  });

  test("has 128 reads at once, whatever others read, and any number of deletions", async () => {
    const { run, works, fails } = start();
    for (const kind of ["read", "delete", "stranger's read", "stranger's delete"] as const) {
      await fails(kind);
      await works(kind);
    }
    let letGo: () => void = () => undefined;
    const held = new Promise<string>((resolve) => {
      letGo = () => resolve("let go");
    });
    const known = Array.from({ length: 128 }, () => run(() => held, "read"));
    const reads = Array.from({ length: 128 }, () => run(() => held, "stranger's read"));
    expect(await works("stranger's read")).toBe("too many strangers look into the shared cache");
    expect([await works("stranger's delete"), await works("read")]).toEqual(["done", "done"]);
    letGo();
    expect(new Set(await Promise.all([...reads, ...known]))).toEqual(new Set(["let go"]));
    expect(await works("stranger's read")).toBe("done");
  });
});

describe("A store that is still connecting", () => {
  test("is not available, and what fails meanwhile counts for nothing", async () => {
    const { store, succeed } = connecting();
    const { gate, works, fails, times, said, saidOfWrites } = start(store);
    await times(5, () => fails("read"));
    await times(5, () => fails("set"));
    await times(5, () => fails("delete"));
    expect([gate.available, await works("read"), await works("set")]).toEqual([false, "done", "done"]);
    succeed();
    await gate.ready();
    expect([gate.available, said, saidOfWrites]).toEqual([true, [], []]);
    await times(3, fails);
    expect(gate.available).toBe(false);
  });

  test("has not lost what it has not had", async () => {
    const { store, fail } = connecting();
    const { gate } = start(store);
    expect([gate.available, gate.isLost]).toEqual([false, false]);
    fail(new Error("ECONNREFUSED"));
    await settle();
    expect([gate.available, gate.isLost]).toEqual([false, true]);
  });

  test("is not skipped because there is no connection yet, nor because strangers' looks are slow", async () => {
    const { store } = connecting();
    const { works, fails, hangs, times, said, saidOfWrites } = start(store);
    await times(5, () => fails("read", new NotConnectedError()));
    await times(5, () => fails("set", new NotConnectedError()));
    await times(5, () => fails("delete", new NotConnectedError()));
    await times(5, () => hangs("stranger's read"));
    expect([await works("read"), await works("set"), said, saidOfWrites]).toEqual(["done", "done", [], []]);
  });

  test("and does not make it is said to be gone, with the reason, and tried a second later", async () => {
    const { store, fail } = connecting();
    const { clock, gate, works, said } = start(store);
    fail(new Error("ECONNREFUSED"));
    await gate.ready();
    await settle();
    expect([gate.available, said, await works()]).toEqual([false, [[false, "ECONNREFUSED"]], SKIPPED]);
    await clock.advance(RECOVERY_MS);
    expect([await works(), gate.available]).toEqual(["done", true]);
  });

  test("is waited for until it is there, or not; one that says nothing of it is there", async () => {
    const { store, succeed } = connecting();
    const { gate } = start(store);
    const ready = watchEnd(gate.ready());
    await settle();
    expect(ready.isOver).toBe(false);
    succeed();
    await settle();
    expect(ready.isOver).toBe(true);
    const other = start().gate;
    await other.ready();
    expect(other.available).toBe(true);
  });
});

describe("A new connection", () => {
  async function lost() {
    const { store, succeed, connected } = connecting();
    const made = start(store);
    succeed();
    await made.gate.ready();
    await made.times(3, () => made.fails("set"));
    await made.times(3, made.fails);
    return { ...made, connected };
  }

  test("is used at once for reads and writes, and the store is back when one of them works", async () => {
    const { gate, works, connected, said } = await lost();
    expect([await works("read"), await works("set")]).toEqual([SKIPPED, SKIPPED]);
    connected();
    expect(gate.available).toBe(false);
    expect([await works("set"), gate.available, said.at(-1)]).toEqual(["done", true, [true]]);
  });

  test("is not blamed for what was under way on the one before, nor praised", async () => {
    const { store, succeed, connected } = connecting();
    const { gate, run, fails, times, said } = start(store);
    succeed();
    await gate.ready();
    const ends: { resolve(): void; reject(error: Error): void }[] = [];
    const underWay = () => run(() => new Promise<void>((resolve, reject) => void ends.push({ resolve, reject })));
    const cutOff = [underWay(), underWay(), underWay()];
    connected();
    for (const { reject } of ends.splice(0)) reject(new Error("cut off"));
    await Promise.all(cutOff);
    expect([gate.available, said]).toEqual([true, []]);
    const late = underWay();
    await times(3, fails);
    connected();
    for (const { resolve } of ends.splice(0)) resolve();
    await late;
    expect([gate.available, said.length]).toEqual([false, 1]);
    const later = underWay();
    connected();
    await times(3, fails);
    ends[0]?.resolve();
    await later;
    expect([gate.available, said.length]).toEqual([false, 1]);
  });

  test("proves the store well for a second: a stranger's slow read counts for nothing", async () => {
    const { clock, gate, works, hangs, times, connected } = await lost();
    connected();
    await works("stranger's read");
    await times(3, () => hangs("stranger's read"));
    expect(gate.available).toBe(true);
    await clock.advance(RECOVERY_MS);
    await times(3, () => hangs("stranger's read"));
    expect(gate.available).toBe(false);
  });
});

test("A gate says nothing where nobody listens.", async () => {
  const clock = new ManualClock();
  const gate = new StoreGate({ store: {} as SharedStore, clock });
  for (let time = 0; time < 3; time++) {
    await expect(gate.run(() => Promise.reject(new Error("gone")), "delete")).rejects.toThrow("gone");
  }
  expect(gate.available).toBe(false);
  await gate.close([]);
});

test("Errors are counted by who says so: Redis itself, also when it was connected to, or the network.", async () => {
  const errors = newStoreErrors();
  const options = { store: {} as SharedStore, clock: new ManualClock(), onTransition: () => undefined, errors };
  const gate = new StoreGate(options);
  const causes = [
    new Error("READONLY You can't write against a read only replica."),
    Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:6379"), { code: "ECONNREFUSED" }),
  ];
  for (const cause of causes)
    await gate.run(() => Promise.reject(new NotConnectedError(cause)), "read").catch(() => undefined);
  expect(errors).toEqual({ timeout: 0, not_connected: 1, refused: 1, other: 0 });
});

test("A gate bounds what it is given as it bounds operations, and counts none of it.", async () => {
  const { clock, gate, times } = start();
  const limited = (promise: Promise<unknown>) => gate.limit(promise).catch((error: Error) => error.message);
  expect(await limited(Promise.resolve("done"))).toBe("done");
  expect(await limited(Promise.reject(new Error("out of order")))).toBe("out of order");
  const slow = limited(new Promise(() => undefined));
  const end = watchEnd(slow);
  await clock.advance(OPERATION_MS - 1);
  expect(end.isOver).toBe(false);
  await clock.advance(1);
  expect(await slow).toBe(SLOW);
  await times(3, () => limited(Promise.reject(new Error("out of order"))));
  expect(gate.available).toBe(true);
});

describe("A gate that is closed", () => {
  test("lets nothing through, and waits for what is under way, no longer than for any operation", async () => {
    const { store, listeners, succeed } = connecting();
    const { clock, gate, works } = start(store);
    succeed();
    await gate.ready();
    expect(listeners.length).toBe(1);
    let closed = false;
    const closing = gate.close([Promise.reject(new Error("no")), new Promise(() => undefined)]).then(() => {
      closed = true;
    });
    expect(await works()).toBe(SKIPPED);
    await clock.advance(OPERATION_MS - 1);
    expect([closed, listeners.length]).toEqual([false, 1]);
    await clock.advance(1);
    await closing;
    expect([closed, listeners, clock.pending]).toEqual([true, [], 0]);
  });
});
