import type * as http2 from "node:http2";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import type { TlsOptions } from "../runtime/tls-options.js";
import { GrpcConnection } from "./grpc-connection.js";

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/**
 * The HTTP/2 connection of the gRPC transport: dialled when a call needs it, and followed by another one when the server says goodbye,
 * refuses a call or is gone. Calls that are under way stay on theirs.
 *
 * {@link replace} is the way out of a dead one: a server that was paused, or a network that swallows packets, leaves a connection that
 * looks alive for ever.
 */
export class ReplaceableSession implements SessionManager {
  readonly authority: string;
  readonly #url: URL;
  readonly #tls: TlsOptions | undefined;
  /** Of which something is left. */
  readonly #connections = new Set<GrpcConnection>();
  #current: GrpcConnection | undefined;
  #signsOfLife = 0;

  constructor(url: string, tls: TlsOptions | undefined) {
    this.#url = new URL(url);
    this.#tls = tls;
    this.authority = this.#url.origin;
  }

  /** Grows whenever the server sends something. */
  get signsOfLife(): number {
    return this.#signsOfLife;
  }

  /** Whether a connection stands, or could be made. */
  async connect(): Promise<boolean> {
    return this.#connection()
      .ready()
      .then(
        () => true,
        () => false,
      );
  }

  async request(method: string, path: string, headers: http2.OutgoingHttpHeaders): Promise<http2.ClientHttp2Stream> {
    const connection = this.#connection();
    await connection.ready();
    return connection.request(method, path, headers);
  }

  notifyResponseByteRead(): void {
    this.#signsOfLife++;
  }

  /** Makes the next call take a new connection; those under way stay on theirs. */
  retire(): void {
    this.#current?.retire();
  }

  /** Drops the connection and every call on it. */
  replace(): void {
    this.#current?.cutOff();
  }

  /** Drops what is left of all of them. */
  close(): void {
    for (const connection of this.#connections) connection.cutOff();
  }

  #connection(): GrpcConnection {
    if (this.#current?.accepts) return this.#current;
    const connection = new GrpcConnection(this.#url, this.#tls, {
      onAnswer: () => this.#signsOfLife++,
      onEnd: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    this.#current = connection;
    return connection;
  }
}
