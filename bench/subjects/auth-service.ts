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
import { Stalls } from "../kit/stalls.js";
import { subjectOf } from "../kit/tokens.js";

export interface AuthServiceOptions {
  /** How long every answer takes, in milliseconds. Default 0. */
  readonly delayMs?: number;
  /** It can do no more: what comes faster waits in line, and is answered whether it is still waited for or not. Default: no bound. */
  readonly perSecond?: number;
}

const NO_TRAFFIC: Traffic = { grpc: 0, rest: 0, atOnce: 0, answers: 0, awaited: 0, stalledMs: 0 };

export type AuthServiceProcess = ReturnType<typeof methodsOf>;

/** Where it was asked, and how much. */
export interface Traffic {
  readonly grpc: number;
  readonly rest: number;
  /** The most questions that were under way at once. */
  readonly atOnce: number;
  readonly answers: number;
  /** Answers that were still waited for. */
  readonly awaited: number;
  /** The longest time for which the process could do nothing. */
  readonly stalledMs: number;
}

await expose<AuthServiceOptions, AuthServiceProcess>(async ({ delayMs = 0, perSecond = Number.POSITIVE_INFINITY }) => {
  const traffic = { ...NO_TRAFFIC };
  let underWay = 0;
  let busyUntil = 0;
  /** Milliseconds until the answer, in the order of the questions. */
  const takes = () => {
    const now = performance.now();
    busyUntil = Math.max(busyUntil, now) + 1000 / perSecond;
    return busyUntil - now + delayMs;
  };
  const ask = async (upstream: "grpc" | "rest", token: string, isAwaited: () => boolean) => {
    traffic[upstream]++;
    traffic.atOnce = Math.max(traffic.atOnce, ++underWay);
    try {
      const ms = takes();
      if (ms > 0) await sleep(ms);
      traffic.answers++;
      if (isAwaited()) traffic.awaited++;
      return subjectOf(token);
    } finally {
      underWay--;
    }
  };
  const routes = ({ service }: ConnectRouter) =>
    service(AuthService, {
      async verifyToken({ token }, { signal }) {
        const user = await ask("grpc", token, () => !signal.aborted);
        if (!user) throw new ConnectError("unknown token", Code.Unauthenticated);
        const { sub: userId, org: organizationId, email, permissions, locals } = user;
        return { userId, organizationId, email, permissions, locals, isActive: true };
      },
    });
  const grpc = http2.createServer({ settings: { maxConcurrentStreams: 1000 } }, connectNodeAdapter({ routes }));
  const rest = createServer(async (request, response) => {
    const { token } = (await json(request)) as { token: string };
    const user = await ask("rest", token, () => !response.destroyed);
    response.writeHead(user ? 200 : 401, { "content-type": "application/json" });
    if (!user) return void response.end("{}");
    const { sub: user_id, org: organization_id, email, permissions, locals } = user;
    response.end(JSON.stringify({ user_id, organization_id, email, permissions, locals, is_active: true }));
  });
  const [grpcUrl, restUrl] = await Promise.all([listen(grpc), listen(rest)]);
  return methodsOf(grpcUrl, restUrl, traffic);
});

function methodsOf(grpc: string, rest: string, traffic: { -readonly [K in keyof Traffic]: Traffic[K] }) {
  const stalls = new Stalls();
  return {
    urls: () => ({ grpc, rest }),
    /** What came since the last time. */
    takeTraffic: (): Traffic => {
      const taken = { ...traffic, stalledMs: stalls.take() };
      Object.assign(traffic, NO_TRAFFIC);
      return taken;
    },
  };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
