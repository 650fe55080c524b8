import { readFileSync } from "node:fs";
import * as http2 from "node:http2";
import * as https from "node:https";
import { connect, type Socket } from "node:net";
import { createServer, type TLSSocket, type Server as TlsServer } from "node:tls";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { describe, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { type AuthClientOptions, createAuthClient, type TlsOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import { listen } from "../support/listen.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { describeWithRedis, startRedisServer } from "../support/redis-server.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const opened = closedAfterEach();
const read = (name: string) => readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");

/** What a server shows and asks for, and what its clients need for that. */
const pairsOf = (prefix: string) => ({
  server: {
    ca: read(`${prefix}ca.pem`),
    cert: read(`${prefix}server.pem`),
    key: read(`${prefix}server.key`),
    requestCert: true,
    rejectUnauthorized: true,
  },
  client: { ca: read(`${prefix}ca.pem`), cert: read(`${prefix}client.pem`), key: read(`${prefix}client.key`) },
});
const BEFORE = pairsOf("");
const AFTER = pairsOf("next-");
type ServerTls = (typeof BEFORE)["server"];

async function start(server: http2.Http2SecureServer | https.Server | TlsServer): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => void sockets.add(socket.on("error", () => undefined)));
  const port = await listen(server);
  opened({
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return port;
}

const SERVERS = {
  grpc: (tls: ServerTls) => {
    const routes = connectNodeAdapter({
      routes: (router) => router.service(AuthService, { verifyToken: () => ({ userId: "ana", isActive: true }) }),
    });
    return start(http2.createSecureServer(tls, routes));
  },
  rest: (tls: ServerTls) =>
    start(https.createServer(tls, (_, response) => void response.end('{"user_id":"ana","is_active":true}'))),
};

/** A server behind a network, and a client of it with such settings. */
async function startClient(side: "grpc" | "rest", tls: NonNullable<AuthClientOptions["grpc"]>["tls"]) {
  const before = await SERVERS[side](BEFORE.server);
  const network = opened(await startTcpProxy(before, "https"));
  const logger = new RecordingLogger();
  const client = opened(
    createAuthClient({
      [side]: { url: network.url, tls },
      retry: { attempts: 1 },
      breaker: { failureThreshold: 2 },
      cache: { ttlMs: 0 },
      logger,
    }),
  );
  const ask = () =>
    client.verifyToken("token").then(
      ({ source }) => source as string,
      ({ code }: { code: string }) => code,
    );
  /** From now on the server shows, and wants, other certificates. */
  const rotate = async () => {
    network.heal(await SERVERS[side](AFTER.server));
    network.cut();
    await until(() => network.standing === 0);
  };
  return { network, logger, client, ask, rotate };
}

describe.each(["grpc", "rest"] as const)("Certificates from a function, over %s,", (side) => {
  test("are those of the moment in which a connection is made", async () => {
    let current: TlsOptions = BEFORE.client;
    const { client, ask, rotate } = await startClient(side, () => current);
    await client.ready();
    expect(await ask()).toBe(side);
    await rotate();
    current = AFTER.client;
    await client.ready();
    expect([await ask(), await ask()]).toEqual([side, side]);
  });

  test("are read once for each connection, not for each call", async () => {
    let reads = 0;
    const { ask } = await startClient(side, () => {
      reads++;
      return BEFORE.client;
    });
    await ask();
    const before = reads;
    for (let call = 0; call < 3; call++) await ask();
    expect(reads).toBe(before);
  });

  test.each<[name: string, broken: () => unknown, shown: string]>([
    [
      "throws",
      () => {
        throw new RangeError(BEFORE.client.key);
      },
      "RangeError",
    ],
    ["returns nothing", () => undefined, "no TLS settings"],
    ["returns a promise", async () => BEFORE.client, "no TLS settings"],
    [
      "returns the key before its certificate",
      () => ({ ...BEFORE.client, key: AFTER.client.key }),
      "no cert and key that belong together",
    ],
    ["returns half a file", () => ({ ca: BEFORE.client.ca.slice(0, 200) }), "no certificates in PEM"],
  ])(
    "where it %s: an outage that opens no breaker, one log line, and service as soon as it is well",
    async (_name, broken, shown) => {
      let current: () => unknown = () => BEFORE.client;
      const { network, logger, client, ask } = await startClient(side, () => current() as TlsOptions);
      expect(await ask()).toBe(side);
      current = broken;
      network.cut();
      await until(() => network.standing === 0);
      for (let call = 0; call < 4; call++) expect(await ask()).toBe("auth_unavailable");
      expect(client.status()[side]).toMatchObject({ breaker: "closed", failures: 0 });
      expect(logger.lines).toEqual([`error portero: the function given as "${side}.tls" failed: ${shown}`]);
      current = () => BEFORE.client;
      expect(await ask()).toBe(side);
    },
  );

  test("that are none are found at the start", () => {
    const make = (tls: () => unknown) => () =>
      createAuthClient({ [side]: { url: "https://auth.example", tls: tls as () => TlsOptions } });
    const returns = `${side}.tls: expected a function that returns certificates and keys in PEM at once`;
    expect(
      make(() => {
        throw new Error("no such file");
      }),
    ).toThrow(returns);
    expect(make(() => undefined)).toThrow(returns);
    expect(make(async () => BEFORE.client)).toThrow(returns);
    expect(make(() => ({ cert: BEFORE.client.cert }))).toThrow(`${side}.tls`);
    expect(make(() => ({ certs: "" }))).toThrow(`${side}.tls.certs`);
    expect(make(() => ({ ca: "none" }))).toThrow(`${side}.tls.ca`);
  });
});

test("Certificates that are no function stay as they were: the server that rotated its own is no upstream any more", async () => {
  const { client, ask, rotate } = await startClient("grpc", BEFORE.client);
  expect(await ask()).toBe("grpc");
  await rotate();
  expect(await ask()).toBe("auth_unavailable");
  expect(client.status().grpc?.failures).toBe(1);
});

describeWithRedis("Certificates from a function, for Redis,", () => {
  test("are those of the moment in which a connection is made", async () => {
    const redis = await startRedisServer();
    opened({ close: () => redis.kill() });
    /** The settings of the servers that let a client in, one for each time. */
    const letIn: ServerTls[] = [];
    const tunnel = async (tls: ServerTls) => {
      const server = createServer(tls, (inbound: TLSSocket) => {
        letIn.push(tls);
        const outbound = connect(Number(new URL(redis.url).port), "127.0.0.1");
        for (const socket of [inbound, outbound]) socket.on("error", () => undefined);
        inbound.pipe(outbound).pipe(inbound);
        inbound.once("close", () => outbound.destroy());
      });
      return start(server);
    };
    const network = opened(await startTcpProxy(await tunnel(BEFORE.server)));
    const grpc = opened(await startTcpProxy(await SERVERS.grpc(BEFORE.server), "https"));
    let current: TlsOptions = BEFORE.client;
    const client = opened(
      createAuthClient({
        grpc: { url: grpc.url, tls: BEFORE.client },
        cache: {
          redis: { url: `rediss://127.0.0.1:${network.port}`, tls: () => current },
          secret: "a secret of 32 bytes or more, for all",
          namespace: "shop",
        },
        random: () => 0,
        logger: false,
      }),
    );
    await client.ready();
    expect(client.status().cache.shared).toBe("available");
    network.heal(await tunnel(AFTER.server));
    current = AFTER.client;
    network.cut();
    await until(() => letIn.includes(AFTER.server) && client.status().cache.shared === "available");
  }, 20_000); // a busy machine may need several attempts
});
