import * as net from "node:net";
import { listen } from "./listen.js";

/** What the network does to connections, from the moment it is told. */
export type NetworkFault =
  /** Every byte is lost, both ways. Connections look alive, and stay lost when the network is well again. */
  | { readonly kind: "black hole" }
  /** The connection is reset after so many bytes of answers. */
  | { readonly kind: "reset"; readonly afterBytes: number }
  /** Answers come byte by byte. */
  | { readonly kind: "trickle"; readonly everyMs: number }
  /** Other bytes come than were sent. */
  | { readonly kind: "garbage" };

/** A network between a client and a server of one test. */
export interface TcpProxy {
  readonly port: number;
  readonly url: string;
  /** Connections that it accepted. */
  readonly connections: number;
  /** Those that have not ended. */
  readonly standing: number;
  /** The bytes that came from clients, piece by piece. */
  readonly asked: readonly Buffer[];
  strike(fault: NetworkFault): void;
  /** New connections are well; with another target, they lead elsewhere. */
  heal(target?: number): void;
  /** Resets every connection. */
  cut(): void;
  close(): Promise<void>;
}

export async function startTcpProxy(target: number, scheme = "http"): Promise<TcpProxy> {
  let current: NetworkFault | undefined;
  let destination = target;
  let connections = 0;
  const open = new Set<Connection>();
  const asked: Buffer[] = [];
  const server = net.createServer((inbound) => {
    connections++;
    const connection = new Connection(inbound, net.connect(destination, "127.0.0.1"), () => open.delete(connection));
    open.add(connection);
    inbound.on("data", (bytes: Buffer) => asked.push(bytes));
    connection.fault = current;
  });
  const port = await listen(server);
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    get standing() {
      return open.size;
    },
    asked,
    strike(fault) {
      current = fault;
      for (const connection of open) connection.fault = fault;
    },
    heal(elsewhere = destination) {
      current = undefined;
      destination = elsewhere;
      for (const connection of open) connection.fault = undefined;
    },
    cut() {
      for (const connection of open) connection.reset();
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const connection of open) connection.destroy();
      await closed;
    },
  };
}

class Connection {
  readonly #inbound: net.Socket;
  readonly #outbound: net.Socket;
  #fault: NetworkFault | undefined;
  /** For good: what was lost is missing from the stream of bytes. */
  #isLost = false;
  #answered = 0;
  #trickling: Buffer = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;

  constructor(inbound: net.Socket, outbound: net.Socket, onClose: () => void) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    inbound.on("data", (bytes) => void (this.#isLost || outbound.write(bytes)));
    outbound.on("data", (bytes) => this.#answer(bytes));
    for (const socket of [inbound, outbound]) {
      socket.setNoDelay(true);
      socket.on("error", () => undefined);
    }
    inbound.once("close", () => {
      clearInterval(this.#timer);
      outbound.destroy();
      onClose();
    });
    // A lost connection never learns that the other end is gone.
    outbound.once("close", () => void (this.#isLost || inbound.destroy()));
  }

  set fault(fault: NetworkFault | undefined) {
    this.#fault = fault;
    this.#isLost ||= fault?.kind === "black hole";
    this.#answered = 0;
    if (fault?.kind !== "trickle") this.#flush();
  }

  reset(): void {
    this.#inbound.resetAndDestroy();
  }

  destroy(): void {
    this.#inbound.destroy();
    this.#outbound.destroy();
  }

  #answer(bytes: Buffer): void {
    if (this.#isLost) return;
    const fault = this.#fault;
    this.#answered += bytes.length;
    if (fault?.kind === "reset" && this.#answered > fault.afterBytes) {
      this.#inbound.write(bytes.subarray(0, fault.afterBytes), () => this.#inbound.resetAndDestroy());
    } else if (fault?.kind === "trickle") this.#trickle(bytes, fault.everyMs);
    else this.#inbound.write(fault?.kind === "garbage" ? bytes.map((byte) => byte ^ 0x5a) : bytes);
  }

  #trickle(bytes: Buffer, everyMs: number): void {
    this.#trickling = Buffer.concat([this.#trickling, bytes]);
    this.#timer ??= setInterval(() => {
      this.#inbound.write(this.#trickling.subarray(0, 1));
      this.#trickling = this.#trickling.subarray(1);
    }, everyMs);
  }

  #flush(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#inbound.write(this.#trickling);
    this.#trickling = Buffer.alloc(0);
  }
}
