import { readFileSync } from "node:fs";
import * as http2 from "node:http2";
import * as https from "node:https";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { afterEach, expect, test } from "@jest/globals";
import { AuthService } from "../../gen/auth/auth_service_pb.js";
import { type AuthClientOptions, createAuthClient } from "../../src/client.js";

const pem = (name: string) => readFileSync(new URL(`certificates/${name}.pem`, import.meta.url), "utf8");
const key = (name: string) => readFileSync(new URL(`certificates/${name}.key`, import.meta.url), "utf8");
const serverTls = {
  cert: pem("server"),
  key: key("server"),
  ca: pem("ca"),
  requestCert: true,
  rejectUnauthorized: true,
};
const clientTls = { ca: pem("ca"), cert: pem("client"), key: key("client") };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(server: http2.Http2SecureServer | https.Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function grpcServer(): Promise<string> {
  const routes = connectNodeAdapter({
    routes: (router) => router.service(AuthService, { verifyToken: () => ({ userId: "ana", isActive: true }) }),
  });
  return listen(http2.createSecureServer(serverTls, routes));
}

function restServer(): Promise<string> {
  return listen(
    https.createServer(serverTls, (_request, response) => response.end('{"user_id":"ana","is_active":true}')),
  );
}

function clientOf(options: AuthClientOptions) {
  const client = createAuthClient({ retry: { attempts: 1 }, logger: false, ...options });
  cleanups.push(() => client.close());
  return client;
}

test("gRPC over TLS trusts the given CA and shows the given client certificate", async () => {
  const client = clientOf({ grpc: { url: await grpcServer(), tls: clientTls } });
  await client.ready();
  expect((await client.verifyToken("token")).source).toBe("grpc");
});

test("REST over TLS trusts the given CA and shows the given client certificate", async () => {
  const client = clientOf({ rest: { url: await restServer(), tls: clientTls } });
  await client.ready();
  expect((await client.verifyToken("token")).source).toBe("rest");
});

test.each(["grpc", "rest"] as const)(
  "a server that the CAs of Node do not vouch for is no upstream: %s",
  async (side) => {
    const url = side === "grpc" ? await grpcServer() : await restServer();
    const client = clientOf({ [side]: { url } });
    await expect(client.verifyToken("token")).rejects.toMatchObject({ code: "auth_unavailable" });
    expect(client.status()[side]?.failures).toBe(1);
  },
);

test.each(["grpc", "rest"] as const)(
  "without our certificate the server hangs up, which is an outage: %s",
  async (side) => {
    const url = side === "grpc" ? await grpcServer() : await restServer();
    const client = clientOf({ [side]: { url, tls: { ca: pem("ca") } } });
    await expect(client.verifyToken("token")).rejects.toMatchObject({ code: "auth_unavailable", status: 503 });
  },
);
