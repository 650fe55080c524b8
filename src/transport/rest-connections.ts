import { type ClientRequest, Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { TlsOptions } from "../runtime/tls-options.js";

/** One of Node's for each scheme, as got takes them. */
export interface Agents {
  readonly http: HttpAgent;
  readonly https: HttpsAgent;
}

export interface RestConnectionsOptions {
  url: string;
  tls?: TlsOptions;
  /** In the place of our own. It stays its owner's: only its idle connections to this URL are dropped, and it is not closed. */
  agent?: HttpAgent;
}

/** The connections to the REST side, kept alive between requests. */
export class RestConnections {
  /** What requests take: an idle connection, or a new one where there is none. */
  readonly kept: Agents;
  readonly #anew: Agents | undefined;
  /** How the idle connections of a given agent to this URL are named (`host:port:…`). */
  readonly #name: string;

  constructor({ url, tls, agent }: RestConnectionsOptions) {
    const { protocol, hostname, port } = new URL(url);
    this.#name = `${hostname.replace(/^\[|\]$/g, "")}:${port || (protocol === "https:" ? 443 : 80)}:`;
    if (agent) {
      this.kept = { http: agent, https: agent as HttpsAgent };
      return;
    }
    this.kept = ownAgents(tls, true);
    this.#anew = ownAgents(tls, false);
  }

  /** For one request that must not meet another dead connection: it connects anew, however many were kept. */
  anew(): Agents {
    if (this.#anew) return this.#anew;
    this.dropIdle();
    return this.kept;
  }

  /**
   * Ends what is kept and idle: connections that were made together lead to the same backend, or through the same dead entry of a
   * balancer's table, and each of them would cost a timeout of its own. Those in use stay.
   */
  dropIdle(): void {
    for (const agent of new Set<HttpAgent>([this.kept.http, this.kept.https])) {
      for (const [name, sockets] of Object.entries(agent.freeSockets ?? {})) {
        if (!this.#anew && !name.startsWith(this.#name)) continue;
        for (const socket of [...(sockets ?? [])]) socket.destroy(); // an agent hands out none that is destroyed
      }
    }
  }

  close(): void {
    if (!this.#anew) return;
    for (const { http, https } of [this.kept, this.#anew]) {
      http.destroy();
      https.destroy();
    }
  }
}

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

  /** Whether it was idle before, and not made for this request. */
  get reused(): boolean {
    return this.#request.reusedSocket;
  }

  /** Whether it had been kept, and brought no byte: its other end was closed, most likely before the request came there. */
  get wasDead(): boolean {
    return this.reused && this.#request.socket?.bytesRead === this.#bytesBefore;
  }
}

function ownAgents(tls: TlsOptions | undefined, keepAlive: boolean): Agents {
  return {
    http: new HttpAgent({ keepAlive }),
    https: new HttpsAgent({ keepAlive, ...(tls as { ca?: string; cert?: string; key?: string } | undefined) }),
  };
}
