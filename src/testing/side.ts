import type { IncomingHttpHeaders } from "node:http";
import type { AddressInfo, Server } from "node:net";
import type { Operation } from "../transport/operation.js";

/** How many questions of each kind reached a side, whatever it did with them. */
export type CallCounts = Readonly<Record<Operation, number>> & { readonly total: number };

/** What a side does with a question, before or instead of looking into its directory. */
export type Behaviour =
  | { readonly kind: "allow" }
  | { readonly kind: "refuse" | "fail"; readonly code: number | undefined }
  | { readonly kind: "hang" }
  | { readonly kind: "delay"; readonly ms: number };

/** The last question that reached a side. */
export interface LastRequest {
  readonly operation: Operation;
  readonly headers: IncomingHttpHeaders;
}

/** A server that does not listen yet, and how every connection to it is ended. */
export interface SideServer {
  readonly server: Server;
  endConnections(): void;
}

/** Where a side listens. */
export interface Place {
  /** An address of this machine. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

/** What a server on all addresses is reached at. */
const ANY: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

/** One side of the fake auth service: its server, and what it is told to do. */
export abstract class Side {
  readonly #host: string;
  #running: SideServer | undefined;
  #port: number;
  #behaviour: Behaviour = { kind: "allow" };
  #release: (() => void)[] = [];
  #counts = emptyCounts();
  #last: LastRequest | undefined;

  constructor({ host, port }: Place) {
    this.#host = host;
    this.#port = port;
  }

  /** `http://127.0.0.1:port`, or with the host that was given; the port stays the same over `stop` and `start`. */
  get url(): string {
    const host = ANY[this.#host] ?? (this.#host.includes(":") ? `[${this.#host}]` : this.#host);
    return `http://${host}:${this.#port}`;
  }

  /** Ends the server and every connection at once. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (!running) return;
    this.#running = undefined;
    const closed = new Promise<void>((resolve) => running.server.close(() => resolve()));
    running.endConnections(); // close() alone would wait for them
    await closed;
  }

  /** Starts it again at the same address. */
  async start(): Promise<void> {
    if (this.#running) return;
    const created = this.createServer();
    const { server } = created;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, this.#host, resolve);
    });
    this.#running = created;
    this.#port = (server.address() as AddressInfo).port;
  }

  protected abstract createServer(): SideServer;

  /** Answers from the directory again. */
  allow(): void {
    this.#become({ kind: "allow" });
  }

  /** Says no to everything: a gRPC code (default UNAUTHENTICATED) or an HTTP status (default 401). */
  refuse(code?: number): void {
    this.#become({ kind: "refuse", code });
  }

  /** Cannot tell: a gRPC code (default UNAVAILABLE) or an HTTP status (default 503). */
  fail(code?: number): void {
    this.#become({ kind: "fail", code });
  }

  /** Takes every question and answers none, until it is told otherwise. */
  hang(): void {
    this.#become({ kind: "hang" });
  }

  /** Answers from the directory, after so many milliseconds. */
  delay(ms: number): void {
    this.#become({ kind: "delay", ms });
  }

  get calls(): CallCounts {
    const total = Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
    return { ...this.#counts, total };
  }

  get lastRequest(): LastRequest | undefined {
    return this.#last;
  }

  resetCalls(): void {
    this.#counts = emptyCounts();
  }

  /** Counts a question, and resolves to what is to be done with it when it is time. */
  protected async take(operation: Operation, headers: IncomingHttpHeaders): Promise<Behaviour> {
    this.#counts[operation]++;
    this.#last = { operation, headers };
    const taken = this.#behaviour;
    if (taken.kind === "delay") await new Promise<void>((resolve) => setTimeout(resolve, taken.ms));
    if (taken.kind === "hang") await new Promise<void>((resolve) => this.#release.push(resolve));
    return this.#behaviour;
  }

  #become(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
    for (const release of this.#release.splice(0)) release();
  }
}

function emptyCounts(): Record<Operation, number> {
  return { VerifyToken: 0, GetUserPermissions: 0, GetUserLocals: 0, GetOrganization: 0 };
}
