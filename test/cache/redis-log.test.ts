import { describe, expect, test } from "@jest/globals";
import type { RedisMasters, RedisStore } from "../../src/cache/redis.js";
import type { RedisLink } from "../../src/cache/redis-link.js";
import { redisLog } from "../../src/cache/redis-log.js";
import type { RedisMaster } from "../../src/cache/redis-topology.js";
import type { StoreSigns } from "../../src/cache/shared-store.js";
import { NotConnectedError } from "../../src/cache/store-error.js";
import { ManualClock, settle } from "../support/manual-clock.js";

const KEY = "portero:1:log:shop";
const MASTER: RedisMaster = { id: "one:6379", host: "one", port: 6379, database: 0, secure: false, tls: undefined };
const LOADING = new Error("LOADING Redis is loading the dataset in memory");
/** 25 hours. */
const PEXPIRE = ["PEXPIRE", KEY, "90000000"];

const never = () => new Promise<never>(() => undefined);

/** A connection whose other end the test is. */
class FakeLink implements RedisLink {
  /** What was asked, in order. */
  readonly asked: (readonly string[])[] = [];
  connects = 0;
  destroyed = 0;
  reach = async (): Promise<unknown> => undefined;
  answer = async (_words: readonly string[]): Promise<unknown> => 1;
  fail: (error: Error) => void = () => undefined;
  accepts: (chunk: Buffer) => boolean = () => true;

  connect() {
    this.connects++;
    return this.reach();
  }

  send(words: readonly string[]) {
    this.asked.push(words);
    return this.answer(words);
  }

  onError(listener: (error: Error) => void) {
    this.fail = listener;
  }

  guard(accepts: (chunk: Buffer) => boolean) {
    this.accepts = accepts;
  }

  destroy() {
    this.destroyed++;
  }
}

/** A log, the store that it appends over, and the connection that it is read on. */
function open({ signs = {}, masters }: { signs?: StoreSigns; masters?: RedisMasters } = {}) {
  const clock = new ManualClock();
  const link = new FakeLink();
  const sent: unknown[] = [];
  const redis = {
    doubts: 0,
    opened: [] as RedisMaster[],
    masterOf: async (_key: string) => MASTER,
    openLink: async (): Promise<RedisLink> => link,
    /** What the store's connection answers. */
    answer: async (_words: readonly string[]): Promise<unknown> => 1,
  };
  const store: RedisStore = {
    store: { ...signs, get: never, set: never, delete: never },
    topology: { doubt: () => void redis.doubts++, masterOf: (key) => redis.masterOf(key) },
    ...(masters && { masters }),
    send(key, words) {
      sent.push([key, ...words]);
      return redis.answer(words);
    },
    close: never,
  };
  const surroundings = {
    clock,
    openLink: (master: RedisMaster) => {
      redis.opened.push(master);
      return redis.openLink();
    },
  };
  return { log: redisLog(KEY, store, surroundings as never), clock, link, redis, sent };
}

/** The same, connected. */
async function connect() {
  const opened = open();
  const connection = await opened.log.connect(new AbortController().signal);
  opened.link.asked.length = 0;
  return { ...opened, connection };
}

const failureOf = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

/** What an operation rejects with whose connection has ended. */
const ended = (message: string) =>
  expect.objectContaining({ name: "NotConnectedError", cause: expect.objectContaining({ message }) });

describe("Over the store's connection", () => {
  test("an entry is added and the stream's time begun anew, both at once, and its id is told", async () => {
    const { log, redis, sent } = open();
    const answers: ((value: unknown) => void)[] = [];
    redis.answer = () => new Promise((resolve) => answers.push(resolve));
    const appending = log.append("sealed");
    expect(log.key).toBe(KEY);
    expect(sent).toEqual([
      [KEY, "XADD", KEY, "MAXLEN", "~", "10000", "*", "e", "sealed"],
      [KEY, ...PEXPIRE],
    ]);
    answers[1]?.(1);
    answers[0]?.("5-0");
    await expect(appending).resolves.toBe("5-0");
  });

  test.each(["XADD", "PEXPIRE"])("an entry is not added where %s fails", async (name) => {
    const { log, redis } = open();
    redis.answer = async (words) => {
      if (words[0] === name) throw LOADING;
      return "5-0";
    };
    await expect(log.append("sealed")).rejects.toBe(LOADING);
  });

  test("the stream is deleted", async () => {
    const { log, sent } = open();
    await expect(log.delete()).resolves.toBe(1);
    expect(sent).toEqual([[KEY, "UNLINK", KEY]]);
  });
});

describe("The log is told", () => {
  test("of each new connection of the store", async () => {
    const listeners: (() => void)[] = [];
    const { log } = open({
      signs: { ready: Promise.resolve(), onConnected: (listener) => void listeners.push(listener) },
    });
    let times = 0;
    log.onConnected(() => void times++);
    await settle();
    expect([listeners.length, times]).toEqual([1, 0]);
    listeners[0]?.();
    expect(times).toBe(1);
  });

  test.each<[string, unknown, number]>([
    ["is loading, which has its connection already", LOADING, 1],
    ["refuses", new Error("NOAUTH Authentication required."), 0],
    ["cannot be reached", Object.assign(new Error("nothing there"), { code: "ECONNREFUSED" }), 0],
    ["fails for no reason", undefined, 0],
  ])("at the start where Redis is loading, not otherwise: one that %s", async (_how, error, expected) => {
    const { log } = open({ signs: { ready: Promise.reject(error) } });
    let times = 0;
    log.onConnected(() => void times++);
    await settle();
    expect(times).toBe(expected);
  });

  test("of nothing by a store that has no signs", () => {
    const { log } = open();
    log.onConnected(() => undefined);
    log.onTakenOver(() => undefined);
    expect(log.lostAt).toBe(Number.POSITIVE_INFINITY);
  });

  test("of masters that are lost and taken over", () => {
    let lostAt = 5;
    const listeners: (() => void)[] = [];
    const masters = {
      onTakenOver: (listener: () => void) => void listeners.push(listener),
      get lostAt() {
        return lostAt;
      },
    };
    const { log } = open({ masters });
    const listener = () => undefined;
    log.onTakenOver(listener);
    expect(listeners).toEqual([listener]);
    expect(log.lostAt).toBe(5);
    lostAt = 7;
    expect(log.lostAt).toBe(7);
  });
});

describe("A connection to read on", () => {
  test("leads to the master of the key, once that has shown that it takes writes", async () => {
    const { log, link, redis, clock } = open();
    const keys: string[] = [];
    redis.masterOf = async (key) => {
      keys.push(key);
      return MASTER;
    };
    link.reach = () => new Promise((resolve) => clock.setTimeout(() => resolve(undefined), 100));
    const connecting = log.connect(new AbortController().signal);
    await settle();
    expect([link.connects, link.asked]).toEqual([1, []]);
    await clock.advance(100);
    const connection = await connecting;
    expect(connection.master).toBe("one:6379");
    expect([keys, redis.opened, link.asked]).toEqual([[KEY], [MASTER], [PEXPIRE]]);
    expect([clock.pending, link.destroyed]).toEqual([0, 0]);
  });

  test("is not made to a Redis that refuses", async () => {
    const { log, link, clock } = open();
    const error = new Error("READONLY You can't write against a read only replica.");
    link.answer = async () => {
      throw error;
    };
    await expect(log.connect(new AbortController().signal)).rejects.toBe(error);
    expect([link.asked, link.destroyed, clock.pending]).toEqual([[PEXPIRE], 1, 0]);
  });

  test("is not made where no client can be", async () => {
    const { log, redis, link } = open();
    const error = new Error("no usable certificates");
    redis.openLink = async () => {
      throw error;
    };
    await expect(log.connect(new AbortController().signal)).rejects.toBe(error);
    expect(link.connects).toBe(0);
  });

  test("leads to the master that is known, from the second on to one that is looked for anew", async () => {
    const { log, redis } = open();
    redis.masterOf = async () => {
      throw new NotConnectedError();
    };
    for (const doubts of [0, 1, 2]) {
      await expect(log.connect(new AbortController().signal)).rejects.toThrow(NotConnectedError);
      expect(redis.doubts).toBe(doubts);
    }
  });

  test("begins with that doubt, before the master is looked for", async () => {
    const { log, redis } = open();
    const doubts: number[] = [];
    redis.masterOf = async () => {
      doubts.push(redis.doubts);
      return MASTER;
    };
    for (let n = 0; n < 2; n++) await log.connect(new AbortController().signal);
    expect(doubts).toEqual([0, 1]);
  });

  test.each([
    ["to be reached and to log in", 1000, 1],
    ["to show that it takes writes", 600, 2],
  ])("gives Redis its time %s: %d ms", async (_what, ms, step) => {
    const { log, link, clock } = open();
    if (step === 1) link.reach = never;
    else link.answer = never;
    let failure: unknown;
    void failureOf(log.connect(new AbortController().signal)).then((error) => {
      failure = error;
    });
    await clock.advance(ms - 1);
    expect([failure, link.destroyed, clock.pending]).toEqual([undefined, 0, 1]);
    await clock.advance(1);
    expect(failure).toEqual(ended("Redis does not answer"));
    expect([link.destroyed, clock.pending]).toEqual([1, 0]);
  });

  test.each([
    ["before it is begun", 0, 0],
    ["while Redis is being reached", 1, 0],
    ["while Redis shows that it takes writes", 1, 1],
  ])("that is closed %s is not made, and leaves no timer", async (_when, connects, asked) => {
    const { log, link, clock } = open();
    link.reach = asked === 0 ? never : link.reach;
    link.answer = never;
    const closing = new AbortController();
    if (connects === 0) closing.abort();
    const connecting = failureOf(log.connect(closing.signal));
    await settle();
    expect(clock.pending).toBe(connects);
    closing.abort();
    await expect(connecting).resolves.toEqual(ended("the connection is not needed any more"));
    expect([link.connects, link.asked.length, link.destroyed, clock.pending]).toEqual([connects, asked, 1, 0]);
  });

  test("that is closed while the master is looked for is not begun", async () => {
    const { log, link, redis } = open();
    let answer: (master: RedisMaster) => void = () => undefined;
    redis.masterOf = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const closing = new AbortController();
    const connecting = log.connect(closing.signal);
    closing.abort();
    answer(MASTER);
    await expect(connecting).rejects.toThrow(NotConnectedError);
    expect([link.connects, link.destroyed]).toEqual([0, 1]);
  });

  test("that is made is the caller's to end, whatever becomes of the signal", async () => {
    const { log, link } = open();
    const closing = new AbortController();
    const connection = await log.connect(closing.signal);
    closing.abort();
    expect(link.destroyed).toBe(0);
    await connection.delete();
    connection.end();
    expect(link.destroyed).toBe(1);
  });
});

describe("A read", () => {
  test("asks for what follows on an entry, and brings it, the oldest first", async () => {
    const { connection, link, clock } = await connect();
    link.answer = async () => [
      [
        KEY,
        [
          ["5-1", ["e", "sealed"]],
          ["6-0", ["e", ""]],
        ],
      ],
    ];
    await expect(connection.read("5-0", 100)).resolves.toStrictEqual([
      { id: "5-1", text: "sealed" },
      { id: "6-0", text: "" },
    ]);
    expect(link.asked).toEqual([["XREAD", "COUNT", "100", "STREAMS", KEY, "5-0"]]);
    expect(clock.pending).toBe(0);
  });

  test("that waits says for how long", async () => {
    const { connection, link } = await connect();
    link.answer = async () => null;
    await connection.read("5-0", 1, 5000);
    await connection.read("5-0", 1, 0);
    expect(link.asked).toEqual([
      ["XREAD", "COUNT", "1", "BLOCK", "5000", "STREAMS", KEY, "5-0"],
      ["XREAD", "COUNT", "1", "BLOCK", "0", "STREAMS", KEY, "5-0"],
    ]);
  });

  test.each([
    [undefined, 600],
    [5000, 5600],
  ])("that is to wait for %s ms ends the connection when nothing has come for %d ms", async (waitMs, ms) => {
    const { connection, link, clock } = await connect();
    link.answer = never;
    let failure: unknown;
    void failureOf(connection.read("5-0", 100, waitMs)).then((error) => {
      failure = error;
    });
    await clock.advance(ms - 1);
    expect([failure, link.destroyed]).toEqual([undefined, 0]);
    await clock.advance(1);
    expect(failure).toEqual(ended("Redis does not answer"));
    expect([link.destroyed, clock.pending]).toEqual([1, 0]);
  });

  test.each([
    ["nothing", null],
    ["a number", 5],
    ["an empty list", []],
    ["a stream that is none", [5]],
    ["a stream without entries", [[KEY]]],
    ["entries that are none", [[KEY, "abc"]]],
    ["no entries", [[KEY, []]]],
    ["entries that are no lists", [[KEY, [5, null, "abc"]]]],
  ])("that brings %s brings no entries", async (_what, reply) => {
    const { connection, link } = await connect();
    link.answer = async () => reply;
    await expect(connection.read("5-0", 100)).resolves.toStrictEqual([]);
    expect(link.destroyed).toBe(0);
  });

  test.each([
    ["is missing", undefined],
    ["is no list", "e"],
    ["is another one", ["f", "sealed"]],
    ["has no value", ["e"]],
    ["is one of two", ["e", "sealed", "f", "more"]],
    ["is no text", ["e", 5]],
  ])("brings an entry whose field %s without its text", async (_how, fields) => {
    const { connection, link } = await connect();
    link.answer = async () => [[KEY, [[7, fields]]]];
    await expect(connection.read("5-0", 100)).resolves.toStrictEqual([{ id: "7", text: undefined }]);
  });

  test("that Redis refuses rejects with what it said, and leaves the connection", async () => {
    const { connection, link, clock } = await connect();
    link.answer = async () => {
      throw LOADING;
    };
    await expect(connection.read("5-0", 100)).rejects.toBe(LOADING);
    expect([link.destroyed, clock.pending]).toEqual([0, 0]);
    link.answer = async () => null;
    await expect(connection.read("5-0", 100)).resolves.toEqual([]);
  });
});

describe("Whether an entry is there", () => {
  test.each([
    [true, [["5-0", ["e", "sealed"]]]],
    [true, [["5-0", []]]],
    [false, []],
    [false, null],
  ])("is %s where Redis brings %j", async (isThere, reply) => {
    const { connection, link } = await connect();
    link.answer = async () => reply;
    await expect(connection.has("5-0")).resolves.toBe(isThere);
    expect(link.asked).toEqual([["XRANGE", KEY, "5-0", "5-0"]]);
  });
});

describe("The end of the stream", () => {
  const NEWEST = ["XREVRANGE", KEY, "+", "-", "COUNT", "1"];
  const READ = ["XREAD", "COUNT", "1", "STREAMS", KEY, "0-0"];
  const ADDED = [["XADD", KEY, "MAXLEN", "~", "10000", "*", "e", ""], PEXPIRE];

  test("is its newest entry", async () => {
    const { connection, link } = await connect();
    link.answer = async () => [["5-0", ["e", "sealed"]]];
    await expect(connection.tail(false)).resolves.toBe("5-0");
    expect(link.asked).toEqual([NEWEST]);
  });

  test("is one that says nothing where there is none, once it is sure that it could be read", async () => {
    const { connection, link } = await connect();
    link.answer = async ([name]) => ({ XADD: "6-0", XREVRANGE: [], PEXPIRE: 1 })[name as string] ?? null;
    await expect(connection.tail(false)).resolves.toBe("6-0");
    expect(link.asked).toEqual([NEWEST, READ, ...ADDED]);
  });

  test("is left alone where it could not be read", async () => {
    const { connection, link } = await connect();
    link.answer = async ([name]) => {
      if (name === "XREAD") throw new Error("NOPERM this user has no permissions to run the 'xread' command");
      return [];
    };
    await expect(connection.tail(false)).rejects.toThrow("NOPERM");
    expect(link.asked).toEqual([NEWEST, READ]);
  });

  test("is one that says nothing in any case where that is asked for", async () => {
    const { connection, link } = await connect();
    link.answer = async ([name]) => (name === "XADD" ? "6-0" : 1);
    await expect(connection.tail(true)).resolves.toBe("6-0");
    expect(link.asked).toEqual(ADDED);
  });
});

test("The stream is deleted on the connection that reads it", async () => {
  const { connection, link } = await connect();
  await expect(connection.delete()).resolves.toBe(1);
  expect(link.asked).toEqual([["UNLINK", KEY]]);
});

describe("A command that no answer comes to in 600 ms ends the connection:", () => {
  test.each<[string, (connection: Awaited<ReturnType<typeof connect>>["connection"]) => Promise<unknown>]>([
    ["has", (connection) => connection.has("5-0")],
    ["tail", (connection) => connection.tail(false)],
    ["delete", (connection) => connection.delete()],
  ])("%s", async (_name, command) => {
    const { connection, link, clock } = await connect();
    link.answer = never;
    const failing = failureOf(command(connection));
    await clock.advance(599);
    expect(link.destroyed).toBe(0);
    await clock.advance(1);
    expect(link.destroyed).toBe(1);
    await expect(failing).resolves.toEqual(ended("Redis does not answer"));
    expect([link.asked.length, clock.pending]).toEqual([1, 0]);
  });
});

describe("A connection that has ended", () => {
  const CUT = new Error("Socket closed unexpectedly");

  test.each<[string, (opened: Awaited<ReturnType<typeof connect>>) => void, string]>([
    ["because it was lost", ({ link }) => link.fail(CUT), CUT.message],
    ["because it was ended", ({ connection }) => connection.end(), "the connection is not needed any more"],
    ["by garbage", ({ link }) => void link.accepts(Buffer.from("HTTP/1.1\r\n")), "Redis sent what can be no answer"],
  ])("%s fails what is under way, and whatever comes then, for that reason", async (_how, end, message) => {
    const opened = await connect();
    const { connection, link, clock } = opened;
    link.answer = never;
    const reading = failureOf(connection.read("5-0", 100, 5000));
    end(opened);
    await expect(reading).resolves.toEqual(ended(message));
    link.fail(new Error("something else"));
    connection.end();
    for (const later of [connection.read("5-0", 100), connection.has("5-0"), connection.tail(true)]) {
      await expect(failureOf(later)).resolves.toEqual(ended(message));
    }
    expect([link.asked.length, link.destroyed, clock.pending]).toEqual([1, 1, 0]);
  });

  test("between two commands fails the next one", async () => {
    const { connection, link } = await connect();
    link.fail(CUT);
    await expect(failureOf(connection.delete())).resolves.toEqual(ended(CUT.message));
    expect([link.asked, link.destroyed]).toEqual([[], 1]);
  });

  test("lets nothing more be decoded", async () => {
    const { connection, link } = await connect();
    expect(link.accepts(Buffer.from("+OK\r\n"))).toBe(true);
    connection.end();
    expect(link.accepts(Buffer.from("+OK\r\n"))).toBe(false);
  });
});

describe("What Redis sends", () => {
  test.each([
    ["of an entry", "*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\ne\r\n$1\r\nx\r\n"],
    ["of the longest list", "*16384\r\n"],
  ])("is decoded: %s", async (_what, chunk) => {
    const { link } = await connect();
    expect(link.accepts(Buffer.from(chunk))).toBe(true);
    expect(link.destroyed).toBe(0);
  });

  test.each([
    ["lists that are too deep", "*1\r\n".repeat(6)],
    ["a list that is too long", "*16385\r\n"],
    ["no answer of Redis", "HTTP/1.1 400 Bad Request\r\n"],
  ])("ends the connection, and is called unreadable, where it is %s", async (_what, chunk) => {
    const { connection, link, clock } = await connect();
    link.answer = never;
    const reading = failureOf(connection.read("5-0", 100));
    expect(link.accepts(Buffer.from(chunk))).toBe(false);
    await expect(reading).resolves.toMatchObject({ cause: { name: "UnreadableReplyError" } });
    expect([link.destroyed, clock.pending]).toEqual([1, 0]);
  });
});
