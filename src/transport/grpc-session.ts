import type * as http2 from "node:http2";
import { type GrpcTransportOptions, Http2SessionManager } from "@connectrpc/connect-node";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;
type RequestArguments = Parameters<SessionManager["request"]>;

/** TLS for one upstream; all in PEM. Without it, `https:` uses the CAs of Node. */
export interface TlsOptions {
  /** The certificate authorities to trust instead of Node's. */
  ca?: string | Buffer | readonly (string | Buffer)[];
  /** Our client certificate (mutual TLS). */
  cert?: string | Buffer;
  /** The key of `cert`. */
  key?: string | Buffer;
}

/**
 * The HTTP/2 connection of the gRPC transport, and a way out of a dead one: a server that was paused, or a network that swallows
 * packets, leaves a connection that looks alive for ever (connect-es #1561; keep-alive pings don't cure it). {@link replace} drops
 * it, whatever it was doing, and the next call connects anew.
 */
export class ReplaceableSession implements SessionManager {
  readonly authority: string;
  readonly #connect: () => Http2SessionManager;
  #manager: Http2SessionManager;
  readonly #watched = new WeakSet<http2.Http2Session>();
  #signsOfLife = 0;

  constructor(url: string, tls: TlsOptions | undefined) {
    const nodeOptions: http2.SecureClientSessionOptions = {
      ...(tls as http2.SecureClientSessionOptions | undefined),
      // Until the server has said how many calls it takes at a time (nghttp2 then takes its word): more would be refused, and count.
      peerMaxConcurrentStreams: 1,
    };
    this.#connect = () => new Http2SessionManager(url, {}, nodeOptions);
    this.#manager = this.#connect();
    this.authority = this.#manager.authority;
  }

  /** Grows whenever the server sends something. */
  get signsOfLife(): number {
    return this.#signsOfLife;
  }

  /** Whether a connection stands, or could be made. */
  async connect(): Promise<boolean> {
    return (await this.#manager.connect()) !== "error";
  }

  async request(...args: RequestArguments): Promise<http2.ClientHttp2Stream> {
    const stream = await this.#manager.request(...args);
    stream.once("response", () => this.#signsOfLife++);
    this.#watch(stream.session);
    return stream;
  }

  /**
   * An idle server that says goodbye just as a request comes leaves a session whose errors nobody listens to any more (seen on Node 24
   * and 26): without a listener they would end the process. The calls on it learn of them by themselves.
   */
  #watch(session: http2.Http2Session | undefined): void {
    if (!session || this.#watched.has(session)) return;
    this.#watched.add(session);
    session.on("error", () => undefined);
  }

  notifyResponseByteRead(stream: http2.ClientHttp2Stream): void {
    this.#signsOfLife++;
    this.#manager.notifyResponseByteRead(stream);
  }

  /** Drops the connection and every call on it. */
  replace(): void {
    const dropped = this.#manager;
    this.#manager = this.#connect();
    dropped.abort();
  }
}
