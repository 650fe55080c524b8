import * as http2 from "node:http2";
import type * as net from "node:net";
import type { Clock } from "../runtime/clock.js";
import { setPatientTimeout } from "../runtime/patient-timeout.js";
import type { TlsSource } from "../runtime/tls-options.js";
import { dial } from "./grpc-dial.js";
import { dropped, failure, fateOf, mark, unprocessed } from "./grpc-fate.js";

/** A connection without a call for so long may be gone, though it looks alive, in milliseconds: balancers and NAT forget such ones. */
const IDLE_MS = 10_000;
/** The time a peer has to end its side after our GOAWAY, in milliseconds: one that never does would keep the socket. */
const GOODBYE_MS = 5000;
const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM, NGHTTP2_STREAM_STATE_IDLE } = http2.constants;

export interface ConnectionOptions {
  /** The IP address to dial. Default: the host of the URL, looked up. */
  readonly host?: string | undefined;
  readonly tls: TlsSource | undefined;
  readonly clock: Clock;
  /** The time for the answer to a PING, in milliseconds. */
  readonly pingMs: number;
}

export interface ConnectionListener {
  /** It is made. */
  onMade(): void;
  /** An answer begins. */
  onAnswer(): void;
  /** Nothing is left of the connection. */
  onEnd(): void;
}

/**
 * One HTTP/2 connection to a gRPC server, from dialling to its end. Whatever a peer does to it ends calls and never the process: its
 * socket, its session and every stream, pushed ones too, have a listener for errors from the moment they exist, and keep it.
 */
export class GrpcConnection {
  readonly #socket: net.Socket;
  readonly #session: http2.ClientHttp2Session;
  readonly #streams = new Set<http2.ClientHttp2Stream>();
  /** Those on which an answer has begun: whatever the server says of them later, it did look at them. */
  readonly #answered = new WeakSet<http2.ClientHttp2Stream>();
  readonly #authority: string;
  readonly #onAnswer: () => void;
  readonly #made: Promise<void>;
  readonly #greeted: Promise<void>;
  #failToMake: (reason: Error) => void = () => undefined;
  #isMade = false;
  #isGreeted = false;
  #accepts = true;
  readonly #options: ConnectionOptions;
  /** When the last call on it ended, or it was heard of without one: monotonic and wall time, in milliseconds. */
  readonly #heard = { at: Number.POSITIVE_INFINITY, wall: Number.POSITIVE_INFINITY };
  #asking: Promise<boolean> | undefined;
  #goodbye: NodeJS.Timeout | undefined;

  /** @throws TlsSettingsError */
  constructor(url: URL, options: ConnectionOptions, { onMade, onAnswer, onEnd }: ConnectionListener) {
    this.#options = options;
    this.#onAnswer = onAnswer;
    // Not left to Node, which forgets the brackets of an IPv6 address: RFC 9113 §8.3.1, RFC 3986 §3.2.2.
    this.#authority = url.host;
    this.#socket = dial(url, options.tls, options.host).unref(); // only calls on it keep the process alive: those that wait for it have their timers
    // Before the session, which ends streams without a word when it sees the same.
    this.#socket.on("error", (error) => this.#lost(error));
    this.#socket.once("end", () => this.retire());
    this.#socket.once("close", () => {
      clearTimeout(this.#goodbye);
      this.#lost(failure("ECONNRESET", "the connection was closed"));
      onEnd();
    });
    this.#session = http2.connect(url, {
      createConnection: () => this.#socket,
      settings: { enablePush: false },
      // Until the server has said how many calls it takes at a time (nghttp2 then takes its word): more would be refused.
      peerMaxConcurrentStreams: 1,
    });
    this.#session.on("error", (error) => this.#lost(error));
    this.#session.on("stream", (pushed) => void pushed.on("error", () => undefined).close());
    this.#session.on("goaway", (_code, lastId) => this.#onGoaway(lastId));
    this.#made = new Promise((resolve, reject) => {
      this.#failToMake = reject;
      this.#session.once("connect", () => {
        this.#isMade = true;
        this.#hear();
        onMade();
        resolve();
      });
    });
    this.#greeted = new Promise((resolve, reject) => {
      this.#session.once("remoteSettings", () => {
        this.#isGreeted = true;
        resolve();
      });
      this.#socket.once("close", () => reject(failure("ECONNRESET", "the connection was closed")));
    });
    for (const each of [this.#made, this.#greeted]) each.catch(() => undefined); // the calls that wait for it get the reason
  }

  /** Whether new calls may be put on it. */
  get accepts(): boolean {
    return this.#accepts && !this.#session.closed && !this.#session.destroyed;
  }

  /** Whether the server has spoken. */
  get isGreeted(): boolean {
    return this.#isGreeted;
  }

  /** Whether a call can be put on it at once. */
  get stands(): boolean {
    return this.#isMade && this.accepts && !this.isIdle;
  }

  /** Without a call for 10 s, by either clock: a process that was frozen sees that on the wall clock alone. */
  get isIdle(): boolean {
    if (this.#streams.size > 0) return false;
    const { clock } = this.#options;
    return clock.monotonic() - this.#heard.at >= IDLE_MS || clock.now() - this.#heard.wall >= IDLE_MS;
  }

  /**
   * Resolves when it is made, with whether a call can be put on it: one that was idle is asked whether it is still there, and dropped
   * when it is silent. Calls that come meanwhile share the question. Rejects with what prevented making it.
   */
  async ready(): Promise<boolean> {
    if (!this.#isMade) await this.#made;
    if (!this.isIdle) return true;
    this.#asking ??= this.#ask();
    return this.#asking;
  }

  /** Resolves when the server has spoken: behind a balancer that accepts every connection, there is one. */
  greeted(): Promise<void> {
    return this.#greeted;
  }

  /** @throws an error whose fate is `unprocessed`, when it is too late for a call on it */
  request(method: string, path: string, headers: http2.OutgoingHttpHeaders): http2.ClientHttp2Stream {
    if (!this.accepts) throw unprocessed();
    const pseudo = { ":method": method, ":path": path, ":authority": this.#authority };
    const stream = this.#session.request({ ...headers, ...pseudo });
    stream.once("response", () => {
      this.#answered.add(stream);
      this.#onAnswer();
    });
    stream.on("error", (error: NodeJS.ErrnoException) => {
      const isRefused = stream.rstCode === NGHTTP2_REFUSED_STREAM && error.code === "ERR_HTTP2_STREAM_ERROR";
      if (this.#answered.has(stream) || !(isRefused || stream.id === undefined)) return;
      mark(error, "unprocessed");
      this.retire(); // or the next try would come here again
    });
    stream.once("close", () => {
      this.#streams.delete(stream);
      if (this.#streams.size === 0) this.#onIdle();
      const isSilent = stream.rstCode === NGHTTP2_NO_ERROR && !this.#answered.has(stream);
      // Or the call would wait for an answer until its time is over: a stream without an answer ends like any other.
      if (isSilent) stream.emit("error", failure("ERR_HTTP2_STREAM_ERROR", "closed without an answer"));
    });
    if (this.#streams.size === 0) this.#socket.ref();
    this.#streams.add(stream);
    return stream;
  }

  /** Takes no more calls, and ends with the last of those on it. */
  retire(): void {
    this.#accepts = false;
    if (this.#streams.size === 0) this.#leave();
  }

  /** Drops it at once, with every call on it. */
  cutOff(): void {
    this.#lost(dropped());
    this.#session.destroy();
    if (this.#isMade) this.#leave();
    else this.#socket.destroy(); // there is no session yet to send a GOAWAY on
  }

  #onIdle(): void {
    this.#socket.unref();
    this.#hear();
    if (!this.#accepts) this.#leave();
  }

  #hear(): void {
    const { clock } = this.#options;
    this.#heard.at = clock.monotonic();
    this.#heard.wall = clock.now();
  }

  /** Only for a call that waits: a server may take PINGs without calls for an attack (ENHANCE_YOUR_CALM, gRPC's `too_many_pings`). */
  async #ask(): Promise<boolean> {
    const isThere = await new Promise<boolean>((resolve) => {
      const timer = setPatientTimeout(this.#options.clock, () => resolve(false), this.#options.pingMs);
      const answered = (error: Error | null) => {
        timer.clear();
        resolve(error === null);
      };
      try {
        if (!this.#session.ping(answered)) answered(new Error("not sent"));
      } catch (error) {
        answered(error as Error);
      }
    });
    this.#asking = undefined;
    if (isThere) this.#hear();
    else this.cutOff();
    return isThere;
  }

  /** What is above `lastId` the server will never look at, nor at what waits for room; all else it may still answer. */
  #onGoaway(lastId: number): void {
    this.#accepts = false;
    const isAbove = (stream: http2.ClientHttp2Stream) => (stream.id as number) > lastId && !this.#answered.has(stream);
    const ignored = [...this.#streams].filter((stream) => isUnsent(stream) || isAbove(stream));
    for (const stream of ignored) stream.destroy(unprocessed());
    this.retire();
  }

  #lost(reason: Error): void {
    this.#accepts = false;
    this.#failToMake(reason);
    if (fateOf(reason) === undefined) {
      // To be known before any other stream ends, and makes room for them.
      const unsent = [...this.#streams].filter(isUnsent);
      for (const stream of unsent) stream.destroy(unprocessed());
    }
    for (const stream of this.#streams) if (!stream.closed) stream.destroy(reason); // a closed one has its answer
  }

  #leave(): void {
    if (this.#socket.destroyed) return;
    this.#session.close();
    this.#goodbye ??= setTimeout(() => this.#socket.destroy(), GOODBYE_MS).unref();
  }
}

/** Whether not even its headers were written: it waits for the server to have room. */
function isUnsent(stream: http2.ClientHttp2Stream): boolean {
  if (stream.destroyed) return false;
  return stream.id === undefined || stream.state.state === NGHTTP2_STREAM_STATE_IDLE;
}
