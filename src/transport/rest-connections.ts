import { type ClientRequest, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../runtime/clock.js";
import { currentTls, type TlsOptions, type TlsSource } from "../runtime/tls-options.js";
import { drawLife } from "./connection-life.js";

/** One of Node's for each scheme, as got takes them. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export interface RestConnectionsOptions {
  url: string;
  tls?: TlsSource;
  /** In the place of our own. It stays its owner's: only its idle connections to this URL are dropped, and it is not closed. */
  agent?: HttpAgent;
  clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  random: () => number;
}

/** A connection without a request for so long may be gone, though it looks alive, in milliseconds: balancers and NAT forget such ones. */
const IDLE_MS = 10_000;

/** The connections to the REST side, kept alive between requests. */
export class RestConnections {
  readonly #kept: Agents;
  readonly #anew: Agents | undefined;
  /** How the idle connections of a given agent to this URL are named (`host:port:…`). */
  readonly #name: string;
  readonly #clock: Clock;
  /** When the last request on a connection ended: monotonic and wall time, in milliseconds. */
  readonly #usedAt = new WeakMap<Socket, { readonly at: number; readonly wall: number }>();

  /** Of the connections that are kept. */
  readonly #lives = new Set<Timer>();

  constructor({ url, tls, agent, clock, random }: RestConnectionsOptions) {
    this.#clock = clock;
    const { protocol, hostname, port } = new URL(url);
    this.#name = `${hostname.replace(/^\[|\]$/g, "")}:${port || (protocol === "https:" ? 443 : 80)}:`;
    if (agent) {
      this.#kept = { http: agent, https: agent as HttpsAgent };
      return;
    }
    this.#kept = ownAgents(tls, true);
    for (const own of [this.#kept.http, this.#kept.https]) {
      endOld(own, (onOld) => {
        const life = clock.setTimeout(onOld, drawLife(random), { background: true });
        this.#lives.add(life);
        return () => {
          life.clear();
          this.#lives.delete(life);
        };
      });
    }
    this.#anew = ownAgents(tls, false);
  }

  /** For one request: it takes a connection that was used within the last 10 s, or makes one. HTTP/1 cannot ask whether one is still there. */
  kept(): Agents {
    this.#drop((socket) => this.#isQuiet(socket));
    return this.#kept;
  }

  /** For one request that must not meet another dead connection: it connects anew, however many were kept. */
  anew(): Agents {
    if (this.#anew) return this.#anew;
    this.dropIdle();
    return this.#kept;
  }

  /** A request on the connection has ended. */
  used(socket: Socket): void {
    this.#usedAt.set(socket, { at: this.#clock.monotonic(), wall: this.#clock.now() });
  }

  /**
   * Ends what is kept and idle: connections that were made together lead to the same backend, or through the same dead entry of a
   * balancer's table, and each of them would cost a timeout of its own. Those in use stay.
   */
  dropIdle(): void {
    this.#drop(() => true);
  }

  /** Of the idle ones, which an agent has in the order in which they became so, those up to the first that is to stay. */
  #drop(isToGo: (socket: Socket) => boolean): void {
    const { http, https } = this.#kept;
    this.#dropOf(http, isToGo);
    if (https !== http) this.#dropOf(https, isToGo);
  }

  #dropOf({ freeSockets = {} }: HttpAgent, isToGo: (socket: Socket) => boolean): void {
    for (const name in freeSockets) {
      if (!this.#anew && !name.startsWith(this.#name)) continue;
      for (const socket of freeSockets[name] ?? []) {
        if (!isToGo(socket)) break;
        socket.destroy(); // an agent hands out none that is destroyed, and lets go of it later
      }
    }
  }

  /** By either clock: a process that was frozen sees that on the wall clock alone. */
  #isQuiet(socket: Socket): boolean {
    const used = this.#usedAt.get(socket);
    if (!used) return false; // one of a given agent, on which another's request was
    return this.#clock.monotonic() - used.at >= IDLE_MS || this.#clock.now() - used.wall >= IDLE_MS;
  }

  close(): void {
    if (!this.#anew) return;
    for (const life of this.#lives) life.clear();
    for (const { http, https } of [this.#kept, this.#anew]) {
      http.destroy();
      https.destroy();
    }
  }
}

/** Said in the handshake: a server of HTTP/2 alone then ends it. Else Node's would answer 403, as if the token were refused. */
const HTTP_1 = { ALPNProtocols: ["http/1.1"] };

/** As Node's types have them. */
type ReadTls = { ca?: string; cert?: string; key?: string } | undefined;

/** The connection that one request was given. */
export class Connection {
  readonly #request: ClientRequest;
  #bytesBefore = 0;

  constructor(request: ClientRequest) {
    this.#request = request;
    request.once("socket", (socket) => {
      this.#bytesBefore = socket.bytesRead;
    });
  }

  /** Ends the request, and the connection with it. */
  end(): void {
    this.#request.destroy();
  }

  get socket(): Socket | null {
    return this.#request.socket;
  }

  /** Whether it was idle before, and not made for this request. */
  get reused(): boolean {
    return this.#request.reusedSocket;
  }

  /** Whether it had been kept, and brought no byte: its other end was closed, most likely before the request came there. */
  get wasDead(): boolean {
    return this.reused && this.#request.socket?.bytesRead === this.#bytesBefore;
  }
}

/**
 * Ends each connection of an agent when it is old: at once where it is idle, else with the request that is on it.
 *
 * @param live calls back when a new connection is old, unless what it returns is called before
 */
function endOld(agent: HttpAgent, live: (onOld: () => void) => () => void): void {
  const old = new WeakSet<object>();
  const { createConnection, keepSocketAlive } = agent;
  agent.createConnection = (...args) => {
    const socket = createConnection.apply(agent, args) as Socket | undefined;
    if (!socket) return undefined;
    const end = live(() => {
      old.add(socket);
      const isIdle = Object.values(agent.freeSockets).some((sockets) => sockets?.includes(socket));
      if (isIdle) socket.destroy();
    });
    socket.once("close", end);
    return socket;
  };
  agent.keepSocketAlive = (socket) => !old.has(socket) && keepSocketAlive.call(agent, socket);
}

function ownAgents(tls: TlsSource | undefined, keepAlive: boolean): Agents {
  return {
    http: new HttpAgent({ keepAlive }),
    https:
      typeof tls === "function"
        ? asking(tls, keepAlive)
        : new HttpsAgent({ ...HTTP_1, keepAlive, ...(tls as ReadTls) }),
  };
}

/** An agent that asks for TLS settings whenever it connects. It resumes no session, which would go on with the certificate before. */
function asking(tls: () => TlsOptions, keepAlive: boolean): HttpsAgent {
  const agent = new HttpsAgent({ ...HTTP_1, keepAlive, maxCachedSessions: 0 });
  const { createConnection } = agent;
  agent.createConnection = (options, callback) => {
    let current: ReadTls;
    try {
      current = currentTls(tls) as ReadTls;
    } catch (error) {
      process.nextTick(callback as (error: unknown) => void, error);
      return undefined;
    }
    return createConnection.call(agent, { ...options, ...current }, callback);
  };
  return agent;
}
