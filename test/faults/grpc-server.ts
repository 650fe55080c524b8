import * as http2 from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { AuthService } from "../../src/proto.js";
import { listen } from "../support/listen.js";
import { everybody } from "./people.js";

export interface GrpcServerOptions {
  /** Default: a free one. */
  port?: number;
  /** Default: without TLS. */
  tls?: { key: string; cert: string };
  /** `SETTINGS_MAX_CONCURRENT_STREAMS`. Default: as many as come. */
  maxConcurrentStreams?: number;
}

/** A gRPC server whose HTTP/2 a test holds in its hands. It knows everybody. */
export interface GrpcServer {
  readonly port: number;
  readonly url: string;
  /** Calls that reached it. */
  readonly calls: number;
  /** Clients that have acknowledged its settings. */
  readonly greeted: number;
  /** The most that were under way at once. */
  readonly peak: number;
  /** Bytes that each answer carries along. */
  padding: number;
  /** Keeps answers back until {@link release}. */
  hold(): void;
  release(): void;
  /** Says GOAWAY on every connection and accepts no other; what is under way is answered. */
  goAway(): void;
  close(): Promise<void>;
}

export async function startGrpcServer(options: GrpcServerOptions = {}): Promise<GrpcServer> {
  const { tls, maxConcurrentStreams } = options;
  const users = everybody();
  const sessions = new Set<http2.ServerHttp2Session>();
  let [calls, underWay, peak, padding, greeted] = [0, 0, 0, 0, 0];
  let gate = Promise.resolve();
  let open = () => {};

  const handler = connectNodeAdapter({
    routes: (router) =>
      router.service(AuthService, {
        async verifyToken({ token }) {
          calls++;
          peak = Math.max(peak, ++underWay);
          await gate;
          underWay--;
          const user = users[token];
          if (!user) throw new ConnectError("nobody's", Code.Unauthenticated);
          return { userId: user.id, organizationId: "org-1", email: "", isActive: true, permissions: [pad(padding)] };
        },
      }),
  });
  const settings = maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams };
  const server = tls
    ? http2.createSecureServer({ ...tls, settings }, handler)
    : http2.createServer({ settings }, handler);
  server.on("session", (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", () => undefined); // a network that garbles
    session.once("localSettings", () => greeted++);
    session.once("close", () => sessions.delete(session));
  });
  const port = await listen(server, options.port);
  let closed: Promise<void> | undefined;
  const stopListening = () => {
    closed ??= new Promise<void>((resolve) => server.close(() => resolve()));
    return closed;
  };
  return {
    port,
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    get calls() {
      return calls;
    },
    get greeted() {
      return greeted;
    },
    get peak() {
      return peak;
    },
    set padding(bytes: number) {
      padding = bytes;
    },
    hold() {
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    release: () => open(),
    goAway() {
      void stopListening();
      for (const session of sessions) session.close();
    },
    async close() {
      open();
      const done = stopListening();
      for (const session of sessions) session.destroy();
      await done;
    },
  };
}

function pad(bytes: number): string {
  return "x".repeat(bytes);
}
