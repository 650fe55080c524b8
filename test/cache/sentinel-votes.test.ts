import type { Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { askSentinel, sentinelTopology } from "../../src/cache/redis-sentinel.js";
import { parseRedisUrl, type RedisTarget } from "../../src/cache/redis-target.js";
import type { TlsSource } from "../../src/runtime/tls-options.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { expectNothingStays } from "../support/nothing-stays.js";
import { afterwards } from "../support/open-client.js";
import { encodeReply, type FakeRedis, startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

const HOST = "10.0.0.1";
/** When a silent one is given up, in milliseconds. */
const SILENCE_MS = 700;

/** A sentinel that names a master at such a port, answers otherwise, says nothing, ends the connection, or is not there. */
type Vote = number | Error | null | "silent" | "cut" | "away";

async function startSentinel(vote: Vote): Promise<FakeRedis> {
  const answer = encodeReply(typeof vote === "number" ? [HOST, `${vote}`] : vote);
  const sentinel = await startFakeRedis((_words, socket) => {
    if (vote === "cut") socket.destroy();
    else if (vote !== "silent") socket.write(answer);
  });
  if (vote === "away") await sentinel.close();
  else afterwards(() => sentinel.close());
  return sentinel;
}

const startSentinels = (votes: readonly Vote[]) => Promise.all(votes.map(startSentinel));

/** What sentinels are asked with, and the id of the master that they name, or why there is none. */
function ask(
  sentinels: readonly FakeRedis[],
  urlOf = (hosts: string) => `redis+sentinel://${hosts}/mymaster`,
  tls?: TlsSource,
) {
  const clock = new ManualClock();
  const closing = new AbortController();
  const { signal } = closing;
  const target = parseRedisUrl(urlOf(sentinels.map(({ url }) => new URL(url).host).join(","))) as RedisTarget;
  const topology = sentinelTopology(target, tls, { clock, signal });
  const asked = topology.masterOf("portero:1:a");
  const settled: unknown[] = [];
  asked.then(
    ({ id }) => settled.push(id),
    (error) => settled.push(error),
  );
  return {
    ...{ clock, closing, topology, asked, settled },
    /** All have been asked, and those that are not silent have been heard. */
    async heard(votes: readonly Vote[]) {
      await until(() => sentinels.every(({ commands }, n) => votes[n] === "away" || commands.length === 1));
      await until(() => clock.pending === votes.filter((vote) => vote === "silent").length);
      await settle();
    },
    nothingStays: () => expectNothingStays(sentinels, clock, signal),
  };
}

describe("The master that sentinels name", () => {
  test("is known as soon as more than half of them agree", async () => {
    const sentinels = await startSentinels([7001, "silent", 7001]);
    const { clock, asked, nothingStays } = ask(sentinels);
    expect(await asked).toMatchObject({ id: `${HOST}:7001`, host: HOST, port: 7001 });
    expect(clock.pending).toBe(1); // of the silent one
    await clock.advance(SILENCE_MS);
    await nothingStays();
  });

  test("is not known by half of them alone, before the others have had their time", async () => {
    const votes = [7001, "silent", 7001, "silent"] as const;
    const sentinels = await startSentinels(votes);
    const { clock, settled, heard, nothingStays } = ask(sentinels);
    await heard(votes);
    await clock.advance(SILENCE_MS - 1);
    expect(settled).toEqual([]);
    await clock.advance(1);
    expect(settled).toEqual([`${HOST}:7001`]);
    await nothingStays();
  });

  test.each([
    ["most of them name", [7000, 7001, 7001], 7001],
    ["the only one that answers names", ["away", 7001, "silent"], 7001],
    ["most of those that answer name", [7001, "silent", 7000, 7001, "away"], 7001],
    ["most of those that know of one name", [null, 7002, null], 7002],
    ["most of those that let it in name", [new Error("NOAUTH Authentication required."), 7003, "away"], 7003],
  ] as const)("is the one that %s", async (_which, votes, port) => {
    const sentinels = await startSentinels(votes);
    const { clock, settled, heard, nothingStays } = ask(sentinels);
    await heard(votes);
    await clock.advance(SILENCE_MS);
    await nothingStays();
    expect(settled).toEqual([`${HOST}:${port}`]);
  });

  test.each([
    [[0, 1, 2], [7000, 7001, 7002], 7000],
    [[2, 0, 1], [7000, 7001, 7002], 7002],
    [[3, 1, 0, 2, 4], [7000, 7001, 7000, 7002, 7001], 7001],
  ])("is the one that was named first, in the order %j, where as many name another", async (order, ports, port) => {
    const waiting: Socket[] = [];
    const sentinels = await Promise.all(
      ports.map(async (_, n) => {
        const sentinel = await startFakeRedis((_words, socket) => {
          waiting[n] = socket;
        });
        afterwards(() => sentinel.close());
        return sentinel;
      }),
    );
    const { asked, settled, nothingStays } = ask(sentinels);
    await until(() => Object.keys(waiting).length === ports.length);
    for (const n of order) {
      expect(settled).toEqual([]);
      waiting[n]?.write(encodeReply([HOST, `${ports[n]}`]));
      await until(() => sentinels[n]?.standing === 0);
    }
    expect(await asked).toMatchObject({ port });
    await nothingStays();
  });

  test("is asked for anew each time, whether it was doubted or not", async () => {
    const sentinels = await startSentinels([7001]);
    const { topology, asked, nothingStays } = ask(sentinels);
    await asked;
    topology.doubt();
    await topology.masterOf("portero:1:a");
    await topology.masterOf("portero:1:a");
    expect(sentinels[0]?.connections).toBe(3);
    await nothingStays();
  });

  test("is asked for in vain when the client is closed", async () => {
    const sentinels = await startSentinels(["silent"]);
    const { closing, asked, nothingStays } = ask(sentinels);
    await until(() => sentinels[0]?.commands.length === 1);
    closing.abort();
    await expect(asked).rejects.toMatchObject({ name: "NotConnectedError", cause: new Error("the client is closed") });
    await nothingStays();
  });
});

describe("Where no sentinel names a master,", () => {
  test("the reason is that none of them knows it", async () => {
    const { asked, nothingStays } = ask(await startSentinels([null, null]));
    await expect(asked).rejects.toMatchObject({ name: "NotConnectedError", cause: new Error("no such master") });
    await nothingStays();
  });

  test.each([
    ["ECONNREFUSED", ["away", "away"]],
    ["ECONNREFUSED", ["away", "silent"]],
    ["ECONNREFUSED", ["away", "cut"]],
    ["UNKNOWN_MASTER", [null, "away"]],
    ["UNKNOWN_MASTER", ["away", null]],
    ["UNKNOWN_MASTER", ["silent", "away", null]],
    ["UNKNOWN_MASTER", ["cut", null]],
    ["WRONGPASS", ["away", "silent", new Error("WRONGPASS invalid username-password pair")]],
    ["ERR", ["away", new Error("ERR max number of clients reached")]],
    ["NOAUTH", [new Error("NOAUTH Authentication required."), null]],
    [undefined, ["silent", "silent"]],
  ] as const)("what one answered is told rather than that another one is away: %s of %j", async (code, votes) => {
    const sentinels = await startSentinels(votes);
    const { clock, asked, heard, nothingStays } = ask(sentinels);
    asked.catch(() => undefined);
    await heard(votes);
    await clock.advance(SILENCE_MS);
    await expect(asked).rejects.toMatchObject({ name: "NotConnectedError", code });
    await nothingStays();
  });
});

describe("A sentinel", () => {
  const askOne = async (answer: string) => {
    const words: string[][] = [];
    const sentinel = await startFakeRedis((command, socket) => {
      words.push(command);
      socket.write(answer);
    });
    afterwards(() => sentinel.close());
    const asking = { clock: new ManualClock(), signal: new AbortController().signal };
    return { words, answer: askSentinel(sentinel.endpoint, "my master", asking) };
  };

  test.each([1, 7000, 65_535])("is asked for a master by its name, and tells its address, at port %d", async (port) => {
    const { words, answer } = await askOne(encodeReply(["::1", `${port}`]));
    expect(await answer).toStrictEqual({ host: "::1", port });
    expect(words).toEqual([["SENTINEL", "get-master-addr-by-name", "my master"]]);
  });

  test.each(["*-1\r\n", "$-1\r\n"])("that knows of none by that name says so: %j", async (nothing) => {
    expect(await (await askOne(nothing)).answer).toBe(null);
  });

  test.each([
    ...["0", "07000", "-1", "700000", "7000x", "x7000", "70.5", "", "x"].map((port) => encodeReply([HOST, port])),
    ...[[], [HOST], [null, "7000"], [5, "7000"], [HOST, null], 7000].map(encodeReply),
    "+h1\r\n",
  ])("that answers %j has named no address", async (reply) => {
    await expect((await askOne(reply)).answer).rejects.toThrow("no address");
  });

  test.each([
    ["with its own user, and the master with that of the URL", "redis+sentinel://ana:hunter2@", ["AUTH", "SENTINEL"]],
    ["without a user", "redis+sentinel://", ["SENTINEL"]],
  ])("is asked %s, and no database is chosen at it", async (_how, beginning, commands) => {
    const words: string[][] = [];
    const sentinel = await startFakeRedis((command, socket) => {
      words.push(command);
      socket.write(command[0] === "AUTH" ? "+OK\r\n" : encodeReply([HOST, "7000"]));
    });
    afterwards(() => sentinel.close());
    const hasUser = commands.includes("AUTH");
    const own = hasUser ? "?sentinel_username=reader&sentinel_password=hunter3" : "";
    const { asked } = ask([sentinel], (hosts) => `${beginning}${hosts}/mymaster/3${own}`);
    expect(await asked).toStrictEqual({
      ...{ id: `${HOST}:7000`, host: HOST, port: 7000, database: 3, secure: false, tls: undefined },
      ...(hasUser && { username: "ana", password: "hunter2" }),
    });
    expect(sentinel.commands).toEqual(commands);
    if (hasUser) expect(words[0]).toEqual(["AUTH", "reader", "hunter3"]);
  });

  test("is asked with the TLS settings of the URL's Redis, where it speaks TLS", async () => {
    const sentinels = await startSentinels([7000]);
    let asked = 0;
    const tls = () => {
      asked++;
      throw new Error("no files");
    };
    const plain = ask(sentinels, undefined, tls);
    expect(await plain.asked).toMatchObject({ secure: false, tls });
    expect(asked).toBe(0);
    const secure = ask(sentinels, (hosts) => `rediss+sentinel://${hosts}/mymaster`, tls);
    await expect(secure.asked).rejects.toMatchObject({ code: "ERR_TLS_SETTINGS" });
    expect(asked).toBe(1);
  });
});
