import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { getEventListeners } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, test } from "@jest/globals";
import { askOnce, converse, type Send } from "../../src/cache/redis-ask.js";
import { ManualClock, settle } from "../support/manual-clock.js";
import { expectNothingStays } from "../support/nothing-stays.js";
import { afterwards } from "../support/open-client.js";
import { encodeReply, startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

type Answer = Parameters<typeof startFakeRedis>[0];

const never = () => new Promise<never>(() => undefined);
const silence: Answer = () => undefined;
const pong: Answer = (_words, socket) => void socket.write("+PONG\r\n");

/** A server, and what it is asked with. */
async function start(answer: Answer, greet?: (socket: Socket) => void) {
  const redis = await startFakeRedis(answer, greet);
  afterwards(() => redis.close());
  const clock = new ManualClock();
  const closing = new AbortController();
  const { signal } = closing;
  return {
    ...{ redis, clock, closing, endpoint: redis.endpoint, options: { clock, signal } },
    listeners: () => getEventListeners(signal, "abort").length,
    nothingStays: () => expectNothingStays([redis], clock, signal),
  };
}

describe("A server that is asked", () => {
  test("says what it says, over a connection that has ended when that is known", async () => {
    const { redis, endpoint, options, nothingStays } = await start((words, socket) =>
      socket.write(encodeReply(words.slice(1))),
    );
    expect(await askOnce(endpoint, ["ECHO", "a", "b c"], options)).toEqual(["a", "b c"]);
    expect([redis.connections, redis.commands]).toEqual([1, ["ECHO"]]);
    await nothingStays();
  });

  test("is asked all that a conversation asks over one connection, and what that comes to is passed on", async () => {
    const { redis, endpoint, options, nothingStays } = await start(
      ([name], socket) => void socket.write(`+${name}\r\n`),
    );
    const ask = async (send: Send) => [await send(["ONE"]), await send(["TWO"])];
    expect(await converse(endpoint, options, ask)).toEqual(["ONE", "TWO"]);
    expect([redis.connections, redis.commands]).toEqual([1, ["ONE", "TWO"]]);
    await nothingStays();
  });

  test("is let go when the conversation itself fails, with that failure", async () => {
    const { endpoint, options, nothingStays } = await start(pong);
    const failure = new Error("no use");
    await expect(converse(endpoint, options, () => Promise.reject(failure))).rejects.toBe(failure);
    await nothingStays();
  });

  test("together with others shares one listener of the client's end with them, and leaves none behind", async () => {
    const waiting: Socket[] = [];
    const { endpoint, options, listeners, nothingStays } = await start((_words, socket) => void waiting.push(socket));
    const answers = Promise.all(Array.from({ length: 12 }, () => askOnce(endpoint, ["PING"], options)));
    await until(() => waiting.length === 12);
    expect(listeners()).toBe(1); // Node warns of more than ten
    for (const socket of waiting) socket.write("+PONG\r\n");
    expect(await answers).toEqual(new Array(12).fill("PONG"));
    await nothingStays();
  });

  test("is asked as upkeep, from the connection to the last question", async () => {
    const upkeep = new AsyncLocalStorage<true>();
    const onMessage = (message: unknown) =>
      (message as { runIn(around: (run: () => void) => void): void }).runIn((run) => upkeep.run(true, run));
    subscribe("portero:background", onMessage);
    afterwards(() => unsubscribe("portero:background", onMessage));
    const { endpoint, options } = await start(pong);
    const seen: unknown[] = [];
    await converse(endpoint, options, async (send) => {
      seen.push(upkeep.getStore(), await send(["PING"]), upkeep.getStore());
    });
    expect(seen).toEqual([true, "PONG", true]);
    expect(upkeep.getStore()).toBe(undefined);
  });
});

describe("A server that refuses", () => {
  test.each(["ERR max number of clients reached", "DENIED Redis is running in protected mode", "OOM x"])(
    "before it was asked anything, and ends the connection, says why: %s",
    async (refusal) => {
      const { endpoint, options, nothingStays } = await start(silence, (socket) => socket.end(`-${refusal}\r\n`));
      const login = { ...endpoint, username: "ana", password: "hunter2" };
      const ask = async (send: Send) => {
        await send(["PING"]).catch(() => undefined);
        return send(["PING"]);
      };
      for (const asked of [
        askOnce(endpoint, ["PING"], options),
        askOnce(login, ["PING"], options),
        converse(endpoint, options, ask),
        converse(endpoint, options, (send) => send(["PING"]).then(never, never)), // told by the connection's end alone
      ])
        await expect(asked).rejects.toMatchObject({ message: refusal });
      await nothingStays();
    },
  );

  test.each([
    ["a later question", ["+OK", "-NOPERM no"]],
    ["nothing, though its first answer looks so", ["+SEE -ERR no"]],
    ["with what is no code", ["-Er no"]],
    ["with what is too short for a code", ["-ER no"]],
    ["with a code alone", ["-ERR"]],
  ])("%s is not the reason when the connection ends then", async (_what, answers) => {
    const left = [...answers];
    const { endpoint, options, nothingStays } = await start((_words, socket) => {
      const answer = left.shift();
      if (answer === undefined) socket.destroy();
      else socket.write(`${answer}\r\n`);
    });
    const asked = converse(endpoint, options, async (send) => {
      for (const _ of answers) await send(["PING"]).catch(() => undefined);
      return send(["PING"]);
    });
    await expect(asked).rejects.toThrow(/socket closed unexpectedly|ECONNRESET/i);
    await nothingStays();
  });

  test("a question has its own words as the reason", async () => {
    const { endpoint, options, nothingStays } = await start((_words, socket) => void socket.write("-NOPERM no\r\n"));
    await expect(askOnce(endpoint, ["PING"], options)).rejects.toThrow("NOPERM no");
    await nothingStays();
  });

  test("every connection has Node's code as the reason", async () => {
    const { redis, endpoint, options, nothingStays } = await start(pong);
    await redis.close();
    await expect(askOnce(endpoint, ["PING"], options)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await nothingStays();
  });
});

describe("A server that is silent", () => {
  const login = { password: "hunter2" };
  test.each([
    ["to a question", {}, {}, 700],
    ["to the login", login, {}, 700],
    ["to a question", {}, { withinMs: 50 }, 50],
    ["to the login", login, { withinMs: 2000 }, 2000],
  ])("%s (%j, %j) is given up after %4$d ms", async (_to, credentials, within, ms) => {
    const { redis, clock, endpoint, options, nothingStays } = await start(silence);
    const errors: unknown[] = [];
    const asked = askOnce({ ...endpoint, ...credentials }, ["PING"], { ...options, ...within });
    asked.catch((error) => errors.push(error));
    await until(() => redis.commands.length === 1);
    await clock.advance(ms - 1);
    expect(errors).toEqual([]);
    await clock.advance(1);
    expect(errors).toEqual([new Error("Redis does not answer")]);
    await nothingStays();
  });

  test("after a first answer is given up in the same time, counted from the beginning", async () => {
    const { redis, clock, endpoint, options, nothingStays } = await start(([name], socket) => {
      if (name === "PING") socket.write("+PONG\r\n");
    });
    const asked = converse(endpoint, options, async (send) => {
      await send(["PING"]);
      await clock.advance(400);
      return send(["WAIT"]);
    });
    asked.catch(() => undefined);
    await until(() => redis.commands.includes("WAIT"));
    await clock.advance(300);
    await expect(asked).rejects.toThrow("Redis does not answer");
    await nothingStays();
  });
});

describe("When the client ends", () => {
  test.each([
    ["a question", {}],
    ["a login", { password: "hunter2" }],
  ])("%s that waits is given up at once", async (_what, credentials) => {
    const { redis, closing, endpoint, options, nothingStays } = await start(silence);
    const asked = askOnce({ ...endpoint, ...credentials }, ["PING"], options);
    asked.catch(() => undefined);
    await until(() => redis.commands.length === 1);
    closing.abort(new Error("over"));
    await expect(asked).rejects.toThrow("the client is closed");
    await nothingStays();
  });

  test("nothing is asked any more, and no connection is made", async () => {
    const { redis, closing, endpoint, options, nothingStays } = await start(pong);
    const reason = new Error("over");
    closing.abort(reason);
    let asked = 0;
    await expect(converse(endpoint, options, async () => void asked++)).rejects.toBe(reason);
    await settle();
    expect([asked, redis.connections]).toEqual([0, 0]);
    await nothingStays();
  });
});

describe("What can be no answer", () => {
  test.each([
    ["another protocol", {}, "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["a list that costs a gigabyte", {}, "*33000000\r\n"],
    ["a list in a list", {}, encodeReply([["a"]])],
    ["a list too deep for its bounds", { bounds: { maxDepth: 2 } }, encodeReply([[["a"]]])],
    ["a list too long for its bounds", { bounds: { maxItems: 2 } }, encodeReply(["a", "b", "c"])],
  ])("is called that, and is not decoded: %s", async (_what, bounds, bytes) => {
    const { endpoint, options, nothingStays } = await start((_words, socket) => void socket.write(bytes));
    const decoded: unknown[] = [];
    const ask = async (send: Send) => void decoded.push(await send(["PING"]));
    const asked = converse(endpoint, { ...options, ...bounds }, ask);
    await expect(asked).rejects.toThrow("Redis sent what can be no answer");
    await nothingStays();
    expect(decoded).toEqual([]);
  });

  test("is nothing that the bounds allow", async () => {
    const { endpoint, options } = await start((_words, socket) => void socket.write(encodeReply([["a"], ["b"]])));
    const bounds = { maxDepth: 2, maxItems: 4 };
    expect(await askOnce(endpoint, ["PING"], { ...options, bounds })).toEqual([["a"], ["b"]]);
  });
});
