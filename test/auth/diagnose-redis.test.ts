import * as http from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { expect, test } from "@jest/globals";
import type { DiagnoseOptions, RedisOptions } from "../../src/client.js";
import { type Clock, systemClock } from "../../src/runtime/clock.js";
import { listen } from "../support/listen.js";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, openBareClient, startService } from "../support/open-client.js";
import { selfSigned } from "../support/self-signed.js";
import { until } from "../support/until.js";

/** How busy this machine is decides nothing: what waits for an answer waits eight times as long. */
const patient: Clock = {
  ...systemClock,
  setTimeout: (callback, ms, options) => systemClock.setTimeout(callback, ms * 8, options),
};
const own = selfSigned();
const WANTS_OURS = "it wants a client certificate that it trusts: see cache.redis.tls.cert and cache.redis.tls.key";

async function portOf(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  server.on("tlsClientError", () => undefined);
  const port = await listen(server);
  afterwards(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return port;
}

/** A Redis with TLS that says OK to everything. */
function tlsRedis(options: TlsOptions): Promise<number> {
  const server = createTlsServer(options, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      socket.write("+OK\r\n".repeat(String(chunk).match(/\*\d+\r\n/g)?.length ?? 0));
    });
  });
  return portOf(server);
}

const silent = () => portOf(createServer());

/** What is wrong with Redis, with what to write instead: `message → fix`. */
async function wrongWith(
  redis: RedisOptions,
  clock = patient,
  onWaiting: DiagnoseOptions["onWaiting"] = () => undefined,
): Promise<string[]> {
  const { rest } = (await startService()).upstreams;
  const client = openBareClient({ rest, cache: { redis, namespace: "test" }, clock });
  const { checks } = await client.diagnose({ onWaiting });
  return checks
    .filter(({ id, status }) => id.startsWith("redis.") && status === "failed")
    .map(({ message, fix }) => `${message.replace(/127\.0\.0\.1:\d+/, "it")} → ${fix}`);
}

/** The same of one that says nothing: time passes in steps, as soon as it is waited for. */
async function wrongWithSilent(url: string): Promise<string[]> {
  const clock = new ManualClock();
  let hasEnded = false;
  let isWaiting = false;
  const said = wrongWith({ url }, clock, (what) => {
    isWaiting ||= what.some((each) => /with TLS|\(2 s at most\)/.test(each));
  }).finally(() => {
    hasEnded = true;
  });
  await until(() => isWaiting);
  while (!hasEnded) await clock.advance(50);
  return said;
}

test("a certificate of Redis that has ended, or that no authority vouches for, is named", async () => {
  const ended = selfSigned({ until: "20210101000000Z" });
  const url = async (certificate: TlsOptions) => `rediss://127.0.0.1:${await tlsRedis(certificate)}`;
  expect(await wrongWith({ url: await url(ended), tls: { ca: ended.cert } })).toEqual([
    expect.stringMatching(/\(CERT_HAS_EXPIRED\) → its certificate, or the CA behind it, has expired$/),
  ]);
  expect(await wrongWith({ url: await url(own) })).toEqual([
    expect.stringMatching(/\(DEPTH_ZERO_SELF_SIGNED_CERT\) → no authority .*: give its CA in cache\.redis\.tls\.ca$/),
  ]);
});

test("a certificate of Redis for another host is named", async () => {
  const url = `rediss://localhost:${await tlsRedis(own)}`;
  const said = await wrongWith({ url, tls: { ca: own.cert } });
  expect(said).toContainEqual(
    expect.stringMatching(/\(ERR_TLS_CERT_ALTNAME_INVALID\) → its certificate is another host's: write the name/),
  );
});

test.each(["TLSv1.2", "TLSv1.3"] as const)(
  "a Redis that wants a client certificate over %s is never asked in clear text",
  async (maxVersion) => {
    const port = await tlsRedis({ ...own, requestCert: true, rejectUnauthorized: true, maxVersion });
    const said = await wrongWith({ url: `rediss://127.0.0.1:${port}`, tls: { ca: own.cert } });
    expect(said).toEqual([
      expect.stringMatching(/client certificate.* cache\.redis\.tls\.cert and cache\.redis\.tls\.key$/),
    ]);
    expect(said[0]).not.toMatch(/redis:\/\//);
    if (maxVersion === "TLSv1.2") expect(said[0]).toContain(WANTS_OURS);
  },
);

test("a Redis of TLS 1.1 alone is told to have a newer one", async () => {
  const old = { ...own, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" } as const;
  const said = await wrongWith({ url: `rediss://127.0.0.1:${await tlsRedis(old)}`, tls: { ca: own.cert } });
  expect(said).toEqual([
    expect.stringMatching(/ERR_SSL_\w+\) → it has no version of TLS that Node takes: let it offer TLS 1\.2/),
  ]);
});

test("rediss:// and redis:// that are exchanged are named", async () => {
  const plain = await silent(); // as a Redis is that waits for the end of a line
  expect(await wrongWithSilent(`rediss://127.0.0.1:${plain}`)).toEqual([
    expect.stringMatching(/\(ETIMEDOUT\) → it says nothing: .* or has it no TLS\? Then write redis:\/\/ in REDIS_URL$/),
  ]);
  expect(await wrongWith({ url: `redis://127.0.0.1:${await tlsRedis(own)}` })).toEqual([
    expect.stringMatching(/ → .* wants? TLS.* rediss:\/\/ in REDIS_URL$/),
  ]);
});

test("a web server in the place of Redis is named", async () => {
  const web = await portOf(http.createServer((_request, response) => void response.end()));
  expect(await wrongWith({ url: `redis://127.0.0.1:${web}` })).toEqual([
    "it says what no Redis would → is it another server's port? If it wants TLS, write rediss:// in REDIS_URL",
  ]);
});

test("nodes and sentinels that say nothing have an arrow, too", async () => {
  const hint = /\(ETIMEDOUT\) → it says nothing: does it want TLS \(rediss:\/\/\), does a firewall swallow it\?$/;
  const [node, sentinel] = [await silent(), await silent()];
  expect(await wrongWithSilent(`redis+cluster://127.0.0.1:${node}`)).toEqual([expect.stringMatching(hint)]);
  expect(await wrongWithSilent(`redis+sentinel://127.0.0.1:${sentinel}/mymaster`)).toEqual([
    expect.stringMatching(hint),
  ]);
});
