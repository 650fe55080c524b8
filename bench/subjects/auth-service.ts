// The auth service of the benches, in a process of its own: gRPC and REST, which believe every token that names a user.
import { once } from "node:events";
import { createServer } from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthService } from "portero/proto";
import { expose } from "../kit/process.js";
import { subjectOf } from "../kit/tokens.js";

export interface AuthServiceOptions {
  /** How long every answer takes, in milliseconds. Default 0. */
  readonly delayMs?: number;
}

export type AuthServiceProcess = ReturnType<typeof methodsOf>;

/** Where it was asked, and how much. */
export interface Traffic {
  readonly grpc: number;
  readonly rest: number;
  /** The most questions that were under way at once. */
  readonly atOnce: number;
}

await expose<AuthServiceOptions, AuthServiceProcess>(async ({ delayMs = 0 }) => {
  const traffic = { grpc: 0, rest: 0, atOnce: 0 };
  let underWay = 0;
  const ask = async (upstream: "grpc" | "rest", token: string) => {
    traffic[upstream]++;
    traffic.atOnce = Math.max(traffic.atOnce, ++underWay);
    try {
      if (delayMs > 0) await sleep(delayMs);
      return subjectOf(token);
    } finally {
      underWay--;
    }
  };
  const routes = ({ service }: ConnectRouter) =>
    service(AuthService, {
      async verifyToken({ token }) {
        const user = await ask("grpc", token);
        if (!user) throw new ConnectError("unknown token", Code.Unauthenticated);
        const { sub: userId, org: organizationId, email, permissions, locals } = user;
        return { userId, organizationId, email, permissions, locals, isActive: true };
      },
    });
  const grpc = http2.createServer({ settings: { maxConcurrentStreams: 1000 } }, connectNodeAdapter({ routes }));
  const rest = createServer(async (request, response) => {
    const { token } = (await json(request)) as { token: string };
    const user = await ask("rest", token);
    response.writeHead(user ? 200 : 401, { "content-type": "application/json" });
    if (!user) return void response.end("{}");
    const { sub: user_id, org: organization_id, email, permissions, locals } = user;
    response.end(JSON.stringify({ user_id, organization_id, email, permissions, locals, is_active: true }));
  });
  const [grpcUrl, restUrl] = await Promise.all([listen(grpc), listen(rest)]);
  return methodsOf(grpcUrl, restUrl, traffic);
});

function methodsOf(grpc: string, rest: string, traffic: { -readonly [K in keyof Traffic]: Traffic[K] }) {
  return {
    urls: () => ({ grpc, rest }),
    /** What came since the last time. */
    takeTraffic: (): Traffic => {
      const taken = { ...traffic };
      Object.assign(traffic, { grpc: 0, rest: 0, atOnce: 0 });
      return taken;
    },
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
