import * as http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { networkInterfaces } from "node:os";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { describe, expect, test } from "@jest/globals";
import { type AuthClientOptions, createAuthClient, optionsFromEnv } from "../../src/client.js";
import { AuthService } from "../../src/proto.js";
import { startAuthService } from "../../src/testing.js";
import { closedAfterEach } from "../support/after-each.js";
import * as reply from "../support/grpc-replies.js";
import { ONE_CONNECTION } from "../support/one-connection.js";
import { startRawGrpc } from "../support/raw-upstreams.js";
import { selfSigned } from "../support/self-signed.js";

const opened = closedAfterEach();
const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1"),
);
if (!hasIpv6) process.stderr.write("Tests of IPv6 skipped: this machine has no ::1\n");
const testOverIpv6 = hasIpv6 ? test : test.skip;

function clientOf(grpc: AuthClientOptions["grpc"]) {
  const patient = { ...ONE_CONNECTION, timeoutMs: 10_000 }; // none of these is about time
  return opened(createAuthClient({ grpc: { ...patient, ...grpc }, retry: { attempts: 1 }, logger: false }));
}

/** A gRPC server on `::1` that keeps what each request said about where it goes, and as whom it greeted us in TLS. */
async function startOnIpv6(credentials?: { key: string; cert: string }) {
  const seen: { authority: string | undefined; servername: string | false | undefined }[] = [];
  const server = credentials ? http2.createSecureServer(credentials) : http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session: http2.ServerHttp2Session) => sessions.add(session));
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    const socket = stream.session?.socket as { servername?: string | false } | undefined;
    seen.push({ authority: headers[":authority"], servername: socket?.servername });
    stream.resume().once("end", () => reply.message(reply.user("ana"))(stream));
  });
  await new Promise<void>((resolve) => (server as Server).listen(0, "::1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    seen,
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}

describe(":authority (RFC 9113 §8.3.1)", () => {
  testOverIpv6("of an IPv6 address has its brackets", async () => {
    const server = opened(await startOnIpv6());
    await clientOf({ url: `http://[::1]:${server.port}` }).verifyToken("token");
    expect(server.seen.map(({ authority }) => authority)).toEqual([`[::1]:${server.port}`]);
  });

  testOverIpv6("the same over TLS, where an address is no name to ask for (RFC 6066 §3)", async () => {
    const { key, cert } = selfSigned();
    const server = opened(await startOnIpv6({ key, cert }));
    await clientOf({ url: `https://[::1]:${server.port}`, tls: { ca: cert } }).verifyToken("token");
    expect(server.seen).toEqual([{ authority: `[::1]:${server.port}`, servername: false }]);
  });

  testOverIpv6.each(["::1", "[::1]"])("from AUTH_GRPC_HOST=%s", async (host) => {
    const server = opened(await startOnIpv6());
    const { grpc } = optionsFromEnv({ AUTH_GRPC_HOST: host, AUTH_GRPC_PORT: String(server.port) });
    await clientOf(grpc).verifyToken("token");
    expect(server.seen.map(({ authority }) => authority)).toEqual([`[::1]:${server.port}`]);
  });

  testOverIpv6("is one that a server of Connect can read", async () => {
    const server = http2.createServer(
      connectNodeAdapter({
        routes: (router) => router.service(AuthService, { verifyToken: () => ({ userId: "ana", isActive: true }) }),
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "::1", resolve));
    opened({ close: () => new Promise((resolve) => server.close(resolve)) });
    const { port } = server.address() as AddressInfo;
    const { source } = await clientOf({ url: `http://[::1]:${port}` }).verifyToken("token");
    expect(source).toBe("grpc");
  });

  test.each([
    ["http://user:password@127.0.0.1:PORT", "127.0.0.1:PORT"],
    ["http://LOCALHOST:PORT/", "localhost:PORT"],
    ["http://127.1:PORT", "127.0.0.1:PORT"],
  ])("of %s is %s", async (url, authority) => {
    const server = opened(await startRawGrpc(reply.message(reply.user("ana"))));
    const at = (text: string) => text.replace("PORT", String(server.port));
    await clientOf({ url: at(url) }).verifyToken("token");
    expect(server.requests.map((headers) => headers[":authority"])).toEqual([at(authority)]);
  });
});

test("The fake auth service outlives an :authority that is none", async () => {
  const service = opened(await startAuthService({ users: { token: { id: "ana" } } }));
  const session = http2.connect(service.grpc.url);
  const path = "/auth.AuthService/VerifyToken";
  const stream = session.request({ ":method": "POST", ":path": path, ":authority": "::1:50051" });
  const status = await new Promise((resolve) => {
    stream.once("response", (headers) => resolve(headers[":status"])).end();
  });
  session.destroy();
  expect(status).toBe(400);
  expect((await clientOf(service.upstreams.grpc).verifyToken("token")).source).toBe("grpc");
});
