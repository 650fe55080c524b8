import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { describe, expect, test } from "@jest/globals";
import type { RedisOptions } from "../../src/client.js";
import { afterwards, openClient, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
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

/** A real Redis behind TLS that wants a certificate of its clients. */
async function startTlsRedis(): Promise<string> {
  const redis = await startRedisServer();
  afterwards(() => redis.kill());
  const server = createTlsServer(serverTls, (inbound: TLSSocket) => {
    const outbound = connect(Number(new URL(redis.url).port), "127.0.0.1");
    for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
    inbound.pipe(outbound).pipe(inbound);
  });
  return `rediss://127.0.0.1:${await listen(server)}`;
}

async function openOn(redis: RedisOptions) {
  const service = await startService({ users: { "token-ana": { id: "ana" } } });
  const logger = new RecordingLogger();
  const open = () => openClient(service, { logger, cache: { redis, secret: SECRET } });
  return { logger, open };
}

describeWithRedis("A Redis behind TLS", () => {
  test("is used by who knows its authority and has a certificate", async () => {
    const { open } = await openOn({ url: await startTlsRedis(), tls: clientTls });
    const [first, second] = [open(), open()];
    await Promise.all([first.ready(), second.ready()]);
    await first.verifyToken("token-ana");
    await first.close();
    expect((await second.verifyToken("token-ana")).source).toBe("shared");
  });

  test("is unavailable to who does not know its authority, and the line says so", async () => {
    const { open, logger } = await openOn({ url: await startTlsRedis() });
    const client = open();
    await client.ready();
    expect((await client.verifyToken("token-ana")).source).toBe("grpc");
    expect(client.status().cache.shared).toBe("unavailable");
    expect(logger.lines).toEqual([expect.stringMatching(/cannot be reached \([A-Z_]+\)/)]);
  });
});

describe("close() leaves no connection behind, not even one that is being made:", () => {
  test.each(["redis", "rediss"])("%s", async (scheme) => {
    let connections = 0;
    let ended = 0;
    const silent = createServer((socket) => {
      connections++;
      socket.resume();
      socket.once("close", () => ended++);
    });
    const { open } = await openOn({ url: `${scheme}://127.0.0.1:${await listen(silent)}` });
    const client = open();
    await until(() => connections === 1);
    await client.close();
    await until(() => ended === connections);
    expect(connections).toBe(1);
  });
});
