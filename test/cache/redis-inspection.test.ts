import { describe, expect, test } from "@jest/globals";
import { SLOTS, slotOf } from "../../src/cache/cluster-slots.js";
import { type InspectionOptions, inspectMaster, inspectSlots } from "../../src/cache/redis-inspection.js";
import { ManualClock } from "../support/manual-clock.js";
import { expectNothingStays } from "../support/nothing-stays.js";
import { afterwards } from "../support/open-client.js";
import { encodeReply, type FakeRedis, startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

/** What a command is answered with; `CUT` ends the connection, and `SILENCE` leaves it as it is. */
type Answers = Readonly<Record<string, (words: string[]) => unknown>>;

const CUT = Symbol("cut");
const SILENCE = Symbol("silence");
/** When a silent one is given up, in milliseconds. */
const SILENCE_MS = 700;
const [refusal, cut, silence] = [() => new Error("NOPERM no"), () => CUT, () => SILENCE];

const INFO = [
  ...["# Server", "redis_version:7.2.4", "executable:/usr/bin/redis:server", "_odd:1", "a:b"],
  ...[
    "",
    "# Keyspace of x:1",
    "db0:keys=1,expires=0",
    "maxmemory_policy:noeviction",
    "maxmemory_human:",
    "Upper:2",
    " indented:3",
    "9:4",
  ],
].join("\r\n");

async function startRedis(answers: Answers): Promise<FakeRedis & { words: string[][] }> {
  const words: string[][] = [];
  let inOrder = Promise.resolve();
  const redis = await startFakeRedis((command, socket) => {
    words.push(command);
    inOrder = inOrder.then(async () => {
      const answer = await answers[command[0] as string]?.(command);
      if (answer === CUT) socket.destroy();
      else if (answer !== SILENCE) socket.write(encodeReply(answer));
    });
  });
  afterwards(() => redis.close());
  return Object.assign(redis, { words });
}

/** A master that keeps what it is given, and what is said of it: but for some answers, all goes well. */
async function inspect(
  answersOf: Answers | ((clock: ManualClock) => Answers) = {},
  options: Pick<InspectionOptions, "holds" | "withinMs"> = {},
) {
  const clock = new ManualClock();
  const { signal } = new AbortController();
  const kept = new Map<string, string>();
  const entry = (at: string): [string, string[]] => [at, ["e", "-"]];
  const redis = await startRedis({
    MGET: ([, ...keys]) => keys.map((key) => kept.get(key) ?? null),
    TIME: () => [`${clock.now() / 1000}`, "0"],
    INFO: () => INFO,
    SET([, key, text]) {
      kept.set(`${key}`, `${text}`);
      return "OK";
    },
    UNLINK: ([, key]) => Number(kept.delete(`${key}`)),
    PEXPIRE: () => 0,
    ASKING: () => "OK",
    XADD: () => "1-1",
    XREAD: ([, , , , key]) => [[key, [entry("1-1")]]],
    XRANGE: () => [entry("1-1")],
    XREVRANGE: () => [entry("1-1")],
    ...(typeof answersOf === "function" ? answersOf(clock) : answersOf),
  });
  const inspected = inspectMaster(redis.endpoint, { clock, signal, ...options });
  inspected.catch(() => undefined);
  return {
    ...{ redis, clock, inspected, kept },
    nothingStays: () => expectNothingStays([redis], clock, signal),
  };
}

/** Commands, without what is drawn by chance in them. */
function plain(commands: readonly (readonly string[])[]): string[] {
  return commands.map((words) =>
    words
      .join(" ")
      .replace(/portero:1:inspection:[\w-]{12}:/g, "…:")
      .replace(/(?<=^SET \S+ )[\w-]{16} /, "TEXT "),
  );
}

/** The keys that commands name, each once. */
function keysIn(commands: readonly (readonly string[])[]): string[] {
  return [...new Set(commands.flat().filter((word) => word.startsWith("portero:")))];
}

const LOOKS = ["MGET", "MGET", "MGET", "MGET", "MGET"];
const ENTRY = ["INFO", "SET", "MGET", "UNLINK", "PEXPIRE"];
const LOG = ["XADD", "PEXPIRE", "XREAD", "XRANGE", "XREVRANGE", "UNLINK"];

describe("A master is inspected", () => {
  test("by all that the cache and its log do, over one connection, with keys that are gone afterwards", async () => {
    const { redis, inspected, kept, nothingStays } = await inspect();
    await inspected;
    expect(plain(redis.words)).toEqual([
      ...LOOKS.map((name) => `${name} …:{entry} …:{other}`),
      "TIME",
      "INFO",
      "SET …:{entry} TEXT PX 10000",
      "MGET …:{entry}",
      "UNLINK …:{entry}",
      "PEXPIRE …:log 10000",
      "XADD …:log MAXLEN ~ 10 * e -",
      "PEXPIRE …:log 10000",
      "XREAD COUNT 1 STREAMS …:log 0-0",
      "XRANGE …:log - + COUNT 1",
      "XREVRANGE …:log + - COUNT 1",
      "UNLINK …:log",
    ]);
    expect([redis.connections, [...kept]]).toEqual([1, []]);
    await nothingStays();
  });

  test("with keys in two slots, which a cluster would refuse, and with others each time", async () => {
    const [first, second] = [await inspect(), await inspect()];
    await Promise.all([first.inspected, second.inspected]);
    const [key = "", other = ""] = keysIn(first.redis.words);
    expect(slotOf(key)).not.toBe(slotOf(other));
    expect(new Set([first, second].flatMap(({ redis }) => keysIn(redis.words))).size).toBe(6);
    const texts = [first, second].map(({ redis }) => redis.words.find(([name]) => name === "SET")?.[2]);
    expect(new Set(texts).size).toBe(2);
  });

  test("that has some of the slots, with keys in them alone, and as one that a slot is on its way to", async () => {
    const holds = (slot: number) => slot >= 100 && slot < 110;
    const { redis, inspected, nothingStays } = await inspect({}, { holds });
    expect((await inspected).refusals).toEqual(new Map());
    const [key, log, ...others] = keysIn(redis.words);
    expect([plain([[`${key}`]]), plain([[`${log}`]]), others]).toEqual([
      [expect.stringMatching(/^…:entry\{\d+\}$/)],
      [expect.stringMatching(/^…:log\{\d+\}$/)],
      [],
    ]);
    expect([key, log].every((each) => holds(slotOf(`${each}`)))).toBe(true);
    expect(redis.commands).toEqual([...LOOKS, "TIME", ...ENTRY, "ASKING", ...LOG]);
    expect(redis.words[0]).toEqual(["MGET", key]);
    await nothingStays();
  });

  test("with any keys where it has none of the slots", async () => {
    const { redis, inspected } = await inspect({}, { holds: () => false });
    await inspected;
    expect(plain([keysIn(redis.words)])).toEqual(["…:entry …:log"]);
  });
});

describe("What is found of a master is", () => {
  test("nothing against it, where all goes well", async () => {
    const { inspected } = await inspect();
    expect(await inspected).toMatchObject({ refusals: new Map(), keeps: true, answersInMs: 0, clockAheadMs: 0 });
  });

  test.each(["MGET", "TIME", "INFO", "SET", "UNLINK", "PEXPIRE", "ASKING", "XADD", "XREAD", "XRANGE", "XREVRANGE"])(
    "why it refuses %s, with the first reason, and the rest is done nonetheless",
    async (name) => {
      let times = 0;
      const answers = { [name]: () => new Error(`NOPERM reason ${++times}`) };
      const { redis, inspected, nothingStays } = await inspect(answers, { holds: () => true });
      const { refusals, keeps, info, clockAheadMs } = await inspected;
      expect([...refusals]).toEqual([[name.toLowerCase(), expect.objectContaining({ message: "NOPERM reason 1" })]]);
      expect(redis.commands).toEqual([...LOOKS, "TIME", ...ENTRY, "ASKING", ...LOG]);
      expect(times).toBe(redis.commands.filter((command) => command === name).length);
      expect(keeps).toBe(name === "MGET" || name === "SET" ? undefined : true);
      expect(info === undefined).toBe(name === "INFO");
      expect(clockAheadMs).toBe(name === "TIME" ? undefined : 0);
      await nothingStays();
    },
  );

  test("a log that is not begun where an entry of it would stay for ever", async () => {
    const { redis, inspected, nothingStays } = await inspect({ UNLINK: refusal, PEXPIRE: refusal });
    expect([...(await inspected).refusals.keys()]).toEqual(["unlink", "pexpire"]);
    expect(redis.commands).toEqual([...LOOKS, "TIME", ...ENTRY]);
    await nothingStays();
  });

  test.each<[boolean | undefined, string, Answers]>([
    [true, "what was written", {}],
    [false, "nothing", { SET: () => "OK" }],
    [false, "another text", { MGET: ([, ...keys]) => keys.map(() => "another") }],
    [false, "no list", { MGET: () => "text" }],
    [false, "no list at all", { MGET: () => null }],
    [undefined, "nothing, as it may not be read", { MGET: refusal }],
    [undefined, "nothing, as it may not be written", { SET: refusal }],
  ])("whether it keeps what is written: %s where it gives back %s", async (keeps, _what, answers) => {
    const { inspected } = await inspect(answers);
    expect((await inspected).keeps).toBe(keeps);
  });

  test.each([
    [5, [30, 20, 5, 40, 25]],
    [10, [10, 20, 30, 40, 50]],
    [7, [50, 40, 30, 20, 7, 1]], // the sixth is of the entry
  ])("how quickly it answers: %d ms, the least of five", async (answersInMs, times) => {
    const left = [...times];
    const { inspected } = await inspect((clock) => ({
      async MGET() {
        clock.setWall(left.length * 1000); // which is not what counts
        await clock.advance(left.shift() ?? 0);
        return [];
      },
      TIME: refusal,
    }));
    expect((await inspected).answersInMs).toBe(answersInMs);
  });

  test("what INFO says, by name", async () => {
    const { inspected } = await inspect();
    expect([...((await inspected).info ?? [])]).toEqual([
      ["redis_version", "7.2.4"],
      ["executable", "/usr/bin/redis:server"],
      ["_odd", "1"],
      ["a", "b"],
      ["db0", "keys=1,expires=0"],
      ["maxmemory_policy", "noeviction"],
      ["maxmemory_human", ""],
    ]);
  });

  test.each([
    [1500, 0],
    [-2000.5, 0],
    [0.25, 200],
    [70_000, 600],
  ])("by how much its clock is ahead: %d ms, where it took %d ms to tell", async (aheadMs, tookMs) => {
    const { inspected } = await inspect((clock) => ({
      async TIME() {
        const at = clock.now() + tookMs / 2 + aheadMs;
        await clock.advance(tookMs);
        return [`${Math.floor(at / 1000)}`, `${(at * 1000) % 1_000_000}`];
      },
    }));
    expect((await inspected).clockAheadMs).toBeCloseTo(aheadMs, 2);
  });

  test.each([
    ["nothing", null],
    ["no numbers", ["a", "b"]],
    ["half a time", ["1767225600"]],
    ["no list", "1767225600"],
    ["a whole number", 1_767_225_600],
  ])("nothing of its clock, where TIME answers %s", async (_what, reply) => {
    const { inspected } = await inspect({ TIME: () => reply });
    expect(await inspected).toMatchObject({ refusals: new Map(), clockAheadMs: undefined });
  });

  test.each<[string, string, () => unknown, RegExp]>([
    ...["MGET", "TIME", "INFO", "SET", "UNLINK", "PEXPIRE", "XADD", "XREAD", "XRANGE", "XREVRANGE"].map(
      (name): [string, string, () => unknown, RegExp] => [name, "is cut off", cut, /socket closed|ECONNRESET/i],
    ),
    ["MGET", "is silent", silence, /does not answer/],
    ["XREVRANGE", "is silent", silence, /does not answer/],
    ["XREAD", "answers with a list too deep", () => [[[[[["a"]]]]]], /can be no answer/],
  ])("nothing at all, where it fails: at %s it %s", async (name, _how, answer, failure) => {
    const { redis, clock, inspected, nothingStays } = await inspect({ [name]: answer });
    await until(() => redis.commands.includes(name));
    if (answer === silence) await clock.advance(SILENCE_MS);
    await expect(inspected).rejects.toThrow(failure);
    await nothingStays();
  });
});

describe("The slots of a cluster", () => {
  const node = (port: number) => ["10.0.0.1", port, "id", []];
  const master = (port: number) => ({ host: "10.0.0.1", port });

  /** What such nodes tell of the slots. */
  async function ask(...answers: unknown[]) {
    const clock = new ManualClock();
    const { signal } = new AbortController();
    const nodes = await Promise.all(answers.map((answer) => startRedis({ CLUSTER: () => answer })));
    for (const [n, answer] of answers.entries()) if (answer === CUT) await nodes[n]?.close();
    const asked = inspectSlots(
      nodes.map(({ endpoint }) => endpoint),
      { clock, signal },
    );
    asked.catch(() => undefined);
    return { nodes, clock, asked, nothingStays: () => expectNothingStays(nodes, clock, signal) };
  }

  test("are told by all that are asked, and the first that knows them is believed", async () => {
    const { nodes, clock, asked, nothingStays } = await ask(SILENCE, [[0, 9, node(1), node(2)]], CUT, refusal());
    expect(await asked).toStrictEqual({ ranges: [{ first: 0, last: 9, master: master(1) }], held: 10 });
    expect(nodes[1]?.words).toEqual([["CLUSTER", "SLOTS"]]);
    await until(() => clock.pending === 1); // of the silent one
    await clock.advance(SILENCE_MS);
    await nothingStays();
  });

  test.each([
    [1, [[5, 5, node(1)]]],
    [
      30,
      [
        [0, 9, node(1)],
        [90, 99, node(2)],
        [50, 59, node(1)],
      ],
    ],
    [
      15,
      [
        [0, 9, node(1)],
        [5, 14, node(2)],
      ],
    ],
    [SLOTS, [[0, SLOTS - 1, node(1)]]],
  ])("are held by a master, each counted once: %d", async (held, reply) => {
    const { asked } = await ask(reply);
    expect(await asked).toMatchObject({ held });
  });

  test("of a node that does not know its own name are its own", async () => {
    const { nodes, asked } = await ask([[0, 9, [null, 7000]]]);
    expect((await asked).ranges[0]?.master).toEqual({ host: nodes[0]?.endpoint.host, port: 7000 });
  });

  test("may be as many ranges as there are slots", async () => {
    const { asked } = await ask(Array.from({ length: SLOTS }, (_, slot) => [slot, slot, node(1)]));
    expect(await asked).toMatchObject({ held: SLOTS });
  });

  test.each<[string, unknown[], object]>([
    ["a refusal rather than a failure", [CUT, refusal()], { message: "NOPERM no" }],
    ["a refusal rather than silence", [SILENCE, refusal(), CUT], { message: "NOPERM no" }],
    ["the first refusal", [new Error("ERR one"), new Error("ERR two")], { message: "ERR one" }],
    ["the failure, where none has answered", [CUT, SILENCE], { code: "ECONNREFUSED" }],
    ["that a node knows of none", [[]], { message: "CLUSTERDOWN the node knows of no slots" }],
    ["that a node says what makes no sense", ["OK"], { message: "CLUSTERDOWN the node knows of no slots" }],
    [
      "that a node knows of none, rather than a failure",
      [CUT, []],
      { message: expect.stringMatching(/^CLUSTERDOWN /) },
    ],
  ])("are told by none: %s is the reason", async (_what, answers, error) => {
    const { nodes, clock, asked, nothingStays } = await ask(...answers);
    await until(() => nodes.every(({ commands }, n) => answers[n] === CUT || commands.length === 1));
    await until(() => clock.pending === answers.filter((answer) => answer === SILENCE).length);
    await clock.advance(SILENCE_MS);
    await expect(asked).rejects.toMatchObject(error);
    await nothingStays();
  });
});
