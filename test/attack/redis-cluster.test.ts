import { expect, test } from "@jest/globals";
import { systemClock } from "../../src/runtime/clock.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { type FakeRedis, startFakeRedis } from "../support/redis-fake.js";
import { until } from "../support/until.js";

const SECRET = "a secret of the whole fleet, at least 32 bytes";

/** A node of a cluster that answers as the test says, and a client of it. */
async function openOn(slots: (port: number) => string, look: string | ((port: number) => string) = "*1\r\n$-1\r\n") {
  const node: FakeRedis = await startFakeRedis(([name], socket) => {
    const { port } = new URL(node.url);
    if (name === "CLUSTER") socket.write(slots(Number(port)));
    else if (name === "MGET") socket.write(typeof look === "string" ? look : look(Number(port)));
    else socket.write(name === "UNLINK" ? ":0\r\n" : "+OK\r\n");
  });
  afterwards(() => node.close());
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const logger = new RecordingLogger();
  const cache = { redisUrl: node.url.replace("redis:", "redis+cluster:"), secret: SECRET };
  const client = openClient(service, { clock: systemClock, logger, cache });
  await client.ready();
  return { node, service, client, logger };
}

const range = (first: number, last: number, port: number, host = "127.0.0.1") =>
  `*3\r\n:${first}\r\n:${last}\r\n*3\r\n$${host.length}\r\n${host}\r\n:${port}\r\n$1\r\nx\r\n`;
const all = (port: number) => `*1\r\n${range(0, 16_383, port)}`;

test("A node that says MOVED to a stranger is not followed there.", async () => {
  const stranger = await startFakeRedis((_words, socket) => void socket.write("*1\r\n$-1\r\n"));
  afterwards(() => stranger.close());
  const { port } = new URL(stranger.url);
  const { client } = await openOn(all, `-MOVED 1 127.0.0.1:${port}\r\n`);
  for (let n = 0; n < 5; n++) expect((await client.verifyToken("token-ana", { fresh: n > 0 })).user.id).toBe("ana");
  expect(stranger.connections).toBe(0);
});

test("A node that says MOVED to itself is not asked for ever.", async () => {
  const { client, node } = await openOn(all, (port) => `-MOVED 1 127.0.0.1:${port}\r\n`);
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  const looks = node.commands.filter((name) => name === "MGET").length;
  expect(looks).toBeLessThanOrEqual(2); // of the entry, and of whether anything was invalidated
});

test("Of two masters that both have all slots one is used, and the other costs nothing.", async () => {
  const { client } = await openOn((port) => `*2\r\n${range(0, 16_383, 1)}${range(0, 16_383, port)}`);
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  expect(client.status().cache.shared).toBe("available");
});

test.each<[string, (port: number) => string]>([
  ["lists that are nested too deep", () => "*1\r\n".repeat(100)],
  ["a list without an end", () => "*33000000\r\n"],
  ["a text without an end", () => "$33000000\r\n"],
  ["slots that are none", (port) => `*1\r\n${range(0, 20_000, port)}`],
  ["no slots", () => "*0\r\n"],
  ["garbage", () => "HTTP/1.1 400 Bad Request\r\n\r\n"],
  ["nothing", () => ""],
])("A node that answers the question for its slots with %s is unavailable, and no more.", async (_what, slots) => {
  const { client, node } = await openOn(slots);
  expect((await client.verifyToken("token-ana")).source).toBe("grpc");
  expect(client.status().cache.shared).toBe("unavailable");
  await client.close();
  await until(() => node.standing === 0);
});
