import { getEventListeners } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "@jest/globals";
import { askOnce } from "../../src/cache/redis-ask.js";
import { systemClock } from "../../src/runtime/clock.js";
import { afterwards } from "../support/open-client.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

test("Servers that are asked at once share one listener of the client's end, and leave none behind.", async () => {
  const waiting: Socket[] = [];
  const redis = await startFakeRedis((_words, socket) => void waiting.push(socket));
  afterwards(() => redis.close());
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(signal, "abort").length;
  const { hostname: host, port } = new URL(redis.url);
  const endpoint = { host, port: Number(port), secure: false, tls: undefined, database: 0 };
  const options = { clock: systemClock, signal, withinMs: 20_000 };
  const answers = Promise.all(Array.from({ length: 12 }, () => askOnce(endpoint, ["PING"], options)));
  await until(() => waiting.length === 12);
  expect(listeners()).toBe(1); // Node warns of more than ten
  for (const socket of waiting) socket.write("+PONG\r\n");
  expect(new Set(await answers)).toEqual(new Set(["PONG"]));
  expect(listeners()).toBe(0);
});
