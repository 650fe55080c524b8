import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";

/** A Redis of our own, that keeps nothing. */
export interface OwnRedis {
  readonly url: string;
  /** How many entries it holds. */
  size(): Promise<number>;
  stop(): Promise<void>;
}

const START_TRIES = 3;

/** Starts `redis-server` on a free port; `undefined` where there is no such program, or it does not come up. */
export async function startRedis(): Promise<OwnRedis | undefined> {
  for (let attempt = 1; attempt <= START_TRIES; attempt++) {
    const port = await freePort();
    const options = { port, bind: "127.0.0.1", dir: tmpdir(), save: "", appendonly: "no" };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const server = spawn("redis-server", args, { stdio: "ignore" });
    const end = () => void server.kill();
    process.once("exit", end); // whatever ends this process ends it too
    const url = `redis://127.0.0.1:${port}`;
    if (await isUp(server, port)) {
      const stop = async () => {
        process.off("exit", end);
        await ended(server);
      };
      return { url, size: () => sizeOf(port), stop };
    }
    process.off("exit", end);
    if (server.pid === undefined) return undefined; // there is no such program
    await ended(server); // another process may have taken the port: try the next
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address ? address.port : 0;
}

/** Whether the program is there and answers, soon. */
async function isUp(server: ChildProcess, port: number): Promise<boolean> {
  let gone = false;
  server.once("error", () => {
    gone = true;
  });
  server.once("exit", () => {
    gone = true;
  });
  for (let waited = 0; waited < 3000 && !gone; waited += 25) {
    await new Promise((resolve) => setTimeout(resolve, 25));
    const answers = await sizeOf(port).then(
      () => true,
      () => false,
    );
    if (answers) return !gone; // if ours is gone, another process answered
  }
  return false;
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill();
  await once(server, "exit");
}

/** One command over a socket of its own: a Redis client would be too much for it. */
async function sizeOf(port: number): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  const signal = AbortSignal.timeout(1000);
  try {
    await once(socket, "connect", { signal });
    socket.write("DBSIZE\r\n");
    const [answer] = (await once(socket, "data", { signal })) as [Buffer];
    return Number(/^:(\d+)/.exec(answer.toString())?.[1]);
  } finally {
    socket.destroy();
  }
}
