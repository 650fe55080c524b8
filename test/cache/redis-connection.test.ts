import { describe, expect, test } from "@jest/globals";
import { isElsewhere, RedisConnection, type RedisConnectionOptions } from "../../src/cache/redis-connection.js";
import { MAX_REPLY_BYTES } from "../../src/cache/reply-guard.js";
import { LostError, NotConnectedError } from "../../src/cache/store-error.js";
import { FakeWire } from "../support/fake-wire.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { rejectionOf } from "../support/rejection.js";

const LOADING = new Error("LOADING Redis is loading the dataset in memory");
const READONLY = new Error("READONLY You can't write against a read only replica.");
const MASTERDOWN = new Error("MASTERDOWN Link with MASTER is down");
const CLUSTERDOWN = new Error("CLUSTERDOWN Hash slot not served");
const NOAUTH = new Error("NOAUTH Authentication required.");
const MOVED = new Error("MOVED 7 127.0.0.1:7001");
const ASK = new Error("ASK 7 127.0.0.1:7001");
const CROSSSLOT = new Error("CROSSSLOT Keys in request don't hash to the same slot");
const NOPERM = new Error("NOPERM this user has no permissions to run the 'unlink' command");
const RESET = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
const LOST = new Error("the connection was lost");

/** Notes of each timer whether it keeps the process alive. */
class NotingClock extends ManualClock {
  readonly timers: (readonly [ms: number, background: boolean])[] = [];

  override setTimeout(callback: () => void, ms: number, { background = false } = {}) {
    this.timers.push([ms, background]);
    return super.setTimeout(callback, ms);
  }
}

interface Setting {
  wire?: FakeWire;
  isInCluster?: boolean;
  options?: Partial<RedisConnectionOptions>;
}

/** A connection that is not open yet, and all that it tells. */
function connect({ wire = new FakeWire(), isInCluster = false, options }: Setting = {}) {
  const clock = new NotingClock();
  const ends: unknown[] = [];
  const told: string[] = [];
  const cluster = { proofKey: () => "portero:1:none{7}", onMoved: () => void told.push("moved") };
  const connection = new RedisConnection(wire, {
    clock,
    pingIntervalMs: 10_000,
    onPong: () => void told.push("pong"),
    onEnd: (error) => void ends.push(error),
    onCluster: () => void told.push("cluster"),
    ...(isInCluster && { cluster }),
    ...options,
  });
  const remove = (key = "key") => connection.run((each) => each.delete(key));
  return { clock, wire, connection, ends, told, remove };
}

/** The same, which can be used. */
async function open(setting?: Setting) {
  const opened = connect(setting);
  const opening = opened.connection.open();
  opened.wire.reply();
  await settle();
  opened.wire.reply(false);
  await opening;
  return opened;
}

describe("A connection that is being opened", () => {
  test.each([
    [false, "portero:1:none"],
    [true, "portero:1:none{7}"],
  ])("can be used when Redis has let it in, and deleted a key: of a cluster %s", async (isInCluster, key) => {
    const { clock, wire, connection, ends, told } = connect({ isInCluster });
    const read = () => connection.run((each) => each.getAll(["a", "b"]));
    const opening = connection.open();
    expect(await rejectionOf(read())).toBeInstanceOf(NotConnectedError);
    wire.reply();
    await settle();
    expect(await rejectionOf(read())).toBeInstanceOf(NotConnectedError);
    expect(wire.asked).toEqual(["connect", `delete ${key}`]);
    wire.reply(false);
    await expect(opening).resolves.toBeUndefined();
    const reading = read();
    wire.reply(["1", null]);
    await expect(reading).resolves.toEqual(["1", null]);
    expect(wire.asked).toEqual(["connect", `delete ${key}`, "getAll a b"]);
    await clock.advance(9000);
    expect([ends, told, wire.destroyed]).toEqual([[], [], 0]);
  });

  test.each([
    ["it was not let in", false],
    ["it has not proved itself", true],
  ])("is given up when %s within 1000 ms", async (_what, isLetIn) => {
    const { clock, wire, connection, ends } = connect();
    const opening = rejectionOf(connection.open());
    await clock.advance(600);
    if (isLetIn) wire.reply();
    await clock.advance(399);
    expect([ends, wire.asked.length]).toEqual([[], isLetIn ? 2 : 1]);
    await clock.advance(1);
    expect(ends).toEqual([new Error("Redis does not answer")]);
    expect(await opening).toBeInstanceOf(Error);
    expect([wire.destroyed, clock.pending]).toEqual([1, 0]);
  });

  test.each([
    ["letting it in", 0],
    ["its proof", 1],
  ])("rejects with the failure of %s, and has ended", async (_what, replies) => {
    for (const failure of [RESET, READONLY, MASTERDOWN, CLUSTERDOWN, NOAUTH]) {
      const { clock, wire, connection, ends, told, remove } = connect();
      const opening = rejectionOf(connection.open());
      for (let n = 0; n < replies; n++) wire.reply();
      await settle();
      wire.refuse(failure);
      expect(await opening).toBe(failure);
      expect(ends).toHaveLength(1);
      expect(ends[0]).toBe(failure);
      expect([wire.destroyed, clock.pending, told]).toEqual([1, 0, []]);
      expect(await rejectionOf(remove())).toBeInstanceOf(NotConnectedError);
    }
  });

  test.each<[string, Error, boolean, boolean, readonly string[]]>([
    ["its user may not delete, and says nothing of that", NOPERM, false, false, []],
    ["the keys lie on several masters, and says nothing of that", MOVED, false, false, ["cluster"]],
    ["it is loading, and tells", LOADING, false, true, []],
    ["it is loading, and tells, in a cluster", LOADING, true, true, []],
    ["its cluster is down, and tells", CLUSTERDOWN, true, true, ["moved"]],
    ["its user may not delete, and says nothing of that, in a cluster", NOPERM, true, false, []],
    ["the slot is on its way, and says nothing of that", ASK, true, false, []],
  ])("can be used where Redis says that %s", async (_what, refusal, isInCluster, tells, expected) => {
    const { clock, wire, connection, ends, told, remove } = connect({ isInCluster });
    const opening = connection.open();
    wire.reply();
    await settle();
    wire.refuse(refusal);
    expect(await opening).toBe(tells ? refusal : undefined);
    const removing = remove();
    wire.reply(true);
    await expect(removing).resolves.toBe(true);
    await clock.advance(2000);
    expect([ends, told]).toEqual([[], expected]);
  });

  test("has ended where a master says that another one has its slots, which is told", async () => {
    const { clock, wire, connection, ends, told } = connect({ isInCluster: true });
    const opening = rejectionOf(connection.open());
    wire.reply();
    await settle();
    wire.refuse(MOVED);
    expect(await opening).toBe(MOVED);
    expect([ends, told, wire.destroyed, clock.pending]).toEqual([[MOVED], ["moved"], 1, 0]);
  });

  test("stays ended, whatever is answered afterwards", async () => {
    const wire: FakeWire = new FakeWire(async (command) => {
      if (command !== "connect") wire.fail(RESET);
    });
    const { clock, connection, ends, remove } = connect({ wire });
    await expect(connection.open()).rejects.toThrow("the connection ended");
    expect(await rejectionOf(remove())).toBeInstanceOf(NotConnectedError);
    expect([ends, wire.destroyed, clock.pending]).toEqual([[RESET], 1, 0]);
  });

  test("has ended when something comes in that can be no answer", async () => {
    const { wire, connection, ends } = connect();
    const opening = rejectionOf(connection.open());
    expect(wire.receive("+OK\r\n")).toBe(true);
    expect(wire.receive("HTTP/1.1 400 Bad Request\r\n")).toBe(false);
    expect(await opening).toBeInstanceOf(Error);
    expect(ends).toEqual([new Error("Redis sent what can be no answer")]);
  });
});

describe("The error of an operation", () => {
  test.each([NOPERM, LOADING, RESET, new Error("ERR unknown command")])(
    "is that of Redis or its client, and the connection stays: %s",
    async (error) => {
      const { wire, remove, ends, told } = await open();
      const removing = rejectionOf(remove());
      wire.refuse(error);
      expect(await removing).toBe(error);
      expect([ends, told, wire.destroyed]).toEqual([[], [], 0]);
    },
  );

  test.each([
    ...[READONLY, MASTERDOWN, CLUSTERDOWN, NOAUTH].map((refusal) => [refusal, false] as const),
    ...[READONLY, MASTERDOWN, NOAUTH].map((refusal) => [refusal, true] as const),
  ])(
    "says that there is no connection, with the code, where another Redis must be found: %s (in a cluster: %s)",
    async (refusal, isInCluster) => {
      const { clock, wire, remove, ends } = await open({ isInCluster });
      const removing = rejectionOf(remove());
      wire.refuse(refusal);
      const error = await removing;
      expect(error).toBeInstanceOf(NotConnectedError);
      expect(error).not.toBeInstanceOf(LostError);
      expect((error as NotConnectedError).cause).toBe(refusal);
      expect(ends).toHaveLength(1);
      expect(ends[0]).toBe(refusal);
      expect([wire.destroyed, clock.pending]).toEqual([1, 0]);
      expect(wire.receive("+OK\r\n")).toBe(false); // whatever comes later is not decoded
    },
  );

  test("says that it is lost where the connection ends meanwhile", async () => {
    const { clock, wire, connection, remove, ends } = await open();
    const lost = [rejectionOf(remove()), rejectionOf(remove())];
    connection.end(RESET);
    connection.end(READONLY);
    for (const error of await Promise.all(lost)) {
      expect(error).toBeInstanceOf(LostError);
      expect(error).toMatchObject({ code: undefined, cause: undefined });
    }
    expect(ends).toEqual([LOST]);
    expect([wire.destroyed, clock.pending]).toEqual([1, 0]);
    const later = await rejectionOf(remove());
    expect(later).toBeInstanceOf(NotConnectedError);
    expect(later).not.toBeInstanceOf(LostError);
    expect(wire.asked).toEqual(["connect", "delete portero:1:none", "delete key", "delete key"]);
  });

  test("does not say that it is lost where Redis had refused it", async () => {
    const wire = new FakeWire(async (command) => {
      if (command === "delete key") throw READONLY;
    });
    const { connection, remove, ends } = connect({ wire });
    await connection.open();
    const errors = await Promise.all([rejectionOf(remove()), rejectionOf(remove())]);
    expect(errors.map((error) => error instanceof LostError)).toEqual([false, false]);
    expect(errors).toMatchObject([{ code: "READONLY" }, { code: "READONLY" }]);
    expect(ends).toEqual([READONLY]);
  });

  test("is that of a master about its slots or its cluster, and the connection stays", async () => {
    const { wire, remove, ends } = await open({ isInCluster: true });
    for (const refusal of [MOVED, ASK, CLUSTERDOWN, CROSSSLOT]) {
      const removing = rejectionOf(remove());
      wire.refuse(refusal);
      expect(await removing).toBe(refusal);
    }
    expect(ends).toEqual([]);
  });
});

describe("A refusal that speaks of a cluster is told:", () => {
  test.each<[string, Error, readonly string[], readonly string[]]>([
    ["MOVED", MOVED, ["cluster"], ["moved"]],
    ["ASK", ASK, ["cluster"], []],
    ["CROSSSLOT", CROSSSLOT, ["cluster"], []],
    ["CLUSTERDOWN", CLUSTERDOWN, [], ["moved"]],
    ["READONLY", READONLY, [], []],
    ["LOADING", LOADING, [], []],
    ["an error without a code", new Error("Socket closed"), [], []],
  ])("%s", async (_code, refusal, alone, inCluster) => {
    for (const [isInCluster, expected] of [
      [false, alone],
      [true, inCluster],
    ] as const) {
      const { wire, remove, told } = await open({ isInCluster });
      const removing = rejectionOf(remove());
      wire.refuse(refusal);
      await removing;
      expect(told).toEqual(expected);
    }
  });

  test("to nobody, where nobody asks", async () => {
    const { wire, remove } = await open({ options: { onCluster: undefined as never } });
    const removing = rejectionOf(remove());
    wire.refuse(MOVED);
    expect(await removing).toBe(MOVED);
  });
});

test.each([
  [READONLY, true],
  [MASTERDOWN, true],
  [CLUSTERDOWN, true],
  [NOAUTH, true],
  [MOVED, false],
  [RESET, false],
  [new Error("it says READONLY in the middle"), false],
  [undefined, false],
])("Whether Redis is not the one to ask is told by the code of its answer: %s", (error, expected) => {
  expect(isElsewhere(error)).toBe(expected);
});

describe("A Redis that is silent", () => {
  test("for 600 ms after it was asked is left, and its operations are lost", async () => {
    const { clock, wire, remove, ends } = await open();
    const removing = rejectionOf(remove());
    await clock.advance(599);
    expect(ends).toEqual([]);
    await clock.advance(1);
    expect(ends).toEqual([LOST]);
    expect(await removing).toBeInstanceOf(LostError);
    expect([wire.destroyed, clock.pending]).toEqual([1, 0]);
  });

  test.each([
    ["answers", (wire: FakeWire) => wire.reply(true)],
    ["refuses", (wire: FakeWire) => wire.refuse(NOPERM)],
  ])("is not left while it %s, in order, however much still waits", async (_how, answer) => {
    const { clock, wire, remove, ends } = await open();
    const removing = Array.from({ length: 6 }, () => rejectionOf(remove()));
    for (let n = 0; n < 5; n++) {
      await clock.advance(500);
      answer(wire);
    }
    await clock.advance(500); // the watch began anew at 600, 1200, 1800, 2400 and 3000 ms
    expect(ends).toEqual([]);
    await clock.advance(599);
    expect(ends).toEqual([]);
    await clock.advance(1);
    expect(ends).toEqual([LOST]);
    expect(await removing[5]).toBeInstanceOf(LostError);
  });

  test("may be silent while it was not asked, and is watched anew when it is", async () => {
    const { clock, wire, remove, ends } = await open();
    const removing = remove();
    await clock.advance(1);
    wire.reply(true);
    await removing;
    await clock.advance(3000);
    expect([ends, clock.pending]).toEqual([[], 1]); // for its next ping
    void rejectionOf(remove());
    await clock.advance(599);
    expect(ends).toEqual([]);
    await clock.advance(1);
    expect(ends).toEqual([LOST]);
  });

  test("is watched by one timer for all operations", async () => {
    const { clock, connection, remove } = await open();
    const before = clock.pending;
    const removing = Array.from({ length: 20 }, () => rejectionOf(remove()));
    expect(clock.pending - before).toBe(1);
    connection.end(RESET);
    await Promise.all(removing);
    expect(clock.pending).toBe(0);
  });
});

describe("Bytes that come in", () => {
  const line = "+OK\r\n";
  /** An honest reply of so many bytes. */
  const replyOf = (bytes: number) => {
    const length = bytes - "$8388596\r\n".length - 2;
    return Buffer.concat([Buffer.from(`$${length}\r\n`), Buffer.alloc(length, "x"), Buffer.from("\r\n")]);
  };
  const HALF = replyOf(MAX_REPLY_BYTES / 2);

  test("are decoded while they make sense, and end the connection when they do not", async () => {
    const { clock, wire, remove, ends } = await open();
    const removing = rejectionOf(remove());
    expect(wire.receive(line)).toBe(true);
    expect(wire.receive("%1\r\n")).toBe(false);
    expect(await removing).toBeInstanceOf(LostError);
    expect([ends, wire.destroyed, clock.pending]).toEqual([[LOST], 1, 0]);
    expect(wire.receive(line)).toBe(false);
  });

  test("may be as many as those of the longest answer while an operation waits in vain, and no more", async () => {
    const { clock, wire, remove, ends } = await open();
    expect([wire.receive(HALF), wire.receive(HALF), wire.receive(HALF)]).toEqual([true, true, true]); // nothing waits
    void rejectionOf(remove());
    await clock.advance(51);
    expect([wire.receive(HALF), wire.receive(HALF)]).toEqual([true, true]);
    expect(ends).toEqual([]);
    expect(wire.receive("+")).toBe(false);
    expect(ends).toEqual([LOST]);
  });

  test("may be any number until an operation's caller has given it up, after 50 ms", async () => {
    const { clock, wire, remove, ends } = await open();
    void rejectionOf(remove());
    await clock.advance(50);
    expect([wire.receive(HALF), wire.receive(HALF), wire.receive(HALF)]).toEqual([true, true, true]);
    await clock.advance(1);
    expect(wire.receive(line)).toBe(false);
    expect(ends).toEqual([LOST]);
  });

  test("are counted for the operation that has waited longest", async () => {
    const { clock, wire, remove } = await open();
    const first = remove();
    const second = rejectionOf(remove());
    await clock.advance(51);
    expect([wire.receive(HALF), wire.receive(HALF)]).toEqual([true, true]);
    wire.reply(true);
    await first;
    const third = rejectionOf(remove());
    expect(wire.receive(line)).toBe(false); // the second one has waited for as long as the first
    expect(await second).toBeInstanceOf(LostError);
    expect(await third).toBeInstanceOf(LostError);
  });
});

describe("A connection at rest", () => {
  test("asks for a sign of life once in an interval, as it proved itself", async () => {
    const { clock, wire, told } = await open({ options: { pingIntervalMs: 30_000 } });
    await clock.advance(29_999);
    expect(wire.asked).toHaveLength(2);
    for (let n = 0; n < 3; n++) {
      await clock.advance(n === 0 ? 1 : 30_000);
      expect(wire.asked.slice(2)).toEqual(Array.from({ length: n + 1 }, () => "delete portero:1:none"));
      wire.reply(false);
    }
    await settle();
    expect(told).toEqual(["pong", "pong", "pong"]);
  });

  test("asks an interval after the last answer, of whatever kind, and not before", async () => {
    const { clock, wire, remove } = await open();
    for (const answer of [() => wire.reply(true), () => wire.refuse(NOPERM)]) {
      await clock.advance(9000);
      const removing = rejectionOf(remove());
      await clock.advance(500);
      answer();
      await removing;
    }
    const before = wire.asked.length;
    await clock.advance(9999);
    expect(wire.asked).toHaveLength(before);
    await clock.advance(1);
    expect(wire.asked).toHaveLength(before + 1);
  });

  test("asks an interval after it was opened, however long that took", async () => {
    const wire = new FakeWire();
    const { clock, connection } = connect({ wire });
    const opening = connection.open();
    await clock.advance(900);
    wire.reply();
    await settle();
    wire.reply(false);
    await opening;
    await clock.advance(9999);
    expect(wire.asked).toHaveLength(2);
    await clock.advance(1);
    expect(wire.asked).toHaveLength(3);
  });

  test.each<[string, number, Error | undefined, boolean]>([
    ["tells of one", 49, undefined, true],
    ["tells of none that came after an operation would have been given up", 50, undefined, false],
    ["tells of one whose user may not delete", 0, NOPERM, true],
    ["tells of none while Redis is loading", 0, LOADING, false],
  ])("%s (after %d ms)", async (_what, ms, refusal, isTold) => {
    const { clock, wire, told, ends } = await open();
    await clock.advance(10_000);
    await clock.advance(ms);
    if (refusal) wire.refuse(refusal);
    else wire.reply(false);
    await settle();
    expect([told, ends]).toEqual([isTold ? ["pong"] : [], []]);
  });

  test("tells of no sign of life in a cluster that is down, or has its slots elsewhere, and stays", async () => {
    const { clock, wire, told, ends } = await open({ isInCluster: true });
    for (const refusal of [CLUSTERDOWN, MOVED]) {
      await clock.advance(10_000);
      wire.refuse(refusal);
      await settle();
    }
    expect(wire.asked.slice(2)).toEqual(["delete portero:1:none{7}", "delete portero:1:none{7}"]);
    expect([told, ends]).toEqual([["moved", "moved"], []]);
  });

  test.each([
    ["that says that it is no primary", (wire: FakeWire) => wire.refuse(READONLY), READONLY, 0],
    ["that is silent", () => undefined, LOST, 600],
  ])("leaves a Redis %s", async (_what, answer, expected, afterMs) => {
    const { clock, wire, told, ends } = await open();
    await clock.advance(10_000);
    answer(wire);
    await clock.advance(afterMs);
    expect([ends, told, wire.destroyed, clock.pending]).toEqual([[expected], [], 1, 0]);
    expect(wire.asked).toHaveLength(3);
  });

  test("keeps no process alive, and neither does an operation that waits; being opened does", async () => {
    const { clock, connection, remove } = await open();
    void rejectionOf(remove());
    await clock.advance(10_000 - 1);
    connection.end(RESET);
    expect(clock.timers).toEqual([
      [1000, false],
      [10_000, true],
      [600, true],
      [0, true], // a turn more, in which an answer may be read
    ]);
  });
});

test("A connection that its client says is over ends once, whatever else is said of it.", async () => {
  const { clock, wire, ends } = await open();
  wire.fail(RESET);
  wire.fail(READONLY);
  expect([ends, wire.destroyed, clock.pending]).toEqual([[LOST], 1, 0]);
});
