// The fake auth service as a process of its own, which can be stopped and killed like any other. A forwarder before each side, in the
// same process, gives it the port that it is told, so that another process can take its place at the same address.
import * as http from "node:http";
import * as net from "node:net";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AuthService } from "../../src/proto.js";
import { startAuthService } from "../../src/testing.js";
import { listen } from "../support/listen.js";
import { everybody, tokenOf } from "./people.js";

const [grpcPort = 0, restPort = 0, backlog = 511] = process.argv.slice(2).map(Number);
const service = await startAuthService({ users: everybody() });
const addresses = { grpc: await front(service.grpc.url, grpcPort), rest: await front(service.rest.url, restPort) };
await Promise.all([askOverGrpc(addresses.grpc), askOverRest(addresses.rest)]); // the first answers of a new process take long
process.stdout.write(`${JSON.stringify(addresses)}\n`);
process.stdin.resume().once("end", () => process.exit()); // whoever started it is gone

async function front(url: string, port: number): Promise<number> {
  const target = Number(new URL(url).port);
  const server = net.createServer((inbound) => {
    const outbound = net.connect(target, "127.0.0.1");
    for (const [socket, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
      socket.once("close", () => other.destroy());
      socket.pipe(other);
    }
  });
  return listen(server, port, { backlog });
}

async function askOverGrpc(port: number): Promise<void> {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  await createClient(AuthService, createGrpcTransport({ baseUrl, sessionManager })).verifyToken({ token: tokenOf(0) });
  sessionManager.abort();
}

function askOverRest(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1", method: "POST", path: "/auth/verify", agent: false };
    const request = http.request(options, (response) => void response.resume().once("end", resolve));
    request.once("error", reject).end(JSON.stringify({ token: tokenOf(0) }));
  });
}
