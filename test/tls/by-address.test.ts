import { readFileSync } from "node:fs";
import * as http2 from "node:http2";
import { type AddressInfo, isIP } from "node:net";
import type { TLSSocket } from "node:tls";
import { expect, test } from "@jest/globals";
import { assembleAuthClient } from "../../src/auth/create-auth-client.js";
import { networkUpstreams } from "../../src/auth/pipeline.js";
import type { GrpcOptions } from "../../src/client.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";

const opened = closedAfterEach();
const pem = (name: string) => readFileSync(new URL(`certificates/${name}`, import.meta.url), "utf8");
/** For `localhost` and 127.0.0.1. */
const SERVER = { cert: pem("server.pem"), key: pem("server.key"), ca: pem("ca.pem") };
const OURS = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };

/** What a connection said about where it goes. */
interface Seen {
  readonly at: string | undefined;
  readonly authority: string | undefined;
  readonly servername: string | false | null | undefined;
}

/** gRPC over TLS at an address of this machine; it lets nobody in without a certificate. */
async function startAt(host: string, port: number) {
  const seen: Seen[] = [];
  const server = http2.createSecureServer({ ...SERVER, requestCert: true, rejectUnauthorized: true });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session: http2.ServerHttp2Session) => sessions.add(session));
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const socket = stream.session?.socket as TLSSocket;
    seen.push({ at: socket.localAddress, authority: headers[":authority"], servername: socket.servername });
    stream.resume().once("end", () => reply.message(reply.user("ana"))(stream));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  return {
    seen,
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

function clientAt(addresses: readonly string[], grpc: GrpcOptions) {
  const lookup = async () => addresses.map((address) => ({ address, family: isIP(address) }));
  return opened(
    assembleAuthClient(
      { grpc, retry: { attempts: 1 }, cache: { ttlMs: 0 }, logger: false },
      { ...networkUpstreams, lookup },
    ),
  );
}

test("Each address is dialled, and the name is what TLS, HTTP/2 and the check of the certificate go by", async () => {
  const first = opened(await startAt("127.0.0.2", 0));
  const second = opened(await startAt("127.0.0.3", first.port));
  const url = `https://localhost:${first.port}`;
  const client = clientAt(["127.0.0.2", "127.0.0.3"], { url, tls: OURS, timeoutMs: 20_000, hedgeMs: 0 });
  await client.ready();
  for (let call = 0; call < 10; call++) expect((await client.verifyToken(`token-${call}`)).source).toBe("grpc");
  const seen = [...first.seen, ...second.seen];
  expect(new Set(seen.map(({ at }) => at))).toEqual(new Set(["127.0.0.2", "127.0.0.3"]));
  expect(new Set(seen.map(({ authority }) => authority))).toEqual(new Set([`localhost:${first.port}`]));
  expect(new Set(seen.map(({ servername }) => servername))).toEqual(new Set(["localhost"]));
  expect(client.status().grpc?.replicas?.map(({ address }) => address)).toEqual([
    `127.0.0.2:${first.port}`,
    `127.0.0.3:${first.port}`,
  ]);
});

test("A certificate for the address alone is not one for the name: a name server cannot lead elsewhere", async () => {
  const server = opened(await startAt("127.0.0.1", 0));
  const client = clientAt(["127.0.0.1"], { url: `https://auth.test:${server.port}`, tls: OURS });
  await expect(client.verifyToken("token")).rejects.toMatchObject({ code: "auth_unavailable" });
  expect(server.seen).toEqual([]);
  expect(client.status().grpc?.lastFailure?.reason).toMatch(/ERR_TLS_CERT_ALTNAME_INVALID/);
});

test("Without our certificate no replica lets us in", async () => {
  const server = opened(await startAt("127.0.0.1", 0));
  const client = clientAt(["127.0.0.1"], { url: `https://localhost:${server.port}`, tls: { ca: OURS.ca } });
  await expect(client.verifyToken("token")).rejects.toMatchObject({ code: "auth_unavailable" });
  expect(server.seen).toEqual([]);
});

test("The machine's own name server finds localhost, where one address at least answers", async () => {
  const server = opened(await startAt("127.0.0.1", 0));
  const client = opened(
    assembleAuthClient(
      { grpc: { url: `https://localhost:${server.port}`, tls: OURS, timeoutMs: 20_000 }, logger: false },
      networkUpstreams,
    ),
  );
  expect((await client.verifyToken("token")).source).toBe("grpc");
  expect(client.status().grpc?.replicas?.map(({ address }) => address)).toContain(`127.0.0.1:${server.port}`);
});
