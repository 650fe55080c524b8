import { describe, expect, test } from "@jest/globals";
import { LogReader } from "../../src/cache/log-reader.js";
import { FakeLog } from "../support/fake-log.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { afterwards } from "../support/open-client.js";

/**
 * A reader that follows a stream of so many entries.
 *
 * @param refusal what connecting fails with at first; default: it does not fail
 */
async function follow({ entries = 1, refusal }: { entries?: number; refusal?: Error } = {}) {
  const clock = new ManualClock();
  const log = new FakeLog(clock);
  log.refusal = refusal;
  for (let n = 0; n < entries; n++) log.add(`before-${n}`);
  const heard: (string | undefined)[] = [];
  const states: string[] = [];
  const checks: boolean[] = [];
  const counts = { doubts: 0, gaps: 0 };
  /** Of each gap, whether it was found missing by what was read first of another master. */
  const gapsOfOther: boolean[] = [];
  const reader = new LogReader({
    wire: log,
    clock,
    socketClock: clock,
    random: () => 0,
    onRecords: (records) => heard.push(...records.map(({ text }) => text)),
    onDoubt: () => void counts.doubts++,
    onGap: (isOther) => {
      counts.gaps++;
      gapsOfOther.push(isOther);
    },
    onConnected: async (_connection, isOther) => void checks.push(isOther),
    onChange: (state) => states.push(state),
  });
  afterwards(() => reader.close());
  reader.start();
  await settle();
  return { clock, log, reader, heard, states, checks, counts, gapsOfOther };
}

describe("A reader of the log", () => {
  test("begins behind what was told before, and says that what was kept before is in doubt", async () => {
    const { log, reader, heard, counts } = await follow({ entries: 3 });
    expect([heard, reader.state, counts]).toEqual([[], "live", { doubts: 1, gaps: 0 }]);
    log.add("after");
    await settle();
    expect(heard).toEqual(["after"]);
    expect(log.commands).toEqual(["connect", "tail", "read 3-0", "read 3-0 2400", "read 4-0 2400"].slice(0, -1));
  });

  test("is behind until it has read, and ready when it has tried: that it could not is no change", async () => {
    const { reader, states } = await follow({ refusal: new Error("out of reach") });
    let isReady = false;
    void reader.ready.then(() => (isReady = true));
    await settle();
    expect([reader.state, states, isReady]).toEqual(["behind", [], true]);
  });

  test("proves once in 2.4 s that nothing is missing: two commands in that time", async () => {
    const { clock, log, counts } = await follow();
    log.commands.length = 0;
    await clock.advance(24_000);
    expect(log.commands).toEqual(Array.from({ length: 10 }, () => ["read 1-0 2400", "has 1-0"]).flat());
    expect(counts.gaps).toBe(0);
  });

  test("asks for a proof after the read, not before it: what is trimmed between both is missed", async () => {
    const { clock, log, reader, heard, counts } = await follow();
    log.cut();
    log.add("trimmed");
    log.before = (command) => {
      if (command.startsWith("has")) return;
      log.records = log.records.slice(-1); // trimmed while the read is under way
    };
    log.add("kept");
    log.records = log.records.filter(({ text }) => text !== "before-0" && text !== "trimmed");
    await clock.advance(100);
    expect(heard).toEqual(["kept"]);
    expect([counts.gaps, reader.gaps, reader.state]).toEqual([1, 1, "live"]);
  });

  test("notices what was lost between a read and a proof that would have been well before", async () => {
    const { clock, log, heard, counts } = await follow();
    log.cut();
    log.before = (command) => {
      if (!command.startsWith("read")) return;
      log.before = () => undefined;
      log.records = []; // while its answer is on the way
    };
    await clock.advance(100);
    expect([heard, counts.gaps]).toEqual([[], 1]);
  });

  test("reads what was told while it was cut off, and finds no gap", async () => {
    const { clock, log, heard, counts, reader, states } = await follow();
    log.cut();
    await settle();
    for (let n = 0; n < 2500; n++) log.add(`${n}`);
    await clock.advance(100);
    expect(heard).toEqual(Array.from({ length: 2500 }, (_, n) => `${n}`));
    expect([counts.gaps, reader.state, states]).toEqual([0, "live", ["live", "behind", "live"]]);
    expect(log.commands.filter((command) => command.startsWith("has"))).toEqual(["has 1-0", "has 1001-0"]);
  });

  test.each<[string, (log: FakeLog) => void]>([
    ["was trimmed", (log) => (log.records = log.records.slice(1))],
    ["was deleted", (log) => (log.records = [])],
    ["was lost with its Redis, whose successor counts from the beginning", (log) => log.restart()],
  ])("notices that the stream %s while it was cut off, once", async (_what, lose) => {
    const { clock, log, counts, reader, heard } = await follow({ entries: 5 });
    log.cut();
    await settle();
    log.records.at(-1);
    log.add("lost");
    log.records = log.records.filter(({ text }) => text === "lost" || text === "before-4");
    lose(log);
    await clock.advance(100);
    expect([counts.gaps, reader.state]).toEqual([1, "live"]);
    log.add("next");
    await clock.advance(10_000);
    expect([counts.gaps, heard.at(-1)]).toEqual([1, "next"]);
  });

  test("notices within 2.4 s that the stream was deleted and begun anew between two reads", async () => {
    const { clock, log, counts, heard } = await follow();
    log.before = (command) => {
      if (!command.startsWith("read")) return;
      log.before = () => undefined;
      log.add("lost");
      log.records = [];
      log.add("new");
    };
    log.add("first");
    await settle();
    expect([heard, counts.gaps]).toEqual([["first", "new"], 0]);
    await clock.advance(2400);
    expect(counts.gaps).toBe(1);
  });

  test("of an empty stream leaves an entry there: while that is there, nothing was lost", async () => {
    const { clock, log, counts, reader } = await follow({ entries: 0 });
    log.cut();
    await clock.advance(100);
    expect([log.records.length, counts.gaps, reader.state]).toEqual([1, 0, "live"]);
    log.records = [];
    log.cut();
    await clock.advance(100);
    expect([counts.gaps, reader.state]).toEqual([1, "live"]);
  });

  test("goes on behind what it has read where something before that is missing", async () => {
    const { clock, log, counts } = await follow();
    log.cut();
    log.add("trimmed");
    log.add("kept");
    log.records = log.records.slice(-1);
    log.commands.length = 0;
    await clock.advance(100);
    expect([log.commands, counts]).toEqual([["connect", "read 1-0", "has 1-0"], { doubts: 1, gaps: 1 }]);
  });

  test("looks for its place where a gap has left nothing to read, and is live when it has it", async () => {
    const { clock, log, counts, states } = await follow();
    log.cut();
    log.records = [];
    log.commands.length = 0;
    await clock.advance(100);
    expect(log.commands).toEqual(["connect", "read 1-0", "has 1-0", "tail", "read 2-0"]);
    expect([counts, states]).toEqual([{ doubts: 2, gaps: 1 }, ["live", "behind", "live"]]);
  });

  test("is live while a read returned within 3 s, by both clocks", async () => {
    const { clock, log, reader } = await follow();
    let letGo = () => undefined as unknown;
    log.before = () => new Promise((resolve) => (letGo = () => resolve(undefined)));
    await clock.advance(2999);
    expect(reader.state).toBe("live");
    await clock.advance(1);
    expect(reader.state).toBe("behind");
    log.before = () => undefined;
    letGo();
    const second = await follow();
    second.clock.setWall(3000);
    expect(second.reader.state).toBe("behind");
    await second.clock.advance(2400);
    expect(second.reader.state).toBe("live");
    second.clock.setWall(-3000);
    expect(second.reader.state).toBe("behind");
  });

  test("is behind 3 s after the last read also where the wall clock was set back by as much", async () => {
    const { clock, log, reader } = await follow();
    let letGo = () => undefined as unknown;
    log.before = () => new Promise((resolve) => (letGo = () => resolve(undefined)));
    await clock.advance(3000);
    clock.setWall(-3000);
    expect(reader.state).toBe("behind");
    log.before = () => undefined;
    letGo();
  });

  test("says on each new connection whether it leads to another master", async () => {
    const { clock, log, checks } = await follow();
    log.cut();
    await clock.advance(100);
    log.master = "two";
    log.cut();
    await clock.advance(1000);
    expect(checks).toEqual([false, false, true]);
  });

  test.each([
    ["the same master", "one", false],
    ["another master", "two", true],
  ])("says of a gap that the first read of %s shows where that was", async (_which, master, isOther) => {
    const { clock, log, gapsOfOther } = await follow();
    log.master = master;
    log.records = [];
    log.cut();
    await clock.advance(100);
    expect(gapsOfOther).toEqual([isOther]);
  });

  test("lays no gap that a later read shows to the change of the master", async () => {
    const { clock, log, checks, gapsOfOther } = await follow();
    log.master = "two";
    log.cut();
    await clock.advance(100);
    expect([checks, gapsOfOther]).toEqual([[false, true], []]);
    log.records = [];
    await clock.advance(5000);
    expect(gapsOfOther).toEqual([false]);
  });

  test("leaves a connection alone when the store has a new one, and ends it where it is 3 s old: it may be lost unnoticed", async () => {
    const { clock, log, reader, states } = await follow();
    await clock.advance(2999);
    reader.renew();
    await settle();
    expect(states).toEqual(["live"]);
    await clock.advance(1);
    reader.renew();
    await settle();
    expect(states).toEqual(["live", "behind"]);
    await clock.advance(25);
    expect([states.at(-1), log.commands.filter((command) => command === "connect")]).toEqual([
      "live",
      ["connect", "connect"],
    ]);
  });

  test("begins anew over another connection when the stream was deleted, which is a gap", async () => {
    const { clock, log, reader, states, counts, gapsOfOther } = await follow();
    log.commands.length = 0;
    log.records = [];
    reader.reset();
    await clock.advance(25);
    expect(log.commands).toEqual(["connect", "tail", "read 2-0"]);
    expect([counts, gapsOfOther, states]).toEqual([{ doubts: 2, gaps: 1 }, [false], ["live", "behind", "live"]]);
  });

  test("has no connection to end while it cannot make one, whatever happens to the store and to the stream", async () => {
    const { clock, log, reader, counts } = await follow({ refusal: new Error("out of reach") });
    reader.renew();
    reader.reset();
    log.refusal = undefined;
    await clock.advance(25);
    expect([reader.state, counts]).toEqual(["live", { doubts: 1, gaps: 1 }]);
  });

  test("counts its failures anew after a connection that was well for 5 s", async () => {
    const { clock, log } = await follow();
    const connectedAt = [clock.monotonic()];
    const connect = log.connect.bind(log);
    log.connect = () => {
      connectedAt.push(clock.monotonic());
      return connect();
    };
    /** How long it waits to connect again when a connection is lost after so long. */
    const pauseAfter = async (ms: number) => {
      await clock.advance((connectedAt.at(-1) as number) + ms - clock.monotonic());
      const lostAt = clock.monotonic();
      log.cut();
      await clock.advance(500);
      return (connectedAt.at(-1) as number) - lostAt;
    };
    const pauses = [];
    for (const ms of [1000, 1000, 4999, 5000]) pauses.push(await pauseAfter(ms));
    expect(pauses).toEqual([25, 50, 100, 25]);
  });

  test("tries again after 25 ms, doubling to 1 s and more by chance, while it cannot connect", async () => {
    const { clock, log, states, reader } = await follow();
    log.refusal = new Error("refused");
    log.cut();
    log.commands.length = 0;
    await clock.advance(10_000);
    expect(log.commands.length).toBeGreaterThan(8);
    expect(log.commands.length).toBeLessThan(20);
    log.refusal = undefined;
    await clock.advance(1000);
    expect([states, reader.state]).toEqual([["live", "behind", "live"], "live"]);
  });

  test.each(["NOPERM this user has no permissions", "ERR unknown command `XREAD`"])(
    "is of no use where Redis says %j, and asks again after five minutes",
    async (message) => {
      const { clock, log, states, reader } = await follow();
      log.refusal = new Error(message);
      log.cut();
      await clock.advance(290_000);
      expect([states.at(-1), log.commands.filter((command) => command === "connect")]).toHaveLength(2);
      expect(reader.state).toBe("unusable");
      log.refusal = undefined;
      await clock.advance(10_100);
      expect(reader.state).toBe("live");
    },
  );

  test.each([
    ["ERR command not allowed", "unusable"],
    ["ERR upstream connection reset", "live"],
  ])(
    "is of no use where a proxy refuses reads, in whatever words, and is where that may pass: %s",
    async (message, state) => {
      const { clock, log, reader } = await follow();
      log.before = (command) => {
        if (command.startsWith("read")) throw new Error(message);
      };
      log.add("x");
      await settle();
      log.before = () => undefined;
      await clock.advance(10_000);
      expect(reader.state).toBe(state);
      await clock.advance(300_000);
      expect(reader.state).toBe("live");
    },
  );

  test("takes the words of a proxy for no refusal where it could not connect, though it was connected before", async () => {
    const { clock, log, reader } = await follow();
    log.refusal = new Error("ERR command not allowed");
    log.cut();
    await clock.advance(1000);
    expect(reader.state).toBe("behind");
    log.refusal = undefined;
    await clock.advance(1000);
    expect(reader.state).toBe("live");
  });

  test("deletes what is no stream, which is a gap", async () => {
    const { clock, log, counts, reader } = await follow();
    log.before = (command) => {
      if (command.startsWith("read")) throw new Error("WRONGTYPE Operation against a key");
    };
    log.add("x");
    await settle();
    expect([counts.gaps, log.records, reader.state]).toEqual([1, [], "behind"]);
    log.before = () => undefined;
    await clock.advance(1000);
    expect(reader.state).toBe("live");
  });

  test("reads fewer at once where they are too much for one answer, misses none, and reads as many as before when it has all", async () => {
    const { clock, log, heard, counts, reader } = await follow();
    const junk = Array.from({ length: 300 }, (_, n) => `junk-${n}`);
    log.isTooMuch = (records) => records.filter(({ text }) => text?.startsWith("junk")).length > 20;
    log.cut();
    for (const text of [...junk, "after"]) log.add(text);
    await clock.advance(5000);
    expect([heard, counts.gaps, reader.state]).toEqual([[...junk, "after"], 0, "live"]);
    log.cut();
    log.commands.length = 0;
    for (let n = 0; n < 900; n++) log.add("more");
    await clock.advance(1000);
    expect(heard).toHaveLength(1201);
    expect(log.commands.filter((command) => /^read \d+-0$/.test(command))).toHaveLength(1);
  });

  test.each([
    ["is not the newest", ["behind it"]],
    ["is the newest", []],
  ])("skips an entry that cannot be read alone, which is a gap, where it %s", async (_where, behind) => {
    const { clock, log, heard, counts, reader } = await follow();
    log.isTooMuch = (records) => records.some(({ text }) => text === "huge");
    for (const text of ["before it", "huge", ...behind]) log.add(text);
    await clock.advance(5000);
    expect([counts.gaps, reader.gaps, reader.state]).toEqual([1, 1, "live"]);
    log.add("next");
    await settle();
    expect([heard[0], heard.at(-1)]).toEqual(["before it", "next"]);
  });

  test("adds an entry to begin at once only where it cannot read the newest", async () => {
    const { clock, log, reader } = await follow();
    log.isTooMuch = (records) => records.some(({ text }) => text === "huge");
    log.add("huge");
    await clock.advance(5000);
    expect(reader.state).toBe("live");
    reader.reset();
    await clock.advance(5000);
    expect(log.commands.filter((command) => command.startsWith("tail"))).toEqual(["tail", "tail added", "tail"]);
  });

  test("begins behind an entry that cannot be read", async () => {
    const { clock, log, heard, counts, reader } = await follow();
    log.isTooMuch = (records) => records.some(({ text }) => text === "huge");
    reader.reset();
    log.add("huge");
    await clock.advance(5000);
    expect([counts.gaps, reader.state]).toEqual([1, "live"]);
    log.add("next");
    await settle();
    expect(heard.at(-1)).toBe("next");
  });

  test("notices that a new master lacks what was read last, also where it has what was proven before", async () => {
    const { clock, log, counts, reader } = await follow();
    log.add("read, and not proven yet");
    await settle();
    log.cut();
    log.records = log.records.slice(0, 1);
    await clock.advance(100);
    expect([counts.gaps, reader.state]).toEqual([1, "live"]);
  });

  test("reads no more when it is closed", async () => {
    const { clock, log, reader } = await follow();
    await reader.close();
    log.commands.length = 0;
    await clock.advance(10_000);
    expect(log.commands).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  test("reads nothing over a connection that is made when it is closed already, and ends it", async () => {
    const { clock, log, reader } = await follow();
    const connect = log.connect.bind(log);
    let letGo = () => undefined as unknown;
    let ended = 0;
    log.connect = async () => {
      await new Promise<void>((resolve) => (letGo = () => resolve()));
      const connection = await connect();
      connection.end = () => void ended++;
      return connection;
    };
    log.cut();
    await clock.advance(25);
    log.commands.length = 0;
    const closed = reader.close();
    letGo();
    await closed;
    expect([log.commands, ended, clock.pending]).toEqual([["connect"], 1, 0]);
  });
});
