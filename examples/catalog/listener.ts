import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

/** A server of this machine that can be stopped at once, connections and all, and started again at the same address. */
export class Listener {
  readonly #create: () => Server;
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port: number;

  /** @param port 0 = any free one */
  constructor(create: () => Server, port = 0) {
    this.#create = create;
    this.#port = port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    if (this.#server) return;
    const server = this.#create();
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening"); // rejects when the port is taken
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    for (const socket of this.#sockets) socket.destroy(); // an open HTTP/2 session would keep the server for ever
    await closed;
  }
}
