import { once } from "node:events";
import * as http2 from "node:http2";
import * as net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthService } from "portero/proto";
import { subjectOf } from "../kit/tokens.js";
import { crowdOf } from "./crowds.js";

const { NGHTTP2_CANCEL } = http2.constants;

/**
 * `black hole`: nothing is read from its connections, and new ones stand and are not answered, until it goes on where it was; as a
 * process that is stopped. `refused`: its connections end, and there are no new ones.
 */
export type ReplicaFault = "black hole" | "slow" | "UNAVAILABLE" | "refused";

/** How long a slow one takes for each answer, in milliseconds. */
export const SLOW_MS = 200;

/** Connections end by themselves: with GOAWAY, and so many milliseconds later what is still under way on them. */
export interface Rotation {
  readonly maxAgeMs: number;
  readonly graceMs: number;
}

/** One replica of the auth service, at an address of its own; its network can be struck. */
export class ReplicaServer {
  readonly host: string;
  readonly #delayMs: number;
  readonly #http: http2.Http2Server;
  readonly #sessions = new Map<http2.ServerHttp2Session, NodeJS.Timeout | undefined>();
  readonly #pairs = new Set<readonly [net.Socket, net.Socket]>();
  #httpPort = 0;
  #front: net.Server | undefined;
  #fault: ReplicaFault | undefined;
  #rotation: Rotation | undefined;
  /** Calls that came, by crowd. */
  readonly calls = new Map<number, number>();
  /** When the fault was over, and when the first call of each crowd was answered since. */
  #healedAt = Number.NaN;
  readonly #backAt = new Map<number, number>();

  constructor(host: string, delayMs: number) {
    this.host = host;
    this.#delayMs = delayMs;
    this.#http = http2.createServer(
      { settings: { maxConcurrentStreams: 1000 } },
      connectNodeAdapter({
        routes: ({ service }) => service(AuthService, { verifyToken: (ask) => this.#verify(ask) }),
      }),
    );
    this.#http.on("session", (session: http2.ServerHttp2Session) => this.#follow(session));
  }

  /** Rejects when the port is taken. */
  async start(port: number): Promise<number> {
    if (this.#httpPort === 0) this.#httpPort = await listening(this.#http, 0, "127.0.0.1");
    const front = net.createServer((inbound) => this.#connect(inbound));
    const own = await listening(front, port, this.host);
    this.#front = front;
    return own;
  }

  /** Accepts no connections any more; those that stand end at once, or with GOAWAY and after so many milliseconds. */
  async stop(graceMs = 0): Promise<void> {
    this.#front?.close();
    this.#front = undefined;
    if (graceMs > 0) {
      for (const session of this.#sessions.keys()) session.close();
      await sleep(graceMs);
    }
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async strike(fault: ReplicaFault): Promise<void> {
    this.#fault = fault;
    if (fault === "refused") await this.stop();
    if (fault === "black hole") for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  async heal(port: number): Promise<void> {
    const fault = this.#fault;
    this.#fault = undefined;
    this.#healedAt = performance.now();
    this.#backAt.clear();
    if (fault === "refused") await this.start(port);
    if (fault === "black hole") for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  /** Connections end by themselves from now on; without it they live for ever. */
  rotate(rotation: Rotation | undefined): void {
    this.#rotation = rotation;
    for (const session of [...this.#sessions.keys()]) this.#limitAge(session);
  }

  /** Milliseconds from its recovery until it answered that crowd. Not a number when it did not. */
  backAfter(crowd: number): number {
    return (this.#backAt.get(crowd) ?? Number.NaN) - this.#healedAt;
  }

  async #verify({ token }: { token: string }) {
    const [user, crowd] = [subjectOf(token), crowdOf(token)];
    this.calls.set(crowd, (this.calls.get(crowd) ?? 0) + 1);
    if (this.#fault === "UNAVAILABLE") throw new ConnectError("going away", Code.Unavailable);
    await sleep(this.#fault === "slow" ? SLOW_MS : this.#delayMs);
    if (!user) throw new ConnectError("unknown token", Code.Unauthenticated);
    if (this.#fault === undefined && !this.#backAt.has(crowd)) this.#backAt.set(crowd, performance.now());
    const { sub: userId, org: organizationId, email, permissions, locals } = user;
    return { userId, organizationId, email, permissions, locals, isActive: true };
  }

  /** Bytes go through by hand, so that they can be held up. */
  #connect(inbound: net.Socket): void {
    const outbound = net.connect(this.#httpPort, "127.0.0.1");
    const pair = [inbound, outbound] as const;
    this.#pairs.add(pair);
    for (const [socket, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("data", (bytes) => other.write(bytes));
      socket.on("error", () => undefined);
      socket.once("close", () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#fault === "black hole") socket.pause();
    }
  }

  #follow(session: http2.ServerHttp2Session): void {
    session.on("error", () => undefined);
    session.once("close", () => {
      clearTimeout(this.#sessions.get(session));
      this.#sessions.delete(session);
    });
    this.#limitAge(session);
  }

  #limitAge(session: http2.ServerHttp2Session): void {
    clearTimeout(this.#sessions.get(session));
    this.#sessions.set(session, undefined);
    if (!this.#rotation) return;
    const { maxAgeMs, graceMs } = this.#rotation;
    // As servers of grpc-js do.
    const close = () => {
      session.close();
      this.#sessions.set(
        session,
        setTimeout(() => session.destroy(undefined, NGHTTP2_CANCEL), graceMs),
      );
    };
    this.#sessions.set(session, setTimeout(close, maxAgeMs * (0.9 + 0.2 * Math.random())));
  }
}

async function listening(server: net.Server, port: number, host: string): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}
