import type { Socket } from "node:net";
import { describe, expect, jest, test } from "@jest/globals";
import { startAuthService } from "../../src/testing.js";
import { eventually } from "../support/eventually.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { type Answer, openCaller } from "./caller.js";
import { record } from "./ledger.js";
import { opened } from "./opened.js";
import { everybody } from "./people.js";

jest.setTimeout(30_000);

/** What the process may take of one reply, 16 MiB, and what the sockets on both sides hold beside that. */
const MOST_BYTES = 32 * 2 ** 20;
const CHUNK_BYTES = 2 ** 16;

const repeated = (text: string) => Buffer.from(text.repeat(Math.ceil(CHUNK_BYTES / text.length)));

/** How a reply can begin, and what comes then, for ever. */
const ENDLESS: Readonly<Record<string, readonly [beginning: string, more: Buffer]>> = {
  text: ["$4000000000\r\n", repeated("x")],
  "text of no size": ["$", repeated("1")],
  list: ["*4000000000\r\n", repeated("$3\r\nabc\r\n")],
  "list of a few, each endless": ["*2\r\n$4000000000\r\n", repeated("x")],
  "list of empty texts": ["*4000\r\n", repeated("$16000000\r\n")],
  "list of lists": ["", repeated("*1\r\n")],
  "list of lists that say they are long": ["", repeated("*33000000\r\n")],
  status: ["+", repeated("x")],
  error: ["-", repeated("x")],
  "reply after reply": ["", repeated("$3\r\nabc\r\n")],
  "reply of another protocol": ["%4000000000\r\n", repeated("+a\r\n")],
};

/** Writes as fast as it is read, until the connection ends. How much it was. */
async function pour(socket: Socket, more: Buffer): Promise<number> {
  let bytes = 0;
  while (!socket.destroyed) {
    await new Promise<void>((resolve) => {
      socket.once("close", resolve);
      socket.write(more, (error) => {
        socket.off("close", resolve);
        if (!error) bytes += more.length;
        setImmediate(resolve);
      });
    });
  }
  return bytes;
}

describe("A Redis whose reply has no end", () => {
  test.each(Object.entries(ENDLESS))("a %s: is cut off, and the service answers", async (kind, [beginning, more]) => {
    const poured: Promise<number>[] = [];
    const fake = opened(
      await startFakeRedis(([command = ""], socket) => {
        if (command.toUpperCase() !== "MGET") return void socket.write("+OK\r\n");
        socket.write(beginning);
        poured.push(pour(socket, more));
      }),
    );
    const service = opened(await startAuthService({ users: everybody() }));
    const caller = opened(await openCaller({ ...service.upstreams, cache: { redisUrl: fake.url } }));
    const during: Answer[] = [];
    await eventually(async () => {
      during.push(await caller.ask());
      return poured.length >= 2 && fake.connections > 2; // two were begun, and have ended
    }, "it is asked twice");
    expect(new Set(during.map(({ source }) => source))).toEqual(new Set(["grpc"]));
    for (const bytes of await Promise.all(poured.slice(0, 2))) expect(bytes).toBeLessThan(MOST_BYTES);
    record("Redis", `an endless reply: a ${kind}`, during);
  });
});
