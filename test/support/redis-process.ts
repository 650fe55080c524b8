import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";

/** A real Redis of one test or bench, on a free port of this machine. It keeps no entries on disk. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Starts it again, empty, at the same address. */
  start(): Promise<void>;
  /** Ends it without a goodbye, as a crash does. Harmless when it is not running. */
  kill(): Promise<void>;
  /** Stops its process: connections stay open, and nothing answers on them. */
  pause(): void;
  resume(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface RedisServerOptions {
  /** Clients must give it. Default: none. */
  password?: string;
  /** More of its settings: `--name value`. Default: none. */
  settings?: readonly string[];
  /** The settings of a server on that port, in place of all others: how a sentinel is started. */
  commandLine?: (port: number) => readonly string[] | Promise<readonly string[]>;
  /** Where its port may lie, at most. Default: anywhere. */
  maxPort?: number;
}

/** Another process may take a free port before Redis does. */
const PORTS_TO_TRY = 5;

/** Whether this machine has a `redis-server`. */
export const redisAvailable = spawnSync("redis-server", ["--version"]).status === 0;
/** With `1` in it, what needs one fails without it, instead of being skipped. */
export const REDIS_VARIABLE = "PORTERO_REQUIRE_REDIS";
export const redisRequired = process.env[REDIS_VARIABLE] === "1";

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort(options.maxPort);
    try {
      return createHandle(port, options, await launch(port, options));
    } catch (error) {
      if (attempt >= PORTS_TO_TRY) throw error;
    }
  }
}

function createHandle(port: number, options: RedisServerOptions, launched: ChildProcess): RedisServer {
  let running: ChildProcess | undefined = launched;
  const server: RedisServer = {
    url: `redis://${options.password === undefined ? "" : `:${options.password}@`}127.0.0.1:${port}`,
    port,
    async start() {
      running ??= await launch(port, options);
    },
    async kill() {
      const ending = running;
      running = undefined;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const exited = once(ending, "exit");
      ending.kill("SIGKILL"); // ends a paused process too
      await exited;
    },
    pause: () => void running?.kill("SIGSTOP"),
    resume: () => void running?.kill("SIGCONT"),
    [Symbol.asyncDispose]: () => server.kill(),
  };
  return server;
}

/** Resolves when it accepts connections. */
async function launch(
  port: number,
  { password, settings = [], commandLine }: RedisServerOptions,
): Promise<ChildProcess> {
  const usual = [
    ["--port", String(port)],
    ["--bind", "127.0.0.1"],
    ["--save", ""],
    ["--appendonly", "no"],
    ["--dir", tmpdir()],
    ["--dbfilename", `portero-${randomUUID()}.rdb`], // a replica writes one, which the next Redis there would load
    password === undefined ? [] : ["--requirepass", password],
    settings,
  ].flat();
  const words = commandLine ? [...(await commandLine(port))] : usual;
  const child = spawn("redis-server", words, { stdio: ["ignore", "pipe", "ignore"] });
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on("line", (line) => {
      if (/Ready to accept connections|\+monitor master/.test(line)) resolve(child);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code} before it was ready`)));
  });
}

async function freePort(max = 65_535): Promise<number> {
  for (;;) {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    if (port <= max) return port;
  }
}
