import * as http from "node:http";
import * as http2 from "node:http2";
import * as net from "node:net";

/** A server of a test, which ends with it. */
export interface RawServer {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** An HTTP/2 server that answers each request as the test says, byte for byte. */
export interface RawGrpcServer extends RawServer {
  /** Headers of every request that reached it. */
  readonly requests: http2.IncomingHttpHeaders[];
  /** What it does with a request, once that is complete. */
  reply: (stream: http2.ServerHttp2Stream) => void;
}

export async function startRawGrpc(
  reply: RawGrpcServer["reply"],
  tls?: { key: string; cert: string },
): Promise<RawGrpcServer> {
  const requests: http2.IncomingHttpHeaders[] = [];
  const server = tls ? http2.createSecureServer(tls) : http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", () => undefined); // a test may cut it
    session.once("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    requests.push(headers);
    stream.on("error", () => undefined);
    stream.once("end", () => raw.reply(stream));
    stream.resume();
  });
  const port = await listen(server);
  const raw: RawGrpcServer = {
    url: `${tls ? "https" : "http"}://127.0.0.1:${port}`,
    port,
    requests,
    reply,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
  return raw;
}

export interface RawRequest {
  readonly method: string | undefined;
  /** As it stood in the request line. */
  readonly path: string | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

/** An HTTP/1.1 server that answers each request as the test says. */
export interface RawRestServer extends RawServer {
  readonly requests: RawRequest[];
  reply: (response: http.ServerResponse, request: RawRequest) => void;
}

export async function startRawRest(reply: RawRestServer["reply"]): Promise<RawRestServer> {
  const requests: RawRequest[] = [];
  const server = http.createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    response.on("error", () => undefined);
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { method, url: path, headers } = incoming;
      const request = { method, path, headers, body: Buffer.concat(chunks).toString("utf8") };
      requests.push(request);
      raw.reply(response, request);
    });
  });
  const port = await listen(server);
  const raw: RawRestServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    requests,
    reply,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
  return raw;
}

/** Forwards bytes to a port, or swallows them: then it accepts every connection and never says a word. */
export interface TcpGate extends RawServer {
  /** Where new connections go; `undefined` swallows them. */
  target: number | undefined;
  /** Connections that it accepted, and those of them that stand. */
  readonly connections: number;
  readonly open: number;
}

export async function startTcpGate(target?: number): Promise<TcpGate> {
  const sockets = new Set<net.Socket>();
  const track = (socket: net.Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  let connections = 0;
  let open = 0;
  const server = net.createServer((inbound) => {
    connections++;
    open++;
    inbound.once("close", () => open--);
    track(inbound);
    if (gate.target === undefined) {
      inbound.resume();
      return;
    }
    const outbound = track(net.connect(gate.target, "127.0.0.1"));
    inbound.pipe(outbound).pipe(inbound);
    inbound.once("close", () => outbound.destroy());
    outbound.once("close", () => inbound.destroy());
  });
  const port = await listen(server);
  const gate: TcpGate = {
    url: `http://127.0.0.1:${port}`,
    port,
    target,
    get connections() {
      return connections;
    },
    get open() {
      return open;
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return gate;
}

/** A port of this machine where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

async function listen(server: net.Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return (server.address() as net.AddressInfo).port;
}
