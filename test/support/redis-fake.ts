import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { RedisEndpoint } from "../../src/cache/redis-topology.js";

/** Something that listens where a Redis should, and answers as the test says. */
export interface FakeRedis {
  readonly url: string;
  /** What a connection to it is made with: no password, no TLS. */
  readonly endpoint: RedisEndpoint;
  /** Connections that it accepted. */
  readonly connections: number;
  /** Those that have not ended. */
  readonly standing: number;
  /** Names of the commands that came, in order. */
  readonly commands: readonly string[];
  close(): Promise<void>;
}

/**
 * @param answer writes what comes back for a command, given in words
 * @param greet writes what comes before any command
 */
export async function startFakeRedis(
  answer: (words: string[], socket: Socket) => void,
  greet: (socket: Socket) => void = () => undefined,
): Promise<FakeRedis> {
  const sockets = new Set<Socket>();
  const commands: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => sockets.delete(socket));
    greet(socket);
    let unread = "";
    socket.on("data", (chunk) => {
      unread += chunk.toString("latin1");
      for (let command = takeCommand(unread); command; command = takeCommand(unread)) {
        unread = unread.slice(command.length);
        commands.push(command.words[0]?.toUpperCase() ?? "");
        answer(command.words, socket);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `redis://127.0.0.1:${port}`,
    endpoint: { host: "127.0.0.1", port, database: 0, secure: false, tls: undefined },
    get connections() {
      return connections;
    },
    get standing() {
      return sockets.size;
    },
    commands,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** An answer as RESP has it: texts, whole numbers, what refuses, `null`, and lists of them. */
export function encodeReply(value: unknown): string {
  if (value === null) return "$-1\r\n";
  if (value instanceof Error) return `-${value.message}\r\n`;
  if (typeof value === "number") return `:${value}\r\n`;
  if (Array.isArray(value)) return `*${value.length}\r\n${value.map(encodeReply).join("")}`;
  return `$${Buffer.byteLength(String(value))}\r\n${value}\r\n`;
}

/** The first command of what came in, as RESP has it, where it is complete. */
function takeCommand(text: string): { words: string[]; length: number } | undefined {
  const header = /^\*(\d+)\r\n/.exec(text);
  if (!header) return undefined;
  const words: string[] = [];
  let at = header[0].length;
  for (let word = 0; word < Number(header[1]); word++) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (!size) return undefined;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    words.push(text.slice(start, at - 2));
  }
  return { words, length: at };
}
