import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import type { RedisOptions } from "../../src/client.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { connectAdmin } from "../support/redis-admin.js";
import { startRedisCluster } from "../support/redis-cluster.js";
import { startFakeRedis } from "../support/redis-fake.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { until } from "../support/until.js";

const pem = (name: string) => readFileSync(new URL(`../tls/certificates/${name}`, import.meta.url), "utf8");
const serverTls = { ca: pem("ca.pem"), cert: pem("server.pem"), key: pem("server.key"), requestCert: true };
const clientTls = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };
const SECRET = "a secret of the whole fleet, at least 32 bytes";

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterwards(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Something behind TLS that wants a certificate of its clients. */
async function putBehindTls(port: number): Promise<number> {
  const server = createTlsServer(serverTls, (inbound: TLSSocket) => {
    const outbound = connect(port, "127.0.0.1");
    for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
    inbound.pipe(outbound).pipe(inbound);
  });
  return listen(server);
}

async function startTlsRedis(): Promise<string> {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  return `rediss://127.0.0.1:${await putBehindTls(redis.port)}`;
}

/** Sentinels that name a Redis, all of them behind TLS. */
async function startTlsSentinels(): Promise<string> {
  const master = new URL(await startTlsRedis()).port;
  const answer = `*2\r\n$9\r\n127.0.0.1\r\n$${master.length}\r\n${master}\r\n`;
  const sentinel = await startFakeRedis((_words, socket) => void socket.write(answer));
  afterwards(() => sentinel.close());
  return `rediss+sentinel://127.0.0.1:${await putBehindTls(Number(new URL(sentinel.url).port))}/mymaster`;
}

/** A cluster of one node, which speaks TLS alone. */
async function startTlsCluster(): Promise<string> {
  const file = (name: string) => fileURLToPath(new URL(`../tls/certificates/${name}`, import.meta.url));
  const files = [
    "--tls-cert-file",
    file("server.pem"),
    "--tls-key-file",
    file("server.key"),
    "--tls-ca-cert-file",
    file("ca.pem"),
  ];
  const cluster = await startRedisCluster({
    masters: 1,
    replicas: false,
    settings: (port) => [
      "--port",
      "0",
      "--tls-port",
      `${port}`,
      "--tls-cluster",
      "yes",
      "--tls-auth-clients",
      "yes",
      ...files,
    ],
    connect: ({ url }) => connectAdmin(url.replace("redis:", "rediss:"), clientTls),
  });
  afterwards(() => cluster.close());
  return cluster.url.replace("redis+", "rediss+");
}

async function openOn(redis: RedisOptions) {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const logger = new RecordingLogger();
  const open = () => openClient(service, { logger, cache: { redis, secret: SECRET } });
  return { logger, open };
}

describeWithRedis("A Redis behind TLS", () => {
  test.each([
    ["one", startTlsRedis],
    ["a cluster", startTlsCluster],
    ["the master that sentinels name", startTlsSentinels],
  ])("is used by who knows its authority and has a certificate: %s", async (_what, start) => {
    const { open } = await openOn({ url: await start(), tls: clientTls });
    const [first, second] = [open(), open()];
    await Promise.all([first.ready(), second.ready()]);
    await first.verifyToken("token-ana");
    await first.close();
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
  });

  test.each([
    ["one", startTlsRedis],
    ["a cluster", startTlsCluster],
    ["sentinels", startTlsSentinels],
  ])("is unavailable to who does not know its authority, and the line says so: %s", async (_what, start) => {
    const { open, logger } = await openOn({ url: await start() });
    const client = open();
    await client.ready();
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    expect(client.status().cache.shared).toBe("unavailable");
    expect(logger.lines).toEqual([expect.stringMatching(/cannot be reached \([A-Z_]+\)/)]);
  });
});

describe("close() leaves no connection behind, not even one that is being made:", () => {
  test.each([
    ["redis", ""],
    ["rediss", ""],
    ["redis+cluster", ""],
    ["rediss+cluster", ""],
    ["redis+sentinel", "/mymaster"],
  ])("%s", async (scheme, path) => {
    let connections = 0;
    let ended = 0;
    const silent = createServer((socket) => {
      connections++;
      socket.resume();
      socket.once("close", () => ended++);
    });
    const { open } = await openOn({ url: `${scheme}://127.0.0.1:${await listen(silent)}${path}` });
    const client = open();
    await until(() => connections === 1);
    await client.close();
    await until(() => ended === connections);
    expect(connections).toBeGreaterThan(0); // the log of invalidations asks sentinels, too
  });
});
