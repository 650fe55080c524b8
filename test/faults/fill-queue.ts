import * as net from "node:net";

/** Longer than a connection within a machine takes, and only a guess: a queue that is not quite full makes a test easier, not wrong. */
const UNANSWERED_MS = 150;
const MOST = 16;

/** Connects to a port where nobody accepts, until the kernel lets no more connections in: from then on, connecting hangs. */
export async function fillQueue(port: number): Promise<{ close(): void }> {
  const sockets: net.Socket[] = [];
  let connected = true;
  while (connected && sockets.length < MOST) {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    sockets.push(socket);
    connected = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.setTimeout(UNANSWERED_MS, () => resolve(false));
    });
  }
  return {
    close() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
